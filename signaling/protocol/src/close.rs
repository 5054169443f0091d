//! How a connection ends. Standard codes are RFC 6455 §7.4.1 and the IANA registry; ours echo HTTP.

use crate::server::ErrorCode;

/// Close codes this server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// Done: the participant left, or the visit ended.
    Normal = 1000,
    /// The server drains; reconnect elsewhere.
    GoingAway = 1001,
    /// Not this protocol.
    Policy = 1008,
    /// A message was too long.
    TooBig = 1009,
    /// A defect on our side.
    Internal = 1011,
    /// The server restarts; reconnect in a moment.
    Restart = 1012,
    /// Overloaded, or this connection reads too slowly; try again later.
    TryAgainLater = 1013,
    /// Not authorised. Do not retry with the same token.
    NotAuthorized = 4401,
    /// Not allowed.
    NotAllowed = 4403,
    /// No such visit.
    NotFound = 4404,
    /// A newer connection of the same participant took over. Do not reconnect by itself.
    Replaced = 4409,
    /// Too many messages.
    TooManyRequests = 4429,
}

impl TryFrom<u16> for CloseCode {
    type Error = UnknownCode;

    fn try_from(code: u16) -> Result<Self, UnknownCode> {
        Self::ALL.into_iter().find(|known| u16::from(*known) == code).ok_or(UnknownCode)
    }
}

/// Not a close code of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode;

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code as Self
    }
}

impl CloseCode {
    /// Every close code, for tables and tests that must not forget one.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::GoingAway,
        Self::Policy,
        Self::TooBig,
        Self::Internal,
        Self::Restart,
        Self::TryAgainLater,
        Self::NotAuthorized,
        Self::NotAllowed,
        Self::NotFound,
        Self::Replaced,
        Self::TooManyRequests,
    ];

    /// The close code that ends a connection over this error. The only such mapping.
    #[must_use]
    pub const fn for_error(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NotAuthorized => Self::NotAuthorized,
            ErrorCode::NotAllowed => Self::NotAllowed,
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::Replaced => Self::Replaced,
            ErrorCode::TooManyRequests => Self::TooManyRequests,
            ErrorCode::MessageTooLong => Self::TooBig,
            ErrorCode::BadMessage
            | ErrorCode::WrongState
            | ErrorCode::OfferTooLarge
            | ErrorCode::OfferInvalid
            | ErrorCode::TextInvalid => Self::Policy,
            ErrorCode::Full | ErrorCode::Unavailable => Self::TryAgainLater,
            ErrorCode::Restarting => Self::Restart,
            ErrorCode::Internal => Self::Internal,
        }
    }
}
