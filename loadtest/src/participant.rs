//! One person at a browser, as far as signaling goes: exchanges a link, says hello, keeps the newest
//! views, sends commands and waits for their answers.

use crate::http;
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, ParticipantId};
use serde_json::json;
use signaling_protocol::{
    ClientMessage, SUBPROTOCOL, ServerMessage,
    view::{QueueView, VisitView},
};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// Longest wait for anything; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server last said.
#[derive(Debug, Default)]
pub struct Seen {
    /// A patient's view of their visit.
    pub visit: Option<VisitView>,
    /// A clinician's view of who waits.
    pub queue: Option<QueueView>,
}

/// A welcomed connection.
#[derive(Debug)]
pub struct Participant {
    socket: WebSocketStream<TcpStream>,
    /// As the server knows them.
    pub id: ParticipantId,
    /// The newest views.
    pub seen: Seen,
}

impl Participant {
    /// From a link to `welcome`.
    ///
    /// # Errors
    /// The link is none, the server cannot be reached, refuses, or says nothing for 20 s.
    pub async fn join(link: &str) -> Result<Self> {
        let (origin, rest) = split_origin(link)?;
        let secret = rest.split_once("#k=").context("the link has no secret")?.1;
        let host = host(origin)?;
        let body = json!({ "secret": secret });
        let grant = http::post(host, "/api/v1/links/exchange", &[("origin", origin)], &body).await?;
        let token = grant["joinToken"].as_str().context("no join token")?.to_owned();

        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{host}/ws").into_client_request()?;
        request.headers_mut().insert("origin", HeaderValue::from_str(origin)?);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let (socket, _) = client_async(request, stream).await?;
        let mut joined = Self { socket, id: ParticipantId(uuid::Uuid::nil()), seen: Seen::default() };
        joined.send(&ClientMessage::Hello { token, build: "bench".into(), can_share_screen: false }).await?;
        loop {
            if let ServerMessage::Welcome { participant, .. } = joined.next().await? {
                joined.id = participant;
                return Ok(joined);
            }
        }
    }

    /// Sends a command and waits for what answers it.
    ///
    /// # Errors
    /// The command is refused, or nothing is said for 20 s.
    pub async fn ask(&mut self, message: ClientMessage) -> Result<ServerMessage> {
        let id = message.id().context("not a command")?;
        self.send(&message).await?;
        loop {
            let message = self.next().await?;
            match &message {
                ServerMessage::Ok { re }
                | ServerMessage::Answer { re, .. }
                | ServerMessage::Invited { re, .. }
                    if *re == id =>
                {
                    return Ok(message);
                }
                ServerMessage::Error { re: Some(re), code, .. } if *re == id => bail!("refused: {code:?}"),
                _ => {}
            }
        }
    }

    /// Reads until what was seen satisfies `condition`.
    ///
    /// # Errors
    /// The server hangs up, or says nothing for 20 s.
    pub async fn until(&mut self, mut condition: impl FnMut(&Seen) -> bool) -> Result<()> {
        while !condition(&self.seen) {
            self.next().await?;
        }
        Ok(())
    }

    /// Stays connected, as somebody who talks and touches nothing: reads, so that pings are answered.
    pub async fn linger(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.socket.send(Message::text(serde_json::to_string(message)?)).await?)
    }

    async fn next(&mut self) -> Result<ServerMessage> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.context("the server says nothing")?;
            match frame.context("the server hung up")?? {
                Message::Text(text) => {
                    let message: ServerMessage = serde_json::from_str(&text)?;
                    match &message {
                        ServerMessage::Visit { visit } => self.seen.visit = visit.as_deref().cloned(),
                        ServerMessage::Queue { queue } => self.seen.queue = Some(queue.clone()),
                        _ => {}
                    }
                    return Ok(message);
                }
                Message::Close(frame) => bail!("closed: {frame:?}"),
                _ => {}
            }
        }
    }
}

/// A fresh idempotency key.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a client chooses its command ids")]
pub fn command_id() -> CommandId {
    CommandId(uuid::Uuid::now_v7())
}

fn split_origin(link: &str) -> Result<(&str, &str)> {
    let at = link.match_indices('/').nth(2).context("not a link")?.0;
    Ok(link.split_at(at))
}

fn host(origin: &str) -> Result<&str> {
    origin.strip_prefix("http://").context("benches speak plain HTTP to this machine only")
}
