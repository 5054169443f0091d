//! Spans of this node: connecting a session, its transport, its seat, and the first picture that it is shown. Begun and
//! ended on the control side; of all this a shard only says when a picture was the first.

use model::{ParticipantId, RoomId, TraceContext};
use parking_lot::Mutex;
use platform::trace::{self, Kind, Span, Tracer};
use sfu_core::port::SessionId;
use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Traces {
    tracer: Tracer,
    /// What of a session is still to come. At most one entry a session that is recorded.
    open: Mutex<HashMap<SessionId, Open>>,
}

#[derive(Default)]
struct Open {
    transport: Option<Span>,
    first_frame: Option<Span>,
}

impl Traces {
    pub(crate) fn new(tracer: Tracer) -> Self {
        Self { tracer, open: Mutex::default() }
    }

    /// An offer is being answered.
    pub(crate) fn connect(&self, session: SessionId, participant: ParticipantId) -> Span {
        about(self.tracer.child("connect", Kind::Server, trace::current()), session, participant)
    }

    /// The offer is answered: next comes the transport, and where it is seated at once, a picture.
    pub(crate) fn answered(
        &self,
        session: SessionId,
        participant: ParticipantId,
        room: Option<RoomId>,
        parent: Option<TraceContext>,
    ) {
        if parent.is_none() {
            return;
        }
        let next = |name| about(self.tracer.child(name, Kind::Internal, parent), session, participant);
        let transport = Some(next("transport"));
        let first_frame = room.map(|room| next("first-frame").id("room.id", room.0));
        self.open.lock().insert(session, Open { transport, first_frame });
    }

    /// A session is being seated.
    pub(crate) fn seat(&self, session: SessionId, participant: ParticipantId, room: RoomId) -> Span {
        let span = self.tracer.child("seat", Kind::Server, trace::current());
        about(span, session, participant).id("room.id", room.0)
    }

    /// It has its seat: next comes a picture, if anybody there sends one.
    pub(crate) fn seated(&self, session: SessionId, participant: ParticipantId, room: RoomId, seat: Span) {
        let Some(parent) = seat.context() else { return };
        drop(seat);
        let first_frame = self.tracer.child("first-frame", Kind::Internal, Some(parent));
        let first_frame = about(first_frame, session, participant).id("room.id", room.0);
        self.open.lock().entry(session).or_default().first_frame = Some(first_frame);
    }

    /// ICE and DTLS are up.
    pub(crate) fn connected(&self, session: SessionId) {
        self.take(session, |open| open.transport.take());
    }

    /// The first packet of the first picture since it was seated is on its way to it.
    pub(crate) fn shown(&self, session: SessionId) {
        self.take(session, |open| open.first_frame.take());
    }

    /// It is gone, with whatever did not come about.
    pub(crate) fn closed(&self, session: SessionId) {
        if !self.tracer.is_on() {
            return;
        }
        let open = self.open.lock().remove(&session);
        for mut span in open.into_iter().flat_map(|open| [open.transport, open.first_frame]).flatten() {
            span.fail("closed");
        }
    }

    fn take(&self, session: SessionId, part: impl FnOnce(&mut Open) -> Option<Span>) {
        if !self.tracer.is_on() {
            return;
        }
        let mut all = self.open.lock();
        let Some(open) = all.get_mut(&session) else { return };
        let over = part(open);
        if open.transport.is_none() && open.first_frame.is_none() {
            all.remove(&session);
        }
        drop(all);
        drop(over);
    }
}

fn about(span: Span, session: SessionId, participant: ParticipantId) -> Span {
    span.number("session.id", session.0).id("participant.id", participant.0)
}
