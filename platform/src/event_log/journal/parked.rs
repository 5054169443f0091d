//! What was acknowledged and cannot be recorded: kept for somebody to look at.

use crate::event_log::{Fence, Version};
use model::{CommandId, TenantId, Timestamp};
use uuid::Uuid;

/// An append that the store will not record. Ids only; its content stays in the journal's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its place in the journal.
    pub seq: u64,
    /// Whose.
    pub tenant: TenantId,
    /// The name of its stream's category.
    pub category: String,
    /// Its stream.
    pub stream: Uuid,
    /// The command that caused it.
    pub key: CommandId,
    /// Who had decided it.
    pub fence: Fence,
    /// The version it was decided at.
    pub expected: Version,
    /// When it was decided.
    pub at: Timestamp,
    /// When it was journaled.
    pub since: Timestamp,
    /// Why it is here.
    pub why: Why,
}

/// Why an entry is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Somebody else has appended to the stream.
    Conflict,
    /// Somebody else has become the owner.
    Fenced,
    /// The command's key had been used in another place of the stream: it was carried out, but not like this.
    Elsewhere,
    /// The store does not take it: too large, or text that it cannot hold.
    Refused,
    /// One before it in its stream is parked.
    Behind,
    /// The journal's file does not say any more what it was.
    Unreadable,
}

impl Why {
    pub(super) const ALL: [Self; 6] =
        [Self::Conflict, Self::Fenced, Self::Elsewhere, Self::Refused, Self::Behind, Self::Unreadable];

    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Fenced => "fenced",
            Self::Elsewhere => "elsewhere",
            Self::Refused => "refused",
            Self::Behind => "behind",
            Self::Unreadable => "unreadable",
        }
    }

    /// The reason with a name; one that a later version knows is not readable here.
    pub(super) fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|why| why.as_str() == name).unwrap_or(Self::Unreadable)
    }
}
