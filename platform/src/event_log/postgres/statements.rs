//! Every SQL statement of the store, so that a test can prepare each one.
//!
//! What is not here on purpose, so that YugabyteDB runs it too: exclusion constraints, LISTEN, advisory locks, LOCK
//! TABLE, deferred constraints, generated columns.

/// A statement with its name.
#[derive(Debug)]
pub struct Statement {
    /// For messages.
    pub name: &'static str,
    /// Its text.
    pub sql: &'static str,
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)+) => {
        $($(#[$doc])* pub(super) const $name: Statement = Statement { name: stringify!($name), sql: $sql };)+
        /// All of them.
        pub const ALL: &[Statement] = &[$($name),+];
    };
}
pub(crate) use statements;

statements! {
    /// The newest positions, and the right to give out the next.
    LOCK_ENDS = "SELECT partition, stream, event, message FROM ends WHERE partition = ANY($1::int[]) ORDER BY partition FOR UPDATE";
    /// The newest positions from now on.
    MOVE_ENDS = "UPDATE ends e SET stream = k.stream, event = k.event, message = k.message FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS k (partition, stream, event, message) WHERE e.partition = k.partition";
    /// Where streams are.
    STREAMS = "SELECT s.category, s.tenant, s.stream, s.number, s.version FROM unnest($1::text[], $2::uuid[], $3::uuid[]) AS k (category, tenant, stream) JOIN streams s ON s.category = k.category AND s.tenant = k.tenant AND s.stream = k.stream";
    /// First appends.
    START_STREAMS = "INSERT INTO streams (number, category, tenant, stream, version) SELECT * FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::uuid[], $5::bigint[])";
    /// Later ones.
    MOVE_STREAMS = "UPDATE streams s SET version = k.version FROM unnest($1::bigint[], $2::bigint[]) AS k (number, version) WHERE s.number = k.number";
    /// Commands that were carried out before.
    COMMANDS = "SELECT k.n, c.version, c.answer FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[]) WITH ORDINALITY AS k (category, tenant, stream, command, n) JOIN streams s ON s.category = k.category AND s.tenant = k.tenant AND s.stream = k.stream JOIN commands c ON c.stream = s.number AND c.command = k.command";
    /// Commands.
    INSERT_COMMANDS = "INSERT INTO commands (stream, command, version, answer) SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[])";
    /// Who owns what.
    EPOCHS = "SELECT o.tenant, o.scope, o.epoch FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant, scope) JOIN owners o ON o.tenant = k.tenant AND o.scope = k.scope";
    /// The newest audit rows.
    AUDIT_ENDS = "SELECT a.tenant, a.partition, a.number FROM unnest($1::uuid[], $2::int[]) AS k (tenant, partition) JOIN audit_ends a ON a.tenant = k.tenant AND a.partition = k.partition";
    /// The newest audit rows from now on.
    MOVE_AUDIT_ENDS = "INSERT INTO audit_ends (tenant, partition, number) SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[]) ON CONFLICT (tenant, partition) DO UPDATE SET number = excluded.number";
    /// Audit rows.
    INSERT_AUDITS = "INSERT INTO audit (tenant, partition, number, at, action, actor, subject, body, phi) SELECT * FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[])";
    /// Events.
    INSERT_EVENTS = "INSERT INTO events (partition, position, stream, version, kind, schema, body, phi, at, effective) SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::int[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])";
    /// Messages.
    INSERT_MESSAGES = "INSERT INTO outbox (partition, position, tenant, subject, body, at) SELECT * FROM unnest($1::int[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])";
    /// A page of a stream, as it shows at a moment.
    READ_STREAM = "SELECT e.version, e.kind, e.schema, e.body, e.phi, e.at, e.effective FROM streams s JOIN events e ON e.stream = s.number WHERE s.category = $1 AND s.tenant = $2 AND s.stream = $3 AND e.version > $4 AND coalesce(e.effective, e.at) <= $6 AND e.at <= $7 ORDER BY e.version LIMIT $5";
    /// The first page of a category.
    FIRST_STREAMS = "SELECT tenant, stream FROM streams WHERE category = $1 ORDER BY tenant, stream LIMIT $2";
    /// The next ones.
    NEXT_STREAMS = "SELECT tenant, stream FROM streams WHERE category = $1 AND (tenant, stream) > ($3, $4) ORDER BY tenant, stream LIMIT $2";
    /// A page of everything.
    TAIL = "SELECT e.version, e.kind, e.schema, e.body, e.phi, e.at, e.effective, e.position, s.tenant, s.category, s.stream FROM events e JOIN streams s ON s.number = e.stream WHERE e.partition = $1 AND e.position > $2 ORDER BY e.position LIMIT $3";
    /// The newest position.
    HEAD = "SELECT event FROM ends WHERE partition = $1";
    /// The newest message.
    OUTBOX_HEAD = "SELECT message FROM ends WHERE partition = $1";
    /// A page of the outbox.
    OUTBOX = "SELECT position, tenant, subject, body, at FROM outbox WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3";
    /// Messages that were delivered.
    PRUNE_OUTBOX = "DELETE FROM outbox WHERE partition = $1 AND position <= $2";
    /// Where audit rows end.
    AUDITED = "SELECT tenant, partition, number FROM audit_ends WHERE (tenant, partition) > ($1, $2) ORDER BY tenant, partition LIMIT $3";
    /// A page of a tenant's audit rows.
    AUDIT = "SELECT number, at, action, actor, subject, body, phi FROM audit WHERE tenant = $1 AND partition = $2 AND number > $3 ORDER BY number LIMIT $4";
    /// The first audit rows of a tenant, but never the newest. The database itself refuses those that are too young.
    PRUNE_AUDIT = "DELETE FROM audit WHERE tenant = $1 AND partition = $2 AND number <= $3 AND number < (SELECT e.number FROM audit_ends e WHERE e.tenant = $1 AND e.partition = $2) AND number < (SELECT min(a.number) FROM audit a WHERE a.tenant = $1 AND a.partition = $2) + $4";
    /// Audit rows in the order of time, the newest first.
    AUDIT_BY_TIME = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = $1 AND (at, partition, number) < ($2, $3, $4) AND at >= $5 ORDER BY at DESC, partition DESC, number DESC LIMIT $6";
    /// The same, of what somebody did.
    AUDIT_BY_ACTOR = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = $1 AND actor = $7 AND (at, partition, number) < ($2, $3, $4) AND at >= $5 ORDER BY at DESC, partition DESC, number DESC LIMIT $6";
    /// The same, of what was done to something.
    AUDIT_BY_SUBJECT = "SELECT number, at, action, actor, subject, body, phi, partition FROM audit WHERE tenant = $1 AND subject = $7 AND (at, partition, number) < ($2, $3, $4) AND at >= $5 ORDER BY at DESC, partition DESC, number DESC LIMIT $6";
    /// Who owns something.
    OWNER = "SELECT epoch, holder, address, at FROM owners WHERE tenant = $1 AND scope = $2";
    /// The next process that owns anything.
    NEXT_HOLDER = "SELECT holder, address FROM owners WHERE holder > $1 ORDER BY holder LIMIT 1";
    /// What a process owns: the first.
    FIRST_OWNED = "SELECT tenant, scope, epoch FROM owners WHERE holder = $1 ORDER BY tenant, scope LIMIT $2";
    /// The next ones.
    NEXT_OWNED = "SELECT tenant, scope, epoch FROM owners WHERE holder = $1 AND (tenant, scope) > ($3, $4) ORDER BY tenant, scope LIMIT $2";
    /// Nobody owned it before.
    FIRST_TAKE = "INSERT INTO owners (tenant, scope, epoch, holder, address, at) VALUES ($1, $2, 1, $3, $4, $5) ON CONFLICT (tenant, scope) DO NOTHING";
    /// Somebody else owns it.
    TAKE = "UPDATE owners SET epoch = epoch + 1, holder = $4, address = $5, at = $6 WHERE tenant = $1 AND scope = $2 AND epoch = $3";
    /// Keeps a snapshot, unless a later one is kept.
    SAVE_SNAPSHOT = "INSERT INTO snapshots (stream, version, schema, body, phi) SELECT s.number, $4, $5, $6, $7 FROM streams s WHERE s.category = $1 AND s.tenant = $2 AND s.stream = $3 ON CONFLICT (stream) DO UPDATE SET version = excluded.version, schema = excluded.schema, body = excluded.body, phi = excluded.phi WHERE excluded.version >= snapshots.version";
    /// A stream's snapshot.
    SNAPSHOT = "SELECT p.version, p.schema, p.body, p.phi FROM streams s JOIN snapshots p ON p.stream = s.number WHERE s.category = $1 AND s.tenant = $2 AND s.stream = $3";
    /// The generation of a table that is read.
    LIVE = "SELECT live FROM tables WHERE name = $1";
    /// From now on this one is.
    GO_LIVE = "INSERT INTO tables (name, live) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET live = excluded.live";
    /// Rows of other generations.
    DROP_ROWS = "DELETE FROM table_rows WHERE name = $1 AND generation <> $2";
    /// Places of other generations.
    DROP_PLACES = "DELETE FROM places WHERE name = $1 AND generation <> $2";
    /// How far a table has come.
    PLACE = "SELECT position FROM places WHERE name = $1 AND generation = $2 AND partition = $3";
    /// A table's first step.
    START_PLACE = "INSERT INTO places (name, generation, partition, position) VALUES ($1, $2, $3, $4) ON CONFLICT (name, generation, partition) DO NOTHING";
    /// A later one: compare and set.
    MOVE_PLACE = "UPDATE places SET position = $5 WHERE name = $1 AND generation = $2 AND partition = $3 AND position = $4";
    /// Rows as they are now.
    PUT_ROWS = "INSERT INTO table_rows (name, generation, tenant, key, body, phi) SELECT $1, $2, k.* FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[]) AS k (tenant, key, body, phi) ON CONFLICT (name, generation, tenant, key) DO UPDATE SET body = excluded.body, phi = excluded.phi";
    /// Rows that are no more.
    DELETE_ROWS = "DELETE FROM table_rows r USING unnest($3::uuid[], $4::text[]) AS k (tenant, key) WHERE r.name = $1 AND r.generation = $2 AND r.tenant = k.tenant AND r.key = k.key";
    /// One row.
    ROW = "SELECT key, body, phi FROM table_rows WHERE name = $1 AND generation = $2 AND tenant = $3 AND key = $4";
    /// Rows by the beginning of their keys.
    ROWS = "SELECT key, body, phi FROM table_rows WHERE name = $1 AND generation = $2 AND tenant = $3 AND key > $4 AND key >= $5 AND key < $6 ORDER BY key LIMIT $7";
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{
        super::schema::{MIGRATIONS, Migration},
        ALL, Statement,
    };

    #[test]
    fn the_sql_stays_within_what_yugabytedb_runs() {
        yugabytedb_runs(ALL, MIGRATIONS);
    }

    pub(crate) fn yugabytedb_runs(statements: &[Statement], migrations: &[Migration]) {
        let theirs = migrations.iter().map(|migration| (migration.name, migration.yugabyte));
        for (name, sql) in theirs.clone() {
            assert!(!sql.to_uppercase().contains("FILLFACTOR"), "{name}");
        }
        let migrations = migrations.iter().map(|migration| (migration.name, migration.sql)).chain(theirs);
        for (name, sql) in statements.iter().map(|s| (s.name, s.sql)).chain(migrations) {
            let sql = sql.to_uppercase();
            for banned in [
                "LISTEN ",
                "NOTIFY ",
                "ADVISORY",
                "EXCLUDE ",
                "LOCK TABLE",
                "DEFERRABLE",
                "GENERATED",
                "GIST",
            ] {
                assert!(!sql.contains(banned), "{name}: {banned}");
            }
        }
    }
}
