//! One connection's task: between a WebSocket and the waiting room's task.

use crate::{
    find::{Place, Wanted},
    limits,
    peers::{Far, NoAnswer},
    room::Input,
    seat_watch,
    shared::Shared,
};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{
    Sink as _, SinkExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{SplitSink, SplitStream},
};
use model::{Phi, TenantId, TraceContext};
use platform::trace::{self, Kind};
use signaling_core::{
    connection::{Connection, Frame, Output},
    owner::ConnectionId,
    token::{Bearer, JOIN_AUDIENCE, JoinClaims, RESUME_AUDIENCE, ResumeClaims, Verified},
};
use signaling_protocol::{CloseCode, ErrorCode, ServerMessage, limits::MAX_TOKEN_BYTES};
use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite;

/// What a room's task tells a connection's.
pub(crate) enum ToSocket {
    /// Send this.
    Message(Box<ServerMessage>),
    /// Close: with this error, or because all is done.
    Close(Option<ErrorCode>),
}

/// Who is at the other end of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A page of this healthcare unit: another unit's tokens are none here.
    Page(TenantId),
    /// Another process, for a page.
    Process,
}

/// Serves one WebSocket to its end.
pub(crate) async fn serve(shared: Arc<Shared>, socket: WebSocket, peer: Peer) {
    shared.metrics.opened();
    let id = ConnectionId(shared.next());
    let (sink, stream) = socket.split();
    let (sender, inbox) = mpsc::channel(limits::SOCKET_QUEUE);
    let mut task = Socket {
        connection: Connection::new(now()),
        cut_off: false,
        writer: Writer { sink, flushing: false },
        stream,
        sender: Some(sender),
        inbox,
        room: None,
        dismissal: Box::pin(std::future::pending()),
        dismissed: false,
        far: None,
        peer,
        id,
        shared,
    };
    let code = task.run().await;
    if let Some(room) = &task.room {
        let _ = room.send(if task.dismissed { Input::Dismissed(id) } else { Input::Gone(id) }).await;
    }
    task.shared.metrics.closed(code);
}

struct Socket {
    shared: Arc<Shared>,
    id: ConnectionId,
    connection: Connection,
    /// A message was cut off in the middle: nothing can be read any more.
    cut_off: bool,
    writer: Writer,
    stream: SplitStream<WebSocket>,
    /// Given to the room with the hello.
    sender: Option<mpsc::Sender<ToSocket>>,
    inbox: mpsc::Receiver<ToSocket>,
    room: Option<mpsc::Sender<Input>>,
    /// Ends when whoever has the seat may have it no more.
    dismissal: BoxFuture<'static, ()>,
    dismissed: bool,
    /// The way to the process that owns the waiting room, if that is another one.
    far: Option<Far>,
    peer: Peer,
}

struct Writer {
    sink: SplitSink<WebSocket, Message>,
    flushing: bool,
}

/// How a socket's life went on.
enum Step {
    On,
    /// The peer is gone, or said goodbye.
    Gone,
}

impl Socket {
    /// The close code it ended with; `None` when the peer just went.
    async fn run(&mut self) -> Option<u16> {
        let draining = self.shared.draining.clone();
        while !self.connection.is_closing() {
            let deadline = self.connection.poll_timeout().map(|at| self.on_grid(Instant::from_std(at)));
            let has_frame = self.connection.has_frame();
            let takes_more = self.connection.takes_more();
            // What goes out goes first, so that a burst from the room does not overrun a reader that keeps up; what comes
            // in goes last, and has limits of its own.
            let step = tokio::select! {
                biased;
                idle = self.writer.idle(), if has_frame || self.writer.flushing => match idle {
                    Ok(()) => self.write(),
                    Err(_) => Step::Gone,
                },
                said = self.inbox.recv(), if self.far.is_none() => self.told(said),
                said = next(&mut self.far), if takes_more => {
                    self.far_said(said);
                    Step::On
                }
                () = sleep_until(deadline) => {
                    self.connection.handle_timeout(now());
                    Step::On
                }
                () = &mut self.dismissal => {
                    (self.dismissed, self.dismissal) = (true, Box::pin(std::future::pending()));
                    self.connection.handle_close(Some(ErrorCode::NotAuthorized));
                    Step::On
                }
                () = draining.cancelled(), if self.room.is_none() => {
                    self.connection.handle_shutdown(self.shared.config.drain_for_good);
                    Step::On
                }
                frame = self.stream.next() => self.read(frame),
            };
            if matches!(step, Step::Gone) {
                return None;
            }
            self.carry_out().await;
        }
        let written = timeout(limits::CLOSE_WRITE, self.say_goodbye()).await;
        if written.is_ok() {
            let _ = timeout(limits::CLOSE_LINGER, self.wait_for_close()).await;
        }
        self.connection.close_code().map(u16::from)
    }

