//! Forward-only migrations of the schema, by whichever process comes first.
//!
//! A row with a lease says who migrates; its lock is held for each step, so that two processes that start at once do
//! the work once. Steps are recorded with their checksum and never edited.

use super::{Error, roles::Roles};
use aws_lc_rs::digest;
use std::time::Duration;
use tokio_postgres::{Client, error::SqlState};
use uuid::Uuid;

/// One step.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    /// What it does. `{schema}`, `{tenant}` and `{fleet}` stand for the schema and its roles.
    pub(crate) sql: &'static str,
    /// The same for YugabyteDB, which says how keys are split over its nodes.
    pub(crate) yugabyte: &'static str,
    /// The version before can go on working with what it makes: columns and tables are added and not changed. Every
    /// step of a rolling update has to be.
    pub(crate) additive: bool,
    /// It waits until no process is connected that has not heard of the steps before it: such a one goes on until it is
    /// stopped, and whoever starts after that does this step. Nothing behind it is done before.
    pub(crate) alone: bool,
}

/// Each is applied once, in order, and never edited afterwards.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_event_log",
        sql: include_str!("migrations/0001_event_log.sql"),
        yugabyte: include_str!("migrations/yugabyte/0001_event_log.sql"),
        additive: false,
        alone: false,
    },
    Migration {
        name: "0002_where_owners_are",
        sql: include_str!("migrations/0002_where_owners_are.sql"),
        yugabyte: include_str!("migrations/yugabyte/0002_where_owners_are.sql"),
        additive: true,
        alone: false,
    },
    Migration {
        name: "0003_units_apart",
        sql: include_str!("migrations/0003_units_apart.sql"),
        yugabyte: include_str!("migrations/yugabyte/0003_units_apart.sql"),
        additive: true,
        alone: false,
    },
    Migration {
        name: "0004_audit_is_searched",
        sql: include_str!("migrations/0004_audit_is_searched.sql"),
        yugabyte: include_str!("migrations/yugabyte/0004_audit_is_searched.sql"),
        additive: true,
        alone: false,
    },
    Migration {
        name: "0005_for_owners_too",
        sql: include_str!("migrations/0005_for_owners_too.sql"),
        yugabyte: include_str!("migrations/yugabyte/0005_for_owners_too.sql"),
        additive: false,
        alone: true,
    },
    Migration {
        name: "0006_audit_is_pruned",
        sql: include_str!("migrations/0006_audit_is_pruned.sql"),
        yugabyte: include_str!("migrations/yugabyte/0006_audit_is_pruned.sql"),
        additive: true,
        alone: false,
    },
];

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Postgres,
    Yugabyte,
}

impl Dialect {
    /// By what `version()` says: `PostgreSQL 15.2-YB-2.25.0.0-b0 on …`, for example.
    fn of(version: &str) -> Self {
        if version.contains("-YB-") { Self::Yugabyte } else { Self::Postgres }
    }
}

impl Migration {
    fn sql(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.sql,
            Dialect::Yugabyte => self.yugabyte,
        }
    }
}

/// How long a process may take for a step before another takes over.
const LEASE: &str = "60 seconds";
/// How often whoever waits for the lease looks again, and how long.
const AGAIN: Duration = Duration::from_millis(100);
const PATIENCE: u32 = 1_200;

const PREPARE: &str = "CREATE TABLE IF NOT EXISTS migrations (number integer NOT NULL PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL, additive boolean NOT NULL);
CREATE TABLE IF NOT EXISTS migration_lease (id integer NOT NULL PRIMARY KEY, holder uuid NOT NULL, until timestamptz NOT NULL);
INSERT INTO migration_lease (id, holder, until) VALUES (1, '00000000-0000-0000-0000-000000000000', '-infinity') ON CONFLICT DO NOTHING";

/// Whether somebody is connected who calls themselves as programs did before row-level security.
const OLDER: &str = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND usename = session_user AND application_name = 'telehealth')";

/// Brings the schema to this program's version.
pub(super) async fn apply(
    client: &mut Client,
    roles: &Roles,
    me: Uuid,
    migrations: &[Migration],
) -> Result<(), Error> {
    prepare(client, roles).await?;
    let dialect = dialect(client).await?;
    if pending(client, dialect, migrations).await?.is_empty() {
        return Ok(());
    }
    take_lease(client, me).await?;
    let done = step_by_step(client, roles, me, dialect, migrations).await;
    let free = "UPDATE migration_lease SET until = '-infinity' WHERE id = 1 AND holder = $1";
    client.execute(free, &[&me]).await?;
    done
}

