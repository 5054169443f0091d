//! What the control side tells a shard.

use super::{rooms::RoomKey, session::Identity};
use crate::engine::{Draft, Prepared};
use model::ParticipantId;
use sfu_core::port::{ClosedReason, MediaError, SessionId};

/// What only the shard that sent it can know.
pub(crate) type ProbeToken = [u8; 16];

/// A new session.
pub(crate) struct Join {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) prepared: Prepared,
    pub(crate) seat: Option<Seat>,
    /// Where its outgoing tracks begin to count.
    pub(crate) seed: u16,
    /// Told once its checks are recognised; dropped if it cannot be taken.
    pub(crate) ready: tokio::sync::oneshot::Sender<()>,
}

/// A place in a room, and what the control side knows of the room.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) room: RoomKey,
    pub(crate) sharer: Option<ParticipantId>,
}

pub(crate) enum Command {
    Join(Box<Join>),
    Reoffer {
        session: SessionId,
        draft: Box<Draft>,
        seed: u16,
        reply: tokio::sync::oneshot::Sender<Result<String, MediaError>>,
    },
    Seat {
        session: SessionId,
        seat: Option<Seat>,
    },
    Sharer(Seat),
    /// Send something to yourself and say when it has come.
    Probe {
        token: ProbeToken,
        reply: tokio::sync::oneshot::Sender<()>,
    },
    Close {
        session: SessionId,
        reason: ClosedReason,
    },
    Stop,
}
