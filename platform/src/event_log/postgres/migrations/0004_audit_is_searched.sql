-- What an auditor asks for: a time, somebody, or something, the newest first.
CREATE INDEX audit_by_time ON audit (tenant, at, partition, number);
CREATE INDEX audit_by_actor ON audit (tenant, actor, at, partition, number) WHERE actor IS NOT NULL;
CREATE INDEX audit_by_subject ON audit (tenant, subject, at, partition, number) WHERE subject IS NOT NULL;
