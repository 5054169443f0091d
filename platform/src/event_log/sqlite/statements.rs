//! Every SQL statement of the store, so that a test can prepare each one.

use std::sync::LazyLock;

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
    /// A stream's number, and where it is.
    STREAM = "SELECT number, (SELECT max(version) FROM events WHERE stream = number) FROM streams WHERE category = ?1 AND tenant = ?2 AND stream = ?3";
    /// A stream's first append.
    START_STREAM = "INSERT INTO streams (category, tenant, stream) VALUES (?1, ?2, ?3)";
    /// A command that was carried out before.
    COMMAND = "SELECT version, answer FROM commands WHERE stream = ?1 AND command = ?2";
    /// The newest positions.
    ENDS = "SELECT event, message FROM ends WHERE partition = ?1";
    /// The newest positions from now on.
    MOVE_ENDS = "UPDATE ends SET event = ?2, message = ?3 WHERE partition = ?1";
    /// The newest audit row of a tenant.
    LAST_AUDIT = "SELECT number FROM audit WHERE tenant = ?1 AND partition = ?2 ORDER BY number DESC LIMIT 1";
    /// The next tenant and partition with audit rows.
    NEXT_AUDITED = "SELECT tenant, partition FROM audit WHERE (tenant, partition) > (?1, ?2) ORDER BY tenant, partition LIMIT 1";
    /// A page of a tenant's audit rows.
    AUDIT = "SELECT number, at, action, actor, subject, body, phi FROM audit WHERE tenant = ?1 AND partition = ?2 AND number > ?3 ORDER BY number LIMIT ?4";
    /// The first audit rows of a tenant, but never the newest: by it the next is numbered.
    PRUNE_AUDIT = "DELETE FROM audit WHERE tenant = ?1 AND partition = ?2 AND number IN (SELECT number FROM audit WHERE tenant = ?1 AND partition = ?2 AND number <= ?3 AND number < (SELECT max(number) FROM audit WHERE tenant = ?1 AND partition = ?2) ORDER BY number LIMIT ?4)";
    /// Audit rows in the order of time, the newest first.
    AUDIT_BY_TIME = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = ?1 AND (at, partition, number) < (?2, ?3, ?4) AND at >= ?5 ORDER BY at DESC, partition DESC, number DESC LIMIT ?6";
    /// The same, of what somebody did.
    AUDIT_BY_ACTOR = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = ?1 AND actor = ?7 AND (at, partition, number) < (?2, ?3, ?4) AND at >= ?5 ORDER BY at DESC, partition DESC, number DESC LIMIT ?6";
    /// The same, of what was done to something.
    AUDIT_BY_SUBJECT = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = ?1 AND subject = ?7 AND (at, partition, number) < (?2, ?3, ?4) AND at >= ?5 ORDER BY at DESC, partition DESC, number DESC LIMIT ?6";
    /// A page of a stream, as it shows at a moment.
    READ_STREAM = "SELECT e.version, e.kind, e.schema, e.body, e.phi, e.at, e.effective FROM streams s JOIN events e ON e.stream = s.number WHERE s.category = ?1 AND s.tenant = ?2 AND s.stream = ?3 AND e.version > ?4 AND ifnull(e.effective, e.at) <= ?6 AND e.at <= ?7 ORDER BY e.version LIMIT ?5";
    /// The first page of a category.
    FIRST_STREAMS = "SELECT tenant, stream FROM streams WHERE category = ?1 ORDER BY tenant, stream LIMIT ?2";
    /// The next ones.
    NEXT_STREAMS = "SELECT tenant, stream FROM streams WHERE category = ?1 AND (tenant, stream) > (?3, ?4) ORDER BY tenant, stream LIMIT ?2";
    /// A page of everything.
    TAIL = "SELECT e.version, e.kind, e.schema, e.body, e.phi, e.at, e.effective, e.position, s.tenant, s.category, s.stream FROM events e JOIN streams s ON s.number = e.stream WHERE e.position > ?1 AND e.position < ?2 ORDER BY e.position LIMIT ?3";
    /// A page of the outbox.
    OUTBOX = "SELECT position, tenant, subject, body, at FROM outbox WHERE position > ?1 AND position < ?2 ORDER BY position LIMIT ?3";
    /// Messages that were delivered.
    PRUNE_OUTBOX = "DELETE FROM outbox WHERE position IN (SELECT position FROM outbox WHERE position > ?1 AND position <= ?2 LIMIT ?3)";
    /// Who owns something.
    OWNER = "SELECT epoch, holder, address, at FROM owners WHERE tenant = ?1 AND scope = ?2";
    /// The next process that owns anything.
    NEXT_HOLDER = "SELECT holder, address FROM owners WHERE holder > ?1 ORDER BY holder LIMIT 1";
    /// What a process owns: the first.
    FIRST_OWNED = "SELECT tenant, scope, epoch FROM owners WHERE holder = ?1 ORDER BY tenant, scope LIMIT ?2";
    /// The next ones.
    NEXT_OWNED = "SELECT tenant, scope, epoch FROM owners WHERE holder = ?1 AND (tenant, scope) > (?3, ?4) ORDER BY tenant, scope LIMIT ?2";
    /// Somebody else owns it.
    TAKE = "INSERT INTO owners (tenant, scope, epoch, holder, address, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (tenant, scope) DO UPDATE SET epoch = ?3, holder = ?4, address = ?5, at = ?6";
    /// Keeps a snapshot, unless a later one is kept.
    SAVE_SNAPSHOT = "INSERT INTO snapshots (stream, version, schema, body, phi) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (stream) DO UPDATE SET version = excluded.version, schema = excluded.schema, body = excluded.body, phi = excluded.phi WHERE excluded.version >= snapshots.version";
    /// A stream's snapshot.
    SNAPSHOT = "SELECT p.version, p.schema, p.body, p.phi FROM streams s JOIN snapshots p ON p.stream = s.number WHERE s.category = ?1 AND s.tenant = ?2 AND s.stream = ?3";
    /// The generation of a table that is read.
    LIVE = "SELECT live FROM tables WHERE name = ?1";
    /// From now on this one is.
    GO_LIVE = "INSERT INTO tables (name, live) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET live = excluded.live";
    /// Rows of other generations.
    DROP_ROWS = "DELETE FROM table_rows WHERE (name, generation, tenant, key) IN (SELECT name, generation, tenant, key FROM table_rows WHERE name = ?1 AND generation <> ?2 LIMIT ?3)";
    /// Places of other generations.
    DROP_PLACES = "DELETE FROM places WHERE name = ?1 AND generation <> ?2";
    /// How far a table has come.
    PLACE = "SELECT position FROM places WHERE name = ?1 AND generation = ?2 AND partition = ?3";
    /// It has come further.
    MOVE_PLACE = "INSERT INTO places (name, generation, partition, position) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name, generation, partition) DO UPDATE SET position = excluded.position";
    /// A row as it is now.
    PUT_ROW = "INSERT INTO table_rows (name, generation, tenant, key, body, phi) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name, generation, tenant, key) DO UPDATE SET body = excluded.body, phi = excluded.phi";
    /// A row that is no more.
    DELETE_ROW = "DELETE FROM table_rows WHERE name = ?1 AND generation = ?2 AND tenant = ?3 AND key = ?4";
    /// One row.
    ROW = "SELECT key, body, phi FROM table_rows WHERE name = ?1 AND generation = ?2 AND tenant = ?3 AND key = ?4";
    /// Rows by the beginning of their keys.
    ROWS = "SELECT key, body, phi FROM table_rows WHERE name = ?1 AND generation = ?2 AND tenant = ?3 AND key > ?4 AND key >= ?5 AND key < ?6 ORDER BY key LIMIT ?7";
}

