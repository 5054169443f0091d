//! What participants ask for: judged by role, aimed at a visit, put in line, answered.

use super::{
    ConnectionId, Fresh, Output, Owner, Stream,
    lane::{Command, Job, Origin},
};
use crate::{
    limits,
    record::Actor,
    rejection::{Rejection, words},
    rights::{self, Kind},
    visit::{self, Booked, Effect, check_text},
};
use model::{CommandId, ParticipantId, Role, Timestamp, VisitId};
use policy::Participant;
use signaling_protocol::{ClientMessage, ErrorCode, ServerMessage, limits::MAX_LINE_CHARS, view::Outcome};

/// Who is speaking.
#[derive(Clone, Copy)]
struct Speaker {
    connection: ConnectionId,
    participant: ParticipantId,
    role: Role,
    visit: Option<VisitId>,
}

impl Owner {
    /// A welcomed connection says something. `fresh` is needed for `invite` only.
    pub fn handle_message(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        message: ClientMessage,
        fresh: Option<Fresh>,
    ) {
        if let Some(connected) = self.connections.get(&from) {
            let speaker = Speaker {
                connection: from,
                participant: connected.participant,
                role: connected.role,
                visit: connected.visit,
            };
            self.hear(now, speaker, message, fresh);
        }
        self.finish(now);
    }

    fn hear(&mut self, now: Timestamp, speaker: Speaker, message: ClientMessage, fresh: Option<Fresh>) {
        let (id, kind) = (message.id(), kind(&message));
        let permitted = rights::of(&message)
            .ok_or(Rejection::WrongState)
            .and_then(|right| self.permit(now, speaker, right));
        let begun = permitted.and_then(|()| match message {
            ClientMessage::Ping { nonce } => {
                self.send(speaker.connection, ServerMessage::Pong { nonce });
                Ok(())
            }
            ClientMessage::Devices { devices } => {
                self.report(speaker, |presence| presence.devices = Some(devices))
            }
            ClientMessage::MediaState { microphone, camera } => self.report(speaker, |presence| {
                presence.microphone = microphone;
                presence.camera = camera;
            }),
            ClientMessage::Offer { id, sdp, restart } => {
                self.offer(now, speaker.connection, speaker.participant, id, sdp, restart);
                Ok(())
            }
            ClientMessage::Invite { id, name, reason } => {
                self.invite(now, speaker, id, Booking { name, reason, fresh })
            }
            ClientMessage::Leave { id } => self.leave(now, speaker, id),
            command => self.command(now, speaker, command),
        });
        if let Err(rejection) = begun {
            self.handled(kind, Err(rejection));
            self.refuse(speaker.connection, id, rejection.code());
        }
    }

    fn permit(&self, now: Timestamp, speaker: Speaker, right: Kind) -> Result<(), Rejection> {
        let Speaker { participant, role, visit, .. } = speaker;
        let (tenant, waiting_room) = (self.tenant(), self.id());
        rights::permit(Participant { tenant, waiting_room, visit, participant, role }, right, now)
    }

    fn report(
        &mut self,
        speaker: Speaker,
        change: impl FnOnce(&mut crate::views::Presence),
    ) -> Result<(), Rejection> {
        if let Some(person) = self.people.get_mut(&speaker.participant) {
            change(&mut person.presence);
            self.dirty = true;
        }
        Ok(())
    }

