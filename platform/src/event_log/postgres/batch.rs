//! One transaction over many appends: locks their partitions, looks, judges, writes, commits. Two round trips,
//! whatever their number: what is sent together is done in its order, each statement seeing what was committed before
//! it began, and so everything before the lock.

use super::{number, partition_of, statements as sql, unsigned};
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
        pub(super) struct Prepared { $($name: Statement),+ }

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
struct Found {
    known: Known,
    numbers: HashMap<StreamId, i64>,
    /// The newest stream of each partition.
    newest: HashMap<Partition, i64>,
}

/// Appends all of a batch in one commit and returns their outcomes in order. `committing` is set when the commit is
/// asked for.
pub(super) async fn commit(
    client: &Client,
    prepared: &Prepared,
    batch: &[Box<Append>],
    committing: &mut bool,
) -> Result<Vec<Outcome>, Failure> {
    let before = |error: Error| Failure::before(&error);
    let mut found = look(client, prepared, batch).await.map_err(before)?;
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
        let written = write(client, prepared, &mut found, &accepted).await;
        written
            .map_err(|error| if error.code().is_some() { Failure::before(&error) } else { Failure::Unknown })
    };
    try_join(written, committed).await?;
    Ok(outcomes)
}

/// Begins, locks and looks. What follows the lock in one go is seen as of after it.
async fn look(client: &Client, prepared: &Prepared, batch: &[Box<Append>]) -> Result<Found, Error> {
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
        client.batch_execute("BEGIN"),
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
struct Streams<'a> {
    categories: Vec<&'a str>,
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
}

