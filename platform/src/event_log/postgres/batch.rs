//! One transaction over many appends: locks their partitions, looks, judges, writes, commits. Two round trips,
//! whatever their number: what is sent together is done in its order, each statement seeing what was committed before
//! it began, and so everything before the lock.

use super::{partition_of, rows, statements as sql, unsigned};
use crate::event_log::{
    Append, Partition, StreamId, Version,
    judge::{Accepted, Command, Ends, Known, Outcome},
};
use futures_util::future::{try_join, try_join3, try_join4};
use model::{Epoch, TenantId};
use std::collections::{BTreeSet, HashMap};
use tokio_postgres::{Client, Error, Row, Statement, error::SqlState};
use uuid::Uuid;

/// Why a batch failed, as far as the callers must know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Nothing of it is recorded, nor will be.
    NotRecorded,
    /// As before, and it is worth trying once more: it met another's lock in the wrong order.
    Again,
    /// The commit may have reached the disk.
    Unknown,
}

impl Failure {
    /// Before the commit was asked for.
    pub(super) fn before(error: &Error) -> Self {
        if collided(error) { Self::Again } else { Self::NotRecorded }
    }

    /// The answer to the commit.
    fn at_commit(error: &Error) -> Self {
        if collided(error) { Self::Again } else { Self::Unknown }
    }
}

fn collided(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
    })
}

macro_rules! prepared {
    ($($name:ident = $statement:ident),+ $(,)?) => {
        /// What a writer's connection has prepared.
        pub(super) struct Prepared { $(pub(super) $name: Statement),+ }

        impl Prepared {
            pub(super) async fn new(client: &Client) -> Result<Self, Error> {
                Ok(Self { $($name: client.prepare(sql::$statement.sql).await?),+ })
            }
        }
    };
}

prepared! {
    lock_ends = LOCK_ENDS,
    move_ends = MOVE_ENDS,
    streams = STREAMS,
    start_streams = START_STREAMS,
    move_streams = MOVE_STREAMS,
    commands = COMMANDS,
    insert_commands = INSERT_COMMANDS,
    epochs = EPOCHS,
    audit_ends = AUDIT_ENDS,
    move_audit_ends = MOVE_AUDIT_ENDS,
    insert_audits = INSERT_AUDITS,
    insert_events = INSERT_EVENTS,
    insert_messages = INSERT_MESSAGES,
}

/// What is known of a batch's streams, and the numbers they and their partitions have.
#[derive(Default)]
pub(super) struct Found {
    pub(super) known: Known,
    pub(super) numbers: HashMap<StreamId, i64>,
    /// The newest stream of each partition.
    pub(super) newest: HashMap<Partition, i64>,
}

/// Appends all of a batch in one commit and returns their outcomes in order. `committing` is set when the commit is
/// asked for. `begin` is how a transaction for its tenants begins.
pub(super) async fn commit(
    client: &Client,
    prepared: &Prepared,
    begin: &str,
    batch: &[Box<Append>],
    committing: &mut bool,
) -> Result<Vec<Outcome>, Failure> {
    let before = |error: Error| Failure::before(&error);
    let mut found = look(client, prepared, begin, batch).await.map_err(before)?;
    let (outcomes, accepted) = found.known.judge(batch.iter().map(|append| &**append), partition_of);
    if accepted.is_empty() {
        client.batch_execute("ROLLBACK").await.map_err(before)?;
        return Ok(outcomes);
    }
    *committing = true;
    // If anything of it fails, the server makes a rollback of the commit. If the answer to the commit is missing, it is
    // not known.
    let committed =
        async { client.batch_execute("COMMIT").await.map_err(|error| Failure::at_commit(&error)) };
    let written = async {
        let written = rows::write(client, prepared, &mut found, &accepted).await;
        written
            .map_err(|error| if error.code().is_some() { Failure::before(&error) } else { Failure::Unknown })
    };
    try_join(written, committed).await?;
    Ok(outcomes)
}

