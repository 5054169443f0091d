//! Screen share: one sharer at a time, asked for, granted, taken over, stopped.

use super::{Event, Phase};
use crate::{record::Actor, rejection::Rejection};
use model::ParticipantId;

/// Who shares, and who asked to.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    sharer: Option<ParticipantId>,
    requests: Vec<ParticipantId>,
}

impl Screen {
    /// Who shares.
    #[must_use]
    pub const fn sharer(&self) -> Option<ParticipantId> {
        self.sharer
    }

    /// Who asked, oldest first.
    #[must_use]
    pub fn requests(&self) -> &[ParticipantId] {
        &self.requests
    }

    /// A clinician gets it at once, taking over; everybody else waits to be granted.
    pub(super) fn request(&self, phase: &Phase, by: Actor) -> Result<Vec<Event>, Rejection> {
        let participant = by.id().ok_or(Rejection::NotAllowed)?;
        let Phase::InCall(_) = phase else { return Err(Rejection::WrongState) };
        if self.sharer == Some(participant) || self.requests.contains(&participant) {
            return Ok(Vec::new());
        }
        let asked = Event::ShareRequested { participant };
        Ok(vec![if by.leads() { Event::ShareGranted { participant } } else { asked }])
    }

    pub(super) fn grant(
        &self,
        phase: &Phase,
        by: Actor,
        to: ParticipantId,
        takes_part: bool,
    ) -> Result<Vec<Event>, Rejection> {
        let Phase::InCall(_) = phase else { return Err(Rejection::WrongState) };
        match () {
            () if !by.leads() => Err(Rejection::NotAllowed),
            () if !takes_part => Err(Rejection::NotFound),
            () if self.sharer == Some(to) => Ok(Vec::new()),
            // Nobody's screen is shown who did not ask; one's own needs no asking.
            () if !self.requests.contains(&to) && by.id() != Some(to) => Err(Rejection::WrongState),
            () => Ok(vec![Event::ShareGranted { participant: to }]),
        }
    }

    pub(super) fn stop(&self, by: Actor, of: ParticipantId) -> Result<Vec<Event>, Rejection> {
        if by.id() != Some(of) && !by.leads() {
            return Err(Rejection::NotAllowed);
        }
        if self.sharer == Some(of) || self.requests.contains(&of) {
            return Ok(vec![Event::ShareStopped { participant: of }]);
        }
        Ok(Vec::new())
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::ShareRequested { participant } => self.requests.push(*participant),
            Event::ShareGranted { participant } => {
                self.requests.retain(|p| p != participant);
                self.sharer = Some(*participant);
            }
            Event::ShareStopped { participant } => {
                self.requests.retain(|p| p != participant);
                if self.sharer == Some(*participant) {
                    self.sharer = None;
                }
            }
            Event::Denied { .. } | Event::Ended { .. } => *self = Self::default(),
            _ => {}
        }
    }
}
