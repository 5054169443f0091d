//! Healthcare units: which there are, and which of them a request is for.
//!
//! ```text
//! telehealth units … ─▶ Command ─▶ Registry ─▶ one stream of events ─▶ Directory of each process, within seconds
//! request ─▶ its Host ─▶ Units ─▶ Unit ─▶ its own people, rooms, links and addresses
//! ```
//!
//! A unit is a tenant. One process serves all of them; the host name that a browser asks for says which one it means, and
//! whatever is not that unit's is as if it did not exist. A unit that nobody has registered is always there: the one that
//! a server without a registry serves, called *home* here.
//!
//! What this deliberately is not: a place with people, rooms or rights.
//!
//! Reading order: [`unit`], [`host`], [`registry`], [`units`], [`directory`], [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod directory;
pub mod host;
pub mod limits;
pub mod registry;
pub mod unit;
pub mod units;

pub use directory::{ChangeError, Directory};
pub use host::Host;
pub use registry::{Command, Rejection};
pub use unit::{Described, Language, Unit};
pub use units::{Base, Units};
