//! The keyring in PostgreSQL, or YugabyteDB: a schema of its own, which many processes share.
//!
//! What is deleted there is gone for who asks, and for dumps. In the files of the database it stays until vacuum and until
//! the log is recycled, and in base backups until these are deleted: against who has those, a key that was shredded is
//! gone once the key encryption key of its time is (docs/encryption.md).

use super::{
    DataKey, Found, Keyring, KeyringError, KeyringFuture, Shred, Shredded, Shredding, TenantKey,
    TenantStatus, Versions,
};
use crate::event_log::postgres::{
    Config, Error,
    roles::{self, Whose},
    schema::Migration,
};
use model::{TenantId, Timestamp};
use pool::{Pool, judge, within};
use statements as sql;
use std::fmt;
use tokio_postgres::Row;
use uuid::Uuid;

mod pool;
pub mod statements;

const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_keys",
        sql: include_str!("migrations/postgres/0001_keys.sql"),
        yugabyte: include_str!("migrations/postgres/yugabyte/0001_keys.sql"),
        additive: true,
        alone: false,
    },
    Migration {
        name: "0002_units_apart",
        sql: include_str!("migrations/postgres/0002_units_apart.sql"),
        yugabyte: include_str!("migrations/postgres/yugabyte/0002_units_apart.sql"),
        additive: true,
        alone: false,
    },
    Migration {
        name: "0003_for_owners_too",
        sql: include_str!("migrations/postgres/0003_for_owners_too.sql"),
        yugabyte: include_str!("migrations/postgres/yugabyte/0003_for_owners_too.sql"),
        additive: false,
        alone: true,
    },
];

/// The keyring.
pub struct PostgresKeyring {
    pool: Pool,
}

impl PostgresKeyring {
    /// Connects, and brings the schema to this version if it may. It has to be another than the event log's.
    ///
    /// # Errors
    /// By variant of [`Error`].
    pub async fn open(config: &Config) -> Result<Self, Error> {
        Ok(Self { pool: Pool::new(roles::open(config, MIGRATIONS).await?) })
    }

    /// Only brings the schema to this version, as its owner.
    ///
    /// # Errors
    /// By variant of [`Error`].
    pub async fn migrate(config: &Config) -> Result<(), Error> {
        roles::migrate(config, MIGRATIONS).await
    }

    async fn of_tenant(&self, tenant: TenantId) -> Result<Vec<TenantKey>, KeyringError> {
        let rows = self.pool.query(Whose::one(tenant), &sql::TENANT_KEYS, &[&tenant.0]).await?;
        let key = |row: &Row| {
            Ok(TenantKey {
                tenant,
                version: unsigned(row.try_get(0)?),
                kek: row.try_get(1)?,
                wrapped: row.try_get(2)?,
                at: Timestamp::from_millis(row.try_get(3)?),
            })
        };
        rows.iter().map(key).collect()
    }

    async fn found(&self, scopes: &[(TenantId, Uuid)]) -> Result<Vec<Found>, KeyringError> {
        let (tenants, ids): (Vec<_>, Vec<_>) =
            scopes.iter().map(|(tenant, scope)| (tenant.0, *scope)).unzip();
        let whose = Whose::of(scopes.iter().map(|(tenant, _)| *tenant));
        self.pool.query(whose, &sql::FIND, &[&tenants, &ids]).await?.iter().map(found).collect()
    }

    async fn shred_now(&self, shred: Shred) -> Result<Shredding, KeyringError> {
        let begin = self.pool.begin(&Whose::one(shred.tenant));
        let mut lent = self.pool.lend().await?;
        let (tenant, scope) = (shred.tenant.0, shred.scope);
        let member = &mut lent.member;
        member.link.client.batch_execute(&begin).await.map_err(judge)?;
        let last = member.query(&sql::LOCK_SHREDDING, &[]).await.map_err(judge)?;
        let gone = member.query(&sql::IS_GONE, &[&tenant, &scope]).await.map_err(judge)?;
        let done = match gone.first().map(|row| row.try_get(0)).transpose()? {
            None => Shredding::NoKey,
            Some(true) => Shredding::Before,
            Some(false) => {
                let number = last.first().ok_or(KeyringError::Away)?.try_get::<_, i64>(0)? + 1;
                let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                    [&tenant, &scope, &shred.at.as_millis(), &shred.reason, &number];
                member.execute(&sql::SHRED, &row).await.map_err(judge)?;
                member.execute(&sql::MOVE_SHREDDING, &[&number]).await.map_err(judge)?;
                Shredding::Done
            }
        };
        member.link.client.batch_execute("COMMIT").await.map_err(judge)?;
        lent.give_back();
        Ok(done)
    }
}