    /// The next time at which those who wait for nothing in particular wake up, together: a wake-up costs as much as
    /// what most of them do.
    fn on_grid(&self, deadline: Instant) -> Instant {
        let grid = limits::DEADLINES.as_millis() as u64;
        let ms = deadline.saturating_duration_since(self.shared.began).as_millis() as u64;
        self.shared.began + Duration::from_millis((ms + 1).next_multiple_of(grid))
    }

    fn read(&mut self, frame: Option<Result<Message, axum::Error>>) -> Step {
        match frame {
            Some(Ok(Message::Text(text))) => self.connection.handle_text(now(), text.as_str()),
            Some(Ok(Message::Binary(_))) => self.connection.handle_binary(now()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => self.connection.handle_sign_of_life(now()),
            Some(Ok(Message::Close(_))) | None => return Step::Gone,
            Some(Err(error)) => {
                if !is_too_long(error) {
                    return Step::Gone;
                }
                self.cut_off = true;
                self.connection.handle_too_long();
            }
        }
        Step::On
    }

    fn told(&mut self, said: Option<ToSocket>) -> Step {
        match said {
            Some(ToSocket::Message(message)) => self.connection.handle_server(now(), *message),
            Some(ToSocket::Close(Some(ErrorCode::Restarting))) => {
                self.connection.handle_shutdown(self.shared.config.drain_for_good);
            }
            Some(ToSocket::Close(because)) => self.connection.handle_close(because),
            // The room let go of this socket: its queue was full.
            None => self.connection.handle_overrun(),
        }
        Step::On
    }

    /// The socket has taken everything so far: the next frame, if there is one.
    fn write(&mut self) -> Step {
        self.connection.handle_flushed(now());
        let Some(frame) = self.connection.frame() else { return Step::On };
        match self.writer.start(frame) {
            Ok(()) => Step::On,
            Err(_) => Step::Gone,
        }
    }

    /// Hands over what the connection has for the room.
    async fn carry_out(&mut self) {
        while let Some(output) = self.connection.poll() {
            match output {
                Output::Hello { token, can_share_screen, trace } => {
                    self.hello(&token, can_share_screen, trace).await;
                }
                Output::Message(message) => {
                    if let Some(room) = &self.room {
                        let _ = room.send(Input::Message { from: self.id, message }).await;
                    }
                }
                Output::Forward(text) => self.forward(text).await,
            }
        }
    }

    /// Whatever is wrong with a token, the answer is the same.
    async fn hello(&mut self, token: &Phi<String>, can_share_screen: bool, trace: Option<TraceContext>) {
        let Some(token) = self.verify(token.expose()) else {
            return self.connection.handle_close(Some(ErrorCode::NotAuthorized));
        };
        let bearer = token.bearer();
        if matches!(self.peer, Peer::Page(tenant) if tenant != bearer.tenant) {
            return self.connection.handle_close(Some(ErrorCode::NotAuthorized));
        }
        let room = match self.way_to(bearer, trace).await {
            Ok(Some(room)) => room,
            Ok(None) => return self.connection.relay(),
            Err(because) => return self.connection.handle_close(Some(because)),
        };
        if seat_watch::is_lost(&self.shared, &bearer, limits::OWNER_LOOK).await {
            return self.connection.handle_close(Some(ErrorCode::NotAuthorized));
        }
        let comes_back = matches!(token, Verified::Resume { .. });
        if comes_back && !self.shared.is_still_ours(bearer.tenant, bearer.waiting_room).await {
            // The room sends the others on as well.
            let _ = room.try_send(Input::Lost);
            return self.connection.handle_close(Some(ErrorCode::Restarting));
        }
        let Some(to) = self.sender.take() else { return };
        let hello = Input::Hello { from: self.id, token, can_share_screen, trace, to };
        if room.send(hello).await.is_err() {
            return self.connection.handle_close(Some(ErrorCode::Restarting));
        }
        self.room = Some(room);
        if let Some(held_by) = bearer.held_by {
            self.dismissal = Box::pin(seat_watch::until_lost(Arc::clone(&self.shared), bearer, held_by));
        }
    }

    /// The way to a waiting room's owner: here, or (`None`) in another process.
    async fn way_to(
        &mut self,
        bearer: Bearer,
        trace: Option<TraceContext>,
    ) -> Result<Option<mpsc::Sender<Input>>, ErrorCode> {
        let Bearer { tenant, waiting_room: room, .. } = bearer;
        let only_here = self.peer == Peer::Process;
        let mut wanted = Wanted { only_here, ..Wanted::new(tenant, room) };
        for _ in 0..limits::MAX_FINDS {
            match self.shared.find(wanted).await {
                Place::Here(room) => return Ok(Some(room)),
                Place::There { address, epoch } => {
                    let tracer = &self.shared.tracer;
                    let span = tracer.child("relay", Kind::Client, tracer.accept(trace));
                    let dialled = self.shared.peers.dial(&address, tenant, room);
                    match trace::scope(span.context(), dialled).await {
                        Ok(far) => {
                            self.far = Some(far);
                            return Ok(None);
                        }
                        Err(NoAnswer::Gone) => wanted.gone = Some(epoch),
                        Err(NoAnswer::Leaving | NoAnswer::Late) => return Err(ErrorCode::Unavailable),
                        Err(NoAnswer::Refused) => {
                            tracing::error!(
                                waiting_room.id = %room,
                                "The owner of a waiting room refuses this process: do they have the same keys?"
                            );
                            return Err(ErrorCode::Unavailable);
                        }
                    }
                }
                // Of a passed on page it means that the owner has just changed: it comes again.
                Place::Nowhere if matches!(self.peer, Peer::Page(_)) => return Err(ErrorCode::NotAuthorized),
                Place::Nowhere | Place::Draining => return Err(ErrorCode::Restarting),
                Place::Unknown => return Err(ErrorCode::Unavailable),
            }
        }
        Err(ErrorCode::Unavailable)
    }

    /// What the page says, to the process that owns its waiting room.
    async fn forward(&mut self, text: Phi<String>) {
        let Some(far) = &mut self.far else { return };
        let sent = far.send(tungstenite::Message::text(text.into_exposed()));
        if !matches!(timeout(limits::FORWARD_WITHIN, sent).await, Ok(Ok(()))) {
            self.connection.handle_far_closed(None);
        }
    }

    fn far_said(&mut self, said: Option<Result<tungstenite::Message, tungstenite::Error>>) {
        match said {
            Some(Ok(tungstenite::Message::Text(text))) => {
                self.connection.handle_far(now(), text.as_str().to_owned());
            }
            // Answered by the library.
            Some(Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_))) => {}
            Some(Ok(tungstenite::Message::Close(Some(frame)))) => {
                let code = CloseCode::try_from(u16::from(frame.code)).ok();
                self.connection.handle_far_closed(code);
            }
            Some(Ok(_) | Err(_)) | None => self.connection.handle_far_closed(None),
        }
    }

    fn verify(&self, token: &str) -> Option<Verified> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (keys, now) = (&self.shared.keys, self.shared.clock.now());
        if let Ok(join) = keys.verify::<JoinClaims>(JOIN_AUDIENCE, now, token) {
            // The room remembers it by its own clock.
            let expires_at = self.shared.steady.now() + join.expires_at.since(now);
            return Some(Verified::Join { claims: join.claims, jti: join.jti, expires_at });
        }
        let resume = keys.verify::<ResumeClaims>(RESUME_AUDIENCE, now, token).ok()?;
        Some(Verified::Resume { claims: resume.claims })
    }

    /// Writes what is left, the close frame last.
    async fn say_goodbye(&mut self) {
        while let Some(frame) = self.connection.frame() {
            if self.writer.idle().await.is_err() || self.writer.start(frame).is_err() {
                return;
            }
        }
        let _ = self.writer.idle().await;
    }

    /// Reads until the peer has answered the close frame: a socket dropped with unread bytes in it is
    /// reset, and a reset can overtake the close frame. Behind a message that was cut off nothing can be
    /// read; then the peer is just given the time.
    async fn wait_for_close(&mut self) {
        if self.cut_off {
            std::future::pending::<()>().await;
        }
        while let Some(Ok(frame)) = self.stream.next().await {
            if matches!(frame, Message::Close(_)) {
                return;
            }
        }
    }
}

