//! From booked to over: check-in, wait, admit, deny, end.

use super::{Escalation, Event, check_text};
use crate::{
    limits,
    record::{Actor, Recorded},
    rejection::Rejection,
};
use model::{ParticipantId, Phi, Timestamp};
use signaling_protocol::{
    limits::MAX_LINE_CHARS,
    view::{DeviceHealth, Modality, Outcome},
};

/// Where a visit stands, holding only what is true then.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Not checked in yet.
    Booked,
    /// In the queue.
    Waiting(Wait),
    /// Talking.
    InCall(Call),
    /// Over.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// The words, when denied.
        reason: Option<Phi<String>>,
        /// When the consultation began, if it did.
        started_at: Option<Timestamp>,
    },
}

/// A wait, and whose business it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// Since when; decides the place in the queue.
    pub since: Timestamp,
    /// Picture and sound, or sound only.
    pub modality: Modality,
    /// What the device test found at check-in.
    pub devices: DeviceHealth,
    /// Who is to look after it.
    pub with: Escalation,
    /// Since when that is so.
    pub with_since: Timestamp,
}

impl Wait {
    /// When the next in line is told. There is always a next.
    #[must_use]
    pub fn next_escalation(&self) -> Timestamp {
        match self.with {
            Escalation::Clinician => self.since + limits::ESCALATE_TO_DESK,
            Escalation::Desk => self.with_since + limits::ESCALATE_AGAIN,
        }
    }

    /// Since when it is not the clinician's business alone.
    #[must_use]
    pub fn escalated_at(&self) -> Option<Timestamp> {
        (self.with != Escalation::Clinician).then_some(self.with_since)
    }
}

/// A consultation in course.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Since when.
    pub started_at: Timestamp,
    /// Who admitted, and is in the room.
    pub clinician: ParticipantId,
    /// How the patient checked in.
    pub modality: Modality,
    /// What the device test found at check-in.
    pub devices: DeviceHealth,
}

impl Phase {
    pub(super) fn check_in(
        &self,
        modality: Modality,
        devices: DeviceHealth,
    ) -> Result<Vec<Event>, Rejection> {
        match self {
            Self::Booked => Ok(vec![Event::CheckedIn { modality, devices }]),
            // A second device, or a page that forgot: they are in the queue, and keep their place.
            Self::Waiting(_) | Self::InCall(_) => Ok(Vec::new()),
            Self::Ended { .. } => Err(Rejection::WrongState),
        }
    }

    pub(super) fn admit(&self, by: Actor) -> Result<Vec<Event>, Rejection> {
        match (self, by) {
            (Self::Waiting(_), Actor::Person { id, .. }) if by.leads() => {
                Ok(vec![Event::Admitted { by: id }])
            }
            _ => Err(Rejection::WrongState),
        }
    }

    pub(super) fn deny(&self, by: Actor, reason: &Phi<String>) -> Result<Vec<Event>, Rejection> {
        check_text(reason, 1, MAX_LINE_CHARS, true)?;
        match self {
            Self::Waiting(_) if by.leads() => Ok(vec![Event::Denied { reason: reason.clone() }]),
            _ => Err(Rejection::WrongState),
        }
    }

    pub(super) fn end(&self, by: Actor, outcome: Outcome) -> Result<Vec<Event>, Rejection> {
        let fits = match (self, outcome) {
            (Self::InCall(_), Outcome::Done | Outcome::TechnicalFailure | Outcome::PatientAbsent) => true,
            // Nobody there to admit: the clinician closes the line.
            (Self::Booked | Self::Waiting(_), Outcome::TechnicalFailure | Outcome::PatientAbsent) => true,
            _ => false,
        };
        if fits && by.leads() { Ok(vec![Event::Ended { outcome }]) } else { Err(Rejection::WrongState) }
    }

    /// The next escalation, if its time has come. The platform asks earlier when no clinician is
    /// present, but never before [`limits::ESCALATE_WHEN_ABSENT`].
    pub(super) fn escalate(&self, now: Timestamp) -> Vec<Event> {
        match self {
            Self::Waiting(wait)
                if now >= wait.next_escalation()
                    || (wait.with == Escalation::Clinician
                        && now >= wait.since + limits::ESCALATE_WHEN_ABSENT) =>
            {
                vec![Event::Escalated { to: Escalation::Desk }]
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn evolve(&mut self, recorded: &Recorded<Event>) {
        let at = recorded.at;
        match (&mut *self, &recorded.event) {
            (Self::Booked, Event::CheckedIn { modality, devices }) => {
                *self = Self::Waiting(Wait {
                    since: at,
                    modality: *modality,
                    devices: *devices,
                    with: Escalation::Clinician,
                    with_since: at,
                });
            }
            (Self::Waiting(wait), Event::Escalated { to }) => {
                wait.with = *to;
                wait.with_since = at;
            }
            (Self::Waiting(wait), Event::Admitted { by }) => {
                *self = Self::InCall(Call {
                    started_at: at,
                    clinician: *by,
                    modality: wait.modality,
                    devices: wait.devices,
                });
            }
            (phase, Event::Denied { reason }) => phase.finish(at, Outcome::Denied, Some(reason.clone())),
            (phase, Event::Ended { outcome }) => phase.finish(at, *outcome, None),
            _ => {}
        }
    }

    fn finish(&mut self, at: Timestamp, outcome: Outcome, reason: Option<Phi<String>>) {
        let started_at = match self {
            Self::InCall(call) => Some(call.started_at),
            _ => None,
        };
        *self = Self::Ended { at, outcome, reason, started_at };
    }

    /// True once it is over.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}