impl<'a> Streams<'a> {
    fn of(streams: impl Iterator<Item = &'a StreamId>) -> Self {
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
    fn number_new(&mut self, accepted: &[Accepted<'_>]) -> Vec<(i64, StreamId)> {
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

async fn write(
    client: &Client,
    prepared: &Prepared,
    found: &mut Found,
    accepted: &[Accepted<'_>],
) -> Result<(), Error> {
    let new = found.number_new(accepted);
    let found = &*found;
    let beside = try_join3(
        write_commands(client, prepared, found, accepted),
        write_messages(client, prepared, accepted),
        write_audits(client, prepared, found, accepted),
    );
    try_join4(
        write_streams(client, prepared, found, accepted, &new),
        write_events(client, prepared, found, accepted),
        beside,
        write_ends(client, prepared, found),
    )
    .await
    .map(drop)
}

async fn write_streams(
    client: &Client,
    prepared: &Prepared,
    found: &Found,
    accepted: &[Accepted<'_>],
    new: &[(i64, StreamId)],
) -> Result<(), Error> {
    let version = |stream: &StreamId| number(found.known.heads.get(stream).copied().unwrap_or_default().0);
    let streams = Streams::of(new.iter().map(|(_, stream)| stream));
    let numbers: Vec<_> = new.iter().map(|(number, _)| *number).collect();
    let versions: Vec<_> = new.iter().map(|(_, stream)| version(stream)).collect();
    let begun: BTreeSet<_> = new.iter().map(|(_, stream)| *stream).collect();
    let moved: BTreeSet<_> =
        accepted.iter().map(|a| a.append.stream).filter(|s| !begun.contains(s)).collect();
    let moved_numbers: Vec<_> =
        moved.iter().filter_map(|stream| found.numbers.get(stream).copied()).collect();
    let moved_versions: Vec<_> = moved.iter().map(version).collect();
    let start = async {
        if numbers.is_empty() {
            return Ok(0);
        }
        let columns = &streams;
        client
            .execute(
                &prepared.start_streams,
                &[&numbers, &columns.categories, &columns.tenants, &columns.ids, &versions],
            )
            .await
    };
    let go_on = async {
        if moved_numbers.is_empty() {
            return Ok(0);
        }
        client.execute(&prepared.move_streams, &[&moved_numbers, &moved_versions]).await
    };
    try_join(start, go_on).await.map(drop)
}

async fn write_events(
    client: &Client,
    prepared: &Prepared,
    found: &Found,
    accepted: &[Accepted<'_>],
) -> Result<(), Error> {
    let count = accepted.iter().map(|a| a.append.events.len()).sum();
    let (mut partitions, mut positions) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut streams, mut versions) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut kinds, mut schemas) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut bodies, mut phis) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let (mut ats, mut effectives) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for a in accepted {
        let stream = found.numbers.get(&a.append.stream).copied().unwrap_or_default();
        for ((event, position), version) in
            a.append.events.iter().zip(a.event..).zip(a.append.expected.0 + 1..)
        {
            partitions.push(i32::from(a.partition.0));
            positions.push(number(position));
            streams.push(stream);
            versions.push(number(version));
            kinds.push(event.kind);
            schemas.push(i32::from(event.schema));
            bodies.push(event.body.as_str());
            phis.push(event.phi.as_deref());
            ats.push(a.append.at.as_millis());
            effectives.push(event.effective.map(model::Timestamp::as_millis));
        }
    }
    client
        .execute(
            &prepared.insert_events,
            &[
                &partitions,
                &positions,
                &streams,
                &versions,
                &kinds,
                &schemas,
                &bodies,
                &phis,
                &ats,
                &effectives,
            ],
        )
        .await
        .map(drop)
}

async fn write_commands(
    client: &Client,
    prepared: &Prepared,
    found: &Found,
    accepted: &[Accepted<'_>],
) -> Result<(), Error> {
    let (mut streams, mut keys, mut versions, mut answers) = (vec![], vec![], vec![], vec![]);
    for a in accepted {
        let Some(key) = a.append.key else { continue };
        streams.push(found.numbers.get(&a.append.stream).copied().unwrap_or_default());
        keys.push(key.0);
        versions.push(number(a.version().0));
        answers.push(a.append.answer.as_deref());
    }
    if keys.is_empty() {
        return Ok(());
    }
    client.execute(&prepared.insert_commands, &[&streams, &keys, &versions, &answers]).await.map(drop)
}

async fn write_messages(
    client: &Client,
    prepared: &Prepared,
    accepted: &[Accepted<'_>],
) -> Result<(), Error> {
    let (mut partitions, mut positions, mut tenants) = (vec![], vec![], vec![]);
    let (mut subjects, mut bodies, mut ats) = (vec![], vec![], vec![]);
    for a in accepted {
        for (message, position) in a.append.outbox.iter().zip(a.message..) {
            partitions.push(i32::from(a.partition.0));
            positions.push(number(position));
            tenants.push(a.append.stream.tenant.0);
            subjects.push(message.subject.as_str());
            bodies.push(message.body.as_str());
            ats.push(a.append.at.as_millis());
        }
    }
    if positions.is_empty() {
        return Ok(());
    }
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
        [&partitions, &positions, &tenants, &subjects, &bodies, &ats];
    client.execute(&prepared.insert_messages, &columns).await.map(drop)
}

async fn write_audits(
    client: &Client,
    prepared: &Prepared,
    found: &Found,
    accepted: &[Accepted<'_>],
) -> Result<(), Error> {
    let (mut tenants, mut partitions, mut numbers, mut ats) = (vec![], vec![], vec![], vec![]);
    let (mut actions, mut actors, mut subjects) = (vec![], vec![], vec![]);
    let (mut bodies, mut phis) = (vec![], vec![]);
    let mut last = HashMap::new();
    for a in accepted {
        let tenant = a.append.stream.tenant;
        for (audit, place) in a.append.audit.iter().zip(a.audit..) {
            tenants.push(tenant.0);
            partitions.push(i32::from(a.partition.0));
            numbers.push(number(place));
            ats.push(a.append.at.as_millis());
            actions.push(audit.action);
            actors.push(audit.actor);
            subjects.push(audit.subject);
            bodies.push(audit.body.as_str());
            phis.push(audit.phi.as_deref());
            last.insert((tenant, a.partition), ());
        }
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let (mut of, mut within, mut ends) = (vec![], vec![], vec![]);
    for (tenant, partition) in last.into_keys() {
        of.push(tenant.0);
        within.push(i32::from(partition.0));
        ends.push(number(found.known.audits.get(&(tenant, partition)).copied().unwrap_or(0)));
    }
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
        [&tenants, &partitions, &numbers, &ats, &actions, &actors, &subjects, &bodies, &phis];
    try_join(
        client.execute(&prepared.insert_audits, &columns),
        client.execute(&prepared.move_audit_ends, &[&of, &within, &ends]),
    )
    .await
    .map(drop)
}

async fn write_ends(client: &Client, prepared: &Prepared, found: &Found) -> Result<(), Error> {
    let (mut partitions, mut streams, mut events, mut messages) = (vec![], vec![], vec![], vec![]);
    for (partition, ends) in &found.known.ends {
        partitions.push(i32::from(partition.0));
        streams.push(found.newest.get(partition).copied().unwrap_or_default());
        events.push(number(ends.event));
        messages.push(number(ends.message));
    }
    client.execute(&prepared.move_ends, &[&partitions, &streams, &events, &messages]).await.map(drop)
}
