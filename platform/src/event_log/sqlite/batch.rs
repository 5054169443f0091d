//! One transaction over much work: judges, writes what holds, commits once.

use super::{
    memory::Memory,
    partition_of, rowid,
    statements::{self as sql, Insert, ROWS_AT_ONCE, Statement},
};
use crate::event_log::{
    Append, StreamId,
    judge::{Accepted, Outcome},
};
use rusqlite::{
    CachedStatement, Connection, ErrorCode, Params, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Something to be done in a transaction that others share. What it refuses, it has not written.
pub(super) enum Work {
    Append(Box<Append>),
    Other(Box<dyn Other>),
}

/// Work that is not an append. Keeps its result until the commit is known.
pub(super) trait Other: Send {
    fn run(&mut self, transaction: &Transaction<'_>, memory: &mut Memory) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, fate: Result<(), Fate>);
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
        write(transaction, memory, &accepted)?;
    }
    Ok(outcomes)
}

/// Table by table, so that each statement and each page is taken up once.
fn write(
    transaction: &Transaction<'_>,
    memory: &mut Memory,
    accepted: &[Accepted<'_>],
) -> rusqlite::Result<()> {
    let numbers = accepted
        .iter()
        .map(|accepted| number(transaction, memory, accepted.append.stream))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let numbered = || accepted.iter().zip(&numbers);
    write_events(transaction, numbered())?;
    write_commands(transaction, numbered())?;
    write_messages(transaction, accepted)?;
    write_audits(transaction, accepted)?;
    for partition in accepted.iter().map(|accepted| accepted.partition).collect::<BTreeSet<_>>() {
        if let Some(ends) = memory.known.ends.get(&partition) {
            run(transaction, &sql::MOVE_ENDS, (partition.0, ends.event, ends.message))?;
        }
    }
    Ok(())
}

/// The number of a stream, which may begin with this append.
fn number(transaction: &Transaction<'_>, memory: &mut Memory, stream: StreamId) -> rusqlite::Result<i64> {
    if let Some(number) = memory.numbers.get(&stream) {
        return Ok(*number);
    }
    let key = (stream.category.name, stream.tenant.0.as_bytes(), stream.id.as_bytes());
    run(transaction, &sql::START_STREAM, key)?;
    let number = transaction.last_insert_rowid();
    memory.numbers.insert(stream, number);
    Ok(number)
}

fn write_events<'a>(
    transaction: &Transaction<'_>,
    numbered: impl Iterator<Item = (&'a Accepted<'a>, &'a i64)>,
) -> rusqlite::Result<()> {
    let rows = numbered.flat_map(|(accepted, number)| {
        let append = accepted.append;
        let versions = append.expected.0 + 1..;
        let events = append.events.iter().zip(accepted.event..).zip(versions);
        events.map(move |((event, position), version)| {
            [
                int(rowid(accepted.partition, position)),
                int(*number),
                unsigned(version),
                text(event.kind),
                int(event.schema.into()),
                text(&event.body),
                or_null(event.phi.as_deref().map(text)),
                int(append.at.as_millis()),
                or_null(event.effective.map(|time| int(time.as_millis()))),
            ]
        })
    });
    insert(transaction, &sql::INSERT_EVENTS, rows)
}

fn write_commands<'a>(
    transaction: &Transaction<'_>,
    numbered: impl Iterator<Item = (&'a Accepted<'a>, &'a i64)>,
) -> rusqlite::Result<()> {
    let rows = numbered.filter_map(|(accepted, number)| {
        let key = accepted.append.key.as_ref()?;
        let answer = accepted.append.answer.as_deref().map(text);
        Some([int(*number), id(&key.0), unsigned(accepted.version().0), or_null(answer)])
    });
    insert(transaction, &sql::INSERT_COMMANDS, rows)
}

fn write_messages(transaction: &Transaction<'_>, accepted: &[Accepted<'_>]) -> rusqlite::Result<()> {
    let rows = accepted.iter().flat_map(|accepted| {
        let Append { stream, outbox, at, .. } = accepted.append;
        outbox.iter().zip(accepted.message..).map(move |(message, position)| {
            let (subject, body) = (text(&message.subject), text(&message.body));
            [
                int(rowid(accepted.partition, position)),
                id(&stream.tenant.0),
                subject,
                body,
                int(at.as_millis()),
            ]
        })
    });
    insert(transaction, &sql::INSERT_MESSAGES, rows)
}

fn write_audits(transaction: &Transaction<'_>, accepted: &[Accepted<'_>]) -> rusqlite::Result<()> {
    let rows = accepted.iter().flat_map(|accepted| {
        let Append { stream, audit, at, .. } = accepted.append;
        audit.iter().zip(accepted.audit..).map(move |(audit, number)| {
            [
                id(&stream.tenant.0),
                int(accepted.partition.0.into()),
                unsigned(number),
                int(at.as_millis()),
                text(audit.action),
                or_null(audit.actor.as_ref().map(id)),
                or_null(audit.subject.as_ref().map(id)),
                text(&audit.body),
                or_null(audit.phi.as_deref().map(text)),
            ]
        })
    });
    insert(transaction, &sql::INSERT_AUDITS, rows)
}

const fn int(number: i64) -> ValueRef<'static> {
    ValueRef::Integer(number)
}

/// Counted up from 1: it fits.
const fn unsigned(number: u64) -> ValueRef<'static> {
    ValueRef::Integer(number as i64)
}

const fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

const fn id(id: &Uuid) -> ValueRef<'_> {
    ValueRef::Blob(id.as_bytes())
}

fn or_null(value: Option<ValueRef<'_>>) -> ValueRef<'_> {
    value.unwrap_or(ValueRef::Null)
}

/// Inserts rows, as many at once as the longer statement takes.
fn insert<'a, const COLUMNS: usize>(
    transaction: &Transaction<'_>,
    insert: &Insert<COLUMNS>,
    rows: impl Iterator<Item = [ValueRef<'a>; COLUMNS]>,
) -> rusqlite::Result<()> {
    let rows: Vec<_> = rows.collect();
    let (many, rest) = rows.as_chunks::<ROWS_AT_ONCE>();
    if !many.is_empty() {
        let mut statement = transaction.prepare_cached(&insert.many)?;
        many.iter().try_for_each(|rows| execute(&mut statement, rows))?;
    }
    if !rest.is_empty() {
        let mut statement = transaction.prepare_cached(&insert.one)?;
        rest.iter().try_for_each(|row| execute(&mut statement, std::slice::from_ref(row)))?;
    }
    Ok(())
}

fn execute<const COLUMNS: usize>(
    statement: &mut CachedStatement<'_>,
    rows: &[[ValueRef<'_>; COLUMNS]],
) -> rusqlite::Result<()> {
    for (value, place) in rows.as_flattened().iter().zip(1..) {
        statement.raw_bind_parameter(place, ToSqlOutput::Borrowed(*value))?;
    }
    statement.raw_execute().map(drop)
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
