//! Typed identifiers. All are UUIDs (version 7 when this platform makes them), so that they sort by
//! age, cannot be guessed into each other, and carry no PHI.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! typed_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
        )]
        #[serde(transparent)]
        #[ts(type = "string", export_to = "model.ts")]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    )+};
}

typed_id! {
    /// A healthcare unit: the boundary no record crosses. Every key begins with it.
    TenantId;
    /// One consultation, from booking to its end.
    VisitId;
    /// One person (or device) in one visit, stable across connections and devices.
    ParticipantId;
    /// Where a practitioner's patients wait. One practitioner or a pool serves it.
    WaitingRoomId;
    /// A media room in the SFU: participants seated in the same room see and hear each other.
    /// The room of a visit carries the visit's UUID.
    RoomId;
    /// A command's idempotency key, chosen by the client: the same id is carried out once.
    CommandId;
}

impl From<VisitId> for RoomId {
    fn from(visit: VisitId) -> Self {
        Self(visit.0)
    }
}
