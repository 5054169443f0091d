//! Why a command is refused, and the words for it.

use serde::{Deserialize, Serialize};
use signaling_protocol::ErrorCode;

/// Why a machine refuses a command. One variant per decision a caller makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// The role has no right to it.
    #[error("not allowed")]
    NotAllowed,
    /// No such visit or participant, as far as the asker may know.
    #[error("not found")]
    NotFound,
    /// It does not fit what the visit is in.
    #[error("wrong state")]
    WrongState,
    /// A text is empty or too long.
    #[error("text invalid")]
    TextInvalid,
    /// A limit is reached.
    #[error("full")]
    Full,
    /// Could not be recorded; nothing changed.
    #[error("unavailable")]
    Unavailable,
    /// The connection was replaced while the command waited.
    #[error("replaced")]
    Replaced,
}

impl Rejection {
    /// The stable name a client sees.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotAllowed => ErrorCode::NotAllowed,
            Self::NotFound => ErrorCode::NotFound,
            Self::WrongState => ErrorCode::WrongState,
            Self::TextInvalid => ErrorCode::TextInvalid,
            Self::Full => ErrorCode::Full,
            Self::Unavailable => ErrorCode::Unavailable,
            Self::Replaced => ErrorCode::Replaced,
        }
    }
}

/// The words for an error: one text per code, so that an answer tells nothing more than its code.
#[must_use]
pub const fn words(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotAuthorized => "This connection is not authorised. Open your link again.",
        ErrorCode::NotAllowed => "You cannot do this in this visit.",
        ErrorCode::NotFound => "There is no such visit or person.",
        ErrorCode::WrongState => "This is not possible at this point of the visit.",
        ErrorCode::Replaced => "You opened this visit somewhere else. It goes on there.",
        ErrorCode::BadMessage => "The server did not understand this page. Reload it.",
        ErrorCode::MessageTooLong => "The message is too long.",
        ErrorCode::OfferTooLarge => "The connection offer is too large.",
        ErrorCode::OfferInvalid => "The connection offer cannot be answered.",
        ErrorCode::TextInvalid => "The text is empty or too long.",
        ErrorCode::TooManyRequests => "Too many messages in a short time. Wait a moment.",
        ErrorCode::Full => "There is no room for more.",
        ErrorCode::Unavailable => "This could not be saved just now. Nothing changed; try again.",
        ErrorCode::Restarting => "The server restarts. You are back in a moment, in the same place.",
        ErrorCode::Internal => "Something went wrong on our side.",
    }
}
