-- What an auditor asks for: a time, somebody, or something, the newest first. By ranges and not by hashes: they are read
-- in order.
CREATE INDEX IF NOT EXISTS audit_by_time ON audit (tenant ASC, at ASC, partition ASC, number ASC);
CREATE INDEX IF NOT EXISTS audit_by_actor ON audit (tenant ASC, actor ASC, at ASC, partition ASC, number ASC) WHERE actor IS NOT NULL;
CREATE INDEX IF NOT EXISTS audit_by_subject ON audit (tenant ASC, subject ASC, at ASC, partition ASC, number ASC) WHERE subject IS NOT NULL;
