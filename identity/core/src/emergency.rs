//! Break-glass: somebody sees, in an emergency, what they have no right to. Pure.
//!
//! ```text
//! ask (reason) ─▶ lasts ──60 min──▶ over ─▶ reviewed: justified, or not
//!                   ├─ handed back ──▶ over
//!                   └─ found not justified: over at once, and reviewed
//! ```
//!
//! Nobody is asked for leave beforehand: a patient may be dying. So each is told of at once, read by somebody else
//! afterwards, and shown to the patient. All emergencies of a healthcare unit are one stream: whoever keeps up with it
//! knows of a new one by reading what came since.

use crate::{
    limits::{
        DAY, EMERGENCY_TTL, MAX_EMERGENCIES_A_DAY, MAX_EMERGENCIES_KEPT, MAX_NOTE_CHARS,
        MAX_OPEN_EMERGENCIES, REASON_CHARS,
    },
    text::long_text,
};
use model::{Phi, Timestamp, VisitId, WaitingRoomId};
use policy::{AccountId, EmergencyId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of emergency, as auditors and patients read it.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "EmergencyCategory")]
pub enum Category {
    /// The patient is in danger.
    Danger,
    /// Whoever serves the waiting room cannot be reached.
    NobodyThere,
    /// The patient asks for it.
    PatientAsks,
    /// Something else, which the reason says.
    Other,
}

impl Category {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Danger, Self::NobodyThere, Self::PatientAsks, Self::Other];
}

/// What a review found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It was an emergency.
    Justified,
    /// It was none.
    NotJustified,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "they name recorded events, whatever machine these are of")]
pub enum Event {
    /// Somebody declared one.
    EmergencyBegun {
        /// Which.
        id: EmergencyId,
        /// Who.
        by: AccountId,
        /// Where.
        waiting_room: WaitingRoomId,
        /// One visit only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visit: Option<VisitId>,
        /// Of what kind.
        category: Category,
        /// Why, in their words.
        #[serde(serialize_with = "model::phi::expose")]
        reason: Phi<String>,
        /// Until when it lasts.
        until: Timestamp,
    },
    /// They need it no more.
    EmergencyEnded {
        /// Which.
        id: EmergencyId,
    },
    /// Somebody else has judged it.
    EmergencyReviewed {
        /// Which.
        id: EmergencyId,
        /// Who.
        by: AccountId,
        /// What they found.
        verdict: Verdict,
        /// What they noted.
        #[serde(serialize_with = "model::phi::expose")]
        note: Phi<String>,
    },
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// To declare one.
    Ask {
        /// Its new id.
        id: EmergencyId,
        /// Who.
        by: AccountId,
        /// Where.
        waiting_room: WaitingRoomId,
        /// One visit only.
        visit: Option<VisitId>,
        /// Of what kind.
        category: Category,
        /// Why: [`REASON_CHARS`].
        reason: Phi<String>,
    },
    /// To hand it back.
    End {
        /// Which.
        id: EmergencyId,
        /// Who: only whoever declared it.
        by: AccountId,
    },
    /// To judge it.
    Review {
        /// Which.
        id: EmergencyId,
        /// Who: anybody but whoever declared it.
        by: AccountId,
        /// What they found.
        verdict: Verdict,
        /// What they note: at most [`MAX_NOTE_CHARS`]; something, if it was not justified.
        note: Phi<String>,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such emergency, or it is somebody else's.
    #[error("no such emergency")]
    Unknown,
    /// No reason, or one that is too long.
    #[error("the reason has too few or too many characters")]
    Reason,
    /// The note is missing or too long.
    #[error("the note has too few or too many characters")]
    Note,
    /// They have [`MAX_OPEN_EMERGENCIES`] open, or had [`MAX_EMERGENCIES_A_DAY`] within a day.
    #[error("too many emergencies")]
    TooMany,
    /// Nobody judges what they did themselves.
    #[error("it is their own")]
    Oneself,
    /// It was judged before.
    #[error("it was reviewed before")]
    Reviewed,
}

/// What somebody else found afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Who.
    pub by: AccountId,
    /// What.
    pub verdict: Verdict,
    /// What they noted.
    pub note: Phi<String>,
    /// When.
    pub at: Timestamp,
}

/// One emergency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Who declared it.
    pub by: AccountId,
    /// Where.
    pub waiting_room: WaitingRoomId,
    /// One visit only.
    pub visit: Option<VisitId>,
    /// Of what kind.
    pub category: Category,
    /// Why, in their words.
    pub reason: Phi<String>,
    /// When.
    pub at: Timestamp,
    /// When it is over, or was.
    pub until: Timestamp,
    /// What was found afterwards.
    pub review: Option<Review>,
}