    /// A command on one visit: finds it, as far as the speaker may know of it, and puts it in line.
    fn command(&mut self, now: Timestamp, speaker: Speaker, message: ClientMessage) -> Result<(), Rejection> {
        let kind = kind(&message);
        let (id, visit, command) = match message {
            ClientMessage::CheckIn { id, modality, devices } => {
                self.report(speaker, |presence| presence.devices = Some(devices))?;
                (id, speaker.visit, visit::Command::CheckIn { modality, devices })
            }
            ClientMessage::Admit { id, visit } => (id, Some(visit), visit::Command::Admit),
            ClientMessage::Deny { id, visit, reason } => (id, Some(visit), visit::Command::Deny { reason }),
            ClientMessage::End { id, visit, outcome } => {
                // Words for what other commands bring about are not a clinician's choice.
                if matches!(outcome, Outcome::Denied | Outcome::PatientLeft) {
                    return Err(Rejection::WrongState);
                }
                (id, Some(visit), visit::Command::End { outcome })
            }
            ClientMessage::Chat { id, visit, text } => (id, Some(visit), visit::Command::Say { text }),
            ClientMessage::ShareRequest { id, visit } => (id, Some(visit), visit::Command::RequestShare),
            ClientMessage::ShareGrant { id, visit, participant } => {
                (id, Some(visit), visit::Command::GrantShare { to: participant })
            }
            ClientMessage::ShareStop { id, visit, participant } => {
                if participant != speaker.participant {
                    self.permit(now, speaker, Kind::DirectShare)?;
                }
                (id, Some(visit), visit::Command::StopShare { of: participant })
            }
            ClientMessage::Hello { .. }
            | ClientMessage::Devices { .. }
            | ClientMessage::Offer { .. }
            | ClientMessage::MediaState { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::Invite { .. }
            | ClientMessage::Ping { .. } => return Err(Rejection::WrongState),
        };
        let visit = visit.filter(|visit| self.may_know(speaker, *visit)).ok_or(Rejection::NotFound)?;
        self.put_in_line(now, speaker, kind, id, visit, command);
        Ok(())
    }

    fn may_know(&self, speaker: Speaker, visit: VisitId) -> bool {
        self.visits.contains_key(&visit) && (speaker.role == Role::Clinician || speaker.visit == Some(visit))
    }

    fn put_in_line(
        &mut self,
        now: Timestamp,
        speaker: Speaker,
        kind: &'static str,
        key: CommandId,
        visit: VisitId,
        command: visit::Command,
    ) {
        let by = Actor::Person { id: speaker.participant, role: speaker.role };
        let origin = Origin::Participant { kind };
        self.submit(now, Stream::Visit(visit), Job { command: Command::Visit(command), by, key, origin });
    }

    /// A patient leaves their visit; a clinician the one in course, if there is one.
    fn leave(&mut self, now: Timestamp, speaker: Speaker, id: CommandId) -> Result<(), Rejection> {
        let visit = match speaker.role {
            Role::Clinician => self.queue().in_call(),
            _ => speaker.visit,
        };
        if let Some(visit) = visit {
            self.put_in_line(now, speaker, "leave", id, visit, visit::Command::Leave);
        } else {
            self.handled("leave", Ok(()));
            self.send(speaker.connection, ServerMessage::Ok { re: id });
            self.dismiss(speaker.participant);
        }
        Ok(())
    }

    fn invite(
        &mut self,
        now: Timestamp,
        speaker: Speaker,
        id: CommandId,
        booking: Booking,
    ) -> Result<(), Rejection> {
        let by = Actor::Person { id: speaker.participant, role: speaker.role };
        let origin = Origin::Participant { kind: "invite" };
        self.book(now, by, id, booking, origin)
    }

    /// Books a visit, once per command, whoever asks.
    pub(super) fn book(
        &mut self,
        now: Timestamp,
        by: Actor,
        id: CommandId,
        booking: Booking,
        origin: Origin,
    ) -> Result<(), Rejection> {
        let Booking { name, reason, fresh } = booking;
        check_text(&name, 1, MAX_LINE_CHARS, true)?;
        check_text(&reason, 0, MAX_LINE_CHARS, true)?;
        let job = |booked| Job { command: Command::Visit(visit::Command::Book(booked)), by, key: id, origin };
        let fresh = fresh.ok_or(Rejection::Unavailable)?;
        let booked = Booked {
            waiting_room: self.id,
            patient: fresh.patient,
            link: fresh.link,
            scheduled_at: None,
            name,
            reason,
        };
        if let Some(visit) = self.invited_before(by, id) {
            self.submit(now, Stream::Visit(visit), job(booked));
            return Ok(());
        }
        let open = self.visits.values().filter(|visit| !visit.phase().is_over()).count();
        let being_booked = self.lanes.keys().filter(|stream| self.is_new(**stream)).count();
        if open + being_booked >= limits::MAX_OPEN_VISITS {
            return Err(Rejection::Full);
        }
        self.submit(now, Stream::Visit(fresh.visit), job(booked));
        Ok(())
    }

    fn is_new(&self, stream: Stream) -> bool {
        matches!(stream, Stream::Visit(visit) if !self.visits.contains_key(&visit))
    }

    /// The visit this command made, or is making.
    fn invited_before(&self, by: Actor, id: CommandId) -> Option<VisitId> {
        let recorded = self.invitations.get(&(by.id(), id)).copied();
        recorded.or_else(|| {
            self.lanes.iter().find_map(|(stream, lane)| match stream {
                Stream::Visit(visit)
                    if lane.jobs().any(|job| job.key == id && job.by.id() == by.id())
                        && self.is_new(*stream) =>
                {
                    Some(*visit)
                }
                _ => None,
            })
        })
    }

    /// A command is carried out, or refused.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        stream: Stream,
        job: &Job,
        result: Result<(), Rejection>,
    ) {
        match job.origin {
            Origin::Participant { kind } => {
                self.handled(kind, result);
                self.answer_participant(stream, job, result);
            }
            Origin::Hello { from, bearer, jti, can_share_screen } => {
                self.handled("hello", result);
                self.answer_hello(now, from, &bearer, jti, can_share_screen, result);
            }
            Origin::Program(ticket) => self.answer_program(stream, ticket, result),
            Origin::Deadline => {
                if result.is_err() {
                    self.deadlines_pause = now + limits::RETRY_MAX;
                }
            }
        }
    }

