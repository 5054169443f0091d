//! What a browser hears. State arrives as whole views, never as differences: the newest view of a
//! kind replaces the one before, so a lost or repeated message does no harm.

use crate::view::{ChatMessage, QueueView, VisitView};
use model::{CommandId, ParticipantId, Phi, Role, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

/// A message from the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[ts(export_to = "server.ts")]
pub enum ServerMessage {
    /// The connection is accepted. Followed by the views of the role: `visit` (and `queue` for
    /// clinicians), then `chat-history` of each visit it takes part in.
    Welcome {
        /// Who you are.
        participant: ParticipantId,
        /// In which role.
        role: Role,
        /// For the next `hello`, after a reload or a lost connection. Keep it in `sessionStorage`.
        resume_token: String,
        /// The server's clock: show ages by it, not by the device's.
        server_time: Timestamp,
        /// Build of the server's pages; when it differs from yours, reload when idle.
        build: String,
    },
    /// The visit as you may see it. For a clinician: the one in course, `null` between visits.
    Visit {
        /// The view.
        visit: Option<Box<VisitView>>,
    },
    /// Who waits, for clinicians.
    Queue {
        /// The view.
        queue: QueueView,
    },
    /// Everything said in a visit so far.
    ChatHistory {
        /// In which visit.
        visit: VisitId,
        /// Oldest first, at most the last 200.
        messages: Vec<ChatMessage>,
    },
    /// One more chat message.
    Chat {
        /// In which visit.
        visit: VisitId,
        /// What was said.
        message: ChatMessage,
    },
    /// SDP answer to an `offer`.
    Answer {
        /// Which offer.
        re: CommandId,
        /// The answer. PHI: it holds addresses.
        #[serde(serialize_with = "model::phi::expose")]
        #[ts(type = "string")]
        sdp: Phi<String>,
    },
    /// Your media session is gone; connect anew (a fresh `offer`) when the visit says `warm` or `live`.
    MediaClosed,
    /// Who is in which receive slot. Slot n is your n-th receiving audio and n-th receiving camera
    /// line; the screen line shows `screen`.
    Slots {
        /// Participants by slot.
        slots: Vec<Option<ParticipantId>>,
        /// Whose screen the screen line shows.
        screen: Option<ParticipantId>,
    },
    /// A command is recorded. Not sent before it is on disk.
    Ok {
        /// Which command.
        re: CommandId,
    },
    /// The answer to `invite`.
    Invited {
        /// Which command.
        re: CommandId,
        /// The new visit.
        visit: VisitId,
        /// The patient's link, secret in its fragment.
        link: String,
    },
    /// Something was refused, or the connection is about to be closed.
    Error {
        /// Which command, if one.
        re: Option<CommandId>,
        /// Stable, for programs.
        code: ErrorCode,
        /// For people, in English; clients translate by `code`.
        message: String,
    },
    /// Answer to `ping`.
    Pong {
        /// As sent.
        nonce: u32,
    },
}

/// Why something was refused. Stable names: a client may depend on them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "server.ts")]
pub enum ErrorCode {
    /// The token is missing, malformed, expired, used, altered, or for something else. One code and
    /// one text for all of them.
    NotAuthorized,
    /// The role has no right to this.
    NotAllowed,
    /// No such visit or participant, as far as you may know.
    NotFound,
    /// It does not fit what the visit is in: admitting somebody who left, for example.
    WrongState,
    /// A newer connection of the same participant took over.
    Replaced,
    /// Not a message of this protocol.
    BadMessage,
    /// Longer than a message may be.
    MessageTooLong,
    /// The offer is longer than an offer may be.
    OfferTooLarge,
    /// The offer cannot be answered.
    OfferInvalid,
    /// A text is empty or too long.
    TextInvalid,
    /// Too many messages in too short a time.
    TooManyRequests,
    /// A limit of the visit or waiting room is reached.
    Full,
    /// Could not be recorded now; nothing changed. Try again.
    Unavailable,
    /// The server is restarting.
    Restarting,
    /// A defect on our side.
    Internal,
}
