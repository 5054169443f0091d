-- As ../0003_for_owners_too.sql, for YugabyteDB: each step can be repeated.
-- From here on the owner sees no row either: no process works as the owner any more.
ALTER TABLE tenant_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
