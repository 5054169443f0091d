//! Does what the owner asks for.

use super::{Input, Room, or_busy};
use crate::socket::ToSocket;
use model::{ParticipantId, RoomId};
use platform::trace;
use sfu_core::port::MediaError;
use signaling_core::{
    owner::{ConnectionId, Output},
    token::{RESUME_AUDIENCE, RESUME_TTL, ResumeClaims},
    visit::{Phase, Visit},
};
use signaling_protocol::ServerMessage;
use std::sync::Arc;

impl Room {
    /// Does everything the owner asks for. Nothing here waits: what takes time becomes a call.
    pub(super) fn carry_out(&mut self) {
        while let Some(output) = self.owner.poll() {
            match output {
                Output::Append(append) => self.append(append),
                Output::Read { stream, ticket, after } => self.read(stream, ticket, after),
                Output::AwaitRecord { ticket } => self.await_record(ticket),
                Output::Welcome { to, bearer, generation } => {
                    let claims = ResumeClaims { bearer, generation };
                    let now = self.shared.clock.now();
                    let welcome = ServerMessage::Welcome {
                        participant: bearer.participant,
                        role: bearer.role,
                        resume_token: self.shared.keys.sign(RESUME_AUDIENCE, RESUME_TTL, now, &claims),
                        server_time: self.shared.steady.now(),
                        build: self.shared.build.clone(),
                    };
                    self.send(to, ToSocket::Message(Box::new(welcome)));
                }
                Output::Send { to, message } => self.send(to, ToSocket::Message(Box::new(message))),
                Output::Close { to, because } => {
                    self.send(to, ToSocket::Close(because));
                    self.sockets.remove(&to);
                }
                Output::Invited { to, re, visit, patient } => {
                    let link = self.shared.patient_link(self.owner.tenant(), patient);
                    self.send(to, ToSocket::Message(Box::new(ServerMessage::Invited { re, visit, link })));
                }
                Output::Answer { ticket, result } => {
                    if let Some(done) = self.questions.remove(&ticket) {
                        let _ = done.send(result);
                    }
                }
                Output::Connect { ticket, connect } => {
                    let shared = Arc::clone(&self.shared);
                    let mut span = self.traces.placing(connect.participant);
                    self.calls.spawn(async move {
                        let connected = or_busy(shared.media.connect(connect));
                        let result = trace::scope(span.context(), connected).await;
                        if result.is_err() {
                            span.fail("not placed");
                        }
                        span.end();
                        Input::Answered { ticket, result }
                    });
                }
                Output::Restart { ticket, session, offer } => {
                    let shared = Arc::clone(&self.shared);
                    self.calls.spawn(async move {
                        let result = or_busy(shared.media.restart(session, offer)).await;
                        Input::Answered { ticket, result }
                    });
                }
                Output::Seat { session, room } => {
                    let trace = self.traces.of_seat(room);
                    let seated = trace::in_scope(trace, || self.shared.media.seat(session, room));
                    if let Err(error) = seated {
                        self.owner.handle_seat_failed(self.shared.steady.now(), session, &error);
                    } else if let Some(room) = room {
                        self.seated(room);
                    }
                }
                Output::SetSharer { visit, sharer } => {
                    let room = RoomId::from(visit);
                    // Where the room is somebody else's, they say who shares.
                    if self.set_sharer(room, sharer).is_err_and(|error| error != MediaError::Fenced) {
                        self.owner.handle_sharer_failed(self.shared.steady.now(), visit);
                    }
                }
                Output::Disconnect { session } => self.shared.media.disconnect(session),
                Output::Link { hash, .. } => {
                    self.shared.links.write().insert(hash, self.home());
                }
                Output::Unlink { hash } => {
                    self.shared.links.write().remove(&hash);
                }
                Output::Escalated { visit, to } => {
                    self.shared.metrics.escalated(to);
                    tracing::warn!(
                        visit.id = %visit,
                        waiting_room.id = %self.owner.id(),
                        "A patient has waited long in visit {visit}: the desk is told"
                    );
                }
                Output::Handled(handled) => self.shared.metrics.handled(&handled),
            }
        }
        self.report();
    }

    fn set_sharer(&self, room: RoomId, sharer: Option<ParticipantId>) -> Result<(), MediaError> {
        self.shared.media.set_sharer(self.owner.tenant(), self.affinity(), room, sharer)
    }

    /// A socket whose queue is full is let go: it reads too slowly.
    fn send(&mut self, to: ConnectionId, what: ToSocket) {
        self.traces.said(to, &what);
        let Some(socket) = self.sockets.get(&to) else { return };
        if socket.try_send(what).is_err() {
            self.sockets.remove(&to);
            self.owner.handle_disconnected(self.shared.steady.now(), to);
        }
    }

    fn seated(&self, room: RoomId) {
        if let Some((visit, at)) = self.admitted
            && RoomId::from(visit) == room
        {
            self.shared.metrics.seated(at.elapsed());
        }
    }

    fn report(&self) {
        let waiting = self.owner.visits().filter_map(|visit| match visit.phase() {
            Phase::Waiting(wait) => Some(wait.since),
            Phase::Booked | Phase::InCall(_) | Phase::Ended { .. } => None,
        });
        let talks = |visit: &&Visit| matches!(visit.phase(), Phase::InCall(_));
        let in_call = u32::try_from(self.owner.visits().filter(talks).count()).unwrap_or(u32::MAX);
        self.shared.metrics.waiting(self.home(), waiting, in_call);
    }
}
