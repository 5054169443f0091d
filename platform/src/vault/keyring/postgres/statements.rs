//! Every SQL statement of the keyring, so that a test can prepare each one. What YugabyteDB does not run is not here.

use crate::event_log::postgres::statements::{Statement, statements};

statements! {
    /// A tenant's keys.
    TENANT_KEYS = "SELECT version, kek, wrapped, at FROM tenant_keys WHERE tenant = $1 ORDER BY version";
    /// Its next key.
    ADD_TENANT_KEY = "INSERT INTO tenant_keys (tenant, version, kek, wrapped, at) SELECT $1, $2, $3, $4, $5 WHERE $2 = 1 + (SELECT coalesce(max(version), 0) FROM tenant_keys WHERE tenant = $1) ON CONFLICT (tenant, version) DO NOTHING";
    /// A key that was wrapped anew.
    REWRAP_TENANT_KEY = "UPDATE tenant_keys SET kek = $4, wrapped = $5 WHERE tenant = $1 AND version = $2 AND wrapped = $3";
    /// Versions that nothing is wrapped under.
    RETIRE = "DELETE FROM tenant_keys t WHERE t.tenant = $1 AND t.version < (SELECT max(version) FROM tenant_keys WHERE tenant = $1) AND NOT EXISTS (SELECT 1 FROM data_keys d WHERE d.tenant = t.tenant AND d.version = t.version)";
    /// What there is of scopes.
    FIND = "SELECT d.tenant, d.scope, d.version, d.wrapped, d.at FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS k (tenant, scope, n) JOIN data_keys d ON d.tenant = k.tenant AND d.scope = k.scope ORDER BY k.n";
    /// Keys for those that have none.
    SETTLE = "INSERT INTO data_keys (tenant, scope, version, wrapped, at) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bytea[], $5::bigint[]) ON CONFLICT (tenant, scope) DO NOTHING";
    /// Keys that are wrapped under an older version.
    STALE = "SELECT tenant, scope, version, wrapped, at FROM data_keys WHERE tenant = $1 AND version < (SELECT max(version) FROM tenant_keys WHERE tenant = $1) ORDER BY version LIMIT $2";
    /// Keys that were wrapped anew.
    REWRAP = "UPDATE data_keys d SET version = k.version, wrapped = k.wrapped FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::int[], $5::bytea[]) AS k (tenant, scope, before, version, wrapped) WHERE d.tenant = k.tenant AND d.scope = k.scope AND d.wrapped = k.before";
    /// The right to number an erasure.
    LOCK_SHREDDING = "SELECT number FROM shredding WHERE id = 1 FOR UPDATE";
    /// Whether a key is gone.
    IS_GONE = "SELECT wrapped IS NULL FROM data_keys WHERE tenant = $1 AND scope = $2 FOR UPDATE";
    /// It is.
    SHRED = "UPDATE data_keys SET version = NULL, wrapped = NULL, at = $3, reason = $4, shredded = $5 WHERE tenant = $1 AND scope = $2";
    /// The next number.
    MOVE_SHREDDING = "UPDATE shredding SET number = $1 WHERE id = 1";
    /// Erasures.
    SHREDDED = "SELECT shredded, tenant, scope, reason, at FROM data_keys WHERE shredded > $1 ORDER BY shredded LIMIT $2";
    /// Versions of the first tenants' keys.
    FIRST_VERSIONS = "SELECT tenant, min(version), max(version) FROM tenant_keys GROUP BY tenant ORDER BY tenant LIMIT $1";
    /// Of the next ones.
    NEXT_VERSIONS = "SELECT tenant, min(version), max(version) FROM tenant_keys WHERE tenant > $2 GROUP BY tenant ORDER BY tenant LIMIT $1";
    /// How many there are.
    STATUS = "SELECT count(wrapped), count(CASE WHEN version < $2 THEN 1 END), count(shredded) FROM data_keys WHERE tenant = $1";
}

#[cfg(test)]
mod tests {
    use crate::event_log::postgres::statements::tests::yugabytedb_runs;

    #[test]
    fn the_sql_stays_within_what_yugabytedb_runs() {
        yugabytedb_runs(super::ALL, super::super::MIGRATIONS);
    }
}
