//! Questions: those to be asked, those that wait, those without an answer.

use super::AnswerWaiter;
use crate::Key;
use model::{Epoch, ParticipantId, RoomId};
use sfu_core::port::{Direction, SessionId};
use tokio::time::Instant;

/// Something the node is to be told of what is to be. In the order in which it is told: who may speak first, then
/// who is to go, who sits where, who shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Todo {
    Claim(Key),
    End(SessionId),
    Seat(SessionId),
    Sharer(Key),
}

/// A question that waits to be sent, written already.
pub(super) struct Question {
    pub(super) call: u64,
    pub(super) text: String,
    pub(super) asked: Asked,
}

/// A question the node has not answered.
pub(super) struct Asked {
    pub(super) key: Key,
    /// In which epoch: a refusal of an older one says nothing of the newer.
    pub(super) epoch: Epoch,
    pub(super) what: What,
    pub(super) at: Option<Instant>,
}

pub(super) enum What {
    Todo(Todo),
    Connect { participant: ParticipantId, direction: Direction, room: Option<RoomId>, waiter: AnswerWaiter },
    Restart { session: SessionId, waiter: AnswerWaiter },
}

impl Asked {
    pub(super) const fn todo(key: Key, epoch: Epoch, todo: Todo) -> Self {
        Self { key, epoch, what: What::Todo(todo), at: None }
    }

    /// For metrics.
    pub(super) const fn kind(&self) -> &'static str {
        match self.what {
            What::Connect { .. } => "connect",
            What::Restart { .. } => "restart",
            What::Todo(Todo::Claim(_)) => "claim",
            What::Todo(Todo::End(_)) => "disconnect",
            What::Todo(Todo::Seat(_)) => "seat",
            What::Todo(Todo::Sharer(_)) => "set-sharer",
        }
    }
}
