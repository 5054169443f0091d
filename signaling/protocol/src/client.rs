//! What a browser says. The first message is [`ClientMessage::Hello`]; anything else first closes 4401.

use crate::{
    limits,
    view::{DeviceHealth, Modality, Outcome},
};
use model::{CommandId, ParticipantId, Phi, TraceContext, VisitId};
use serde::{Deserialize, Serialize};

/// A message from a client. Commands carry an `id` the client chose: sent again after a reconnect,
/// they are carried out once and answered again (`ok` or `error` with the same `re`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[ts(export_to = "client.ts")]
pub enum ClientMessage {
    /// Who is connecting. Within [`limits::HELLO_TIMEOUT`].
    Hello {
        /// A join token (single use, 60 s) or a resume token (from `welcome`).
        token: String,
        /// Build of the page, for support: that of its first `welcome`, empty before. At most [`limits::MAX_LINE_CHARS`].
        build: String,
        /// Whether this browser can capture a screen.
        #[serde(default)]
        can_share_screen: bool,
        /// W3C Trace Context (section 3.2) that everything said on this connection belongs to. May be absent; what
        /// is malformed counts as absent.
        #[serde(
            default,
            deserialize_with = "TraceContext::lenient",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<String>")]
        #[ts(optional, as = "Option<String>")]
        traceparent: Option<TraceContext>,
    },
    /// Patient: "I'm ready". Puts them in the queue, durably.
    CheckIn {
        /// Idempotency key.
        id: CommandId,
        /// Picture and sound, or sound only.
        modality: Modality,
        /// What the device test found.
        devices: DeviceHealth,
    },
    /// Device health changed. Not durable; the newest wins.
    Devices {
        /// What the device test finds now.
        devices: DeviceHealth,
    },
    /// SDP offer: first connection, or an ICE restart when `restart` is true. Answered by `answer`.
    Offer {
        /// Matches the `answer`.
        id: CommandId,
        /// The offer. PHI: it holds addresses.
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        sdp: Phi<String>,
        /// True to restart ICE on the session this connection already has.
        #[serde(default)]
        restart: bool,
    },
    /// Microphone and camera, on or muted. Not durable.
    MediaState {
        /// Microphone is on.
        microphone: bool,
        /// Camera is on.
        camera: bool,
    },
    /// Clinician: the identity of the waiting patient is confirmed; bring them in.
    Admit {
        /// Idempotency key.
        id: CommandId,
        /// Whose visit.
        visit: VisitId,
    },
    /// Clinician: not now, with a reason the patient reads. The visit ends.
    Deny {
        /// Idempotency key.
        id: CommandId,
        /// Whose visit.
        visit: VisitId,
        /// What the patient is told; 1 to [`limits::MAX_LINE_CHARS`].
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        reason: Phi<String>,
    },
    /// Leave. A waiting patient gives up the place; in a call the seat is kept until the visit ends.
    Leave {
        /// Idempotency key.
        id: CommandId,
    },
    /// Clinician: end the visit in course.
    End {
        /// Idempotency key.
        id: CommandId,
        /// Whose visit.
        visit: VisitId,
        /// How it went.
        outcome: Outcome,
    },
    /// A chat message, in the call or while waiting.
    Chat {
        /// Idempotency key.
        id: CommandId,
        /// Which visit: clinicians choose, patients have but one.
        visit: VisitId,
        /// 1 to [`limits::MAX_CHAT_CHARS`].
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        text: Phi<String>,
    },
    /// Ask to share a screen. A clinician gets it at once; a patient waits for `share-grant`.
    ShareRequest {
        /// Idempotency key.
        id: CommandId,
        /// In which visit.
        visit: VisitId,
    },
    /// Clinician: let this participant share. Whoever shared before stops.
    ShareGrant {
        /// Idempotency key.
        id: CommandId,
        /// In which visit.
        visit: VisitId,
        /// Who may.
        participant: ParticipantId,
    },
    /// Stop sharing, withdraw a request, or (clinician) stop or refuse somebody else's.
    ShareStop {
        /// Idempotency key.
        id: CommandId,
        /// In which visit.
        visit: VisitId,
        /// Whose share or request.
        participant: ParticipantId,
    },
    /// Clinician: a visit without an appointment. Answered by `invited` with the patient's link.
    Invite {
        /// Idempotency key.
        id: CommandId,
        /// The patient's name; 1 to [`limits::MAX_LINE_CHARS`].
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        name: Phi<String>,
        /// What the visit is about; 0 to [`limits::MAX_LINE_CHARS`].
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        reason: Phi<String>,
    },
    /// Are you there? Answered by `pong`. Browsers cannot send WebSocket pings.
    Ping {
        /// Returned unchanged.
        nonce: u32,
    },
}

/// Why bytes from a client are not a message. Says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`limits::MAX_MESSAGE_BYTES`]; closes 1009.
    #[error("the message is too long")]
    TooLong,
    /// Not JSON, or no message of this version; closes 1008.
    #[error("not a message of this protocol")]
    Invalid,
}

impl ClientMessage {
    /// Parses one WebSocket text message. Bounded: refuses by length before looking inside.
    ///
    /// # Errors
    /// [`ParseError`], by which the connection is closed.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > limits::MAX_MESSAGE_BYTES {
            return Err(ParseError::TooLong);
        }
        serde_json::from_str(text).map_err(|_| ParseError::Invalid)
    }

    /// The idempotency key, for messages that are answered.
    #[must_use]
    pub const fn id(&self) -> Option<CommandId> {
        match self {
            Self::Hello { .. } | Self::Devices { .. } | Self::MediaState { .. } | Self::Ping { .. } => None,
            Self::CheckIn { id, .. }
            | Self::Offer { id, .. }
            | Self::Admit { id, .. }
            | Self::Deny { id, .. }
            | Self::Leave { id }
            | Self::End { id, .. }
            | Self::Chat { id, .. }
            | Self::ShareRequest { id, .. }
            | Self::ShareGrant { id, .. }
            | Self::ShareStop { id, .. }
            | Self::Invite { id, .. } => Some(*id),
        }
    }
}
