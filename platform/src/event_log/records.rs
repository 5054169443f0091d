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
