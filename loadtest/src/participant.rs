//! One person at a browser, as far as signaling goes: exchanges a link, says hello, keeps the newest
//! views, sends commands and waits for their answers. One who is [`Participant::tenacious`] comes back when the connection
//! is lost, and asks again what was not answered.

use crate::{
    consult::now,
    http,
    net::{Origin, Stream},
    tenacity::{GIVE_UP, Gone, Lost, OPEN_WITHIN, Tell, is_over, pause},
};
use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{CommandId, ParticipantId};
use serde_json::{Value, json};
use signaling_protocol::{
    ClientMessage, SUBPROTOCOL, ServerMessage,
    server::ErrorCode,
    view::{QueueView, VisitView},
};
use std::{
    fmt,
    net::IpAddr,
    str::FromStr,
    time::{Duration, Instant},
};
use tokio::time::{sleep, sleep_until, timeout, timeout_at};
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
    /// When it last said that there is no media session any more.
    pub media_closed: Option<Instant>,
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

    /// What is posted to exchange it, and where to.
    #[must_use]
    pub fn exchange(&self) -> (&'static str, Value) {
        ("/api/v1/links/exchange", json!({ "secret": self.secret }))
    }

    /// The right to say hello once.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub async fn token(&self) -> Result<String> {
        let (origin, (path, body)) = (self.origin.to_string(), self.exchange());
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
    /// Who is told of each time they came back, and how long it took.
    tenacity: Option<Tell>,
    /// While there is no connection.
    lost: Option<Lost>,
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
        let mut joined =
            Self { socket, origin, resume, id, build, seen: Seen::default(), tenacity: None, lost: None };
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

    /// From now on comes back with the resume token when the connection breaks or is closed with 1001, 1012 or 1013, and
    /// asks again, with the same id, what was not answered or could not be saved then. Whoever is not back within
    /// [`GIVE_UP`] has failed. `tell` hears how long each return took, from the break to the welcome.
    #[must_use]
    pub fn tenacious(mut self, tell: Tell) -> Self {
        self.tenacity = Some(tell);
        self
    }

    /// Sends a command and waits for what answers it.
    ///
    /// # Errors
    /// The command is refused, or nothing is said for 20 s.
    pub async fn ask(&mut self, message: ClientMessage) -> Result<ServerMessage> {
        let id = message.id().context("not a command")?;
        let asked = now();
        loop {
            if let Some(answer) = self.ask_once(&message, id).await? {
                return Ok(answer);
            }
            ensure!(now() < asked + PATIENCE, "asked again and again, and not answered");
        }
    }

    /// None: there was no answer, and it may be asked again.
    async fn ask_once(&mut self, message: &ClientMessage, id: CommandId) -> Result<Option<ServerMessage>> {
        self.be_there().await?;
        if let Err(error) = self.send(message).await {
            return self.bears(error).map(|()| None);
        }
        loop {
            let heard = timeout(PATIENCE, self.hear()).await.context("the server says nothing")?;
            let message = match heard {
                Ok(message) => message,
                Err(error) => return self.bears(error).map(|()| None),
            };
            match &message {
                ServerMessage::Ok { re }
                | ServerMessage::Answer { re, .. }
                | ServerMessage::Invited { re, .. }
                    if *re == id =>
                {
                    return Ok(Some(message));
                }
                ServerMessage::Error { re: Some(re), code, .. } if *re == id => {
                    let later = matches!(code, ErrorCode::Unavailable | ErrorCode::Restarting);
                    ensure!(later && self.tenacity.is_some(), "refused: {code:?}");
                    sleep(pause(1, self.id)).await;
                    return Ok(None);
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
            self.be_there().await?;
            let heard = timeout(PATIENCE, self.hear()).await.context("the server says nothing")?;
            if let Err(error) = heard {
                self.bears(error)?;
            }
        }
        Ok(())
    }

    /// Reads until what was seen satisfies `condition`, or until then; whether it does. Coming back is not cut short.
    ///
    /// # Errors
    /// The server hangs up.
    pub async fn until_at(&mut self, at: Instant, mut condition: impl FnMut(&Seen) -> bool) -> Result<bool> {
        while !condition(&self.seen) {
            self.be_there().await?;
            match timeout_at(at.into(), self.hear()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => self.bears(error)?,
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
        let text = Message::text(serde_json::to_string(message)?);
        Ok(self.socket.send(text).await.map_err(|error| Gone::Broken(error.to_string()))?)
    }

    async fn next(&mut self) -> Result<ServerMessage> {
        timeout(PATIENCE, self.hear()).await.context("the server says nothing")?
    }

    /// The next message of this connection. Dropping it loses nothing.
    async fn hear(&mut self) -> Result<ServerMessage> {
        loop {
            let hung_up = || Gone::Broken("the server hung up".to_owned());
            let frame = self.socket.next().await.ok_or_else(hung_up)?;
            match frame.map_err(|error| Gone::Broken(error.to_string()))? {
                Message::Text(text) => {
                    let message: ServerMessage = serde_json::from_str(&text)?;
                    match &message {
                        ServerMessage::Visit { visit } => self.seen.visit = visit.as_deref().cloned(),
                        ServerMessage::Queue { queue } => self.seen.queue = Some(queue.clone()),
                        ServerMessage::MediaClosed => self.seen.media_closed = Some(now()),
                        _ => {}
                    }
                    return Ok(message);
                }
                Message::Close(Some(frame)) => {
                    bail!(Gone::Closed(frame.code.into(), frame.reason.to_string()))
                }
                Message::Close(None) => bail!(Gone::Broken("closed".to_owned())),
                _ => {}
            }
        }
    }

    /// Takes the loss of the connection, if somebody tenacious comes back from it.
    fn bears(&mut self, error: anyhow::Error) -> Result<()> {
        if self.tenacity.is_none() || is_over(&error) {
            return Err(error);
        }
        self.lost.get_or_insert_with(|| Lost::new(now(), self.id));
        Ok(())
    }

    /// Comes back, where the connection was lost. Dropping it loses nothing.
    async fn be_there(&mut self) -> Result<()> {
        while let Some(lost) = &self.lost {
            let (since, next) = (lost.since, lost.next);
            let latest = since + GIVE_UP;
            ensure!(next < latest, "not back within {} s", GIVE_UP.as_secs());
            sleep_until(next.into()).await;
            let hello = Self::hello(self.origin.clone(), self.resume.clone());
            match timeout_at(latest.min(next + OPEN_WITHIN).into(), hello).await {
                Ok(Ok(Self { socket, resume, id, build, .. })) => {
                    (self.socket, self.resume, self.id, self.build) = (socket, resume, id, build);
                    self.lost = None;
                    if let Some(tell) = &self.tenacity {
                        tell.tell(now().saturating_duration_since(since));
                    }
                }
                Ok(Err(error)) if is_over(&error) && error.is::<Gone>() => return Err(error),
                Ok(Err(_)) | Err(_) => {
                    if let Some(lost) = &mut self.lost {
                        lost.again(now(), self.id);
                    }
                }
            }
        }
        Ok(())
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
