//! Each question in SQL, as part of a transaction.

use super::{DataKey, Found, Shred, Shredded, Shredding, TenantKey, TenantStatus, Versions};
use model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Row};
use uuid::Uuid;

pub(super) fn tenant_keys(connection: &Connection, tenant: TenantId) -> Result<Vec<TenantKey>> {
    let sql = "SELECT version, kek, wrapped, at FROM tenant_keys WHERE tenant = ?1 ORDER BY version";
    let key = |row: &Row<'_>| {
        Ok(TenantKey {
            tenant,
            version: row.get(0)?,
            kek: row.get(1)?,
            wrapped: row.get(2)?,
            at: Timestamp::from_millis(row.get(3)?),
        })
    };
    connection.prepare_cached(sql)?.query_map((tenant.0.as_bytes(),), key)?.collect()
}

pub(super) fn add_tenant_key(connection: &Connection, key: &TenantKey) -> Result<bool> {
    let sql = "INSERT INTO tenant_keys (tenant, version, kek, wrapped, at) SELECT ?1, ?2, ?3, ?4, ?5 \
        WHERE ?2 = 1 + (SELECT coalesce(max(version), 0) FROM tenant_keys WHERE tenant = ?1)";
    let row = (key.tenant.0.as_bytes(), key.version, &key.kek, &key.wrapped, key.at.as_millis());
    Ok(connection.prepare_cached(sql)?.execute(row)? == 1)
}

pub(super) fn rewrap_tenant_key(connection: &Connection, old: &TenantKey, new: &TenantKey) -> Result<bool> {
    let sql =
        "UPDATE tenant_keys SET kek = ?4, wrapped = ?5 WHERE tenant = ?1 AND version = ?2 AND wrapped = ?3";
    let row = (old.tenant.0.as_bytes(), old.version, &old.wrapped, &new.kek, &new.wrapped);
    Ok(connection.prepare_cached(sql)?.execute(row)? == 1)
}

pub(super) fn retire(connection: &Connection, tenant: TenantId) -> Result<u64> {
    let sql = "DELETE FROM tenant_keys WHERE tenant = ?1 \
        AND version < (SELECT max(version) FROM tenant_keys WHERE tenant = ?1) \
        AND NOT EXISTS (SELECT 1 FROM data_keys d WHERE d.tenant = ?1 AND d.version = tenant_keys.version)";
    Ok(connection.prepare_cached(sql)?.execute((tenant.0.as_bytes(),))? as u64)
}

pub(super) fn find(connection: &Connection, scopes: &[(TenantId, Uuid)]) -> Result<Vec<Found>> {
    let sql = "SELECT version, wrapped, at FROM data_keys WHERE tenant = ?1 AND scope = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut all = Vec::with_capacity(scopes.len());
    for (tenant, scope) in scopes {
        let which = (tenant.0.as_bytes(), scope.as_bytes());
        let found = statement.query_row(which, |row| {
            let (version, wrapped): (Option<u32>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
            let at = Timestamp::from_millis(row.get(2)?);
            Ok(match version.zip(wrapped) {
                Some((version, wrapped)) => {
                    Found::Key(DataKey { tenant: *tenant, scope: *scope, version, wrapped, at })
                }
                None => Found::Shredded { tenant: *tenant, scope: *scope },
            })
        });
        all.extend(found.optional()?);
    }
    Ok(all)
}

pub(super) fn settle(connection: &Connection, keys: &[DataKey]) -> Result<Vec<Found>> {
    let sql = "INSERT INTO data_keys (tenant, scope, version, wrapped, at) VALUES (?1, ?2, ?3, ?4, ?5) \
        ON CONFLICT (tenant, scope) DO NOTHING";
    let mut statement = connection.prepare_cached(sql)?;
    for key in keys {
        statement.execute((
            key.tenant.0.as_bytes(),
            key.scope.as_bytes(),
            key.version,
            &key.wrapped,
            key.at.as_millis(),
        ))?;
    }
    drop(statement);
    find(connection, &keys.iter().map(|key| (key.tenant, key.scope)).collect::<Vec<_>>())
}

pub(super) fn stale(connection: &Connection, tenant: TenantId, limit: usize) -> Result<Vec<DataKey>> {
    let sql = "SELECT scope, version, wrapped, at FROM data_keys WHERE tenant = ?1 AND version IS NOT NULL \
        AND version < (SELECT max(version) FROM tenant_keys WHERE tenant = ?1) ORDER BY version LIMIT ?2";
    let key = |row: &Row<'_>| {
        Ok(DataKey {
            tenant,
            scope: Uuid::from_bytes(row.get(0)?),
            version: row.get(1)?,
            wrapped: row.get(2)?,
            at: Timestamp::from_millis(row.get(3)?),
        })
    };
    connection.prepare_cached(sql)?.query_map((tenant.0.as_bytes(), limit), key)?.collect()
}