impl Keyring for PostgresKeyring {
    fn tenant_keys(&self, tenant: TenantId) -> KeyringFuture<'_, Vec<TenantKey>> {
        Box::pin(self.of_tenant(tenant))
    }

    fn add_tenant_key(&self, key: TenantKey) -> KeyringFuture<'_, bool> {
        Box::pin(async move {
            let (version, at) = (signed(key.version), key.at.as_millis());
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&key.tenant.0, &version, &key.kek, &key.wrapped, &at];
            Ok(self.pool.execute(Whose::one(key.tenant), &sql::ADD_TENANT_KEY, &row).await? == 1)
        })
    }

    fn rewrap_tenant_key(&self, old: TenantKey, new: TenantKey) -> KeyringFuture<'_, bool> {
        Box::pin(async move {
            let version = signed(old.version);
            let row: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&old.tenant.0, &version, &old.wrapped, &new.kek, &new.wrapped];
            Ok(self.pool.execute(Whose::one(old.tenant), &sql::REWRAP_TENANT_KEY, &row).await? == 1)
        })
    }

    fn retire(&self, tenant: TenantId) -> KeyringFuture<'_, u64> {
        Box::pin(async move {
            match self.pool.execute(Whose::one(tenant), &sql::RETIRE, &[&tenant.0]).await {
                // Somebody has wrapped a key under it meanwhile: another time.
                Err(KeyringError::Retired) => Ok(0),
                retired => retired,
            }
        })
    }

    fn find(&self, scopes: Vec<(TenantId, Uuid)>) -> KeyringFuture<'_, Vec<Found>> {
        Box::pin(async move { self.found(&scopes).await })
    }

    fn settle(&self, keys: Vec<DataKey>) -> KeyringFuture<'_, Vec<Found>> {
        Box::pin(async move {
            let wanted: Vec<_> = keys.iter().map(|key| (key.tenant, key.scope)).collect();
            let whose = Whose::of(keys.iter().map(|key| key.tenant));
            let mut keys = keys;
            // In one order, so that two who settle the same ones never wait for each other.
            keys.sort_by_key(|key| (key.tenant, key.scope));
            let (mut tenants, mut scopes, mut versions) = (Vec::new(), Vec::new(), Vec::new());
            let (mut wrapped, mut times) = (Vec::new(), Vec::new());
            for key in keys {
                tenants.push(key.tenant.0);
                scopes.push(key.scope);
                versions.push(signed(key.version));
                wrapped.push(key.wrapped);
                times.push(key.at.as_millis());
            }
            let rows: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&tenants, &scopes, &versions, &wrapped, &times];
            self.pool.execute(whose, &sql::SETTLE, &rows).await?;
            self.found(&wanted).await
        })
    }

    fn stale(&self, tenant: TenantId, limit: usize) -> KeyringFuture<'_, Vec<DataKey>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.pool.query(Whose::one(tenant), &sql::STALE, &[&tenant.0, &limit]).await?;
            let found = rows.iter().map(found).collect::<Result<Vec<_>, _>>()?;
            let key = |found| match found {
                Found::Key(key) => Some(key),
                Found::Shredded { .. } => None,
            };
            Ok(found.into_iter().filter_map(key).collect())
        })
    }

    fn rewrap(&self, keys: Vec<(DataKey, DataKey)>) -> KeyringFuture<'_, u64> {
        Box::pin(async move {
            let whose = Whose::of(keys.iter().map(|(old, _)| old.tenant));
            let (mut tenants, mut scopes, mut before) = (Vec::new(), Vec::new(), Vec::new());
            let (mut versions, mut wrapped) = (Vec::new(), Vec::new());
            for (old, new) in keys {
                tenants.push(old.tenant.0);
                scopes.push(old.scope);
                before.push(old.wrapped);
                versions.push(signed(new.version));
                wrapped.push(new.wrapped);
            }
            let rows: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&tenants, &scopes, &before, &versions, &wrapped];
            self.pool.execute(whose, &sql::REWRAP, &rows).await
        })
    }

    fn shred(&self, shred: Shred) -> KeyringFuture<'_, Shredding> {
        Box::pin(within(self.shred_now(shred)))
    }

    fn shredded(&self, after: u64, limit: usize) -> KeyringFuture<'_, Vec<Shredded>> {
        Box::pin(async move {
            let (after, limit) =
                (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
            let rows = self.pool.query(Whose::All, &sql::SHREDDED, &[&after, &limit]).await?;
            let shredded = |row: &Row| {
                Ok(Shredded {
                    number: u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0),
                    shred: Shred {
                        tenant: TenantId(row.try_get(1)?),
                        scope: row.try_get(2)?,
                        reason: row.try_get(3)?,
                        at: Timestamp::from_millis(row.try_get(4)?),
                    },
                })
            };
            rows.iter().map(shredded).collect()
        })
    }

    fn versions(&self, after: Option<TenantId>, limit: usize) -> KeyringFuture<'_, Vec<Versions>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = match after {
                None => self.pool.query(Whose::All, &sql::FIRST_VERSIONS, &[&limit]).await?,
                Some(after) => self.pool.query(Whose::All, &sql::NEXT_VERSIONS, &[&limit, &after.0]).await?,
            };
            let versions = |row: &Row| {
                let (oldest, newest) = (unsigned(row.try_get(1)?), unsigned(row.try_get(2)?));
                Ok(Versions { tenant: TenantId(row.try_get(0)?), oldest, newest })
            };
            rows.iter().map(versions).collect()
        })
    }

    fn status(&self, tenant: TenantId) -> KeyringFuture<'_, TenantStatus> {
        Box::pin(async move {
            let keys = self.of_tenant(tenant).await?;
            let newest = keys.last().map_or(0, |key| key.version);
            let rows =
                self.pool.query(Whose::one(tenant), &sql::STATUS, &[&tenant.0, &signed(newest)]).await?;
            let row = rows.first().ok_or(KeyringError::Away)?;
            let count = |at| row.try_get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or(0));
            let mut keks: Vec<_> = keys.iter().map(|key| key.kek.clone()).collect();
            keks.dedup();
            let versions = u32::try_from(keys.len()).unwrap_or(u32::MAX);
            let (data_keys, stale, shredded) = (count(0)?, count(1)?, count(2)?);
            Ok(TenantStatus { tenant, newest, versions, keks, data_keys, stale, shredded })
        })
    }
}

fn found(row: &Row) -> Result<Found, KeyringError> {
    let (tenant, scope) = (TenantId(row.try_get(0)?), row.try_get(1)?);
    let (version, wrapped): (Option<i32>, Option<Vec<u8>>) = (row.try_get(2)?, row.try_get(3)?);
    let Some((version, wrapped)) = version.zip(wrapped) else {
        return Ok(Found::Shredded { tenant, scope });
    };
    let at = Timestamp::from_millis(row.try_get(4)?);
    Ok(Found::Key(DataKey { tenant, scope, version: unsigned(version), wrapped, at }))
}

/// Versions are counted up from 1 and fit.
fn signed(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

fn unsigned(version: i32) -> u32 {
    u32::try_from(version).unwrap_or(0)
}

/// A row that is not as this program made it.
impl From<tokio_postgres::Error> for KeyringError {
    fn from(error: tokio_postgres::Error) -> Self {
        judge(error)
    }
}

impl fmt::Debug for PostgresKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeyring").finish_non_exhaustive()
    }
}
