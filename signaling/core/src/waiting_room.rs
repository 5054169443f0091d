//! A waiting room: one practitioner's queue, and the seat of its clinician. Durable, like a visit.

use crate::{
    link::LinkHash,
    record::{Actor, Handled, Recorded},
    rejection::Rejection,
    seat::Seats,
    visit::check_text,
};
use model::{CommandId, Generation, ParticipantId, Phi, WaitingRoomId};
use signaling_protocol::{limits::MAX_LINE_CHARS, view::ClinicView};

/// What is known from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The clinic.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    pub practitioner: Phi<String>,
    /// The clinician's seat.
    pub clinician: ParticipantId,
    /// Hash of the secret in the clinician's link.
    pub link: LinkHash,
}

/// What can happen to a waiting room.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It exists.
    Opened(Opened),
    /// A connection took the clinician's seat.
    SeatTaken {
        /// Whose seat.
        participant: ParticipantId,
        /// Which generation is current now.
        generation: Generation,
    },
}

/// What somebody wants of a waiting room.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make it.
    Open(Opened),
    /// Connect: take the next generation of the clinician's seat.
    TakeSeat,
}

/// One waiting room.
#[derive(Clone, Debug)]
pub struct WaitingRoom {
    id: WaitingRoomId,
    opened: Option<Opened>,
    seats: Seats,
    handled: Handled,
    version: u64,
}

impl WaitingRoom {
    /// A waiting room nothing has happened to.
    #[must_use]
    pub fn new(id: WaitingRoomId) -> Self {
        Self { id, opened: None, seats: Seats::default(), handled: Handled::default(), version: 0 }
    }

    /// Judges a command; changes nothing.
    ///
    /// # Errors
    /// A [`Rejection`] the asker can be told.
    pub fn decide(&self, by: Actor, command: &Command) -> Result<Vec<Event>, Rejection> {
        match (command, &self.opened) {
            // Opening again is not an error: the demo and a restart both do it.
            (Command::Open(_), Some(_)) => Ok(Vec::new()),
            (Command::Open(opened), None) => {
                check_text(&opened.practitioner, 1, MAX_LINE_CHARS, true)?;
                Ok(vec![Event::Opened(opened.clone())])
            }
            (Command::TakeSeat, None) => Err(Rejection::NotFound),
            (Command::TakeSeat, Some(opened)) => {
                let participant = by.id().ok_or(Rejection::NotAllowed)?;
                if participant != opened.clinician {
                    return Err(Rejection::NotFound);
                }
                let generation = self.seats.generation(participant).next();
                Ok(vec![Event::SeatTaken { participant, generation }])
            }
        }
    }

    /// Takes a recorded event; never refuses.
    pub fn evolve(&mut self, recorded: &Recorded<Event>) {
        self.version += 1;
        self.handled.add(recorded);
        match &recorded.event {
            Event::Opened(opened) => self.opened = Some(opened.clone()),
            Event::SeatTaken { participant, generation } => self.seats.take(*participant, *generation),
        }
    }

    /// Which.
    #[must_use]
    pub const fn id(&self) -> WaitingRoomId {
        self.id
    }

    /// How many events it has.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What it is; `None` until it is opened.
    #[must_use]
    pub const fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// The current generation of a seat.
    #[must_use]
    pub fn generation(&self, participant: ParticipantId) -> Generation {
        self.seats.generation(participant)
    }

    /// True when this command of this participant is already recorded.
    #[must_use]
    pub fn has_handled(&self, by: Option<ParticipantId>, command: CommandId) -> bool {
        self.handled.contains(by, command)
    }
}
