//! Rebuilding a waiting room from the store, page by page.

use crate::{
    Error,
    index::{Index, Target},
    limits,
};
use futures_util::StreamExt as _;
use model::{ParticipantId, TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    event_log::{Category, Moment, ReadError, RecordedEvent, Store, StreamId, Version},
    lane::Lane,
};
use signaling_core::{
    Owner,
    codec::{DecodeError, Stored, decode_visit, decode_waiting_room},
    history::{Past, Reading},
    limits::READ_PAGE,
    owner::Stream,
    visit,
    waiting_room::{self, Opened},
};
use std::sync::Arc;

/// Category of a waiting room's stream.
pub(crate) const WAITING_ROOM: Category = Category { name: "waiting-room", lane: Lane::Critical };
/// Category of a visit's stream.
pub const VISIT: Category = Category { name: "visit", lane: Lane::Critical };

/// The stream of a waiting room's owner, as the store names it.
pub(crate) const fn stream_id(tenant: TenantId, room: WaitingRoomId, stream: Stream) -> StreamId {
    match stream {
        Stream::WaitingRoom => StreamId { tenant, category: WAITING_ROOM, id: room.0 },
        Stream::Visit(visit) => StreamId { tenant, category: VISIT, id: visit.0 },
    }
}

/// Every waiting room there is.
pub(crate) async fn rooms(store: &dyn Store) -> Result<Vec<(TenantId, WaitingRoomId)>, Error> {
    let (mut rooms, mut after) = (Vec::new(), None);
    loop {
        let page = store.streams(WAITING_ROOM, after, limits::STREAM_PAGE).await?;
        let Some(last) = page.last() else { return Ok(rooms) };
        after = Some((last.tenant, last.id));
        rooms.extend(page.iter().map(|id| (id.tenant, WaitingRoomId(id.id))));
    }
}

/// The waiting rooms of one unit, in the order of their ids.
pub(crate) async fn rooms_of(
    store: &dyn Store,
    tenant: TenantId,
    after: Option<WaitingRoomId>,
    limit: usize,
) -> Result<Vec<WaitingRoomId>, ReadError> {
    let after = (tenant, after.map_or(uuid::Uuid::nil(), |after| after.0));
    let page = store.streams(WAITING_ROOM, Some(after), limit).await?;
    Ok(page.iter().filter(|id| id.tenant == tenant).map(|id| WaitingRoomId(id.id)).collect())
}

/// A waiting room as its first event tells of it; none if it was never opened.
pub(crate) async fn opening(
    store: &dyn Store,
    tenant: TenantId,
    room: WaitingRoomId,
) -> Result<Option<Owner>, Error> {
    let id = stream_id(tenant, room, Stream::WaitingRoom);
    let events: Vec<Stored> =
        store.read(id, Version(0), 1, Moment::NOW).await?.into_iter().map(stored).collect();
    if events.is_empty() {
        return Ok(None);
    }
    let mut owner = Owner::new(tenant, room);
    replay(&mut owner, Stream::WaitingRoom, &events)?;
    Ok(Some(owner))
}

/// Whether a waiting room was ever opened.
pub(crate) async fn exists(
    store: &dyn Store,
    tenant: TenantId,
    room: WaitingRoomId,
) -> Result<bool, ReadError> {
    let id = stream_id(tenant, room, Stream::WaitingRoom);
    Ok(!store.read(id, Version(0), 1, Moment::NOW).await?.is_empty())
}

/// A waiting room with all that its owner holds.
pub(crate) async fn room(
    store: &Arc<dyn Store>,
    index: &Index,
    tenant: TenantId,
    room: WaitingRoomId,
) -> Result<Owner, Error> {
    let mut owner = Owner::new(tenant, room);
    restore(&**store, &mut owner, Stream::WaitingRoom).await?;
    let streams = index.visits(tenant, room).await?.into_iter().map(Stream::Visit);
    let read = futures_util::stream::iter(streams).map(|stream| {
        let (store, id) = (Arc::clone(store), stream_id(tenant, room, stream));
        async move { all(&*store, id).await.map(|events| (stream, events)) }
    });
    let mut read = read.buffered(limits::STREAMS_AT_ONCE);
    while let Some(visit) = read.next().await {
        let (stream, events) = visit?;
        replay(&mut owner, stream, &events)?;
    }
    Ok(owner)
}

