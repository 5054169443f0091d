//! What signaling processes say to each other: docs/signaling-fleet.md.
//!
//! A page's WebSocket is passed on frame by frame; questions of programs are one POST each. Who may ask is shown by a
//! short token of the fleet's keys. Names travel here: the network between processes is a private one. How long somebody
//! waits for the answer travels along (`x-request-budget-ms`); a process of an earlier build neither says nor heeds it.

use crate::{
    limits::{DIAL_TIMEOUT, MAX_ASK_BYTES, PEER_TOKEN_TTL, READ_LIMIT, WRITE_BUFFER},
    network::{Network, Stream},
};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use model::{CommandId, ParticipantId, Phi, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    clock::Clock,
    exchange::exchange,
    keys::{self, Keys},
    lane::deadline,
    trace,
};
use serde::{Deserialize, Serialize};
use signaling_core::Rejection;
use signaling_protocol::{SUBPROTOCOL, view::ClinicView};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, client::IntoClientRequest as _, protocol::WebSocketConfig},
};
use uuid::Uuid;

/// `aud` of a token between signaling processes.
const AUDIENCE: &str = "signaling-peer";
/// How long a question may take to be answered.
const ASK_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Serialize, Deserialize)]
struct PeerClaims {
    process: Uuid,
}

/// What one process asks another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Question {
    /// Open a waiting room.
    Open {
        tenant: TenantId,
        room: WaitingRoomId,
        clinic: ClinicView,
        #[serde(serialize_with = "model::phi::expose")]
        practitioner: Phi<String>,
        clinician: ParticipantId,
    },
    /// Invite somebody.
    Invite {
        tenant: TenantId,
        room: WaitingRoomId,
        id: CommandId,
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        #[serde(serialize_with = "model::phi::expose")]
        reason: Phi<String>,
    },
    /// Exchange the secret of a link of a healthcare unit.
    Exchange {
        /// None of a process of an earlier build, which knows of one unit only.
        #[serde(default)]
        tenant: Option<TenantId>,
        #[serde(serialize_with = "model::phi::expose")]
        secret: Phi<String>,
    },
    /// Count the visits of a healthcare unit that are this process's.
    Count { tenant: TenantId },
}

/// And is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The room is open.
    Opened { clinician: ParticipantId },
    /// The visit exists.
    Invited { visit: VisitId, patient: ParticipantId, over: bool },
    /// What the link gives.
    Granted {
        join_token: String,
        role: Role,
        clinic: ClinicView,
        #[serde(serialize_with = "model::phi::expose")]
        practitioner: Phi<String>,
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        scheduled_at: Option<Timestamp>,
    },
    /// No such link.
    NoSuchLink,
    /// The visit of the link is over.
    Over { clinic: ClinicView },
    /// So many visits.
    #[serde(rename_all = "camelCase")]
    Counted { waiting: u32, in_call: u32, longest_wait_s: u64 },
    /// Refused, for good.
    Rejected { because: Rejection },
    /// Not now.
    Unavailable,
}

/// Which process answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Alive {
    pub(crate) process: Uuid,
}

/// Why another process gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// It is gone, goes down, or does not have what was asked for.
    Gone,
    /// It goes down, and what it has acknowledged is not recorded yet: whoever took its place now would lose that.
    Leaving,
    /// It is there, and does not understand or does not trust this process.
    Refused,
    /// Nobody waits for the answer any more. Says nothing about that process.
    Late,
}

/// A page's WebSocket, from here on to the process that owns its waiting room.
pub(crate) type Far = WebSocketStream<Box<dyn Stream>>;

/// Talks to other processes.
#[derive(Clone)]
pub(crate) struct Peers {
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    process: Uuid,
    network: Arc<dyn Network>,
}

impl Peers {
    pub(crate) const fn new(
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        process: Uuid,
        network: Arc<dyn Network>,
    ) -> Self {
        Self { keys, clock, process, network }
    }

    /// Whether a request comes from a process of the fleet.
    pub(crate) fn trusts(&self, headers: &axum::http::HeaderMap) -> bool {
        keys::bearer(headers)
            .is_some_and(|token| self.keys.verify::<PeerClaims>(AUDIENCE, self.clock.now(), token).is_ok())
    }

