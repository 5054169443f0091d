//! Event logs under test: [`MemoryStore`], the simplest one that can be right, [`Faulty`], one that fails when told to, and
//! [`conformance`], what every adapter must do.

mod conformance;
mod faulty;
mod memory;

pub use conformance::{Step, agrees_with_memory, conformance, steps};
pub use faulty::{Fault, Faulty};
pub use memory::MemoryStore;

use model::{CommandId, TenantId, Timestamp};
use platform::{
    event_log::{Append, Category, NewAudit, NewEvent, NewMessage, StreamId, Version},
    lane::Lane,
};
use uuid::Uuid;

/// The category of the streams of [`stream`].
pub const VISIT: Category = Category { name: "visit", lane: Lane::Critical };

/// When everything in these tests was decided.
pub const DECIDED: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A stream of the test tenant.
pub fn stream(id: u128) -> StreamId {
    StreamId { tenant: TenantId(Uuid::from_u128(1)), category: VISIT, id: Uuid::from_u128(id) }
}

/// An append of `count` small events.
pub fn append(stream: StreamId, expected: u64, key: Option<u128>, count: usize) -> Append {
    let event = |n| NewEvent {
        kind: "noted",
        schema: 1,
        body: format!("{{\"n\":{n}}}"),
        phi: (n % 2 == 1).then(|| format!("{{\"name\":\"{n}\"}}")),
        effective: None,
    };
    let events = (0..count).map(event).collect();
    let key = key.map(|key| CommandId(Uuid::from_u128(key)));
    Append { key, ..Append::new(stream, Version(expected), events, DECIDED) }
}

/// An append of all a command leaves behind: an event, a message, an audit row, its key and its answer.
pub fn command(stream: StreamId, expected: u64, key: u128) -> Append {
    Append {
        answer: Some(format!("{{\"command\":\"{key}\"}}")),
        outbox: vec![NewMessage {
            subject: "visit.noted".to_owned(),
            body: format!("{{\"key\":\"{key}\"}}"),
        }],
        audit: vec![NewAudit {
            action: "visit.note",
            actor: Some(Uuid::from_u128(7)),
            subject: Some(stream.id),
            body: "{}".to_owned(),
            phi: None,
        }],
        ..append(stream, expected, Some(key), 1)
    }
}
