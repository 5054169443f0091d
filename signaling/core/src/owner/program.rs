//! What the rest of the process asks: opening the room, inviting, exchanging links.

use super::{
    Fresh, Output, Owner, ProgramTicket, Stream,
    commands::Booking,
    lane::{Command, Job, Origin, derived_key},
};
use crate::{
    link::LinkHash,
    port::LinkError,
    record::Actor,
    rejection::Rejection,
    token::Bearer,
    waiting_room::{self, Opened},
};
use model::{CommandId, ParticipantId, Phi, Role, Timestamp, VisitId};
use signaling_protocol::view::ClinicView;

/// What was done for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The room is open; this is its clinician's seat.
    Opened {
        /// Whose link to show.
        clinician: ParticipantId,
    },
    /// The visit exists.
    Invited {
        /// Which.
        visit: VisitId,
        /// Whose link to show.
        patient: ParticipantId,
        /// It is over already: an invitation repeated after the fact.
        over: bool,
    },
}

/// What the holder of a link is greeted with.
#[derive(Clone, Debug, PartialEq)]
pub struct Greeting {
    /// Who they are.
    pub bearer: Bearer,
    /// Whose page this is.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    pub practitioner: Phi<String>,
    /// The holder's own name.
    pub name: Phi<String>,
    /// The appointment's time, if it has one.
    pub scheduled_at: Option<Timestamp>,
}

impl Owner {
    /// Opens the room. Opening an open room changes nothing and answers the same.
    pub fn handle_open(&mut self, now: Timestamp, ticket: ProgramTicket, opened: Opened) {
        let key = derived_key("open", self.id.0, 0);
        let job = Job {
            command: Command::Room(waiting_room::Command::Open(opened)),
            by: Actor::Platform,
            key,
            origin: Origin::Program(ticket),
        };
        self.submit(now, Stream::WaitingRoom, job);
        self.finish(now);
    }

    /// Invites somebody, once per `id`.
    pub fn handle_invite(
        &mut self,
        now: Timestamp,
        ticket: ProgramTicket,
        id: CommandId,
        name: Phi<String>,
        reason: Phi<String>,
        fresh: Fresh,
    ) {
        let booking = Booking { name, reason, fresh: Some(fresh) };
        let open = self.room.opened().map(|_| ()).ok_or(Rejection::NotFound);
        let begun = open.and_then(|()| self.book(now, Actor::Platform, id, booking, Origin::Program(ticket)));
        if let Err(rejection) = begun {
            self.outputs.push_back(Output::Answer { ticket, result: Err(rejection) });
        }
        self.finish(now);
    }

    pub(super) fn answer_program(
        &mut self,
        stream: Stream,
        ticket: ProgramTicket,
        result: Result<(), Rejection>,
    ) {
        let done = result.and_then(|()| match stream {
            Stream::WaitingRoom => {
                let clinician = self.clinician().ok_or(Rejection::NotFound)?;
                Ok(Done::Opened { clinician })
            }
            Stream::Visit(id) => {
                let visit = self.visits.get(&id).ok_or(Rejection::NotFound)?;
                let patient = visit.booked().ok_or(Rejection::NotFound)?.patient;
                Ok(Done::Invited { visit: id, patient, over: visit.phase().is_over() })
            }
        });
        self.outputs.push_back(Output::Answer { ticket, result: done });
    }

    /// What whoever takes the clinician's seat is greeted with; none before the room is open.
    #[must_use]
    pub fn greet_clinician(&self) -> Option<Greeting> {
        let opened = self.room.opened()?;
        Some(Greeting {
            bearer: self.bearer(opened.clinician, Role::Clinician, None),
            clinic: opened.clinic.clone(),
            practitioner: opened.practitioner.clone(),
            name: opened.practitioner.clone(),
            scheduled_at: None,
        })
    }

    /// What the holder of a link is greeted with. Changes nothing: a link may be exchanged again.
    ///
    /// # Errors
    /// [`LinkError::Unknown`], and [`LinkError::Over`] once the visit is.
    pub fn greet(&self, hash: &LinkHash) -> Result<Greeting, LinkError> {
        let subject = self.links.get(hash).ok_or(LinkError::Unknown)?;
        let opened = self.room.opened().ok_or(LinkError::Unknown)?;
        let Some(id) = subject else { return self.greet_clinician().ok_or(LinkError::Unknown) };
        let visit = self.visits.get(id).ok_or(LinkError::Unknown)?;
        let booked = visit.booked().ok_or(LinkError::Unknown)?;
        if visit.phase().is_over() {
            return Err(LinkError::Over { clinic: opened.clinic.clone() });
        }
        Ok(Greeting {
            bearer: self.bearer(booked.patient, Role::Patient, Some(*id)),
            clinic: opened.clinic.clone(),
            practitioner: opened.practitioner.clone(),
            name: booked.name.clone(),
            scheduled_at: booked.scheduled_at,
        })
    }
}
