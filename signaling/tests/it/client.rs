//! A browser, as far as signaling can tell.

use crate::world::ORIGIN;
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, ParticipantId, VisitId};
use signaling_protocol::{
    ClientMessage, ErrorCode, SUBPROTOCOL, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome, PhaseView, QueueView, VisitView},
};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, Request, Response, header},
    },
};

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) me: ParticipantId,
    pub(crate) resume_token: String,
    /// Everything that came before what was waited for.
    pub(crate) seen: Vec<ServerMessage>,
}

/// How a connection ended: its last error and its close code.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) error: Option<(ErrorCode, String)>,
    pub(crate) code: Option<u16>,
}

pub(crate) fn request(addr: SocketAddr) -> Request<()> {
    let mut request = format!("ws://{addr}/ws").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(header::ORIGIN, HeaderValue::from_static(ORIGIN));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    request
}

/// Upgrades, or says with which status it was refused.
pub(crate) async fn upgrade(
    addr: SocketAddr,
    request: Request<()>,
) -> Result<WebSocketStream<TcpStream>, Response<Option<Vec<u8>>>> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let stream = socket.connect(addr).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(*response),
        Err(error) => panic!("the upgrade failed: {error}"),
    }
}

pub(crate) fn id() -> CommandId {
    CommandId(platform::ids::fresh())
}

impl Client {
    /// Upgraded, and silent.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let socket = upgrade(addr, request(addr)).await.unwrap();
        Self { socket, me: ParticipantId(uuid::Uuid::nil()), resume_token: String::new(), seen: Vec::new() }
    }

    /// Connected with a join or resume token, and welcomed.
    pub(crate) async fn join(addr: SocketAddr, token: &str) -> Self {
        let mut client = Self::connect(addr).await;
        client.hello(token).await;
        let ServerMessage::Welcome { participant, resume_token, .. } =
            client.until(|message| matches!(message, ServerMessage::Welcome { .. })).await
        else {
            unreachable!()
        };
        client.me = participant;
        client.resume_token = resume_token;
        client
    }

    /// What came and was not waited for.
    pub(crate) fn seen(&self) -> &[ServerMessage] {
        &self.seen
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        let hello = ClientMessage::Hello {
            token: token.to_owned(),
            build: "test".to_owned(),
            can_share_screen: true,
            traceparent: None,
        };
        self.say(&hello).await;
    }

    pub(crate) async fn say(&mut self, message: &ClientMessage) {
        self.send(Message::text(serde_json::to_string(message).unwrap())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        let next = tokio::time::timeout(Duration::from_secs(10), self.socket.next()).await;
        next.unwrap_or_else(|_| panic!("nothing came; so far: {:#?}", self.seen))
    }

    /// Reads until a message fits, and returns it.
    pub(crate) async fn until(&mut self, fits: impl Fn(&ServerMessage) -> bool) -> ServerMessage {
        loop {
            let message = match self.next().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str(text.as_str()).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                other => panic!("the connection ended: {other:?}; so far: {:#?}", self.seen),
            };
            if fits(&message) {
                return message;
            }
            self.seen.push(message);
        }
    }

    /// Reads to the end.
    pub(crate) async fn ended(&mut self) -> Ended {
        let mut error = None;
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(text.as_str()).unwrap() {
                    ServerMessage::Error { re: None, code, message } => error = Some((code, message)),
                    other => self.seen.push(other),
                },
                Some(Ok(Message::Close(frame))) => {
                    return Ended { error, code: frame.map(|frame| frame.code.into()) };
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ended { error, code: None },
            }
        }
    }

    /// Says a command and waits until it is recorded.
    pub(crate) async fn command(&mut self, message: &ClientMessage) {
        self.say(message).await;
        let wanted = message.id().unwrap();
        let answer = self.answer(wanted).await;
        assert!(matches!(answer, ServerMessage::Ok { .. } | ServerMessage::Invited { .. }), "{answer:?}");
    }

    /// Says a command and returns why it was refused.
    pub(crate) async fn refused(&mut self, message: &ClientMessage) -> ErrorCode {
        self.say(message).await;
        match self.answer(message.id().unwrap()).await {
            ServerMessage::Error { code, .. } => code,
            other => panic!("it was not refused: {other:?}"),
        }
    }

    pub(crate) async fn answer(&mut self, wanted: CommandId) -> ServerMessage {
        self.until(|message| match message {
            ServerMessage::Ok { re }
            | ServerMessage::Invited { re, .. }
            | ServerMessage::Answer { re, .. } => *re == wanted,
            ServerMessage::Error { re, .. } => *re == Some(wanted),
            _ => false,
        })
        .await
    }

    pub(crate) async fn visit(&mut self, fits: impl Fn(&VisitView) -> bool) -> VisitView {
        let message = self
            .until(|message| matches!(message, ServerMessage::Visit { visit: Some(visit) } if fits(visit)))
            .await;
        let ServerMessage::Visit { visit: Some(visit) } = message else { unreachable!() };
        *visit
    }

    pub(crate) async fn queue(&mut self, fits: impl Fn(&QueueView) -> bool) -> QueueView {
        let message =
            self.until(|message| matches!(message, ServerMessage::Queue { queue } if fits(queue))).await;
        let ServerMessage::Queue { queue } = message else { unreachable!() };
        queue
    }

    pub(crate) async fn check_in(&mut self) {
        self.command(&ClientMessage::CheckIn {
            id: id(),
            modality: Modality::Video,
            devices: DeviceHealth::default(),
        })
        .await;
    }

    pub(crate) async fn admit(&mut self, visit: VisitId) {
        self.command(&ClientMessage::Admit { id: id(), visit }).await;
    }

    pub(crate) async fn end(&mut self, visit: VisitId) {
        self.command(&ClientMessage::End { id: id(), visit, outcome: Outcome::Done }).await;
    }

    /// Offers media and waits for the answer.
    pub(crate) async fn offer(&mut self) {
        let re = id();
        self.say(&ClientMessage::Offer { id: re, sdp: "offer".into(), restart: false }).await;
        let answer = self.answer(re).await;
        assert!(matches!(answer, ServerMessage::Answer { .. }), "{answer:?}");
    }

    /// Asks and is answered: everything sent before has been dealt with.
    pub(crate) async fn ping(&mut self) {
        self.say(&ClientMessage::Ping { nonce: 7 }).await;
        self.until(|message| matches!(message, ServerMessage::Pong { nonce: 7 })).await;
    }
}

pub(crate) fn waiting(queue: &QueueView) -> Vec<VisitId> {
    let waits = queue.entries.iter().filter(|entry| matches!(entry.phase, PhaseView::Waiting { .. }));
    waits.map(|entry| entry.visit).collect()
}

pub(crate) fn is(wish: MediaWish) -> impl Fn(&VisitView) -> bool {
    move |visit| visit.media == wish
}
