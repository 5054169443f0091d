//! Events with what the log adds to them.

use crate::limits;
use model::{CommandId, ParticipantId, Role, Timestamp};
use std::collections::{HashSet, VecDeque};

/// An event as it is, or is about to be, recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded<E> {
    /// When it was decided.
    pub at: Timestamp,
    /// Whose command it was; `None` when the platform itself acted.
    pub by: Option<ParticipantId>,
    /// The command's idempotency key.
    pub command: Option<CommandId>,
    /// What happened.
    pub event: E,
}

/// Who asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A participant, in their role.
    Person {
        /// Who.
        id: ParticipantId,
        /// In which role.
        role: Role,
    },
    /// The platform itself: a deadline, a program.
    Platform,
}

impl Actor {
    /// The participant, if it is one.
    #[must_use]
    pub const fn id(self) -> Option<ParticipantId> {
        match self {
            Self::Person { id, .. } => Some(id),
            Self::Platform => None,
        }
    }

    /// True for a clinician and for the platform: may act on somebody else.
    #[must_use]
    pub const fn leads(self) -> bool {
        matches!(self, Self::Platform | Self::Person { role: Role::Clinician, .. })
    }
}

/// The commands a stream has recorded: the newest [`limits::MAX_HANDLED`], so that one sent again is
/// answered again and not carried out again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handled {
    known: HashSet<(Option<ParticipantId>, CommandId)>,
    order: VecDeque<(Option<ParticipantId>, CommandId)>,
}

impl Handled {
    pub(crate) fn add<E>(&mut self, recorded: &Recorded<E>) {
        let Some(command) = recorded.command else { return };
        if !self.known.insert((recorded.by, command)) {
            return;
        }
        self.order.push_back((recorded.by, command));
        if self.order.len() > limits::MAX_HANDLED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, by: Option<ParticipantId>, command: CommandId) -> bool {
        self.known.contains(&(by, command))
    }
}
