-- As ../0004_for_owners_too.sql, for YugabyteDB: each step can be repeated.
-- From here on the owner sees no row either: no process works as the owner any more.
ALTER TABLE streams FORCE ROW LEVEL SECURITY;
ALTER TABLE events FORCE ROW LEVEL SECURITY;
ALTER TABLE commands FORCE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_ends FORCE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
ALTER TABLE owners FORCE ROW LEVEL SECURITY;
ALTER TABLE snapshots FORCE ROW LEVEL SECURITY;
ALTER TABLE table_rows FORCE ROW LEVEL SECURITY;
