//! Who is connected in which generation, and who left the call.

use super::{Booked, Event, Phase};
use crate::{record::Actor, rejection::Rejection, seat::Seats};
use model::{Generation, ParticipantId};
use std::collections::BTreeSet;

/// The seats of a visit.
#[derive(Clone, Debug, Default)]
pub struct VisitSeats {
    seats: Seats,
    left: BTreeSet<ParticipantId>,
}

impl VisitSeats {
    /// The current generation of a seat.
    #[must_use]
    pub fn generation(&self, participant: ParticipantId) -> Generation {
        self.seats.generation(participant)
    }

    /// True after somebody left the call and before they came back.
    #[must_use]
    pub fn has_left(&self, participant: ParticipantId) -> bool {
        self.left.contains(&participant)
    }

    pub(super) fn take(&self, phase: &Phase, booked: &Booked, by: Actor) -> Result<Vec<Event>, Rejection> {
        let participant = by.id().ok_or(Rejection::NotAllowed)?;
        if participant != booked.patient {
            return Err(Rejection::NotFound);
        }
        if phase.is_over() {
            return Err(Rejection::WrongState);
        }
        let generation = self.generation(participant).next();
        let mut events = vec![Event::SeatTaken { participant, generation }];
        if self.has_left(participant) {
            events.push(Event::Returned { participant });
        }
        Ok(events)
    }

    pub(super) fn come_back(&self, phase: &Phase, by: Actor) -> Result<Vec<Event>, Rejection> {
        let participant = by.id().ok_or(Rejection::NotAllowed)?;
        match phase {
            Phase::InCall(_) if self.has_left(participant) => Ok(vec![Event::Returned { participant }]),
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::SeatTaken { participant, generation } => self.seats.take(*participant, *generation),
            Event::Left { participant } => {
                self.left.insert(*participant);
            }
            Event::Returned { participant } => {
                self.left.remove(participant);
            }
            _ => {}
        }
    }
}
