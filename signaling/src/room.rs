//! One waiting room's task: a single `select!` over a closed [`Input`], driving the room's owner.

use crate::{find::Home, limits, shared::Shared, socket::ToSocket, traces::Traces};
use model::{CommandId, Epoch, Phi, TraceContext, VisitId};
use sfu_core::port::{Affinity, Answer, Claim, MediaError, MediaEvent, SessionId};
use signaling_core::{
    Owner, Rejection,
    link::LinkHash,
    owner::{
        AppendFailure, Appended, ConnectionId, Fresh, Overtaken, ProgramTicket, Stream, Ticket,
        io::Page,
        program::{Done, Greeting},
    },
    port::LinkError,
    token::Verified,
    waiting_room::Opened,
};
use signaling_protocol::{ClientMessage, ErrorCode};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::Instant,
};

mod audit;
mod outputs;
mod records;

/// Every reason a waiting room's task wakes up, besides its clock.
pub(crate) enum Input {
    /// A connection said hello; the signature is good.
    Hello {
        from: ConnectionId,
        token: Verified,
        can_share_screen: bool,
        trace: Option<TraceContext>,
        to: mpsc::Sender<ToSocket>,
    },
    /// A connection says something.
    Message { from: ConnectionId, message: ClientMessage },
    /// A connection is gone.
    Gone(ConnectionId),
    /// The same, and whoever was there may not come back: their media ends.
    Dismissed(ConnectionId),
    /// The store answered an append.
    Appended { stream: Stream, ticket: Ticket, result: Result<Appended, AppendFailure>, took: Duration },
    /// The store answered a read.
    Page { stream: Stream, ticket: Ticket, page: Page },
    /// The store has all that was acknowledged, or never will.
    Recorded { ticket: Ticket, result: Result<(), Overtaken> },
    /// The media node answered an offer.
    Answered { ticket: Ticket, result: Result<Answer, MediaError> },
    /// The media node tells something.
    Media(MediaEvent),
    /// Open the room.
    Open { opened: Opened, done: oneshot::Sender<Result<Done, Rejection>> },
    /// Invite somebody.
    Invite {
        id: CommandId,
        name: Phi<String>,
        reason: Phi<String>,
        fresh: Fresh,
        done: oneshot::Sender<Result<Done, Rejection>>,
    },
    /// Exchange a link.
    Greet { hash: LinkHash, done: oneshot::Sender<Result<Greeting, LinkError>> },
    /// Of use until then.
    Until(Instant, Box<Self>),
    /// Another process owns the room.
    Lost,
    /// The process goes down.
    Drain(ErrorCode),
}

pub(crate) struct Room {
    shared: Arc<Shared>,
    owner: Owner,
    inbox: mpsc::Receiver<Input>,
    /// In their order, so that all are let go in one.
    sockets: BTreeMap<ConnectionId, mpsc::Sender<ToSocket>>,
    questions: BTreeMap<ProgramTicket, oneshot::Sender<Result<Done, Rejection>>>,
    /// Calls to the store and the media node; each ends in an input.
    calls: JoinSet<Input>,
    /// In which epoch of the room's ownership this task writes and speaks for its media.
    epoch: Epoch,
    /// Another process owns the room, and it was said.
    lost: bool,
    /// The last admission, to measure how long it takes until both are seated.
    admitted: Option<(VisitId, Instant)>,
    traces: Traces,
}

impl Room {
    pub(crate) fn new(shared: Arc<Shared>, owner: Owner, epoch: Epoch) -> (Self, mpsc::Sender<Input>) {
        let (sender, inbox) = mpsc::channel(limits::ROOM_QUEUE);
        let traces = Traces::new(shared.tracer.clone(), owner.tenant(), owner.id());
        let mut room = Self {
            traces,
            shared,
            owner,
            inbox,
            sockets: BTreeMap::new(),
            questions: BTreeMap::new(),
            calls: JoinSet::new(),
            epoch,
            lost: false,
            admitted: None,
        };
        // Links must lead here before the first request comes in.
        room.owner.start(room.shared.steady.now());
        room.carry_out();
        (room, sender)
    }

    pub(crate) async fn run(mut self) {
        self.adopt().await;
        while !self.owner.is_drained() {
            let wake = self.owner.poll_timeout().map(|at| at.since(self.shared.steady.now()));
            // Answers first: there are never more of them than was asked for.
            tokio::select! {
                biased;
                Some(done) = self.calls.join_next(), if !self.calls.is_empty() => match done {
                    Ok(input) => self.handle(input),
                    Err(error) => tracing::error!(%error, "A call of a waiting room failed"),
                },
                Some(input) = self.inbox.recv() => self.handle(input),
                () = sleep(wake) => self.owner.handle_timeout(self.shared.steady.now()),
            }
            self.carry_out();
        }
        self.shared.note_owed(self.owner.tenant(), self.owner.id());
        self.shared.metrics.forget_room(self.home());
        self.inbox.close();
        while let Some(input) = self.inbox.recv().await {
            // Whoever came too late comes again; a question without an answer is asked again.
            if let Input::Hello { to, .. } = input {
                let _ = to.try_send(ToSocket::Close(Some(ErrorCode::Restarting)));
            }
        }
    }

