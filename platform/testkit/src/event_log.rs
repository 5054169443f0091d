//! Event logs under test: [`MemoryStore`], the simplest one that can be right, and
//! [`conformance`], what every adapter must do.

mod conformance;
mod memory;

pub use conformance::{Step, agrees_with_memory, conformance, steps};
pub use memory::MemoryStore;

use model::{CommandId, TenantId, Timestamp};
use platform::event_log::{Append, NewEvent, StreamId, Version};
use uuid::Uuid;

/// A stream of the test tenant.
pub fn stream(id: u128) -> StreamId {
    StreamId { tenant: TenantId(Uuid::from_u128(1)), category: "visit", id: Uuid::from_u128(id) }
}

/// An append of `count` small events.
pub fn append(stream: StreamId, expected: u64, key: Option<u128>, count: usize) -> Append {
    let event = |n| NewEvent {
        kind: "noted",
        schema: 1,
        body: format!("{{\"n\":{n}}}"),
        phi: (n % 2 == 1).then(|| format!("{{\"name\":\"{n}\"}}")),
    };
    Append {
        stream,
        expected: Version(expected),
        key: key.map(|key| CommandId(Uuid::from_u128(key))),
        events: (0..count).map(event).collect(),
        at: Timestamp::from_millis(1_800_000_000_000),
    }
}
