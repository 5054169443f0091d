//! Who asks, and about what.

use model::{ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
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
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// Somebody who works for a healthcare unit.
    AccountId;
    /// One sign-in, on one device, from its second factor to its end.
    SessionId;
    /// One emergency that somebody declared to see what they have no right to.
    EmergencyId;
    /// A key of a partner's system.
    PartnerKeyId;
    /// A legal hold over rows of the audit trail.
    HoldId;
}

/// What a partner's key may be used for.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum Scope {
    /// Who works here, as what.
    #[serde(rename = "people:read")]
    People,
    /// Which waiting rooms there are: no patients.
    #[serde(rename = "waiting-rooms:read")]
    WaitingRooms,
    /// The visits that are over, of every waiting room.
    #[serde(rename = "visits:read")]
    Visits,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::People, Self::WaitingRooms, Self::Visits];
}

/// What somebody is employed for. A person may have several.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum StaffRole {
    /// Sees patients.
    Clinician,
    /// Books visits: the front desk.
    Scheduler,
    /// Decides who works here, and with which rights. Sees no visits.
    Administrator,
    /// Reads who did what. Changes nothing.
    Auditor,
    /// Interprets in visits they are called to.
    Interpreter,
    /// Keeps the platform running. Sees no names.
    Sre,
    /// A system of somebody else's, through the API.
    Partner,
}

impl StaffRole {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Clinician,
        Self::Scheduler,
        Self::Administrator,
        Self::Auditor,
        Self::Interpreter,
        Self::Sre,
        Self::Partner,
    ];
}

/// The roles of one person.
pub type StaffRoles = BTreeSet<StaffRole>;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nobody that is known.
    Stranger,
    /// Somebody with a seat in a visit or waiting room, by a link or a device's token.
    Participant(Participant),
    /// Somebody with an account and both factors.
    Staff(Staff),
    /// A partner's system, with its key.
    Partner(Partner),
    /// Another process of this platform, within the tenant that it asks for.
    Process {
        /// For whom it asks.
        tenant: TenantId,
    },
}

/// A partner's system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// With which key.
    pub key: PartnerKeyId,
    /// What the key may be used for.
    pub scopes: BTreeSet<Scope>,
}

/// Somebody with a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// Where the seat is.
    pub waiting_room: WaitingRoomId,
    /// In which visit: none for a clinician, who leads all of a waiting room.
    pub visit: Option<VisitId>,
    /// Who.
    pub participant: ParticipantId,
    /// As what.
    pub role: Role,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// Who.
    pub account: AccountId,
    /// By which sign-in.
    pub session: SessionId,
    /// As what.
    pub roles: StaffRoles,
    /// Whose waiting rooms they serve.
    pub duties: BTreeSet<WaitingRoomId>,
    /// Somebody walked away from the screen: nothing of patients is shown until they are back.
    pub locked: bool,
    /// When they last showed a factor.
    pub confirmed_at: Timestamp,
    /// The emergencies they declared that may still last.
    pub emergencies: Vec<Emergency>,
}

/// What somebody may see in an emergency that they declared: break-glass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emergency {
    /// Which.
    pub id: EmergencyId,
    /// In which waiting room.
    pub waiting_room: WaitingRoomId,
    /// This visit only; without it, all of the waiting room's.
    pub visit: Option<VisitId>,
    /// It is over then.
    pub until: Timestamp,
}

impl Emergency {
    /// Whether it lasts at a time, and a place is within it.
    #[must_use]
    pub fn covers(&self, place: Place, now: Timestamp) -> bool {
        let here = place.waiting_room == Some(self.waiting_room) && place.account.is_none();
        now < self.until && here && (self.visit.is_none() || self.visit == place.visit)
    }
}

/// What it is about. The tenant is always known; the rest as far as the action needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose.
    pub tenant: TenantId,
    /// In which waiting room.
    pub waiting_room: Option<WaitingRoomId>,
    /// Which visit.
    pub visit: Option<VisitId>,
    /// Whose account.
    pub account: Option<AccountId>,
}

impl Place {
    /// All of a healthcare unit.
    #[must_use]
    pub const fn unit(tenant: TenantId) -> Self {
        Self { tenant, waiting_room: None, visit: None, account: None }
    }

    /// A waiting room and all visits in it.
    #[must_use]
    pub const fn waiting_room(tenant: TenantId, waiting_room: WaitingRoomId) -> Self {
        Self { waiting_room: Some(waiting_room), ..Self::unit(tenant) }
    }

    /// A visit.
    #[must_use]
    pub const fn visit(tenant: TenantId, waiting_room: WaitingRoomId, visit: VisitId) -> Self {
        Self { visit: Some(visit), ..Self::waiting_room(tenant, waiting_room) }
    }

    /// Somebody's account.
    #[must_use]
    pub const fn account(tenant: TenantId, account: AccountId) -> Self {
        Self { account: Some(account), ..Self::unit(tenant) }
    }
}