impl Emergency {
    /// Whether it lasts at a time.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// As the policy sees it.
    #[must_use]
    pub const fn grant(&self, id: EmergencyId) -> policy::Emergency {
        policy::Emergency { id, waiting_room: self.waiting_room, visit: self.visit, until: self.until }
    }
}

/// The emergencies of a healthcare unit: all that last or wait for their review, and the newest of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emergencies {
    known: BTreeMap<EmergencyId, Emergency>,
    /// How many were forgotten here before anybody had reviewed them.
    pub overlooked: u64,
}

/// Judges a command; changes nothing. No event: nothing is to change, and that is fine.
///
/// # Errors
/// [`Rejection`].
pub fn decide(all: &Emergencies, now: Timestamp, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Ask { id, by, waiting_room, visit, category, reason } => {
            let reason = long_text(reason.expose(), REASON_CHARS).ok_or(Rejection::Reason)?;
            let own = || all.known.values().filter(|one| one.by == by);
            let today = own().filter(|one| now.since(one.at) < DAY).count();
            if own().filter(|one| one.lasts(now)).count() >= MAX_OPEN_EMERGENCIES
                || today >= MAX_EMERGENCIES_A_DAY
            {
                return Err(Rejection::TooMany);
            }
            let until = now + EMERGENCY_TTL;
            Ok(vec![Event::EmergencyBegun { id, by, waiting_room, visit, category, reason, until }])
        }
        Command::End { id, by } => {
            let one = all.get(id).filter(|one| one.by == by).ok_or(Rejection::Unknown)?;
            Ok(one.lasts(now).then_some(Event::EmergencyEnded { id }).into_iter().collect())
        }
        Command::Review { id, by, verdict, note } => {
            let one = all.get(id).ok_or(Rejection::Unknown)?;
            if one.by == by {
                return Err(Rejection::Oneself);
            }
            if one.review.is_some() {
                return Err(Rejection::Reviewed);
            }
            let least = if verdict == Verdict::Justified { 0 } else { 1 };
            let note = long_text(note.expose(), least..=MAX_NOTE_CHARS).ok_or(Rejection::Note)?;
            Ok(vec![Event::EmergencyReviewed { id, by, verdict, note }])
        }
    }
}

impl Emergencies {
    /// One of them.
    #[must_use]
    pub fn get(&self, id: EmergencyId) -> Option<&Emergency> {
        self.known.get(&id)
    }

    /// All that are known, in the order of their ids.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (EmergencyId, &Emergency)> {
        self.known.iter().map(|(id, one)| (*id, one))
    }

    /// What somebody may see because of emergencies of theirs that last.
    #[must_use]
    pub fn grants(&self, account: AccountId, now: Timestamp) -> Vec<policy::Emergency> {
        let own = self.all().filter(|(_, one)| one.by == account && one.lasts(now));
        own.map(|(id, one)| one.grant(id)).collect()
    }

    /// Takes a recorded event; never refuses.
    pub fn evolve(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::EmergencyBegun { id, by, waiting_room, visit, category, reason, until } => {
                let begun = Emergency { by, waiting_room, visit, category, reason, at, until, review: None };
                self.known.insert(id, begun);
                self.forget(at);
            }
            Event::EmergencyEnded { id } => {
                if let Some(one) = self.known.get_mut(&id) {
                    one.until = one.until.min(at);
                }
            }
            Event::EmergencyReviewed { id, by, verdict, note } => {
                if let Some(one) = self.known.get_mut(&id) {
                    if verdict == Verdict::NotJustified {
                        one.until = one.until.min(at);
                    }
                    one.review = Some(Review { by, verdict, note, at });
                }
            }
        }
    }

    /// Of too many, first the oldest that was reviewed; then the oldest that is over.
    fn forget(&mut self, now: Timestamp) {
        if self.known.len() <= MAX_EMERGENCIES_KEPT {
            return;
        }
        let oldest = |may: &dyn Fn(&Emergency) -> bool| {
            let which = self.known.iter().filter(|(_, one)| !one.lasts(now) && may(one));
            which.min_by_key(|(id, one)| (one.at, **id)).map(|(id, _)| *id)
        };
        if let Some(id) = oldest(&|one| one.review.is_some()) {
            self.known.remove(&id);
        } else if let Some(id) = oldest(&|_| true) {
            self.known.remove(&id);
            self.overlooked += 1;
        }
    }
}

#[cfg(test)]
mod tests;
