//! The life of one visit. Rebuilt from its events; its deadlines are wall-clock times in them.
//!
//! Reading order: [`event`], [`admission`], [`seats`], [`chat`], [`screen`].

pub mod admission;
pub mod chat;
pub mod event;
pub mod screen;
pub mod seats;

pub use admission::{Call, Phase, Wait};
pub use chat::Chat;
pub use event::{Booked, Escalation, Event};
pub use screen::Screen;

use crate::{
    limits,
    record::{Actor, Handled, Recorded},
    rejection::Rejection,
};
use model::{CommandId, ParticipantId, Phi, Timestamp, VisitId};
use seats::VisitSeats;
use signaling_protocol::view::{ChatMessage, DeviceHealth, Modality, Outcome};

/// What somebody wants of a visit.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make it: the first command of every visit.
    Book(Booked),
    /// Connect: take the next generation of the seat.
    TakeSeat,
    /// Come back after leaving.
    Return,
    /// "I'm ready."
    CheckIn {
        /// Picture and sound, or sound only.
        modality: Modality,
        /// What the device test found.
        devices: DeviceHealth,
    },
    /// Bring the patient in.
    Admit,
    /// Not now.
    Deny {
        /// What the patient is told.
        reason: Phi<String>,
    },
    /// Go.
    Leave,
    /// End the visit.
    End {
        /// How it went.
        outcome: Outcome,
    },
    /// Say something.
    Say {
        /// What.
        text: Phi<String>,
    },
    /// Ask to share a screen.
    RequestShare,
    /// Let somebody share.
    GrantShare {
        /// Whom.
        to: ParticipantId,
    },
    /// Stop somebody's share or request.
    StopShare {
        /// Whose.
        of: ParticipantId,
    },
    /// A wait has reached the age of its next escalation.
    Escalate,
    /// Nobody came back: [`limits::SEAT_GRACE`] is over.
    Abandon,
}

/// What the world is told because of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Everybody in the visit reads this.
    Said(ChatMessage),
    /// This participant's connection and media end: they left.
    Dismiss(ParticipantId),
    /// Everybody's connection ends, except the clinician's: the visit is over.
    DismissAll,
    /// Connections with an older generation of this seat are replaced.
    Replace(ParticipantId),
    /// Whoever the wait was escalated to is told.
    Escalated(Escalation),
}

/// Every reason a visit wakes up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deadline {
    /// The wait is old enough for the next escalation.
    Escalate,
}

/// One visit.
#[derive(Clone, Debug)]
pub struct Visit {
    id: VisitId,
    /// What was booked; `None` until it is.
    booked: Option<Booked>,
    /// When it was booked.
    booked_at: Timestamp,
    phase: Phase,
    seats: VisitSeats,
    chat: Chat,
    screen: Screen,
    handled: Handled,
    /// Events so far; the next one is recorded as one more.
    version: u64,
}

impl Visit {
    /// A visit nothing has happened to.
    #[must_use]
    pub fn new(id: VisitId) -> Self {
        Self {
            id,
            booked: None,
            booked_at: Timestamp::default(),
            phase: Phase::Booked,
            seats: VisitSeats::default(),
            chat: Chat::default(),
            screen: Screen::default(),
            handled: Handled::default(),
            version: 0,
        }
    }

    /// Judges a command; changes nothing. No events means that it is already so.
    ///
    /// # Errors
    /// A [`Rejection`] the asker can be told.
    pub fn decide(&self, now: Timestamp, by: Actor, command: &Command) -> Result<Vec<Event>, Rejection> {
        if let Command::Book(booked) = command {
            return match self.booked {
                Some(_) => Err(Rejection::WrongState),
                None => Ok(vec![Event::Booked(booked.clone())]),
            };
        }
        let booked = self.booked.as_ref().ok_or(Rejection::NotFound)?;
        let talk =
            matches!(command, Command::Say { .. } | Command::RequestShare | Command::GrantShare { .. });
        if talk && self.version >= limits::MAX_EVENTS_PER_VISIT {
            return Err(Rejection::Full);
        }
        match command {
            Command::Book(_) => Err(Rejection::WrongState),
            Command::TakeSeat => self.take_seat(booked, by),
            Command::Return => self.seats.come_back(&self.phase, by),
            Command::Leave => self.leave(by),
            Command::CheckIn { modality, devices } => self.phase.check_in(*modality, *devices),
            Command::Admit => self.phase.admit(by),
            Command::Deny { reason } => self.phase.deny(by, reason),
            Command::End { outcome } => self.phase.end(by, *outcome),
            Command::Abandon => self.phase.end(Actor::Platform, Outcome::TechnicalFailure),
            Command::Escalate => Ok(self.phase.escalate(now)),
            Command::Say { text } => self.chat.say(&self.phase, by, text),
            Command::RequestShare => self.screen.request(&self.phase, by),
            Command::GrantShare { to } => self.screen.grant(&self.phase, by, *to, self.takes_part(*to)),
            Command::StopShare { of } => self.screen.stop(by, *of),
        }
    }

