//! Every SQL statement of the store, so that a test can prepare each one.

/// A statement with its name.
pub(super) struct Statement {
    /// For messages.
    #[cfg_attr(not(test), expect(dead_code, reason = "named in test failures"))]
    pub(super) name: &'static str,
    /// Its text.
    pub(super) sql: &'static str,
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)+) => {
        $($(#[$doc])* pub(super) const $name: Statement = Statement { name: stringify!($name), sql: $sql };)+
        #[cfg(test)]
        const ALL: &[Statement] = &[$($name),+];
    };
}

statements! {
    /// The version a command ended at, if it was carried out before.
    COMMAND_VERSION = "SELECT version FROM commands WHERE tenant = ?1 AND category = ?2 AND stream = ?3 AND command = ?4";
    /// Where a stream is.
    STREAM_VERSION = "SELECT version FROM streams WHERE category = ?2 AND tenant = ?1 AND stream = ?3";
    /// A stream's first append.
    START_STREAM = "INSERT INTO streams (tenant, category, stream, version) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    /// A later one: compare and set.
    MOVE_STREAM = "UPDATE streams SET version = ?4 WHERE category = ?2 AND tenant = ?1 AND stream = ?3 AND version = ?5";
    /// One event.
    INSERT_EVENT = "INSERT INTO events (tenant, category, stream, version, kind, schema, body, phi, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    /// One command.
    INSERT_COMMAND = "INSERT INTO commands (tenant, category, stream, command, version) VALUES (?1, ?2, ?3, ?4, ?5)";
    /// A page of a stream.
    READ_STREAM = "SELECT version, kind, schema, body, phi, at FROM events WHERE tenant = ?1 AND category = ?2 AND stream = ?3 AND version > ?4 ORDER BY version LIMIT ?5";
    /// The first page of a category.
    FIRST_STREAMS = "SELECT tenant, stream FROM streams WHERE category = ?1 ORDER BY tenant, stream LIMIT ?2";
    /// The next ones.
    NEXT_STREAMS = "SELECT tenant, stream FROM streams WHERE category = ?1 AND (tenant, stream) > (?3, ?4) ORDER BY tenant, stream LIMIT ?2";
}

#[cfg(test)]
mod tests {
    use super::ALL;
    use crate::event_log::sqlite::schema;
    use rusqlite::Connection;

    #[test]
    fn each_statement_is_prepared_by_a_migrated_database() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        for statement in ALL {
            let prepared = connection.prepare(statement.sql);
            assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
        }
    }

    #[test]
    fn no_statement_scans_or_sorts() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        for statement in ALL {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
            for index in 1..=explain.parameter_count() {
                explain.raw_bind_parameter(index, 0).unwrap();
            }
            let mut rows = explain.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let plan: String = row.get(3).unwrap();
                assert!(
                    !plan.starts_with("SCAN") && !plan.contains("TEMP B-TREE"),
                    "{}: {plan}",
                    statement.name
                );
            }
        }
    }

    #[test]
    fn the_sql_stays_portable_to_postgresql_and_yugabytedb() {
        for statement in ALL {
            for banned in ["ROWID", "OR REPLACE", "OR IGNORE", "LISTEN", "ADVISORY", "EXCLUDE", "DATETIME("] {
                assert!(!statement.sql.to_uppercase().contains(banned), "{}: {banned}", statement.name);
            }
        }
    }
}
