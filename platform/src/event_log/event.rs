//! Streams, and the events in them.

use crate::lane::Lane;
use model::{TenantId, Timestamp};
use std::fmt;
use uuid::Uuid;

/// A kind of stream: which machine it is the history of, and how urgent its writes are.
///
/// The lane belongs to the kind, not to the single write, so that the streams of one lane never wait for a lock
/// that another lane's hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Category {
    /// Its name, `visit` for example: `[a-z-]{1,32}`.
    pub name: &'static str,
    /// Which lane its writes and reads take.
    pub lane: Lane,
}

/// One stream: the history of one durable machine of one tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// What kind of machine.
    pub category: Category,
    /// Which one.
    pub id: Uuid,
}

/// How many events a stream has. The first event is recorded as version 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

/// A part of the store with an order of its own: what one sequencer numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Partition(pub u16);

/// A place in the order of a partition, from 1, without gaps; 0 is before everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(pub u64);

/// An event to be recorded. PHI stands apart from the rest, so that it can be encrypted and shredded
/// without rewriting history.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its name, `admitted` for example.
    pub kind: &'static str,
    /// Version of its shape; N and N−1 read each other.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
    /// Since when it is true, if not since it was decided: somebody reports what happened before.
    pub effective: Option<Timestamp>,
}

/// An event as it stands in the log.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the stream.
    pub version: Version,
    /// Its name.
    pub kind: String,
    /// Version of its shape.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
    /// When the owner decided it: since then it is known.
    pub at: Timestamp,
    /// Since when it is true.
    pub effective: Timestamp,
}

/// An event in the order of its partition, whatever stream it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailEvent {
    /// Its place in the partition.
    pub position: Position,
    /// Whose.
    pub tenant: TenantId,
    /// Name of its stream's category.
    pub category: String,
    /// Its stream.
    pub stream: Uuid,
    /// The event.
    pub event: RecordedEvent,
}

/// A look at the past. Both may be given: what was known then of what was true at another time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Only what was true by then.
    pub as_of: Option<Timestamp>,
    /// Only what had been decided by then.
    pub known_at: Option<Timestamp>,
}

impl Moment {
    /// Everything, as it is now.
    pub const NOW: Self = Self { as_of: None, known_at: None };

    /// What was true at a time, by all that is known today.
    pub const fn as_of(time: Timestamp) -> Self {
        Self { as_of: Some(time), known_at: None }
    }

    /// What was known at a time.
    pub const fn known_at(time: Timestamp) -> Self {
        Self { as_of: None, known_at: Some(time) }
    }

    /// Milliseconds that an event's `effective` and `at` may be at most.
    pub(super) fn bounds(&self) -> (i64, i64) {
        let or_ever = |time: Option<Timestamp>| time.map_or(i64::MAX, Timestamp::as_millis);
        (or_ever(self.as_of), or_ever(self.known_at))
    }

    /// Whether an event belongs to it.
    pub fn shows(&self, event: &RecordedEvent) -> bool {
        self.as_of.is_none_or(|time| event.effective <= time)
            && self.known_at.is_none_or(|time| event.at <= time)
    }
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("kind", &self.kind)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("version", &self.version)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
