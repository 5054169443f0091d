-- As ../0003_units_apart.sql, for YugabyteDB: each step can be repeated.
-- Each healthcare unit by itself, whatever a statement forgets to say. The processes own nothing here and are one of two
-- roles: {tenant}, which sees rows of the units that the transaction names in `telehealth.tenants`, and
-- {fleet}, which does over all of them what a fleet must, and no more. History and the audit trail can be
-- added to and not changed. The owner is not held to it yet: a process of before goes on as the owner.
CREATE OR REPLACE FUNCTION tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(current_setting('telehealth.tenants', true), ',')::uuid[] $$;

ALTER TABLE streams ENABLE ROW LEVEL SECURITY;
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
ALTER TABLE commands ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_ends ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE owners ENABLE ROW LEVEL SECURITY;
ALTER TABLE snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE table_rows ENABLE ROW LEVEL SECURITY;

-- `tenants()` in a SELECT of its own is evaluated once a statement.
DROP POLICY IF EXISTS of_tenants ON streams;
CREATE POLICY of_tenants ON streams TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
DROP POLICY IF EXISTS of_tenants ON outbox;
CREATE POLICY of_tenants ON outbox TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
DROP POLICY IF EXISTS of_tenants ON audit_ends;
CREATE POLICY of_tenants ON audit_ends TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
DROP POLICY IF EXISTS of_tenants ON audit;
CREATE POLICY of_tenants ON audit TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
DROP POLICY IF EXISTS of_tenants ON owners;
CREATE POLICY of_tenants ON owners TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
DROP POLICY IF EXISTS of_tenants ON table_rows;
CREATE POLICY of_tenants ON table_rows TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
-- Whose a stream is, its own row says, which the policy above lets be seen or not.
DROP POLICY IF EXISTS of_tenants ON events;
CREATE POLICY of_tenants ON events TO {tenant} USING ((SELECT true FROM streams s WHERE s.number = events.stream));
DROP POLICY IF EXISTS of_tenants ON commands;
CREATE POLICY of_tenants ON commands TO {tenant} USING ((SELECT true FROM streams s WHERE s.number = commands.stream));
DROP POLICY IF EXISTS of_tenants ON snapshots;
CREATE POLICY of_tenants ON snapshots TO {tenant} USING ((SELECT true FROM streams s WHERE s.number = snapshots.stream));

-- An owner who is a member sees nothing by that.
DROP POLICY IF EXISTS of_all ON streams;
CREATE POLICY of_all ON streams FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS of_all ON events;
CREATE POLICY of_all ON events FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS of_all ON outbox;
CREATE POLICY of_all ON outbox FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS pruned ON outbox;
CREATE POLICY pruned ON outbox FOR DELETE TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS of_all ON audit_ends;
CREATE POLICY of_all ON audit_ends FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS of_all ON owners;
CREATE POLICY of_all ON owners FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS of_all ON table_rows;
CREATE POLICY of_all ON table_rows FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
DROP POLICY IF EXISTS made_anew ON table_rows;
CREATE POLICY made_anew ON table_rows FOR DELETE TO {fleet} USING ((SELECT current_user = '{fleet}'));

GRANT USAGE ON SCHEMA {schema} TO {tenant}, {fleet};
GRANT SELECT ON migrations TO {tenant}, {fleet};

GRANT SELECT, UPDATE ON ends TO {tenant};
GRANT SELECT, INSERT ON streams TO {tenant};
GRANT UPDATE (version) ON streams TO {tenant};
GRANT SELECT, INSERT ON events, commands, audit TO {tenant};
GRANT INSERT ON outbox TO {tenant};
GRANT SELECT, INSERT, UPDATE ON audit_ends, owners, snapshots TO {tenant};
GRANT SELECT, INSERT, UPDATE, DELETE ON table_rows TO {tenant};
GRANT SELECT, INSERT, UPDATE ON places TO {tenant};

GRANT SELECT ON ends, streams, events, outbox, audit_ends, owners, tables, places TO {fleet};
GRANT DELETE ON outbox, table_rows, places TO {fleet};
GRANT SELECT (name, generation) ON table_rows TO {fleet};
GRANT INSERT, UPDATE ON tables TO {fleet};
