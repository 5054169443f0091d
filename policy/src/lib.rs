//! Who may do what: one table, one function, deny by default.
//!
//! ```text
//! who (Subject) + what (Action) + on what (Place) + now ──judge──▶ Permit<Action> | Denied
//!                                                                     │
//!                                                   repositories demand it as an argument
//! ```
//!
//! A [`Permit`] has no constructor outside this crate, so what shows or changes something cannot be called by a handler
//! that has not asked. It says for whom and on what it was given, and a repository reads and writes only there.
//!
//! What this deliberately is not: a place that looks things up. Who somebody is, where they are on duty and whether their
//! session is locked are facts that the caller brings.
//!
//! Reading order: [`subject`], [`action`], [`table`], [`judge`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod action;
pub mod judge;
pub mod subject;
pub mod table;

pub use action::{Action, Kind};
pub use judge::{Denied, Permit, judge, needs_emergency, permit, rights};
pub use subject::{
    AccountId, Emergency, EmergencyId, HoldId, Participant, Partner, PartnerKeyId, Place, Scope, SessionId,
    Staff, StaffRole, StaffRoles, Subject,
};