    /// Takes over the media that went on while nobody owned the room. Before the first hello: a page whose
    /// media is not known yet would be told to offer anew. A node that cannot be asked in time tells later,
    /// with [`MediaEvent::Found`].
    async fn adopt(&mut self) {
        let (tenant, affinity) = (self.owner.tenant(), self.affinity());
        let claim = Claim { tenant, affinity, epoch: self.epoch };
        let existing = match or_busy(self.shared.media.claim(claim)).await {
            Ok(existing) => existing,
            Err(MediaError::Fenced) => return self.lose(),
            Err(error) => {
                tracing::warn!(
                    waiting_room.id = %self.owner.id(), %error,
                    "The media of a waiting room cannot be asked for now"
                );
                Vec::new()
            }
        };
        let sessions: Vec<_> = existing.iter().map(|existing| existing.session).collect();
        self.owner.adopt(self.shared.steady.now(), existing);
        for session in sessions {
            self.claim(session);
        }
        self.carry_out();
    }

    fn lose(&mut self) {
        self.owner.lose(self.shared.steady.now());
        self.carry_out();
    }

    fn note_lost(&mut self) {
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        self.shared.metrics.lost();
        tracing::warn!(
            waiting_room.id = %self.owner.id(), epoch = self.epoch.0,
            "Another process owns a waiting room of this one"
        );
    }

    /// What waiting rooms' sessions have in common.
    const fn affinity(&self) -> Affinity {
        Affinity(self.owner.id().0.as_u128())
    }

    fn handle(&mut self, input: Input) {
        let now = self.shared.steady.now();
        self.shared.metrics.room_queue(self.inbox.len());
        match input {
            Input::Hello { from, token, can_share_screen, trace, to } => {
                self.traces.hello(from, token.bearer(), trace);
                self.sockets.insert(from, to);
                self.owner.handle_hello(now, from, &token, can_share_screen);
            }
            Input::Message { from, message } => {
                let fresh = matches!(message, ClientMessage::Invite { .. }).then(|| self.fresh());
                if let ClientMessage::Admit { visit, .. } = message {
                    self.admitted = Some((visit, Instant::now()));
                }
                self.traces.heard(from, &message);
                self.owner.handle_message(now, from, message, fresh);
            }
            Input::Gone(connection) => {
                self.sockets.remove(&connection);
                self.traces.gone(connection);
                self.owner.handle_disconnected(now, connection);
            }
            Input::Dismissed(connection) => {
                self.sockets.remove(&connection);
                self.traces.gone(connection);
                self.owner.handle_dismissed(now, connection);
            }
            Input::Appended { stream, ticket, result, took } => {
                if result == Err(AppendFailure::Fenced) {
                    self.note_lost();
                }
                self.shared.metrics.appended(took, &result);
                self.owner.handle_appended(now, stream, ticket, result);
            }
            Input::Page { stream, ticket, page } => self.owner.handle_page(now, stream, ticket, page),
            Input::Recorded { ticket, result } => {
                if result.is_err() {
                    self.note_lost();
                }
                self.owner.handle_recorded(now, ticket, result);
            }
            Input::Answered { ticket, result } => self.answered(ticket, result),
            Input::Media(event) => self.owner.handle_media(now, event),
            Input::Open { opened, done } => {
                let ticket = self.question(done);
                self.owner.handle_open(now, ticket, opened);
            }
            Input::Invite { id, name, reason, fresh, done } => {
                let ticket = self.question(done);
                self.owner.handle_invite(now, ticket, id, name, reason, fresh);
            }
            Input::Greet { hash, done } => {
                let _ = done.send(self.owner.greet(&hash));
            }
            // Too late, nothing is done, and whoever asked hears it by the end of the question.
            Input::Until(deadline, input) if Instant::now() < deadline => self.handle(*input),
            Input::Until(..) => self.shared.metrics.overdue(),
            Input::Lost => {
                self.note_lost();
                self.owner.lose(now);
            }
            Input::Drain(because) => {
                self.shared.note_owed(self.owner.tenant(), self.owner.id());
                self.owner.drain(now, because);
            }
        }
    }

    fn question(&mut self, done: oneshot::Sender<Result<Done, Rejection>>) -> ProgramTicket {
        let ticket = ProgramTicket(self.shared.next());
        self.questions.insert(ticket, done);
        ticket
    }

    fn fresh(&self) -> Fresh {
        self.shared.fresh()
    }

    const fn home(&self) -> Home {
        Home { tenant: self.owner.tenant(), room: self.owner.id() }
    }

    fn answered(&mut self, ticket: Ticket, result: Result<Answer, MediaError>) {
        let session = result.as_ref().ok().map(|answer| answer.session);
        let now = self.shared.steady.now();
        self.owner.handle_answer(now, ticket, result);
        if let Some(session) = session {
            self.claim(session);
        }
    }

    /// The session's events come here from now on; those that overtook are taken now.
    fn claim(&mut self, session: SessionId) {
        let missed = self.shared.sessions.lock().claim(session, self.home());
        for event in missed {
            self.owner.handle_media(self.shared.steady.now(), event);
        }
    }
}

/// An answer that takes too long is as good as none: the client tries again.
async fn or_busy<T>(answer: impl Future<Output = Result<T, MediaError>>) -> Result<T, MediaError> {
    tokio::time::timeout(limits::MEDIA_TIMEOUT, answer).await.unwrap_or(Err(MediaError::Busy))
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(wake) => tokio::time::sleep(wake).await,
        None => std::future::pending().await,
    }
}