/// As much of a waiting room as it takes to greet the holder of a link, whoever owns it.
pub(crate) async fn glance(store: &dyn Store, target: Target) -> Result<Owner, Error> {
    let mut owner = Owner::new(target.tenant, target.room);
    restore(store, &mut owner, Stream::WaitingRoom).await?;
    if let Some(visit) = target.visit {
        restore(store, &mut owner, Stream::Visit(visit)).await?;
    }
    Ok(owner)
}

/// What is left of a visit that is over; none of one that is not.
pub(crate) async fn past(
    store: &dyn Store,
    tenant: TenantId,
    room: WaitingRoomId,
    visit: VisitId,
) -> Result<Option<Past>, Error> {
    let id = stream_id(tenant, room, Stream::Visit(visit));
    let mut reading = Reading::new(visit);
    let refused = |source: DecodeError| Error::Decode { category: id.category.name, id: id.id, source };
    for event in all(store, id).await? {
        reading.take(&event).map_err(refused)?;
    }
    Ok(reading.past())
}

/// What is known of a waiting room from the start; none if it was never opened.
pub(crate) async fn opened(
    store: &dyn Store,
    tenant: TenantId,
    room: WaitingRoomId,
) -> Result<Option<Opened>, Error> {
    let id = stream_id(tenant, room, Stream::WaitingRoom);
    let first = store.read(id, Version(0), 1, Moment::NOW).await?.into_iter().next();
    let Some(first) = first else { return Ok(None) };
    let refused = |source: DecodeError| Error::Decode { category: id.category.name, id: id.id, source };
    match decode_waiting_room(&stored(first)).map_err(refused)?.event {
        waiting_room::Event::Opened(opened) => Ok(Some(opened)),
        waiting_room::Event::SeatTaken { .. } => Ok(None),
    }
}

/// Whose a visit is, when it was booked and when it was over, if it is; none if it was never booked.
pub(crate) async fn span(
    store: &dyn Store,
    tenant: TenantId,
    room: WaitingRoomId,
    visit: VisitId,
) -> Result<Option<Span>, Error> {
    let id = stream_id(tenant, room, Stream::Visit(visit));
    let refused = |source: DecodeError| Error::Decode { category: id.category.name, id: id.id, source };
    let mut span: Option<Span> = None;
    for event in all(store, id).await? {
        match event.kind.as_str() {
            "booked" => {
                let recorded = decode_visit(&event).map_err(refused)?;
                if let visit::Event::Booked(booked) = recorded.event {
                    let (home, patient) = (booked.waiting_room, booked.patient);
                    span = Some(Span { home, patient, booked_at: event.at, ended_at: None });
                }
            }
            "denied" | "ended" => {
                if let Some(span) = &mut span {
                    span.ended_at = Some(event.at);
                }
            }
            _ => {}
        }
    }
    Ok(span)
}

/// Whose a visit is, and its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) home: WaitingRoomId,
    pub(crate) patient: ParticipantId,
    pub(crate) booked_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
}

async fn restore(store: &dyn Store, owner: &mut Owner, stream: Stream) -> Result<(), Error> {
    let events = all(store, stream_id(owner.tenant(), owner.id(), stream)).await?;
    replay(owner, stream, &events)
}

async fn all(store: &dyn Store, id: StreamId) -> Result<Vec<Stored>, Error> {
    let mut events: Vec<Stored> = Vec::new();
    loop {
        let after = Version(events.last().map_or(0, |last| last.version));
        let page = store.read(id, after, READ_PAGE, Moment::NOW).await?;
        let full = page.len() >= READ_PAGE;
        events.extend(page.into_iter().map(stored));
        if !full {
            return Ok(events);
        }
    }
}

fn replay(owner: &mut Owner, stream: Stream, events: &[Stored]) -> Result<(), Error> {
    let id = stream_id(owner.tenant(), owner.id(), stream);
    let refused = |source: DecodeError| Error::Decode { category: id.category.name, id: id.id, source };
    events.iter().try_for_each(|event| owner.restore(stream, event)).map_err(refused)
}

/// The store's event as the core reads it.
pub(crate) fn stored(event: RecordedEvent) -> Stored {
    let RecordedEvent { version, kind, schema, body, phi, at, .. } = event;
    Stored { version: version.0, kind, schema, body, phi, at }
}
