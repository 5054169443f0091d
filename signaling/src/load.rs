//! Rebuilding every waiting room and visit from the store, page by page.

use crate::{Error, limits};
use model::{TenantId, VisitId, WaitingRoomId};
use platform::{
    event_log::{Category, EventStore, Moment, RecordedEvent, StreamId, Version},
    lane::Lane,
};
use signaling_core::{
    Owner,
    codec::{self, DecodeError, Stored},
    limits::READ_PAGE,
    owner::Stream,
    visit::Event,
};
use std::collections::HashMap;

/// Category of a waiting room's stream.
pub(crate) const WAITING_ROOM: Category = Category { name: "waiting-room", lane: Lane::Critical };
/// Category of a visit's stream.
pub(crate) const VISIT: Category = Category { name: "visit", lane: Lane::Critical };

/// The stream of a waiting room's owner, as the store names it.
pub(crate) const fn stream_id(tenant: TenantId, room: WaitingRoomId, stream: Stream) -> StreamId {
    match stream {
        Stream::WaitingRoom => StreamId { tenant, category: WAITING_ROOM, id: room.0 },
        Stream::Visit(visit) => StreamId { tenant, category: VISIT, id: visit.0 },
    }
}

/// Every owner, with everything that ever happened to it.
pub(crate) async fn all(store: &dyn EventStore) -> Result<Vec<Owner>, Error> {
    let mut owners = HashMap::new();
    let mut after = None;
    while let Some(page) = streams(store, WAITING_ROOM, &mut after).await? {
        for id in page {
            let room = WaitingRoomId(id.id);
            let mut owner = Owner::new(id.tenant, room);
            restore(store, id, &mut owner, Stream::WaitingRoom).await?;
            owners.insert((id.tenant, room), owner);
        }
    }
    after = None;
    while let Some(page) = streams(store, VISIT, &mut after).await? {
        for id in page {
            let first = read(store, id, Version(0), 1).await?;
            let room = first.first().and_then(home).ok_or(Error::Homeless(id.id))?;
            let owner = owners.get_mut(&(id.tenant, room)).ok_or(Error::Homeless(id.id))?;
            restore(store, id, owner, Stream::Visit(VisitId(id.id))).await?;
        }
    }
    Ok(owners.into_values().collect())
}

/// The next page of a category's streams; `None` after the last.
async fn streams(
    store: &dyn EventStore,
    category: Category,
    after: &mut Option<(TenantId, uuid::Uuid)>,
) -> Result<Option<Vec<StreamId>>, Error> {
    let page = store.streams(category, *after, limits::STREAM_PAGE).await?;
    if let Some(last) = page.last() {
        *after = Some((last.tenant, last.id));
    }
    Ok((!page.is_empty()).then_some(page))
}

async fn restore(
    store: &dyn EventStore,
    id: StreamId,
    owner: &mut Owner,
    stream: Stream,
) -> Result<(), Error> {
    let mut after = Version(0);
    loop {
        let page = read(store, id, after, READ_PAGE).await?;
        for stored in &page {
            let refused =
                |source: DecodeError| Error::Decode { category: id.category.name, id: id.id, source };
            owner.restore(stream, stored).map_err(refused)?;
            after = Version(stored.version);
        }
        if page.len() < READ_PAGE {
            return Ok(());
        }
    }
}

async fn read(
    store: &dyn EventStore,
    id: StreamId,
    after: Version,
    limit: usize,
) -> Result<Vec<Stored>, Error> {
    Ok(store.read(id, after, limit, Moment::NOW).await?.into_iter().map(stored).collect())
}

/// The store's event as the core reads it.
pub(crate) fn stored(event: RecordedEvent) -> Stored {
    let RecordedEvent { version, kind, schema, body, phi, at, .. } = event;
    Stored { version: version.0, kind, schema, body, phi, at }
}

/// Where a visit belongs: its first event says so.
fn home(first: &Stored) -> Option<WaitingRoomId> {
    match codec::decode_visit(first).ok()?.event {
        Event::Booked(booked) => Some(booked.waiting_room),
        _ => None,
    }
}
