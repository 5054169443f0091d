//! What is written for the appends that hold, as rows.

use super::{
    batch::run,
    memory::Memory,
    rowid,
    statements::{self as sql, Insert, ROWS_AT_ONCE},
};
use crate::event_log::{Append, StreamId, judge::Accepted};
use rusqlite::{
    CachedStatement, Transaction,
    types::{ToSqlOutput, ValueRef},
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Table by table, so that each statement and each page is taken up once.
pub(super) fn write(
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