pub(super) fn rewrap(connection: &Connection, keys: &[(DataKey, DataKey)]) -> Result<u64> {
    let sql =
        "UPDATE data_keys SET version = ?4, wrapped = ?5 WHERE tenant = ?1 AND scope = ?2 AND wrapped = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut done = 0;
    for (old, new) in keys {
        let row = (old.tenant.0.as_bytes(), old.scope.as_bytes(), &old.wrapped, new.version, &new.wrapped);
        done += statement.execute(row)? as u64;
    }
    Ok(done)
}

pub(super) fn shred(connection: &Connection, shred: &Shred) -> Result<Shredding> {
    let which = (shred.tenant.0.as_bytes(), shred.scope.as_bytes());
    let sql = "SELECT wrapped IS NULL FROM data_keys WHERE tenant = ?1 AND scope = ?2";
    let gone: Option<bool> = connection.prepare_cached(sql)?.query_row(which, |row| row.get(0)).optional()?;
    match gone {
        None => return Ok(Shredding::NoKey),
        Some(true) => return Ok(Shredding::Before),
        Some(false) => {}
    }
    let sql = "UPDATE data_keys SET version = NULL, wrapped = NULL, at = ?3, reason = ?4, \
        shredded = 1 + (SELECT coalesce(max(shredded), 0) FROM data_keys) WHERE tenant = ?1 AND scope = ?2";
    let (tenant, scope) = which;
    connection.prepare_cached(sql)?.execute((tenant, scope, shred.at.as_millis(), &shred.reason))?;
    Ok(Shredding::Done)
}

pub(super) fn shredded(connection: &Connection, after: u64, limit: usize) -> Result<Vec<Shredded>> {
    let sql = "SELECT shredded, tenant, scope, reason, at FROM data_keys WHERE shredded > ?1 ORDER BY shredded LIMIT ?2";
    let shredded = |row: &Row<'_>| {
        Ok(Shredded {
            number: row.get(0)?,
            shred: Shred {
                tenant: TenantId(Uuid::from_bytes(row.get(1)?)),
                scope: Uuid::from_bytes(row.get(2)?),
                reason: row.get(3)?,
                at: Timestamp::from_millis(row.get(4)?),
            },
        })
    };
    connection.prepare_cached(sql)?.query_map((after, limit), shredded)?.collect()
}

pub(super) fn versions(
    connection: &Connection,
    after: Option<TenantId>,
    limit: usize,
) -> Result<Vec<Versions>> {
    let sql = "SELECT tenant, min(version), max(version) FROM tenant_keys WHERE tenant > ?1 GROUP BY tenant \
        ORDER BY tenant LIMIT ?2";
    let row = |row: &Row<'_>| {
        let tenant = TenantId(Uuid::from_bytes(row.get(0)?));
        Ok(Versions { tenant, oldest: row.get(1)?, newest: row.get(2)? })
    };
    // No bytes are before all bytes.
    let after = after.map_or_else(Vec::new, |tenant| tenant.0.as_bytes().to_vec());
    connection.prepare_cached(sql)?.query_map((after, limit), row)?.collect()
}

pub(super) fn status(connection: &Connection, tenant: TenantId) -> Result<TenantStatus> {
    let keys = tenant_keys(connection, tenant)?;
    let newest = keys.last().map_or(0, |key| key.version);
    let mut keks: Vec<_> = keys.iter().map(|key| key.kek.clone()).collect();
    keks.dedup();
    let sql = "SELECT count(wrapped), count(CASE WHEN version < ?2 THEN 1 END), count(shredded) FROM data_keys WHERE tenant = ?1";
    connection.prepare_cached(sql)?.query_row((tenant.0.as_bytes(), newest), |row| {
        Ok(TenantStatus {
            tenant,
            newest,
            versions: keys.len() as u32,
            keks,
            data_keys: row.get(0)?,
            stale: row.get(1)?,
            shredded: row.get(2)?,
        })
    })
}
