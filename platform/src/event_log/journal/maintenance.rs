//! What a person does with parked entries, from outside of the process that wrote them.
//!
//! Looking needs nothing but the file, also while its process runs. Changing it needs the process to be stopped: the
//! journal's lock says so.

use super::{
    entry,
    file::{self, Journal},
    parked::Parked,
};
use crate::{
    event_log::sqlite::OpenError,
    limits::{MAX_EVENTS_PER_APPEND, MAX_LISTED},
};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior};
use std::path::{Path, PathBuf};

/// A parked entry, without PHI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it belongs, and why it is parked.
    pub parked: Parked,
    /// What happened, by name; none where that cannot be read any more.
    pub kinds: Vec<String>,
    /// When it was decided, `2026-11-23T10:31:07Z`.
    pub decided: String,
}

/// One event of a parked entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// What happened.
    pub kind: String,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

/// Prints no PHI.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The journal cannot be used: it is not there, its process runs, or its disk fails.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No entry that is parked stands there.
    #[error("no parked entry {0}")]
    NoSuchEntry(u64),
    /// Its stream has entries that are not parked: what cannot be recorded before them would take them with it.
    #[error(
        "its stream has entries that are about to be recorded: start the process, let it record them, stop it"
    )]
    InTheWay,
}

/// Parked entries after a place, in their order, at most [`MAX_LISTED`]. None where there is no journal.
///
/// # Errors
/// [`OpenError`] when the file cannot be read.
pub fn list(dir: &Path, after: u64) -> Result<Vec<Listed>, OpenError> {
    let path = path(dir);
    if !path.exists() {
        return Ok(Vec::new());
    }
    look(&path, |connection| {
        let parked = file::parked(connection, after, MAX_LISTED)?;
        let mut body = connection.prepare(
            "SELECT body, strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000, 'unixepoch') \
            FROM entries WHERE seq = ?1",
        )?;
        parked
            .into_iter()
            .map(|parked| {
                let (bytes, decided): (Vec<u8>, Option<String>) =
                    body.query_row((parked.seq,), |row| Ok((row.get(0)?, row.get(1)?)))?;
                let kinds = contents(&bytes).into_iter().map(|content| content.kind).collect();
                Ok(Listed { parked, kinds, decided: decided.unwrap_or_default() })
            })
            .collect()
    })
}

/// A parked entry and what is in it: nothing, where that cannot be read any more.
///
/// # Errors
/// By variant of [`MaintenanceError`].
pub fn show(dir: &Path, seq: u64) -> Result<(Listed, Vec<Content>), MaintenanceError> {
    let missing = || MaintenanceError::NoSuchEntry(seq);
    let listed = list(dir, seq.saturating_sub(1))?.into_iter().find(|listed| listed.parked.seq == seq);
    let listed = listed.ok_or_else(missing)?;
    let body: Option<Vec<u8>> = look(&path(dir), |connection| {
        connection.query_row("SELECT body FROM entries WHERE seq = ?1", (seq,), |row| row.get(0)).optional()
    })?;
    Ok((listed, contents(&body.ok_or_else(missing)?)))
}

/// Puts a parked entry, and those parked behind it in its stream, back in line: the next start of the process offers
/// them to the store once more, and parks them again if it still refuses. Says how many.
///
/// # Errors
/// By variant of [`MaintenanceError`]; nothing was changed.
pub fn retry(dir: &Path, seq: u64) -> Result<usize, MaintenanceError> {
    change(dir, |connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let stream = "(tenant, category, stream) = (SELECT tenant, category, stream FROM entries \
            WHERE seq = ?1 AND parked IS NOT NULL)";
        let waiting = format!("SELECT EXISTS (SELECT 1 FROM entries WHERE {stream} AND parked IS NULL)");
        if transaction.query_row(&waiting, (seq,), |row| row.get(0))? {
            return Ok(Err(MaintenanceError::InTheWay));
        }
        let back = format!("UPDATE entries SET parked = NULL WHERE {stream} AND seq >= ?1");
        let back = transaction.execute(&back, (seq,))?;
        transaction.commit()?;
        Ok(if back == 0 { Err(MaintenanceError::NoSuchEntry(seq)) } else { Ok(back) })
    })
}

/// Deletes a parked entry for good.
///
/// # Errors
/// By variant of [`MaintenanceError`]; nothing was changed.
pub fn discard(dir: &Path, seq: u64) -> Result<(), MaintenanceError> {
    change(dir, |connection| {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let discarded = file::discard(&transaction, seq)?;
        transaction.commit()?;
        Ok(discarded.map(drop).ok_or(MaintenanceError::NoSuchEntry(seq)))
    })
}

fn path(dir: &Path) -> PathBuf {
    dir.join(file::NAME)
}

fn look<T>(path: &Path, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let asked = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.busy_timeout(file::BUSY)?;
        ask(&connection)
    });
    asked.map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })
}

fn change<T>(
    dir: &Path,
    change: impl FnOnce(&mut Connection) -> rusqlite::Result<Result<T, MaintenanceError>>,
) -> Result<T, MaintenanceError> {
    let path = path(dir);
    if !path.exists() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(OpenError::Io { path, source }.into());
    }
    let (mut journal, _) = Journal::open(dir)?;
    let changed = journal.connection().and_then(change);
    changed.map_err(|source| OpenError::Sqlite { path, source })?
}

/// What an entry holds, as far as it can be read.
fn contents(body: &[u8]) -> Vec<Content> {
    let events = entry::events_of(body);
    let content = |(kind, body, phi)| Content { kind, body, phi };
    events.into_iter().take(MAX_EVENTS_PER_APPEND).map(content).collect()
}
