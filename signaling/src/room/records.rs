//! The way to the event log and back. Nothing here waits: what takes time becomes a call.

use super::{Input, Room, audit};
use crate::{
    limits,
    load::{VISIT, stored, stream_id},
};
use model::WaitingRoomId;
use platform::event_log::{self, AppendError, Fence, Moment, NewEvent, NewMessage, Refusal, Version};
use signaling_core::{
    codec::Encoded,
    limits::READ_PAGE,
    owner::{Append, AppendFailure, Appended, Overtaken, ReadFailure, Stream, Ticket},
};
use std::sync::Arc;
use tokio::time::Instant;

impl Room {
    pub(super) fn append(&mut self, append: Append) {
        let Append { stream, ticket, expected, key, by, events, at } = append;
        let id = stream_id(self.owner.tenant(), self.owner.id(), stream);
        let outbox: Vec<_> =
            events.iter().filter_map(|event| message(self.owner.id(), stream, event.kind)).collect();
        let audit = audit::row(self.owner.id(), stream, by, &events).into_iter().collect();
        let tells = !outbox.is_empty();
        let events = events.into_iter().map(new_event).collect();
        let append = event_log::Append {
            key: Some(key),
            outbox,
            audit,
            fence: Some(Fence { scope: self.owner.id().0, epoch: self.epoch }),
            ..event_log::Append::new(id, Version(expected), events, at)
        };
        let shared = Arc::clone(&self.shared);
        let mut span = self.traces.appending(stream, key);
        self.calls.spawn(async move {
            let begun = Instant::now();
            let answer = tokio::time::timeout(limits::STORE_TIMEOUT, shared.store.append(append)).await;
            if tells {
                shared.waker.wake(VISIT.lane);
            }
            let result = match answer {
                Ok(Ok(event_log::Appended { version, repeated, provisional, .. })) => {
                    Ok(Appended { version: version.0, repeated, provisional })
                }
                Ok(Err(AppendError::Rejected(refusal))) => Err(match refusal {
                    Refusal::Conflict { .. } => AppendFailure::Conflict,
                    Refusal::TooLarge | Refusal::Invalid => AppendFailure::TooLarge,
                    Refusal::Fenced => AppendFailure::Fenced,
                    Refusal::Unavailable | Refusal::Overdue => AppendFailure::Unavailable,
                }),
                Ok(Err(AppendError::Unknown)) | Err(_) => Err(AppendFailure::Unknown),
            };
            if result.is_err() {
                span.fail("not recorded");
            }
            span.end();
            Input::Appended { stream, ticket, result, took: begun.elapsed() }
        });
    }

    pub(super) fn read(&mut self, stream: Stream, ticket: Ticket, after: u64) {
        let id = stream_id(self.owner.tenant(), self.owner.id(), stream);
        let shared = Arc::clone(&self.shared);
        self.calls.spawn(async move {
            let read = shared.store.read(id, Version(after), READ_PAGE, Moment::NOW);
            let page = match tokio::time::timeout(limits::STORE_TIMEOUT, read).await {
                Ok(Ok(events)) => Ok(events.into_iter().map(stored).collect()),
                Ok(Err(_)) | Err(_) => Err(ReadFailure),
            };
            Input::Page { stream, ticket, page }
        });
    }

    /// Until what the local journal holds of this room is in the store.
    pub(super) fn await_record(&mut self, ticket: Ticket) {
        let (shared, tenant, room) = (Arc::clone(&self.shared), self.owner.tenant(), self.owner.id());
        self.calls.spawn(async move {
            let recorded = shared.store.recorded(tenant, room.0).await;
            Input::Recorded { ticket, result: recorded.map_err(|_| Overtaken) }
        });
    }
}

/// What other services are told of an event: that it happened, and to which visit.
fn message(room: WaitingRoomId, stream: Stream, kind: &str) -> Option<NewMessage> {
    let Stream::Visit(visit) = stream else { return None };
    let told = ["booked", "checked-in", "escalated", "admitted", "denied", "left", "ended"].contains(&kind);
    let body = || serde_json::json!({ "visit": visit, "waitingRoom": room }).to_string();
    told.then(|| NewMessage { subject: format!("visit.{kind}"), body: body() })
}

fn new_event(event: Encoded) -> NewEvent {
    let Encoded { kind, schema, body, phi } = event;
    NewEvent { kind, schema, body, phi, effective: None }
}
