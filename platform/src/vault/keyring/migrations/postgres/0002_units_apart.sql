-- Each healthcare unit by itself, as in the event log: {tenant} sees the keys of the units that the
-- transaction names; {fleet} sees which versions there are and what was erased, and no key.
CREATE FUNCTION tenants() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT string_to_array(current_setting('telehealth.tenants', true), ',')::uuid[] $$;

ALTER TABLE tenant_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY of_tenants ON tenant_keys TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
CREATE POLICY of_tenants ON data_keys TO {tenant} USING (tenant = ANY ((SELECT tenants())::uuid[]));
CREATE POLICY of_all ON tenant_keys FOR SELECT TO {fleet} USING ((SELECT current_user = '{fleet}'));
CREATE POLICY erased ON data_keys FOR SELECT TO {fleet} USING (shredded IS NOT NULL AND (SELECT current_user = '{fleet}'));

GRANT USAGE ON SCHEMA {schema} TO {tenant}, {fleet};
GRANT SELECT ON migrations TO {tenant}, {fleet};

GRANT SELECT, INSERT, DELETE ON tenant_keys TO {tenant};
GRANT UPDATE (kek, wrapped) ON tenant_keys TO {tenant};
GRANT SELECT, INSERT ON data_keys TO {tenant};
GRANT UPDATE (version, wrapped, at, shredded, reason) ON data_keys TO {tenant};
GRANT SELECT, UPDATE ON shredding TO {tenant};

GRANT SELECT (tenant, version) ON tenant_keys TO {fleet};
GRANT SELECT (tenant, scope, at, shredded, reason) ON data_keys TO {fleet};