    /// Takes a recorded event; never refuses.
    pub fn evolve(&mut self, recorded: &Recorded<Event>) {
        self.version += 1;
        self.handled.add(recorded);
        if let Event::Booked(booked) = &recorded.event {
            self.booked = Some(booked.clone());
            self.booked_at = recorded.at;
        }
        self.phase.evolve(recorded);
        self.seats.evolve(&recorded.event);
        self.screen.evolve(&recorded.event);
        self.chat.evolve(recorded, self.version);
    }

    /// What the world should now be told, given what was recorded.
    pub fn effects(&self, event: &Event) -> impl Iterator<Item = Effect> + use<> {
        let effect = match event {
            Event::Said { .. } => self.chat.last().cloned().map(Effect::Said),
            Event::SeatTaken { participant, .. } => Some(Effect::Replace(*participant)),
            Event::Left { participant } => Some(Effect::Dismiss(*participant)),
            Event::Denied { .. } | Event::Ended { .. } => Some(Effect::DismissAll),
            Event::Escalated { to } => Some(Effect::Escalated(*to)),
            Event::Booked(_)
            | Event::Returned { .. }
            | Event::CheckedIn { .. }
            | Event::Admitted { .. }
            | Event::ShareRequested { .. }
            | Event::ShareGranted { .. }
            | Event::ShareStopped { .. } => None,
        };
        effect.into_iter()
    }

    /// When it wakes up next, and why. Survives a restart: it follows from events.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Timestamp, Deadline)> {
        match &self.phase {
            Phase::Waiting(wait) => Some((wait.next_escalation(), Deadline::Escalate)),
            Phase::Booked | Phase::InCall(_) | Phase::Ended { .. } => None,
        }
    }

    /// Another page took over: what the one before shared is not shared any more.
    fn take_seat(&self, booked: &Booked, by: Actor) -> Result<Vec<Event>, Rejection> {
        let mut events = self.seats.take(&self.phase, booked, by)?;
        if let Some(participant) = by.id() {
            events.extend(self.screen.stop(by, participant)?);
        }
        Ok(events)
    }

    fn leave(&self, by: Actor) -> Result<Vec<Event>, Rejection> {
        let participant = by.id().ok_or(Rejection::NotAllowed)?;
        match &self.phase {
            Phase::Waiting(_) if !by.leads() => Ok(vec![Event::Ended { outcome: Outcome::PatientLeft }]),
            Phase::InCall(_) if !self.seats.has_left(participant) => {
                let mut events = vec![Event::Left { participant }];
                if self.screen.sharer() == Some(participant) || self.screen.requests().contains(&participant)
                {
                    events.insert(0, Event::ShareStopped { participant });
                }
                Ok(events)
            }
            Phase::Booked | Phase::Waiting(_) | Phase::InCall(_) | Phase::Ended { .. } => Ok(Vec::new()),
        }
    }
}

/// What can be seen of it.
impl Visit {
    /// Which.
    #[must_use]
    pub const fn id(&self) -> VisitId {
        self.id
    }

    /// How many events it has.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What was booked.
    #[must_use]
    pub const fn booked(&self) -> Option<&Booked> {
        self.booked.as_ref()
    }

    /// When it was booked.
    #[must_use]
    pub const fn booked_at(&self) -> Timestamp {
        self.booked_at
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Who sits where.
    #[must_use]
    pub const fn seats(&self) -> &VisitSeats {
        &self.seats
    }

    /// What was said.
    #[must_use]
    pub const fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Who shares a screen.
    #[must_use]
    pub const fn screen(&self) -> &Screen {
        &self.screen
    }

    /// True when this command of this participant is already recorded.
    #[must_use]
    pub fn has_handled(&self, by: Option<ParticipantId>, command: CommandId) -> bool {
        self.handled.contains(by, command)
    }

    /// Every participant the visit knows: the patient, and the clinician who admitted.
    #[must_use]
    pub fn takes_part(&self, participant: ParticipantId) -> bool {
        self.booked.as_ref().is_some_and(|booked| booked.patient == participant)
            || matches!(&self.phase, Phase::InCall(call) if call.clinician == participant)
    }
}

/// Judges a text of 1 to `max` characters; `single_line` texts hold no control characters.
pub(crate) fn check_text(
    text: &Phi<String>,
    min: usize,
    max: usize,
    single_line: bool,
) -> Result<(), Rejection> {
    let text = text.expose();
    let blank = min > 0 && text.trim().is_empty();
    let control = text.chars().any(|c| c.is_control() && (single_line || !matches!(c, '\n' | '\t' | '\r')));
    if blank || control || text.chars().nth(max).is_some() {
        return Err(Rejection::TextInvalid);
    }
    Ok(())
}

const _: () = assert!(limits::CHAT_HISTORY_MESSAGES <= limits::MAX_CHAT_PER_VISIT);
