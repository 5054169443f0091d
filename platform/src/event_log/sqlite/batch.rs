//! One transaction over much work: judges, writes what holds, commits once.

use super::{memory::Memory, partition_of, rows, statements::Statement};
use crate::event_log::{Append, Refusal, judge::Outcome};
use rusqlite::{Connection, ErrorCode, Params, Transaction, TransactionBehavior};

/// Something to be done in a transaction that others share. What it refuses, it has not written.
pub(super) enum Work {
    Append(Box<Append>),
    Other(Box<dyn Other>),
}

/// Work that is not an append. Keeps its result until the commit is known.
pub(super) trait Other: Send {
    /// What it writes, about.
    fn bytes(&self) -> usize;
    fn run(&mut self, transaction: &Transaction<'_>, memory: &mut Memory) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, fate: Result<(), Fate>);
    /// It is not done.
    fn refuse(self: Box<Self>, refusal: Refusal);
}

impl Work {
    /// What it writes, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.bytes(),
            Self::Other(other) => other.bytes(),
        }
    }
}

/// Does all work of a batch in one commit and returns the outcomes of its appends in order.
///
/// # Errors
/// The whole batch failed; [`Fate`] says whether some of it may be on disk. `memory` is then worthless.
pub(super) fn commit(
    connection: &mut Connection,
    memory: &mut Memory,
    batch: &mut [Work],
) -> Result<Vec<Outcome>, Fate> {
    let before = |error| Fate::of(&error, Phase::BeforeCommit);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before)?;
    let outcomes = do_all(&transaction, memory, batch).map_err(before)?;
    transaction.commit().map_err(|error| Fate::of(&error, Phase::Commit))?;
    memory.trim();
    Ok(outcomes)
}

/// In order: neighbouring appends are judged together.
fn do_all(
    transaction: &Transaction<'_>,
    memory: &mut Memory,
    batch: &mut [Work],
) -> rusqlite::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    let alike = |one: &Work, other: &Work| matches!((one, other), (Work::Append(_), Work::Append(_)));
    for run in batch.chunk_by_mut(alike) {
        if let [Work::Other(other)] = run {
            other.run(transaction, memory)?;
            continue;
        }
        let appends = || {
            run.iter().filter_map(|work| if let Work::Append(append) = work { Some(&**append) } else { None })
        };
        for append in appends() {
            memory.learn(transaction, append)?;
        }
        let (judged, accepted) = memory.known.judge(appends(), partition_of);
        outcomes.extend(judged);
        rows::write(transaction, memory, &accepted)?;
    }
    Ok(outcomes)
}

pub(super) fn run(
    transaction: &Transaction<'_>,
    statement: &Statement,
    params: impl Params,
) -> rusqlite::Result<usize> {
    transaction.prepare_cached(statement.sql)?.execute(params)
}

/// Why a batch failed, as far as the callers must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::event_log) enum Fate {
    /// Rolled back: nothing of it is on disk, nor will be.
    NotRecorded,
    /// The commit may have reached the disk.
    Unknown,
}

/// How far a batch had come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::event_log) enum Phase {
    /// No frame of it carries the commit mark.
    BeforeCommit,
    /// Writing or syncing the commit.
    Commit,
}

impl Fate {
    /// A commit that found no space or no lock wrote no valid commit frame. One whose write or sync
    /// failed otherwise may have: the frame can be in the file and outlive a crash.
    pub(in crate::event_log) fn of(error: &rusqlite::Error, phase: Phase) -> Self {
        match (phase, error.sqlite_error_code()) {
            (Phase::BeforeCommit, _) => Self::NotRecorded,
            (Phase::Commit, Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ReadOnly)) => {
                Self::NotRecorded
            }
            (Phase::Commit, _) => Self::Unknown,
        }
    }
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
