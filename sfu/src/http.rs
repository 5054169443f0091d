//! WHIP (RFC 9725) and WHEP: publishing and subscribing with one HTTP request and a bearer token.
//!
//! | request | answer |
//! |---|---|
//! | `POST /whip/{room}` | publishes as the token's participant |
//! | `POST /whep/{room}/{participant}` | subscribes to that participant, waiting if they do not publish yet |
//! | `DELETE /whip/session/{id}` or `/whep/session/{id}` | ends it |

use crate::Handle;
use axum::Router;
use model::{ParticipantId, RoomId, TenantId};
use std::sync::Arc;

/// What a bearer token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// The only room it opens.
    pub room: RoomId,
    /// Who acts.
    pub participant: ParticipantId,
    /// Publish or subscribe.
    pub direction: TokenDirection,
}

/// Which half of the protocol a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenDirection {
    /// WHIP: publishes as [`Claims::participant`].
    Publish,
    /// WHEP: subscribes to one feed, or, with `None`, to any feed of the room.
    Subscribe {
        /// Whose feed.
        feed: Option<ParticipantId>,
    },
}

/// The token is not valid. Deliberately one kind: who sends a forged one learns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct BadToken;

/// Checks bearer tokens. `server` supplies the platform's keys and clock.
pub trait VerifyToken: Send + Sync + 'static {
    /// The claims of a valid token.
    ///
    /// # Errors
    /// [`BadToken`] for everything wrong with it.
    fn verify(&self, token: &str) -> Result<Claims, BadToken>;
}

/// The WHIP and WHEP endpoints.
pub fn router(_handle: Handle, _verifier: Arc<dyn VerifyToken>) -> Router {
    Router::new()
}
