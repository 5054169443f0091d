//! The spans of one waiting room: what its commands belong to.
//!
//! A visit's trace begins with its check-in, in the trace of the patient's page. The admission, the patient's offers,
//! what is recorded and where people are seated are spans of it, whoever asked for them; who asked is linked. It lives
//! in memory: after another process has taken the waiting room over, what follows is recorded under the pages' traces.

use crate::{
    limits::{MAX_TRACED_COMMANDS, MAX_TRACED_VISITS},
    socket::ToSocket,
};
use model::{CommandId, ParticipantId, RoomId, TenantId, TraceContext, VisitId, WaitingRoomId};
use platform::trace::{Kind, Span, Tracer};
use signaling_core::{
    owner::{ConnectionId, Stream},
    token::Bearer,
};
use signaling_protocol::{ClientMessage, ServerMessage};
use std::collections::HashMap;

pub(crate) struct Traces {
    tracer: Tracer,
    tenant: TenantId,
    room: WaitingRoomId,
    pages: HashMap<ConnectionId, Page>,
    visits: HashMap<VisitId, Visit>,
    commands: HashMap<(ConnectionId, CommandId), Command>,
    /// Whom the clinician admitted last.
    admitted: Option<VisitId>,
}

/// A page that said hello.
struct Page {
    participant: ParticipantId,
    visit: Option<VisitId>,
    /// The trace of the page, if it is recorded.
    context: Option<TraceContext>,
    /// Open until the page is welcome.
    hello: Option<Span>,
}

/// A visit that is recorded.
#[derive(Clone, Copy)]
struct Visit {
    begun: TraceContext,
    /// The admission, once there was one.
    admitted: Option<TraceContext>,
}

/// A command that is not answered yet.
struct Command {
    span: Span,
    /// Whose offer it is.
    offer_of: Option<ParticipantId>,
}

impl Traces {
    pub(crate) fn new(tracer: Tracer, tenant: TenantId, room: WaitingRoomId) -> Self {
        let (pages, visits, commands) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { tracer, tenant, room, pages, visits, commands, admitted: None }
    }

    /// A page said hello, and perhaps which trace it is part of.
    pub(crate) fn hello(&mut self, from: ConnectionId, bearer: Bearer, remote: Option<TraceContext>) {
        if !self.tracer.is_on() {
            return;
        }
        let Bearer { participant, visit, .. } = bearer;
        let hello = self.about(self.tracer.edge("hello", remote), participant, visit);
        let context = self.tracer.accept(remote).or_else(|| hello.context());
        self.pages.insert(from, Page { participant, visit, context, hello: Some(hello) });
    }

    /// A page says something.
    pub(crate) fn heard(&mut self, from: ConnectionId, message: &ClientMessage) {
        let Some(page) = self.pages.get(&from) else { return };
        let (participant, own, context) = (page.participant, page.visit, page.context);
        let (name, visit) = match message {
            ClientMessage::CheckIn { .. } => ("check-in", own),
            ClientMessage::Admit { visit, .. } => ("admit", Some(*visit)),
            ClientMessage::Offer { .. } => ("offer", own.or(self.admitted)),
            ClientMessage::End { visit, .. } => ("end", Some(*visit)),
            ClientMessage::Leave { .. } => ("leave", own),
            _ => return,
        };
        let known = visit.and_then(|visit| self.visits.get(&visit)).map(|visit| visit.begun);
        let parent = if name == "check-in" { context } else { known.or(context) };
        let asked_by = context.filter(|context| parent.is_some_and(|parent| parent.trace != context.trace));
        let span = self.tracer.child(name, Kind::Server, parent).linked(asked_by);
        let span = self.about(span, participant, visit);
        let (Some(begun), Some(id)) = (span.context(), message.id()) else { return };
        match (message, visit) {
            (ClientMessage::CheckIn { .. }, Some(visit)) => self.remember(visit, begun),
            (ClientMessage::Admit { .. }, Some(visit)) => {
                self.remember(visit, begun);
                if let Some(visit) = self.visits.get_mut(&visit) {
                    visit.admitted = Some(begun);
                }
                self.admitted = Some(visit);
            }
            (ClientMessage::End { .. }, _) => self.admitted = None,
            _ => {}
        }
        if self.commands.len() < MAX_TRACED_COMMANDS {
            let offer_of = matches!(message, ClientMessage::Offer { .. }).then_some(participant);
            self.commands.insert((from, id), Command { span, offer_of });
        }
    }

    /// A page is told something: perhaps the answer to a command.
    pub(crate) fn said(&mut self, to: ConnectionId, what: &ToSocket) {
        let (ToSocket::Message(message), Some(page)) = (what, self.pages.get_mut(&to)) else { return };
        match &**message {
            ServerMessage::Welcome { .. } => page.hello = None,
            ServerMessage::Ok { re } | ServerMessage::Answer { re, .. } => {
                self.commands.remove(&(to, *re));
            }
            ServerMessage::Error { re: Some(re), .. } => {
                if let Some(mut command) = self.commands.remove(&(to, *re)) {
                    command.span.fail("refused");
                }
            }
            _ => {}
        }
    }

    /// A page is gone; what it asked for is answered on its next connection, if there is one.
    pub(crate) fn gone(&mut self, connection: ConnectionId) {
        if self.pages.remove(&connection).is_some() {
            self.commands.retain(|(from, _), _| *from != connection);
        }
    }

    /// Something is being recorded, because of this command or by itself.
    pub(crate) fn appending(&self, stream: Stream, key: CommandId) -> Span {
        let because = self.commands.iter().find(|((_, id), _)| *id == key);
        let visit = match stream {
            Stream::Visit(visit) => Some(visit),
            Stream::WaitingRoom => None,
        };
        let of_visit = || visit.and_then(|visit| self.visits.get(&visit)).map(|visit| visit.begun);
        let parent = because.and_then(|(_, command)| command.span.context()).or_else(of_visit);
        self.tracer.child("append", Kind::Client, parent)
    }

    /// The media node is asked to connect somebody.
    pub(crate) fn placing(&self, participant: ParticipantId) -> Span {
        let offer = self.commands.values().find(|command| command.offer_of == Some(participant));
        self.tracer.child("place", Kind::Client, offer.and_then(|offer| offer.span.context()))
    }

    /// Why somebody is seated in a room.
    pub(crate) fn of_seat(&self, room: Option<RoomId>) -> Option<TraceContext> {
        let visit = self.visits.get(&VisitId(room?.0))?;
        Some(visit.admitted.unwrap_or(visit.begun))
    }

    /// The first one counts: a check-in that is said again is the same.
    fn remember(&mut self, visit: VisitId, begun: TraceContext) {
        if self.visits.len() >= MAX_TRACED_VISITS && !self.visits.contains_key(&visit) {
            self.visits.clear();
        }
        self.visits.entry(visit).or_insert(Visit { begun, admitted: None });
    }

    fn about(&self, span: Span, participant: ParticipantId, visit: Option<VisitId>) -> Span {
        let span = span
            .id("tenant.id", self.tenant.0)
            .id("waiting_room.id", self.room.0)
            .id("participant.id", participant.0);
        match visit {
            Some(visit) => span.id("visit.id", visit.0),
            None => span,
        }
    }
}
