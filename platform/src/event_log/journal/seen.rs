//! Where streams are, as far as this process has been told: the store cannot be asked while it is away.

use crate::{
    event_log::{StreamId, Version, judge::HashMap},
    limits::{MAX_DOUBTS, MAX_STREAMS_SEEN},
};
use model::CommandId;

/// What was seen of a stream.
#[derive(Debug, Default)]
struct Sight {
    version: Option<Version>,
    doubts: Vec<Doubt>,
}

/// An append that was handed to the store and may yet be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) key: Option<CommandId>,
    pub(super) expected: Version,
}

/// Streams that were seen lately. Two generations, so that those that are in use stay when others are forgotten.
#[derive(Debug, Default)]
pub(super) struct Seen {
    young: HashMap<StreamId, Sight>,
    old: HashMap<StreamId, Sight>,
}

impl Seen {
    /// The store has said where a stream is. What was decided on an earlier version will not be recorded any more.
    pub(super) fn learn(&mut self, stream: StreamId, version: Version) {
        let sight = self.sight(stream);
        if sight.version.is_none_or(|before| before < version) {
            sight.version = Some(version);
            sight.doubts.retain(|doubt| doubt.expected >= version);
        }
    }

    /// A command was recorded at a version, and nothing was said of what came after it.
    pub(super) fn learn_at_least(&mut self, stream: StreamId, version: Version) {
        let sight = self.sight(stream);
        if sight.version.is_some_and(|before| before < version) {
            sight.version = None;
        }
    }

    /// Where the stream is, is not known.
    pub(super) fn forget(&mut self, stream: StreamId) {
        self.young.remove(&stream);
        self.old.remove(&stream);
    }

    /// An append is handed to the store. Says whether it is in doubt because of that, and not from before.
    pub(super) fn begin(&mut self, stream: StreamId, doubt: Doubt) -> bool {
        let sight = self.sight(stream);
        if sight.doubts.contains(&doubt) {
            return false;
        }
        if sight.doubts.len() >= MAX_DOUBTS {
            sight.version = None;
            return false;
        }
        sight.doubts.push(doubt);
        true
    }

    /// The store has said that such an append is not recorded, nor will be.
    pub(super) fn settle(&mut self, stream: StreamId, doubt: Doubt) {
        self.sight(stream).doubts.retain(|other| *other != doubt);
    }

    /// Whether an append would be the stream's next, whatever becomes of those in doubt.
    pub(super) fn is_next(&mut self, stream: StreamId, key: CommandId, expected: Version) -> bool {
        let sight = self.sight(stream);
        sight.version == Some(expected) && sight.doubts.iter().all(|doubt| doubt.key == Some(key))
    }

    fn sight(&mut self, stream: StreamId) -> &mut Sight {
        if !self.young.contains_key(&stream) && self.young.len() >= MAX_STREAMS_SEEN {
            self.old = std::mem::take(&mut self.young);
        }
        let Self { young, old } = self;
        young.entry(stream).or_insert_with(|| old.remove(&stream).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event_log::Category, lane::Lane};
    use model::TenantId;
    use uuid::Uuid;

    fn stream(n: usize) -> StreamId {
        let category = Category { name: "visit", lane: Lane::Critical };
        StreamId { tenant: TenantId(Uuid::nil()), category, id: Uuid::from_u128(n as u128) }
    }

    fn key(n: u128) -> CommandId {
        CommandId(Uuid::from_u128(n))
    }

    fn doubt(n: u128, expected: u64) -> Doubt {
        Doubt { key: Some(key(n)), expected: Version(expected) }
    }

    #[test]
    fn only_what_was_seen_can_be_followed() {
        let mut seen = Seen::default();
        assert!(!seen.is_next(stream(1), key(1), Version(0)));
        seen.learn(stream(1), Version(5));
        seen.learn(stream(1), Version(3));
        assert!(seen.is_next(stream(1), key(1), Version(5)));
        assert!(!seen.is_next(stream(1), key(1), Version(3)));
        seen.learn_at_least(stream(1), Version(5));
        assert!(seen.is_next(stream(1), key(1), Version(5)));
        seen.learn_at_least(stream(1), Version(6));
        assert!(!seen.is_next(stream(1), key(1), Version(6)));
    }

    #[test]
    fn what_may_yet_be_recorded_is_in_the_way_of_all_but_itself_until_the_stream_moves_on() {
        let mut seen = Seen::default();
        seen.learn(stream(1), Version(5));
        assert!(seen.begin(stream(1), doubt(1, 5)));
        assert!(!seen.begin(stream(1), doubt(1, 5)));
        assert!(seen.is_next(stream(1), key(1), Version(5)));
        assert!(!seen.is_next(stream(1), key(2), Version(5)));
        seen.learn(stream(1), Version(5));
        assert!(!seen.is_next(stream(1), key(2), Version(5)), "a look does not show what is under way");
        seen.learn(stream(1), Version(6));
        assert!(seen.is_next(stream(1), key(2), Version(6)));
        seen.begin(stream(1), Doubt { key: None, expected: Version(6) });
        assert!(!seen.is_next(stream(1), key(2), Version(6)), "one without a key is in everybody's way");
        seen.settle(stream(1), Doubt { key: None, expected: Version(6) });
        assert!(seen.is_next(stream(1), key(2), Version(6)));
    }

    #[test]
    fn more_doubts_than_are_followed_make_the_version_unknown() {
        let mut seen = Seen::default();
        seen.learn(stream(1), Version(5));
        for _ in 0..MAX_DOUBTS {
            seen.begin(stream(1), doubt(1, 5));
        }
        for n in 2..=MAX_DOUBTS as u64 {
            assert!(seen.begin(stream(1), doubt(1, 5 + n)));
        }
        assert!(seen.is_next(stream(1), key(1), Version(5)));
        assert!(!seen.begin(stream(1), doubt(1, 99)));
        assert!(!seen.is_next(stream(1), key(1), Version(5)));
    }

    #[test]
    fn streams_that_are_in_use_are_remembered_and_the_memory_has_an_end() {
        let mut seen = Seen::default();
        for n in 0..3 * MAX_STREAMS_SEEN {
            seen.learn(stream(n), Version(1));
            assert!(seen.is_next(stream(0), key(1), Version(1)), "in use, after {n}");
            assert!(seen.young.len() <= MAX_STREAMS_SEEN && seen.old.len() <= MAX_STREAMS_SEEN);
        }
        assert!(!seen.is_next(stream(1), key(1), Version(1)), "not in use");
    }
}
