//! One person at a browser, as far as signaling goes: exchanges a link, says hello, keeps the newest
//! views, sends commands and waits for their answers.

use crate::{
    http,
    net::{Origin, Stream},
};
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, ParticipantId};
use serde_json::json;
use signaling_protocol::{
    ClientMessage, SUBPROTOCOL, ServerMessage,
    view::{QueueView, VisitView},
};
use std::{
    fmt,
    net::IpAddr,
    str::FromStr,
    time::{Duration, Instant},
};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the server last said.
#[derive(Debug, Default)]
pub struct Seen {
    /// A patient's view of their visit.
    pub visit: Option<VisitView>,
    /// A clinician's view of who waits.
    pub queue: Option<QueueView>,
}

/// A link to a visit or to a waiting room. A secret: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    origin: Origin,
    secret: String,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl FromStr for Link {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (origin, rest) = Origin::split(text.trim())?;
        let secret = rest.split_once("#k=").context("the link has no secret behind #k=")?.1.to_owned();
        Ok(Self { origin, secret })
    }
}

impl Link {
    /// Where it leads.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same, reached where `node` is.
    #[must_use]
    pub fn via(mut self, node: &Origin) -> Self {
        self.origin = self.origin.via(node);
        self
    }

    /// The same, used from this address.
    #[must_use]
    pub fn from(mut self, ip: Option<IpAddr>) -> Self {
        self.origin = self.origin.from(ip);
        self
    }

    /// The right to say hello once.
    async fn token(&self) -> Result<String> {
        let (origin, body) = (self.origin.to_string(), json!({ "secret": self.secret }));
        let path = "/api/v1/links/exchange";
        let grant = http::post(&self.origin, path, &[("origin", &origin)], &body).await;
        Ok(grant.context("exchange the link")?["joinToken"].as_str().context("no join token")?.to_owned())
    }
}

/// How to come back after a connection was lost.
#[derive(Clone)]
pub struct Resume {
    origin: Origin,
    token: String,
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Resume {
    /// Connects again.
    ///
    /// # Errors
    /// As for [`Participant::join`].
    pub async fn again(self) -> Result<Participant> {
        Participant::hello(self.origin, self.token).await
    }
}

/// A welcomed connection.
pub struct Participant {
    socket: WebSocketStream<Box<dyn Stream>>,
    origin: Origin,
    resume: String,
    /// As the server knows them.
    pub id: ParticipantId,
    /// What the server says it is.
    pub build: String,
    /// The newest views.
    pub seen: Seen,
}

impl fmt::Debug for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participant").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Participant {
    /// From a link to `welcome`.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or says nothing for 20 s.
    pub async fn join(link: &Link) -> Result<Self> {
        Self::hello(link.origin.clone(), link.token().await?).await
    }

    async fn hello(origin: Origin, token: String) -> Result<Self> {
        let mut request = origin.websocket("/ws").into_client_request()?;
        request.headers_mut().insert("origin", HeaderValue::from_str(&origin.to_string())?);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let stream = origin.connect().await?;
        let opening = client_async_with_config(request, stream, Some(small()));
        let (socket, _) =
            timeout(PATIENCE, opening).await.context("no WebSocket")?.context("open the WebSocket")?;
        let (id, resume, build) = (ParticipantId(uuid::Uuid::nil()), String::new(), String::new());
        let mut joined = Self { socket, origin, resume, id, build, seen: Seen::default() };
        let hello =
            ClientMessage::Hello { token, build: "bench".into(), can_share_screen: true, traceparent: None };
        joined.send(&hello).await?;
        loop {
            let message = joined.next().await.context("said hello")?;
            if let ServerMessage::Welcome { participant, resume_token, build, .. } = message {
                (joined.id, joined.resume, joined.build) = (participant, resume_token, build);
                return Ok(joined);
            }
        }
    }

    /// Where they are connected to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Goes without a goodbye, like a pulled cable; how to come back.
    #[must_use]
    pub fn vanish(self) -> Resume {
        Resume { origin: self.origin, token: self.resume }
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
                ServerMessage::Error { re: Some(re), code, .. } if *re == id => {
                    bail!("refused: {code:?}")
                }
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

    /// Reads until what was seen satisfies `condition`, or until then; whether it does.
    ///
    /// # Errors
    /// The server hangs up.
    pub async fn until_at(&mut self, at: Instant, mut condition: impl FnMut(&Seen) -> bool) -> Result<bool> {
        while !condition(&self.seen) {
            match timeout_at(at.into(), self.read()).await {
                Ok(message) => drop(message?),
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Stays connected, as somebody who talks and touches nothing: reads, so that pings are answered.
    pub async fn linger(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    async fn send(&mut self, message: &ClientMessage) -> Result<()> {
        Ok(self.socket.send(Message::text(serde_json::to_string(message)?)).await?)
    }

    async fn next(&mut self) -> Result<ServerMessage> {
        timeout(PATIENCE, self.read()).await.context("the server says nothing")?
    }

    async fn read(&mut self) -> Result<ServerMessage> {
        loop {
            match self.socket.next().await.context("the server hung up")?? {
                Message::Text(text) => {
                    let message: ServerMessage = serde_json::from_str(&text)?;
                    match &message {
                        ServerMessage::Visit { visit } => self.seen.visit = visit.as_deref().cloned(),
                        ServerMessage::Queue { queue } => self.seen.queue = Some(queue.clone()),
                        _ => {}
                    }
                    return Ok(message);
                }
                Message::Close(Some(frame)) => bail!("closed {}: {}", u16::from(frame.code), frame.reason),
                Message::Close(None) => bail!("closed"),
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

/// Thousands of these share a machine: tungstenite's own read buffer has 128 KiB, filled with zeros.
fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_secret_and_keeps_it() {
        let link: Link = "http://localhost:8080/visit#k=abc\n".parse().unwrap();
        assert_eq!(
            (link.secret.as_str(), link.origin.to_string().as_str()),
            ("abc", "http://localhost:8080")
        );
        assert!(!format!("{link:?}").contains("abc"));
        assert!("http://localhost:8080/visit".parse::<Link>().is_err());
    }
}
