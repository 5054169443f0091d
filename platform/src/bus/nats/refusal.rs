//! What the server meant by refusing.

use crate::bus::BusError;
use async_nats::jetstream::{
    Error, ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::ConsumerErrorKind,
};

/// The client has a kind of error for each request; the server's own word stands in one of its variants.
pub(super) trait Refusal {
    fn word(&self) -> Option<&Error>;
}

macro_rules! refusal {
    ($($kind:ident),+) => {$(
        impl Refusal for $kind {
            fn word(&self) -> Option<&Error> {
                match self {
                    Self::JetStream(error) => Some(error),
                    _ => None,
                }
            }
        }
    )+};
}

refusal!(GetStreamErrorKind, CreateStreamErrorKind, ConsumerErrorKind);

pub(super) fn is(refusal: &impl Refusal, code: ErrorCode) -> bool {
    refusal.word().is_some_and(|error| error.error_code() == code)
}

/// 503 passes by itself; with any other word the server means what we asked for.
pub(super) fn refused(refusal: &impl Refusal, what: &str) -> BusError {
    match refusal.word() {
        Some(error) if error.code() != 503 => {
            BusError::Mismatch { what: format!("{what} is refused with error {}", error.error_code().0) }
        }
        _ => BusError::Unavailable,
    }
}