    fn answer_participant(&mut self, stream: Stream, job: &Job, result: Result<(), Rejection>) {
        let Some(participant) = job.by.id() else { return };
        let to = self.people.get(&participant).and_then(|person| person.connection);
        if let Some(to) = to {
            match (&result, &job.command, stream) {
                (Err(rejection), ..) => self.refuse(to, Some(job.key), rejection.code()),
                (Ok(()), Command::Visit(visit::Command::Book(_)), Stream::Visit(visit)) => {
                    let patient = self.visits.get(&visit).and_then(|v| v.booked()).map(|b| b.patient);
                    if let Some(patient) = patient {
                        self.outputs.push_back(Output::Invited { to, re: job.key, visit, patient });
                    }
                }
                (Ok(()), ..) => self.send(to, ServerMessage::Ok { re: job.key }),
            }
        }
        if result.is_ok() && matches!(job.command, Command::Visit(visit::Command::Leave)) {
            self.dismiss(participant);
        }
    }

    fn refuse(&mut self, to: ConnectionId, re: Option<CommandId>, code: ErrorCode) {
        self.send(to, ServerMessage::Error { re, code, message: words(code).to_owned() });
    }

    /// What the world is told because of a recorded event of a visit.
    pub(super) fn carry_out(&mut self, now: Timestamp, id: VisitId, effect: Effect) {
        match effect {
            Effect::Said(message) => {
                for participant in self.members(id) {
                    self.tell(participant, ServerMessage::Chat { visit: id, message: message.clone() });
                }
            }
            // The goodbye itself follows the answer to their command.
            Effect::Dismiss(participant) => self.end_media(participant),
            Effect::DismissAll => {
                for participant in self.members(id) {
                    if Some(participant) != self.clinician() {
                        self.dismiss(participant);
                    }
                }
            }
            Effect::Replace(participant) => {
                let generation = self.visits.get(&id).map(|visit| visit.seats().generation(participant));
                self.replace(now, participant, generation.unwrap_or_default());
            }
            Effect::Escalated(to) => self.outputs.push_back(Output::Escalated { visit: id, to }),
        }
    }

    /// Everybody who reads a visit's chat.
    fn members(&self, id: VisitId) -> Vec<ParticipantId> {
        let patient = self.visits.get(&id).and_then(|visit| visit.booked()).map(|booked| booked.patient);
        patient.into_iter().chain(self.clinician()).collect()
    }

    /// Their part is over: the connection is closed once everything was said.
    fn dismiss(&mut self, participant: ParticipantId) {
        self.end_media(participant);
        if let Some(connection) = self.people.get(&participant).and_then(|person| person.connection) {
            self.goodbyes.push((connection, None));
        }
    }
}

/// What a booking needs besides who asks.
pub(super) struct Booking {
    pub(super) name: model::Phi<String>,
    pub(super) reason: model::Phi<String>,
    pub(super) fresh: Option<Fresh>,
}

/// A message's name, for metrics.
pub(super) const fn kind(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Hello { .. } => "hello",
        ClientMessage::CheckIn { .. } => "check-in",
        ClientMessage::Devices { .. } => "devices",
        ClientMessage::Offer { .. } => "offer",
        ClientMessage::MediaState { .. } => "media-state",
        ClientMessage::Admit { .. } => "admit",
        ClientMessage::Deny { .. } => "deny",
        ClientMessage::Leave { .. } => "leave",
        ClientMessage::End { .. } => "end",
        ClientMessage::Chat { .. } => "chat",
        ClientMessage::ShareRequest { .. } => "share-request",
        ClientMessage::ShareGrant { .. } => "share-grant",
        ClientMessage::ShareStop { .. } => "share-stop",
        ClientMessage::Invite { .. } => "invite",
        ClientMessage::Ping { .. } => "ping",
    }
}