    /// Opens a page's way to the owner of its waiting room.
    pub(crate) async fn dial(
        &self,
        address: &str,
        tenant: TenantId,
        room: WaitingRoomId,
    ) -> Result<Far, NoAnswer> {
        let url = format!("ws://{address}/signaling/ws/{}/{}", tenant.0, room.0);
        let mut request = url.into_client_request().map_err(|_| NoAnswer::Refused)?;
        request.headers_mut().insert(header::AUTHORIZATION, self.authorization()?);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        trace::send_along(request.headers_mut());
        let config = WebSocketConfig::default()
            .read_buffer_size(crate::limits::READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(WRITE_BUFFER))
            .max_frame_size(Some(WRITE_BUFFER));
        let dialled = async {
            let stream = self.network.connect(address).await?;
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await
        };
        match timeout(DIAL_TIMEOUT, dialled).await {
            Ok(Ok((far, _))) => Ok(far),
            Ok(Err(tungstenite::Error::Http(response))) => Err(judge(response.status())),
            Ok(Err(tungstenite::Error::Io(_))) | Err(_) => Err(NoAnswer::Gone),
            Ok(Err(_)) => Err(NoAnswer::Refused),
        }
    }

    /// Asks a question.
    pub(crate) async fn ask(&self, address: &str, question: &Question) -> Result<Reply, NoAnswer> {
        let body = serde_json::to_vec(question).map_err(|_| NoAnswer::Refused)?;
        let answer = self.request(address, Method::POST, "/signaling/ask", body);
        // Out of time is not gone: nobody takes a room over because somebody was in a hurry.
        match deadline::within(timeout(ASK_WITHIN, answer)).await {
            Some(answered) => answered.unwrap_or(Err(NoAnswer::Gone)),
            None => Err(NoAnswer::Late),
        }
    }

    /// Whether the process of this id answers at this address.
    pub(crate) async fn is_alive(&self, address: &str, process: Uuid) -> bool {
        let asked = self.request::<Alive>(address, Method::GET, "/signaling/alive", Vec::new());
        match timeout(DIAL_TIMEOUT, asked).await {
            Ok(Ok(alive)) => alive.process == process,
            Ok(Err(NoAnswer::Leaving | NoAnswer::Refused | NoAnswer::Late)) => true,
            Ok(Err(NoAnswer::Gone)) | Err(_) => false,
        }
    }

    async fn request<T: for<'de> Deserialize<'de>>(
        &self,
        address: &str,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, NoAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, self.authorization()?)
            .body(body.into())
            .map_err(|_| NoAnswer::Refused)?;
        trace::send_along(request.headers_mut());
        if let Some(left) = deadline::left().and_then(|left| HeaderValue::from_str(&left).ok()) {
            request.headers_mut().insert(deadline::HEADER, left);
        }
        let connected =
            timeout(DIAL_TIMEOUT, self.network.connect(address)).await.map_err(|_| NoAnswer::Gone)?;
        let stream = connected.map_err(|_| NoAnswer::Gone)?;
        let answer = exchange(stream, request, MAX_ASK_BYTES).await.map_err(|_| NoAnswer::Gone)?;
        if answer.status() != StatusCode::OK {
            return Err(judge(answer.status()));
        }
        let body = answer.into_body().ok_or(NoAnswer::Gone)?;
        serde_json::from_slice(&body).map_err(|_| NoAnswer::Refused)
    }

    fn authorization(&self) -> Result<HeaderValue, NoAnswer> {
        let claims = PeerClaims { process: self.process };
        let token = self.keys.sign(AUDIENCE, PEER_TOKEN_TTL, self.clock.now(), &claims);
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| NoAnswer::Refused)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What a status other than success says about the process that answered.
fn judge(status: StatusCode) -> NoAnswer {
    match status {
        StatusCode::MISDIRECTED_REQUEST | StatusCode::SERVICE_UNAVAILABLE | StatusCode::NOT_FOUND => {
            NoAnswer::Gone
        }
        StatusCode::CONFLICT => NoAnswer::Leaving,
        _ => NoAnswer::Refused,
    }
}

/// Longest message that is passed on to a page; what the owner sends is never longer.
const _: () = assert!(READ_LIMIT <= WRITE_BUFFER);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A question of each kind, as it travels.
    fn questions() -> Vec<String> {
        let (tenant, room) = (TenantId(Uuid::from_u128(1)), WaitingRoomId(Uuid::from_u128(2)));
        let asked = [
            Question::Invite {
                tenant,
                room,
                id: CommandId(Uuid::from_u128(3)),
                name: "A".to_owned().into(),
                reason: "B".to_owned().into(),
            },
            Question::Exchange { tenant: Some(tenant), secret: "C".to_owned().into() },
            Question::Count { tenant },
        ];
        asked.iter().map(|question| serde_json::to_string(question).unwrap()).collect()
    }

    #[test]
    fn a_question_is_understood_as_it_was_asked() {
        for text in questions() {
            let read: Question = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_question_and_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<Question>(&bytes);
            let _ = serde_json::from_slice::<Reply>(&bytes);
        }

        #[test]
        fn a_question_with_a_byte_changed_is_read_or_refused(which in 0..3_usize, at: usize, byte: u8) {
            let mut bytes = questions().swap_remove(which).into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = serde_json::from_slice::<Question>(&bytes);
        }
    }
}
