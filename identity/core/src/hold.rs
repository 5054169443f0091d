//! Legal holds: rows of the audit trail that stay although their time is over. Pure.
//!
//! ```text
//! place (reason) ─▶ in force ─lift─▶ lifted
//! ```
//!
//! Nothing ends one but somebody who lifts it. All holds of a healthcare unit are one stream: what is held is read at once, by
//! whoever is about to prune.

use crate::{
    limits::{MAX_HOLDS, MAX_HOLDS_KEPT, REASON_CHARS},
    text::long_text,
};
use model::{Phi, Timestamp, VisitId};
use policy::{AccountId, HoldId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "what", content = "id", rename_all = "kebab-case")]
#[schemars(rename = "HoldOver")]
pub enum Over {
    /// The whole unit's trail.
    Unit,
    /// What was done in a visit.
    Visit(VisitId),
    /// What somebody did, with an account or a seat, and what was done to them.
    Person(Uuid),
}

impl Over {
    /// Whose rows; of the whole unit's there is no one id.
    #[must_use]
    pub const fn id(self) -> Option<Uuid> {
        match self {
            Self::Unit => None,
            Self::Visit(VisitId(id)) | Self::Person(id) => Some(id),
        }
    }
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Rows stay from now on.
    HoldPlaced {
        /// Which.
        id: HoldId,
        /// By whom.
        by: AccountId,
        /// What is held.
        over: Over,
        /// Why, in their words.
        #[serde(serialize_with = "model::phi::expose")]
        reason: Phi<String>,
    },
    /// They may go when their time is over.
    HoldLifted {
        /// Which.
        id: HoldId,
        /// By whom.
        by: AccountId,
    },
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Rows are to stay.
    Place {
        /// Its new id.
        id: HoldId,
        /// Who.
        by: AccountId,
        /// What is held.
        over: Over,
        /// Why: [`REASON_CHARS`].
        reason: Phi<String>,
    },
    /// They may go.
    Lift {
        /// Which.
        id: HoldId,
        /// Who.
        by: AccountId,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such hold.
    #[error("no such hold")]
    Unknown,
    /// No reason, or one that is too long.
    #[error("the reason has too few or too many characters")]
    Reason,
    /// [`MAX_HOLDS`] are in force.
    #[error("too many holds")]
    TooMany,
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who placed it.
    pub by: AccountId,
    /// What is held.
    pub over: Over,
    /// Why, in their words.
    pub reason: Phi<String>,
    /// Since when.
    pub placed_at: Timestamp,
    /// Who lifted it, and when.
    pub lifted: Option<(AccountId, Timestamp)>,
}

/// The holds of a healthcare unit: all that are in force, and the newest of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(BTreeMap<HoldId, Hold>);

impl Holds {
    /// One.
    #[must_use]
    pub fn get(&self, id: HoldId) -> Option<&Hold> {
        self.0.get(&id)
    }

    /// All that are known, the oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (HoldId, &Hold)> {
        self.0.iter().map(|(id, hold)| (*id, hold))
    }

    /// What is held.
    pub fn in_force(&self) -> impl Iterator<Item = Over> {
        self.0.values().filter(|hold| hold.lifted.is_none()).map(|hold| hold.over)
    }

    /// What an event makes of them.
    pub fn evolve(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::HoldPlaced { id, by, over, reason } => {
                self.0.insert(id, Hold { by, over, reason, placed_at: at, lifted: None });
                while self.0.len() > MAX_HOLDS_KEPT {
                    let lifted = self.0.iter().filter(|(_, hold)| hold.lifted.is_some());
                    let oldest = lifted.min_by_key(|(id, hold)| (hold.placed_at, **id)).map(|(id, _)| *id);
                    // One that is in force is never forgotten.
                    let Some(oldest) = oldest else { break };
                    self.0.remove(&oldest);
                }
            }
            Event::HoldLifted { id, by } => {
                if let Some(hold) = self.0.get_mut(&id) {
                    hold.lifted = hold.lifted.or(Some((by, at)));
                }
            }
        }
    }
}

