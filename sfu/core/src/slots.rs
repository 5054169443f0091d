//! Who is in which receive slot of a subscriber. A person keeps their slot while they stay, so that
//! nobody's picture jumps when somebody else leaves.

use model::ParticipantId;

/// The receive slots of one subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots(Vec<Option<ParticipantId>>);

impl Slots {
    /// As many empty slots as the client negotiated.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(vec![None; count])
    }

    /// Fits the slots to who publishes now, given in order of arrival: those who left free theirs,
    /// those who are new take the first free one, and who finds none waits. Says whether anything
    /// changed.
    pub fn fit(&mut self, publishers: &[ParticipantId]) -> bool {
        let before = self.0.clone();
        for slot in &mut self.0 {
            if slot.is_some_and(|who| !publishers.contains(&who)) {
                *slot = None;
            }
        }
        for who in publishers {
            if self.of(*who).is_none()
                && let Some(free) = self.0.iter_mut().find(|slot| slot.is_none())
            {
                *free = Some(*who);
            }
        }
        before != self.0
    }

    /// The slot somebody is in.
    #[must_use]
    pub fn of(&self, who: ParticipantId) -> Option<usize> {
        self.0.iter().position(|slot| *slot == Some(who))
    }

    /// Participants by slot.
    #[must_use]
    pub fn as_slice(&self) -> &[Option<ParticipantId>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(n: u8) -> ParticipantId {
        format!("00000000-0000-0000-0000-0000000000{n:02x}").parse().unwrap()
    }

    fn check(steps: &[(&[u8], &[Option<u8>])]) {
        let mut slots = Slots::new(3);
        for (publishers, expected) in steps {
            let publishers: Vec<_> = publishers.iter().map(|n| who(*n)).collect();
            slots.fit(&publishers);
            let expected: Vec<_> = expected.iter().map(|n| n.map(who)).collect();
            assert_eq!(slots.as_slice(), expected);
        }
    }

    #[test]
    fn people_keep_their_slot_and_the_fourth_waits() {
        check(&[
            (&[1], &[Some(1), None, None]),
            (&[1, 2, 3, 4], &[Some(1), Some(2), Some(3)]),
            (&[1, 3, 4], &[Some(1), Some(4), Some(3)]),
            (&[], &[None, None, None]),
        ]);
    }

    proptest! {
        #[test]
        fn nobody_is_in_two_slots_and_no_slot_is_empty_while_somebody_waits(
            rounds in proptest::collection::vec(proptest::collection::btree_set(0_u8..8, 0..8), 0..20),
        ) {
            let mut slots = Slots::new(3);
            for round in rounds {
                let publishers: Vec<_> = round.iter().map(|n| who(*n)).collect();
                slots.fit(&publishers);
                prop_assert!(!slots.fit(&publishers), "fitting twice changes nothing");
                let shown: Vec<_> = slots.as_slice().iter().flatten().collect();
                prop_assert_eq!(shown.len(), publishers.len().min(3));
                let mut distinct = shown.clone();
                distinct.sort();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), shown.len());
            }
        }
    }
}