/// Whether it has been brought there, for who may not do it.
pub(super) async fn is_migrated(client: &Client, migrations: &[Migration]) -> Result<(), Error> {
    let pending = match pending(client, dialect(client).await?, migrations).await {
        // Not even made, or made before there were roles that may look.
        Err(Error::Database(error))
            if error.code().is_some_and(|code| {
                [SqlState::UNDEFINED_TABLE, SqlState::INSUFFICIENT_PRIVILEGE].contains(code)
            }) =>
        {
            return Err(Error::NotMigrated);
        }
        pending => pending?,
    };
    let waits = |number: &usize| migrations[*number].alone;
    if pending.first().is_none_or(waits) { Ok(()) } else { Err(Error::NotMigrated) }
}

async fn dialect(client: &Client) -> Result<Dialect, Error> {
    let version: String = client.query_one("SELECT version()", &[]).await?.try_get(0)?;
    Ok(Dialect::of(&version))
}

/// Two processes may do this at once, and one of them is then told that what it makes exists already.
async fn prepare(client: &Client, roles: &Roles) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {{schema}}; SET search_path = {{schema}}; {PREPARE}");
        match client.batch_execute(&roles.fill(&sql)).await {
            Ok(()) => return Ok(()),
            Err(error) if error.code().is_some() && tries < 10 => {
                tries += 1;
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn take_lease(client: &Client, me: Uuid) -> Result<(), Error> {
    let take = format!(
        "UPDATE migration_lease SET holder = $1, until = now() + interval '{LEASE}' WHERE id = 1 AND (until < now() OR holder = $1)"
    );
    for _ in 0..PATIENCE {
        if client.execute(&take, &[&me]).await? == 1 {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(Error::MigrationBusy)
}

async fn step_by_step(
    client: &mut Client,
    roles: &Roles,
    me: Uuid,
    dialect: Dialect,
    migrations: &[Migration],
) -> Result<(), Error> {
    for number in pending(client, dialect, migrations).await? {
        let (Migration { name, additive, alone, .. }, sql) =
            (&migrations[number], migrations[number].sql(dialect));
        let transaction = client.transaction().await?;
        let lease = "SELECT 1 FROM migration_lease WHERE id = 1 AND holder = $1 FOR UPDATE";
        if transaction.query(lease, &[&me]).await?.is_empty() {
            return Err(Error::MigrationBusy);
        }
        if *alone && transaction.query_one(OLDER, &[]).await?.try_get(0)? {
            tracing::info!(migration = name, "A step waits until no older process is connected");
            return Ok(());
        }
        transaction.batch_execute(&roles.fill(sql)).await?;
        let (number, sum) = (number as i32 + 1, checksum(sql));
        let record = "INSERT INTO migrations (number, name, sha256, additive) VALUES ($1, $2, $3, $4)";
        transaction.execute(record, &[&number, name, &sum, additive]).await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Which steps are still to be done, after a look at those that were.
async fn pending(client: &Client, dialect: Dialect, migrations: &[Migration]) -> Result<Vec<usize>, Error> {
    let applied = client.query("SELECT name, sha256, additive FROM migrations ORDER BY number", &[]).await?;
    for (number, row) in applied.iter().enumerate() {
        let (name, sum, additive): (String, Vec<u8>, bool) = (row.get(0), row.get(1), row.get(2));
        match migrations.get(number) {
            Some(known) if known.name == name && checksum(known.sql(dialect)) == sum => {}
            Some(_) => return Err(Error::MigrationChanged(name)),
            None if additive => {}
            None => return Err(Error::Newer { found: applied.len(), known: migrations.len() }),
        }
    }
    Ok((applied.len()..migrations.len()).collect())
}

fn checksum(sql: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, sql.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::Dialect;

    #[test]
    fn yugabytedb_says_what_it_is() {
        let yugabyte = "PostgreSQL 15.2-YB-2.25.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang, 64-bit";
        assert_eq!(Dialect::of(yugabyte), Dialect::Yugabyte);
        let postgres = "PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu";
        assert_eq!(Dialect::of(postgres), Dialect::Postgres);
    }
}