/// Begins, locks and looks. What follows the lock in one go is seen as of after it.
async fn look(
    client: &Client,
    prepared: &Prepared,
    begin: &str,
    batch: &[Box<Append>],
) -> Result<Found, Error> {
    let partitions: BTreeSet<_> = batch.iter().map(|append| partition_of(&append.stream)).collect();
    let partitions: Vec<_> = partitions.into_iter().map(|partition| i32::from(partition.0)).collect();
    let (tenants, audited): (Vec<_>, Vec<_>) =
        audited(batch).into_iter().map(|(tenant, partition)| (tenant.0, i32::from(partition.0))).unzip();
    let streams: BTreeSet<_> = batch.iter().map(|append| append.stream).collect();
    let streams = Streams::of(streams.iter());
    let keyed: Vec<_> = batch.iter().filter_map(|append| Some((append.stream, append.key?))).collect();
    let keys: Vec<_> = keyed.iter().map(|(_, key)| key.0).collect();
    let commands = Streams::of(keyed.iter().map(|(stream, _)| stream));
    let fences = batch.iter().filter_map(|append| Some((append.stream.tenant.0, append.fence?.scope)));
    let (owners, scopes): (Vec<_>, Vec<_>) = fences.collect::<BTreeSet<_>>().into_iter().unzip();

    let (_, ends, (heads, done, epochs, audits)) = try_join3(
        client.batch_execute(begin),
        client.query(&prepared.lock_ends, &[&partitions]),
        try_join4(
            client.query(&prepared.streams, &[&streams.categories, &streams.tenants, &streams.ids]),
            client
                .query(&prepared.commands, &[&commands.categories, &commands.tenants, &commands.ids, &keys]),
            client.query(&prepared.epochs, &[&owners, &scopes]),
            client.query(&prepared.audit_ends, &[&tenants, &audited]),
        ),
    )
    .await?;
    let mut found = Found::default();
    found.take_ends(&ends, &audits)?;
    found.take_heads(&heads, batch)?;
    for row in &done {
        let at = usize::try_from(row.try_get::<_, i64>(0)? - 1).unwrap_or(usize::MAX);
        let Some(key) = keyed.get(at) else { continue };
        let command = Command { version: Version(unsigned(row.try_get(1)?)), answer: row.try_get(2)? };
        found.known.commands.insert(*key, command);
    }
    for row in &epochs {
        let scope = (TenantId(row.try_get(0)?), row.try_get(1)?);
        found.known.epochs.insert(scope, Epoch(unsigned(row.try_get(2)?)));
    }
    Ok(found)
}

fn audited(batch: &[Box<Append>]) -> BTreeSet<(TenantId, Partition)> {
    let with = batch.iter().filter(|append| !append.audit.is_empty());
    with.map(|append| (append.stream.tenant, partition_of(&append.stream))).collect()
}

/// Streams as the columns of a query.
#[derive(Default)]
pub(super) struct Streams<'a> {
    pub(super) categories: Vec<&'a str>,
    pub(super) tenants: Vec<Uuid>,
    pub(super) ids: Vec<Uuid>,
}

impl<'a> Streams<'a> {
    pub(super) fn of(streams: impl Iterator<Item = &'a StreamId>) -> Self {
        let mut columns = Self::default();
        for stream in streams {
            columns.categories.push(stream.category.name);
            columns.tenants.push(stream.tenant.0);
            columns.ids.push(stream.id);
        }
        columns
    }
}

impl Found {
    fn take_ends(&mut self, ends: &[Row], audits: &[Row]) -> Result<(), Error> {
        for row in ends {
            let partition = Partition(row.try_get::<_, i32>(0)? as u16);
            self.newest.insert(partition, row.try_get(1)?);
            let (event, message) = (unsigned(row.try_get(2)?), unsigned(row.try_get(3)?));
            self.known.ends.insert(partition, Ends { event, message });
        }
        for row in audits {
            let key = (TenantId(row.try_get(0)?), Partition(row.try_get::<_, i32>(1)? as u16));
            self.known.audits.insert(key, unsigned(row.try_get(2)?));
        }
        Ok(())
    }

    fn take_heads(&mut self, heads: &[Row], batch: &[Box<Append>]) -> Result<(), Error> {
        let named: HashMap<_, _> = batch
            .iter()
            .map(|append| append.stream)
            .map(|stream| ((stream.category.name, stream.tenant.0, stream.id), stream))
            .collect();
        for row in heads {
            let (category, tenant, id): (&str, Uuid, Uuid) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let Some(stream) = named.get(&(category, tenant, id)) else { continue };
            self.numbers.insert(*stream, row.try_get(3)?);
            self.known.heads.insert(*stream, Version(unsigned(row.try_get(4)?)));
        }
        Ok(())
    }

    /// Numbers those that begin with this batch. Numbers of different partitions never meet.
    pub(super) fn number_new(&mut self, accepted: &[Accepted<'_>]) -> Vec<(i64, StreamId)> {
        let mut new = Vec::new();
        for Accepted { append, partition, .. } in accepted {
            if self.numbers.contains_key(&append.stream) {
                continue;
            }
            let newest = self.newest.entry(*partition).or_default();
            *newest += 1;
            let number = (i64::from(partition.0) << 48) | *newest;
            self.numbers.insert(append.stream, number);
            new.push((number, append.stream));
        }
        new
    }
}