impl Writer {
    /// Until everything handed over so far has left for the network. Can be given up and begun again.
    async fn idle(&mut self) -> Result<(), axum::Error> {
        self.sink.flush().await?;
        self.flushing = false;
        poll_fn(|cx| Pin::new(&mut self.sink).poll_ready(cx)).await
    }

    fn start(&mut self, frame: Frame) -> Result<(), axum::Error> {
        let message = match frame {
            Frame::Message(message) => {
                let text = serde_json::to_string(&message).map_err(axum::Error::new)?;
                Message::Text(text.into())
            }
            Frame::Text(text) => Message::Text(text.into()),
            Frame::Ping => Message::Ping(axum::body::Bytes::new()),
            Frame::Close { code, reason } => {
                Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
            }
        };
        self.flushing = true;
        Pin::new(&mut self.sink).start_send(message)
    }
}

/// What the other process says next; never, where there is none.
async fn next(far: &mut Option<Far>) -> Option<Result<tungstenite::Message, tungstenite::Error>> {
    match far {
        Some(far) => far.next().await,
        None => std::future::pending().await,
    }
}

fn is_too_long(error: axum::Error) -> bool {
    error
        .into_inner()
        .downcast::<tungstenite::Error>()
        .is_ok_and(|error| matches!(*error, tungstenite::Error::Capacity(_)))
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
