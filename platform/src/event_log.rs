//! The event log: append-only streams with optimistic concurrency and idempotency keys, and what is recorded with
//! the events: messages for other services, rows for the auditor, who owns what.
//!
//! An append that returned [`Appended`] is on disk. One that returned [`AppendError::Rejected`] is not and will not
//! be. One that returned [`AppendError::Unknown`] may or may not be: read the stream again, or append again with the
//! same key.
//!
//! ```text
//! command ─▶ decide ─▶ Append ─▶ queue of its lane ─▶ one transaction for many ─fsync─▶ Ok | Rejected | Unknown
//!                                  (events, outbox, audit, command: together or not at all)
//! ```
//!
//! Reading order: [`event`], [`append`], [`port`] (the traits), `judge` (what holds), the adapters [`sqlite`] and
//! [`postgres`], [`projection`], and [`journal`], which goes on while the database is away.

pub mod append;
pub mod event;
pub mod journal;
mod judge;
mod metrics;
pub mod port;
pub mod postgres;
pub mod projection;
mod readable;
mod records;
pub mod sqlite;
mod turn;

pub use append::{Append, AppendError, Appended, Fence, NewAudit, NewMessage, Refusal};
pub use event::{
    Category, Moment, NewEvent, Partition, Position, RecordedEvent, StreamId, TailEvent, Version,
};
pub use port::{
    EventStore, Holder, Owned, Ownership, Possession, ReadError, Records, Snapshot, Snapshots, Store,
    StoreFuture, Table, Tables,
};
pub use projection::{Behind, Change, Projection, Projector, Row};
pub use records::{AuditEnd, AuditOf, AuditPlace, AuditRow, AuditSearch, OutboxMessage};
