//! What is recorded beside the events: messages for other services, and rows for the auditor.

use super::event::{Partition, Position};
use model::{TenantId, Timestamp};
use std::fmt;
use uuid::Uuid;

/// A message as it stands in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMessage {
    /// In which partition.
    pub partition: Partition,
    /// Its place in it: a gap means that a message is missing.
    pub position: Position,
    /// Whose.
    pub tenant: TenantId,
    /// What it is about.
    pub subject: String,
    /// JSON without PHI.
    pub body: String,
    /// When it was decided.
    pub at: Timestamp,
}

/// A row of the audit trail. Numbered from 1 without gaps in each tenant and partition.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// In which partition.
    pub partition: Partition,
    /// Its place.
    pub number: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What was done.
    pub action: String,
    /// Who did it; `None` is the platform itself.
    pub actor: Option<Uuid>,
    /// To whom or what.
    pub subject: Option<Uuid>,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl AuditRow {
    /// Its place among all rows of its tenant.
    #[must_use]
    pub const fn place(&self) -> AuditPlace {
        AuditPlace { at: self.at, partition: self.partition, number: self.number }
    }
}

/// Which audit rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditSearch {
    /// None before this.
    pub from: Timestamp,
    /// Of whom or of what.
    pub of: AuditOf,
}

/// Of whom, or of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOf {
    /// Of anybody.
    Anybody,
    /// What somebody did.
    Actor(Uuid),
    /// What was done to somebody or something.
    Subject(Uuid),
}

impl AuditOf {
    /// Whether a row is of it.
    #[must_use]
    pub fn has(&self, row: &AuditRow) -> bool {
        match self {
            Self::Anybody => true,
            Self::Actor(actor) => row.actor == Some(*actor),
            Self::Subject(subject) => row.subject == Some(*subject),
        }
    }
}

/// A row's place in the order of time. Rows of the same moment are in the order of their partitions and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPlace {
    /// When it was decided.
    pub at: Timestamp,
    /// In which partition.
    pub partition: Partition,
    /// Its number there.
    pub number: u64,
}

impl AuditPlace {
    /// Before it are all rows up to a time, with those of that very moment.
    #[must_use]
    pub const fn after(at: Timestamp) -> Self {
        Self {
            at: Timestamp::from_millis(at.as_millis().saturating_add(1)),
            partition: Partition(0),
            number: 0,
        }
    }

    /// The columns of a place; without one, after everything.
    pub(super) fn columns(before: Option<Self>) -> (i64, i32, i64) {
        let Some(Self { at, partition, number }) = before else { return (i64::MAX, 0, 0) };
        (at.as_millis(), i32::from(partition.0), i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Where a tenant's audit rows of a partition end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditEnd {
    /// Whose.
    pub tenant: TenantId,
    /// In which partition.
    pub partition: Partition,
    /// The newest row.
    pub number: u64,
}

impl fmt::Debug for AuditRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRow")
            .field("number", &self.number)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}
