//! A browser's signaling: a WebSocket that speaks the protocol.

use crate::{http, process::Server};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, ParticipantId, TraceContext, VisitId};
use signaling_protocol::{
    ClientMessage, SUBPROTOCOL, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome, PhaseView, QueueView, VisitView},
};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) struct Browser {
    socket: Socket,
    pub(crate) me: ParticipantId,
    pub(crate) resume_token: String,
    pub(crate) visit: Option<Box<VisitView>>,
    pub(crate) queue: Option<QueueView>,
}

/// Opens a WebSocket as a page of `origin`; the status where it is refused.
pub(crate) async fn open(to: SocketAddr, origin: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{to}/ws").into_client_request().unwrap();
    request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The same, where the server is called otherwise.
pub(crate) async fn open_at(to: SocketAddr, host: &str, origin: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{host}:{}/ws", to.port()).into_client_request().unwrap();
    request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    let stream = MaybeTlsStream::Plain(TcpStream::connect(to).await.unwrap());
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// Whether the server ends a connection.
pub(crate) async fn ends(socket: &mut Socket) -> bool {
    let end = async {
        loop {
            if !matches!(
                socket.next().await,
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_)))
            ) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.is_ok()
}

pub(crate) fn id() -> CommandId {
    CommandId(platform::ids::fresh())
}

impl Browser {
    /// Opens a link.
    pub(crate) async fn open_link(server: &Server, secret: &str) -> Self {
        let token = http::join_token(server.http(), secret);
        Self::connect(server, &token).await
    }

    /// Connects with a join or resume token.
    pub(crate) async fn connect(server: &Server, token: &str) -> Self {
        Self::connect_traced(server, token, None).await
    }

    /// Connects as a page that is part of a trace.
    pub(crate) async fn connect_traced(server: &Server, token: &str, trace: Option<TraceContext>) -> Self {
        Self::greet(server, token, trace).await.unwrap_or_else(|code| panic!("closed with {code:?}"))
    }

    /// The close code where the token is refused.
    pub(crate) async fn try_connect(server: &Server, token: &str) -> Result<Self, Option<u16>> {
        Self::greet(server, token, None).await
    }

    async fn greet(
        server: &Server,
        token: &str,
        traceparent: Option<TraceContext>,
    ) -> Result<Self, Option<u16>> {
        let socket = open(server.http(), server.url()).await.unwrap();
        Self::say_hello(socket, token, traceparent).await
    }

    /// Connects as a page of the healthcare unit at a host.
    pub(crate) async fn connect_at(server: &Server, host: &str, token: &str) -> Result<Self, Option<u16>> {
        let origin = format!("http://{host}:{}", server.http().port());
        let socket = open_at(server.http(), host, &origin).await.unwrap();
        Self::say_hello(socket, token, None).await
    }

    async fn say_hello(
        socket: Socket,
        token: &str,
        traceparent: Option<TraceContext>,
    ) -> Result<Self, Option<u16>> {
        let me = ParticipantId(uuid::Uuid::nil());
        let mut browser = Self { socket, me, resume_token: String::new(), visit: None, queue: None };
        browser
            .say(&ClientMessage::Hello {
                token: token.to_owned(),
                build: "test".into(),
                can_share_screen: true,
                traceparent,
            })
            .await;
        match browser.next().await? {
            ServerMessage::Welcome { participant, resume_token, .. } => {
                (browser.me, browser.resume_token) = (participant, resume_token);
                Ok(browser)
            }
            ServerMessage::Error { .. } => Err(browser.closed().await),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.socket.send(Message::text(serde_json::to_string(message).unwrap())).await.unwrap();
    }

    /// Says something to a server that may have closed by now.
    pub(crate) async fn try_say(&mut self, message: &ClientMessage) -> Result<(), Error> {
        self.send(Message::text(serde_json::to_string(message).unwrap())).await
    }

    /// Sends something that need not be of the protocol.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// The next message, or the code the connection was closed with.
    async fn next(&mut self) -> Result<ServerMessage, Option<u16>> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("something to arrive");
            match next {
                Some(Ok(Message::Text(text))) => {
                    let message: ServerMessage = serde_json::from_str(&text).unwrap();
                    match &message {
                        ServerMessage::Visit { visit } => self.visit.clone_from(visit),
                        ServerMessage::Queue { queue } => self.queue = Some(queue.clone()),
                        _ => {}
                    }
                    return Ok(message);
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until something holds of what is known.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            self.next().await.unwrap_or_else(|code| panic!("closed with {code:?}"));
        }
    }

    /// Reads until a message fits.
    pub(crate) async fn until_message<T>(&mut self, fits: impl Fn(&ServerMessage) -> Option<T>) -> T {
        loop {
            let message = self.next().await.unwrap_or_else(|code| panic!("closed with {code:?}"));
            if let Some(found) = fits(&message) {
                return found;
            }
        }
    }

    /// Reads until the server closes; its code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    /// Sends a command and waits until it is recorded.
    pub(crate) async fn command(&mut self, message: ClientMessage) {
        let wanted = message.id().unwrap();
        self.say(&message).await;
        self.until_message(|message| match message {
            ServerMessage::Ok { re } if *re == wanted => Some(()),
            ServerMessage::Error { re: Some(re), code, .. } if *re == wanted => panic!("refused: {code:?}"),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn check_in(&mut self) {
        let devices = DeviceHealth::default();
        self.command(ClientMessage::CheckIn { id: id(), modality: Modality::Video, devices }).await;
        self.until(|me| matches!(me.phase(), Some(PhaseView::Waiting { .. }))).await;
    }

    /// Clinician: invites somebody and returns the visit and the secret of their link.
    pub(crate) async fn invite(&mut self, name: &str, reason: &str) -> (VisitId, String) {
        let wanted = id();
        self.say(&ClientMessage::Invite { id: wanted, name: name.into(), reason: reason.into() }).await;
        let (visit, link) = self
            .until_message(|message| match message {
                ServerMessage::Invited { re, visit, link } if *re == wanted => Some((*visit, link.clone())),
                _ => None,
            })
            .await;
        (visit, link.split_once("#k=").unwrap().1.to_owned())
    }

    pub(crate) async fn admit(&mut self, visit: VisitId) {
        self.command(ClientMessage::Admit { id: id(), visit }).await;
    }

    pub(crate) async fn end(&mut self, visit: VisitId) {
        self.command(ClientMessage::End { id: id(), visit, outcome: Outcome::Done }).await;
    }

    /// Sends an offer; the answer, or the code of the refusal.
    pub(crate) async fn offer(&mut self, sdp: String) -> Result<String, String> {
        let wanted = id();
        self.say(&ClientMessage::Offer { id: wanted, sdp: sdp.into(), restart: false }).await;
        self.until_message(|message| match message {
            ServerMessage::Answer { re, sdp } if *re == wanted => Some(Ok(sdp.expose().clone())),
            ServerMessage::Error { re: Some(re), code, .. } if *re == wanted => {
                Some(Err(format!("{code:?}")))
            }
            _ => None,
        })
        .await
    }

    pub(crate) fn phase(&self) -> Option<&PhaseView> {
        self.visit.as_ref().map(|visit| &visit.phase)
    }

    /// What the server wants done about media.
    pub(crate) fn wish(&self) -> MediaWish {
        match (&self.visit, &self.queue) {
            (Some(visit), _) => visit.media,
            (None, Some(queue)) => queue.media,
            (None, None) => MediaWish::Idle,
        }
    }

    /// Visits that wait, in the order of the queue.
    pub(crate) fn waiting(&self) -> Vec<VisitId> {
        let entries = self.queue.iter().flat_map(|queue| &queue.entries);
        entries
            .filter(|entry| matches!(entry.phase, PhaseView::Waiting { .. }))
            .map(|entry| entry.visit)
            .collect()
    }
}