/// Rows that are written many at a time: statements cost more than rows.
pub(super) struct Insert<const COLUMNS: usize> {
    /// One row.
    pub(super) one: String,
    /// [`ROWS_AT_ONCE`] of them.
    pub(super) many: String,
}

/// How many rows the longer statement has.
pub(super) const ROWS_AT_ONCE: usize = 32;

impl<const COLUMNS: usize> Insert<COLUMNS> {
    fn into(table: &str) -> Self {
        let row = format!("({})", ["?"; COLUMNS].join(", "));
        // OR ROLLBACK: whatever fails here fails the whole batch, so SQLite need not keep what pages were like before the
        // statement (a seventh of the time).
        let rows = |count| {
            format!("INSERT OR ROLLBACK INTO {table} VALUES {}", vec![row.as_str(); count].join(", "))
        };
        Self { one: rows(1), many: rows(ROWS_AT_ONCE) }
    }
}

pub(super) static INSERT_EVENTS: LazyLock<Insert<9>> = LazyLock::new(|| {
    Insert::into("events (position, stream, version, kind, schema, body, phi, at, effective)")
});
pub(super) static INSERT_COMMANDS: LazyLock<Insert<4>> =
    LazyLock::new(|| Insert::into("commands (stream, command, version, answer)"));
pub(super) static INSERT_MESSAGES: LazyLock<Insert<5>> =
    LazyLock::new(|| Insert::into("outbox (position, tenant, subject, body, at)"));
pub(super) static INSERT_AUDITS: LazyLock<Insert<9>> = LazyLock::new(|| {
    Insert::into("audit (tenant, partition, number, at, action, actor, subject, body, phi)")
});

#[cfg(test)]
mod tests {
    use super::{ALL, INSERT_AUDITS, INSERT_COMMANDS, INSERT_EVENTS, INSERT_MESSAGES};
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
        let inserts = [&INSERT_EVENTS.one, &INSERT_COMMANDS.one, &INSERT_MESSAGES.one, &INSERT_AUDITS.one];
        let many = [&INSERT_EVENTS.many, &INSERT_COMMANDS.many, &INSERT_MESSAGES.many, &INSERT_AUDITS.many];
        for sql in inserts.into_iter().chain(many) {
            assert!(connection.prepare(sql).is_ok(), "{sql}");
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
}