/// Judges a command; changes nothing. No event: nothing is to change, and that is fine.
///
/// # Errors
/// [`Rejection`].
pub fn decide(all: &Holds, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Place { id, by, over, reason } => {
            let reason = long_text(reason.expose(), REASON_CHARS).ok_or(Rejection::Reason)?;
            if all.in_force().count() >= MAX_HOLDS {
                return Err(Rejection::TooMany);
            }
            Ok(vec![Event::HoldPlaced { id, by, over, reason }])
        }
        Command::Lift { id, by } => {
            let hold = all.get(id).ok_or(Rejection::Unknown)?;
            Ok(if hold.lifted.is_none() { vec![Event::HoldLifted { id, by }] } else { Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const BY: AccountId = AccountId(Uuid::from_u128(1));

    fn id(n: usize) -> HoldId {
        HoldId(Uuid::from_u128(n as u128))
    }

    fn place(n: usize, chars: usize) -> Command {
        let over = Over::Visit(VisitId(Uuid::from_u128(n as u128)));
        Command::Place { id: id(n), by: BY, over, reason: "x".repeat(chars).into() }
    }

    fn carry_out(all: &mut Holds, at: Timestamp, command: Command) -> Result<usize, Rejection> {
        let events = decide(all, command)?;
        let count = events.len();
        events.into_iter().for_each(|event| all.evolve(at, event));
        Ok(count)
    }

    #[test]
    fn a_hold_is_in_force_until_somebody_lifts_it_and_once_is_enough() {
        let mut all = Holds::default();
        assert_eq!(carry_out(&mut all, NOW, place(1, 20)), Ok(1));
        let whole =
            Command::Place { id: id(2), by: BY, over: Over::Unit, reason: "An enquiry".to_owned().into() };
        assert_eq!(carry_out(&mut all, NOW, whole), Ok(1));
        assert_eq!(all.in_force().filter_map(Over::id).collect::<Vec<_>>(), [Uuid::from_u128(1)]);
        assert_eq!(carry_out(&mut all, NOW, Command::Lift { id: id(3), by: BY }), Err(Rejection::Unknown));
        assert_eq!(carry_out(&mut all, NOW, Command::Lift { id: id(1), by: BY }), Ok(1));
        assert_eq!(carry_out(&mut all, NOW, Command::Lift { id: id(1), by: BY }), Ok(0));
        assert_eq!(all.in_force().collect::<Vec<_>>(), [Over::Unit]);
        assert_eq!(all.get(id(1)).and_then(|hold| hold.lifted), Some((BY, NOW)));
    }

    #[test]
    fn each_limit_holds_on_both_sides() {
        let mut all = Holds::default();
        let (least, most) = (*REASON_CHARS.start(), *REASON_CHARS.end());
        for (chars, wanted) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            assert_eq!(decide(&all, place(1, chars)).is_ok(), wanted, "{chars}");
        }
        for n in 0..MAX_HOLDS {
            assert_eq!(carry_out(&mut all, NOW, place(n, 20)), Ok(1));
        }
        assert_eq!(carry_out(&mut all, NOW, place(MAX_HOLDS, 20)), Err(Rejection::TooMany));
        // Those that were lifted make room, and are known for a while.
        for n in MAX_HOLDS..=MAX_HOLDS_KEPT {
            assert_eq!(carry_out(&mut all, NOW, Command::Lift { id: id(n - 1), by: BY }), Ok(1));
            assert_eq!(carry_out(&mut all, NOW, place(n, 20)), Ok(1));
            assert_eq!(all.all().count(), (n + 1).min(MAX_HOLDS_KEPT));
        }
        assert!(all.get(id(0)).is_some(), "in force: never forgotten");
        assert!(all.get(id(MAX_HOLDS - 1)).is_none(), "the oldest that was lifted is");
    }

    proptest! {
        /// Whatever is done in whichever order: what is in force is what was placed and not lifted.
        #[test]
        fn in_force_is_what_was_placed_and_not_lifted(
            steps in proptest::collection::vec((any::<bool>(), 0..12_usize), 0..1_200),
        ) {
            let (mut all, mut wanted, mut next) = (Holds::default(), BTreeSet::new(), 0);
            for (placing, which) in steps {
                let target = id(next.max(which) - which);
                let (command, may) = if placing {
                    (place(next, 20), wanted.len() < MAX_HOLDS)
                } else {
                    (Command::Lift { id: target, by: BY }, all.get(target).is_some())
                };
                prop_assert_eq!(carry_out(&mut all, NOW, command).is_ok(), may);
                if placing && may {
                    wanted.insert(id(next));
                    next += 1;
                } else if !placing {
                    wanted.remove(&target);
                }
                let known = all.all().filter(|(_, hold)| hold.lifted.is_none()).map(|(id, _)| id);
                prop_assert_eq!(known.collect::<BTreeSet<_>>(), wanted.clone());
                prop_assert!(all.all().count() <= MAX_HOLDS_KEPT);
            }
        }
    }
}
