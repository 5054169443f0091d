//! The journal's file: SQLite, because it survives a torn write and a full disk, and says which of them it was.

use super::{
    entry::{self, Columns, Entry, Proof},
    parked::{Parked, Why},
};
use crate::event_log::{
    Append, Fence, Version,
    sqlite::{self, OpenError, schema},
};
use model::{CommandId, Epoch, TenantId, Timestamp};
use rusqlite::{Connection, Row, Transaction};
use std::{
    fs::File,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// In its directory.
pub(super) const NAME: &str = "journal.sqlite";

/// How long somebody else's look or write is waited for.
pub(super) const BUSY: std::time::Duration = std::time::Duration::from_secs(5);

const MIGRATIONS: &[(&str, &str)] = &[("0001_journal", include_str!("migrations/0001_journal.sql"))];

const INSERT: &str = "INSERT INTO entries (seq, tenant, category, lane, stream, key, scope, epoch, expected, at, since, \
    body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
const DELETE: &str = "DELETE FROM entries WHERE seq = ?1";
const PARK: &str = "UPDATE entries SET parked = ?2 WHERE seq = ?1";
const PARKED: &str = "SELECT seq, tenant, category, stream, key, scope, epoch, expected, at, since, parked \
    FROM entries WHERE parked IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT ?2";
const DISCARD: &str = "DELETE FROM entries WHERE seq = ?1 AND parked IS NOT NULL RETURNING length(body)";
const ALL: &str = "SELECT seq, tenant, category, stream, key, scope, epoch, expected, at, since, parked, lane, body \
    FROM entries ORDER BY seq";

/// The file, and the lock that keeps others away from it.
pub(super) struct Journal {
    path: PathBuf,
    /// None after a commit whose fate is unknown: only a fresh look tells what the file holds.
    connection: Option<Connection>,
    lock: File,
}

/// What a file held when it was opened.
#[derive(Default)]
pub(super) struct Found {
    pub(super) waiting: Vec<Entry>,
    /// Bytes of each parked entry.
    pub(super) parked: Vec<u64>,
    /// What cannot be read any more, and was not parked yet, with its bytes.
    pub(super) unreadable: Vec<(u64, u64)>,
    /// The newest place.
    pub(super) last: u64,
}

impl Journal {
    /// Opens or creates the file (mode 0600) and reads what is in it.
    pub(super) fn open(dir: &Path) -> Result<(Self, Found), OpenError> {
        let path = dir.join(NAME);
        let lock = sqlite::lock(&path)?;
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        sqlite::create_private(&path).map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let mut connection = connect(&path).map_err(sqlite)?;
        schema::apply(&mut connection, MIGRATIONS)
            .map_err(|source| OpenError::Schema { path: path.clone(), source })?;
        let found = find(&connection).map_err(sqlite)?;
        Ok((Self { path, connection: Some(connection), lock }, found))
    }

    pub(super) fn connection(&mut self) -> rusqlite::Result<&mut Connection> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connect(&self.path)?)),
        }
    }

    /// What the file holds is to be looked at anew.
    pub(super) fn reopen(&mut self) {
        self.connection = None;
    }

    /// Nothing waits: what was replayed is not kept in the log either. If it fails, the next time does it.
    pub(super) fn tidy(&mut self) {
        if let Some(connection) = &self.connection {
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.connection = None;
        // Not left to the closing of the file: a child that was just started has it open until it runs.
        let _ = self.lock.unlock();
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    // What was replayed gives its pages back: neither space nor PHI is kept longer than it must be. Before the first
    // table, or never.
    connection.pragma_update(None, "auto_vacuum", "FULL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

fn find(connection: &Connection) -> rusqlite::Result<Found> {
    let mut found = Found::default();
    let mut statement = connection.prepare(ALL)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        found.last = seq;
        let body = row.get_ref(12)?.as_blob()?;
        let bytes = entry::size(body.len());
        match row.get::<_, Option<String>>(10)? {
            Some(_) => found.parked.push(bytes),
            None => match append(row, body)? {
                Some((append, proof, since)) => {
                    found.waiting.push(Entry { seq, append, proof, since, bytes });
                }
                None => found.unreadable.push((seq, bytes)),
            },
        }
    }
    Ok(found)
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(Columns, Timestamp)> {
    let id = |at: usize| row.get(at).map(Uuid::from_bytes);
    let proof = Proof { key: CommandId(id(4)?), fence: Fence { scope: id(5)?, epoch: Epoch(row.get(6)?) } };
    let columns = Columns {
        tenant: TenantId(id(1)?),
        category: row.get(2)?,
        stream: id(3)?,
        lane: 0,
        proof,
        expected: Version(row.get(7)?),
        at: Timestamp::from_millis(row.get(8)?),
    };
    Ok((columns, Timestamp::from_millis(row.get(9)?)))
}

fn append(row: &Row<'_>, body: &[u8]) -> rusqlite::Result<Option<(Append, Proof, Timestamp)>> {
    let (columns, since) = columns(row)?;
    let columns = Columns { lane: row.get(11)?, ..columns };
    Ok(entry::decode(&columns, body).map(|append| (append, columns.proof, since)))
}

pub(super) fn insert(transaction: &Transaction<'_>, entry: &Entry, body: &[u8]) -> rusqlite::Result<()> {
    let Append { stream, expected, at, .. } = &entry.append;
    let Proof { key, fence } = &entry.proof;
    transaction.prepare_cached(INSERT)?.execute((
        entry.seq,
        stream.tenant.0.as_bytes(),
        stream.category.name,
        stream.category.lane.index(),
        stream.id.as_bytes(),
        key.0.as_bytes(),
        fence.scope.as_bytes(),
        fence.epoch.0,
        expected.0,
        at.as_millis(),
        entry.since.as_millis(),
        body,
    ))?;
    Ok(())
}

pub(super) fn delete(transaction: &Transaction<'_>, seq: u64) -> rusqlite::Result<()> {
    transaction.prepare_cached(DELETE)?.execute((seq,))?;
    Ok(())
}

pub(super) fn park(transaction: &Transaction<'_>, seq: u64, why: Why) -> rusqlite::Result<()> {
    transaction.prepare_cached(PARK)?.execute((seq, why.as_str()))?;
    Ok(())
}

/// How much was discarded, if it was there.
pub(super) fn discard(transaction: &Transaction<'_>, seq: u64) -> rusqlite::Result<Option<u64>> {
    let mut statement = transaction.prepare_cached(DISCARD)?;
    let mut rows = statement.query((seq,))?;
    let length: Option<usize> = rows.next()?.map(|row| row.get(0)).transpose()?;
    Ok(length.map(entry::size))
}

pub(super) fn parked(connection: &Connection, after: u64, limit: usize) -> rusqlite::Result<Vec<Parked>> {
    let parked = |row: &Row<'_>| {
        let (columns, since) = columns(row)?;
        Ok(Parked {
            seq: row.get(0)?,
            tenant: columns.tenant,
            category: columns.category,
            stream: columns.stream,
            key: columns.proof.key,
            fence: columns.proof.fence,
            expected: columns.expected,
            at: columns.at,
            since,
            why: Why::of(&row.get::<_, String>(10)?),
        })
    };
    connection.prepare_cached(PARKED)?.query_map((after.min(i64::MAX as u64), limit), parked)?.collect()
}
