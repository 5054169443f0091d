//! Forward-only migrations, and the pragmas every connection starts with.

use aws_lc_rs::digest;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;

/// Each is applied once, in order, and never edited afterwards.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_event_log", include_str!("migrations/0001_event_log.sql")),
    ("0002_whole_commands", include_str!("migrations/0002_whole_commands.sql")),
    ("0003_where_owners_are", include_str!("migrations/0003_where_owners_are.sql")),
    ("0004_audit_is_searched", include_str!("migrations/0004_audit_is_searched.sql")),
];

/// Why a database cannot be brought to this version.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program made it: going back would lose what that one knows.
    #[error(
        "the database was made by a newer version (it has {found} migrations, this program knows {known})"
    )]
    Newer {
        /// In the database.
        found: usize,
        /// In this program.
        known: usize,
    },
    /// A migration differs from the one that was applied.
    #[error("migration {0} is not the one that was applied to this database")]
    Changed(String),
    /// SQLite refused.
    #[error("the database cannot be migrated")]
    Sqlite(#[from] rusqlite::Error),
}

/// Brings a database to this program's version, in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    apply(connection, MIGRATIONS)
}

/// Applies those migrations of a list that a database does not have yet, in one transaction.
pub(crate) fn apply(connection: &mut Connection, migrations: &[(&str, &str)]) -> Result<(), SchemaError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 BLOB NOT NULL)",
    )?;
    let applied: Vec<(String, Vec<u8>)> = transaction
        .prepare("SELECT name, sha256 FROM migrations ORDER BY number")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if applied.len() > migrations.len() {
        return Err(SchemaError::Newer { found: applied.len(), known: migrations.len() });
    }
    for (number, (name, sql)) in migrations.iter().enumerate() {
        let sum = digest::digest(&digest::SHA256, sql.as_bytes());
        match applied.get(number) {
            Some((was, was_sum)) if was == name && was_sum == sum.as_ref() => {}
            Some(_) => return Err(SchemaError::Changed((*name).to_owned())),
            None => {
                transaction.execute_batch(sql)?;
                transaction.execute(
                    "INSERT INTO migrations (number, name, sha256) VALUES (?1, ?2, ?3)",
                    (number + 1, name, sum.as_ref()),
                )?;
            }
        }
    }
    Ok(transaction.commit()?)
}

/// The one connection that writes. WAL with `synchronous=FULL`: what was committed survives power loss.
pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Pages. A thread of its own does it long before; this is for when it cannot.
    connection.pragma_update(None, "wal_autocheckpoint", 64_000)?;
    // After a checkpoint the log is cut back to this, so that one burst does not keep the disk.
    connection.pragma_update(None, "journal_size_limit", 128 * 1_024 * 1_024)?;
    // KiB: what is written of a day stays in memory.
    connection.pragma_update(None, "cache_size", -65_536)?;
    shared(&connection)?;
    Ok(connection)
}

/// A connection that only reads, and never waits for the writer.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    shared(&connection)?;
    Ok(connection)
}

fn shared(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrating_again_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let count: usize =
            connection.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(count, MIGRATIONS.len());
    }

    #[test]
    fn a_newer_database_and_an_edited_migration_are_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &[("a", "CREATE TABLE a (x)"), ("b", "CREATE TABLE b (x)")]).unwrap();
        let newer = apply(&mut connection, &[("a", "CREATE TABLE a (x)")]);
        assert!(matches!(newer, Err(SchemaError::Newer { found: 2, known: 1 })), "{newer:?}");
        let edited = apply(&mut connection, &[("a", "CREATE TABLE a (y)"), ("b", "CREATE TABLE b (x)")]);
        assert!(matches!(edited, Err(SchemaError::Changed(name)) if name == "a"));
    }

    #[test]
    fn a_failing_migration_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(apply(&mut connection, &[("a", "CREATE TABLE a (x)"), ("b", "CREATE GIBBERISH")]).is_err());
        assert!(connection.prepare("SELECT * FROM a").is_err());
    }

    #[test]
    fn what_the_first_version_recorded_is_there_in_this_one() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &MIGRATIONS[..1]).unwrap();
        let (tenant, ids) = ([1_u8; 16], [[7_u8; 16], [3; 16]]);
        // Interleaved, with gaps where a transaction was rolled back.
        for (seq, (id, version)) in [(2, (0, 1)), (5, (1, 1)), (9, (0, 2))] {
            connection
                .execute(
                    "INSERT INTO events VALUES (?1, ?2, 'visit', ?3, ?4, 'noted', 1, ?5, NULL, ?6)",
                    (seq, tenant, ids[id], version, format!("{seq}"), seq * 10),
                )
                .unwrap();
        }
        for (id, version) in [(0, 2), (1, 1)] {
            connection
                .execute("INSERT INTO streams VALUES (?1, 'visit', ?2, ?3)", (tenant, ids[id], version))
                .unwrap();
        }
        connection
            .execute("INSERT INTO commands VALUES (?1, 'visit', ?2, ?3, 2)", (tenant, ids[0], [9_u8; 16]))
            .unwrap();
        migrate(&mut connection).unwrap();
        let rows = |sql: &str| -> Vec<(i64, Vec<u8>, i64, String)> {
            let mut statement = connection.prepare(sql).unwrap();
            let row = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?));
            statement.query_map((), row).unwrap().collect::<Result<_, _>>().unwrap()
        };
        let events = rows(
            "SELECT position, s.stream, e.version, body FROM events e JOIN streams s ON s.number = e.stream ORDER BY position",
        );
        let [first, second] = ids.map(Vec::from);
        assert_eq!(
            events,
            [
                (1, first.clone(), 1, "2".into()),
                (2, second, 1, "5".into()),
                (3, first.clone(), 2, "9".into())
            ]
        );
        let commands =
            rows("SELECT c.version, s.stream, 2, '' FROM commands c JOIN streams s ON s.number = c.stream");
        assert_eq!(commands, [(2, first, 2, String::new())]);
        let ends: (i64, i64) = connection
            .query_row("SELECT event, message FROM ends WHERE partition = 0", (), |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .unwrap();
        assert_eq!(ends, (3, 0));
    }

    #[test]
    fn sqlite_is_past_the_wal_corruption_fixed_in_3_51_3() {
        assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
    }
}
