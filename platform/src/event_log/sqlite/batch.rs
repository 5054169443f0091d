//! One transaction over many appends: judges each, writes those that hold, commits once.

use super::statements::{self as sql, Statement};
use crate::event_log::{Append, AppendError, Appended, StreamId, Version};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, Transaction, TransactionBehavior};

/// What became of one append.
pub(super) type Outcome = Result<Appended, AppendError>;

/// Appends all of a batch in one commit and returns their outcomes in order.
///
/// # Errors
/// The whole batch failed; [`Fate`] says whether some of it may be on disk.
pub(super) fn append_all(connection: &mut Connection, batch: &[Append]) -> Result<Vec<Outcome>, Fate> {
    let before = |error| Fate::of(&error, Phase::BeforeCommit);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before)?;
    let outcomes = batch
        .iter()
        .map(|append| append_one(&transaction, append))
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(before)?;
    transaction.commit().map_err(|error| Fate::of(&error, Phase::Commit))?;
    Ok(outcomes)
}

/// Why a batch failed, as far as the callers must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Rolled back: nothing of it is on disk, nor will be.
    NotRecorded,
    /// The commit may have reached the disk.
    Unknown,
}

/// How far a batch had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// No frame of it carries the commit mark.
    BeforeCommit,
    /// Writing or syncing the commit.
    Commit,
}

impl Fate {
    /// A commit that found no space or no lock wrote no valid commit frame. One whose write or sync
    /// failed otherwise may have: the frame can be in the file and outlive a crash.
    pub(super) fn of(error: &rusqlite::Error, phase: Phase) -> Self {
        match (phase, error.sqlite_error_code()) {
            (Phase::BeforeCommit, _) => Self::NotRecorded,
            (Phase::Commit, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly)) => {
                Self::NotRecorded
            }
            (Phase::Commit, _) => Self::Unknown,
        }
    }
}

fn append_one(transaction: &Transaction<'_>, append: &Append) -> rusqlite::Result<Outcome> {
    let stream = &append.stream;
    let (tenant, id) = (stream.tenant.0.as_bytes(), stream.id.as_bytes());
    if let Some(version) = version_of_command(transaction, append)? {
        return Ok(Ok(Appended { version, repeated: true }));
    }
    let version = Version(append.expected.0 + append.events.len() as u64);
    let moved = if append.expected == Version(0) {
        run(transaction, &sql::START_STREAM, (tenant, stream.category, id, version.0))?
    } else {
        run(transaction, &sql::MOVE_STREAM, (tenant, stream.category, id, version.0, append.expected.0))?
    };
    if moved == 0 {
        return Ok(Err(AppendError::Conflict { actual: version_of_stream(transaction, stream)? }));
    }
    for (event, version) in append.events.iter().zip(append.expected.0 + 1..) {
        run(
            transaction,
            &sql::INSERT_EVENT,
            (
                tenant,
                stream.category,
                id,
                version,
                event.kind,
                event.schema,
                &event.body,
                &event.phi,
                append.at.as_millis(),
            ),
        )?;
    }
    if let Some(key) = append.key {
        run(transaction, &sql::INSERT_COMMAND, (tenant, stream.category, id, key.0.as_bytes(), version.0))?;
    }
    Ok(Ok(Appended { version, repeated: false }))
}

fn version_of_command(transaction: &Transaction<'_>, append: &Append) -> rusqlite::Result<Option<Version>> {
    let Some(key) = append.key else { return Ok(None) };
    let stream = &append.stream;
    transaction
        .prepare_cached(sql::COMMAND_VERSION.sql)?
        .query_row(
            (stream.tenant.0.as_bytes(), stream.category, stream.id.as_bytes(), key.0.as_bytes()),
            |row| row.get(0).map(Version),
        )
        .optional()
}

fn version_of_stream(transaction: &Transaction<'_>, stream: &StreamId) -> rusqlite::Result<Version> {
    let version = transaction
        .prepare_cached(sql::STREAM_VERSION.sql)?
        .query_row((stream.tenant.0.as_bytes(), stream.category, stream.id.as_bytes()), |row| row.get(0))
        .optional()?;
    Ok(Version(version.unwrap_or(0)))
}

fn run(transaction: &Transaction<'_>, statement: &Statement, params: impl Params) -> rusqlite::Result<usize> {
    transaction.prepare_cached(statement.sql)?.execute(params)
}

#[cfg(test)]
mod tests {
    use super::{Fate, Phase};
    use rusqlite::ffi;

    fn check(code: i32, phase: Phase, expect: Fate) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        assert_eq!(Fate::of(&error, phase), expect, "{code} {phase:?}");
    }

    #[test]
    fn an_outcome_is_unknown_only_when_the_commit_may_have_reached_the_disk() {
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_BUSY, ffi::SQLITE_CORRUPT] {
            check(code, Phase::BeforeCommit, Fate::NotRecorded);
        }
        check(ffi::SQLITE_FULL, Phase::Commit, Fate::NotRecorded);
        check(ffi::SQLITE_BUSY, Phase::Commit, Fate::NotRecorded);
        check(ffi::SQLITE_IOERR, Phase::Commit, Fate::Unknown);
        check(ffi::SQLITE_IOERR_FSYNC, Phase::Commit, Fate::Unknown);
        check(ffi::SQLITE_CORRUPT, Phase::Commit, Fate::Unknown);
    }
}
