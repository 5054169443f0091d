//! What is written for the appends that hold, as columns: one statement a table, whatever the number of rows.

use super::{
    batch::{Found, Prepared, Streams},
    number,
};
use crate::event_log::{StreamId, judge::Accepted};
use futures_util::future::{try_join, try_join3, try_join4};
use std::collections::BTreeSet;
use tokio_postgres::{Client, Error};

/// All of it at once: the statements are sent together.
pub(super) async fn write(
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
    let mut last = BTreeSet::new();
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
            last.insert((tenant, a.partition));
        }
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let (mut of, mut within, mut ends) = (vec![], vec![], vec![]);
    for (tenant, partition) in last {
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
