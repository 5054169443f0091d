//! What can be done. Each kind has a type of its own, so that a permit to read cannot be used to write.

use serde::Serialize;

/// Something that a permit can be for.
pub trait Action: 'static {
    /// Which.
    const KIND: Kind;
}

/// What an action demands beside the right to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demands {
    /// A factor was shown within [`crate::judge::FRESH`].
    pub fresh: bool,
    /// Allowed while the session is locked.
    pub while_locked: bool,
}

const NOTHING: Demands = Demands { fresh: false, while_locked: false };
const FRESH: Demands = Demands { fresh: true, while_locked: false };
const ALSO_LOCKED: Demands = Demands { fresh: false, while_locked: true };

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident: $demands:ident;)+) => {
        /// Every kind of action.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        #[schemars(rename = "Action")]
        pub enum Kind {
            $($(#[$doc])* $name,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What it demands.
            #[must_use]
            pub const fn demands(self) -> Demands {
                match self {
                    $(Self::$name => $demands,)+
                }
            }
        }

        $($(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Action for $name {
            const KIND: Kind = Kind::$name;
        })+
    };
}

actions! {
    /// Say what one's own devices, microphone and camera do; ask whether the server is there.
    Report: ALSO_LOCKED;
    /// Connect media, where the visit wishes it.
    ConnectMedia: ALSO_LOCKED;
    /// Enter the queue.
    CheckIn: NOTHING;
    /// Leave.
    Leave: ALSO_LOCKED;
    /// Read and write the chat.
    Chat: NOTHING;
    /// Share one's own screen, or stop.
    Share: NOTHING;
    /// Decide on somebody else's screen.
    DirectShare: NOTHING;
    /// See the queue; admit, deny, end, invite.
    Lead: NOTHING;
    /// Publish or receive media over WHIP or WHEP.
    StreamDevice: NOTHING;
    /// Take the seat of a waiting room one serves.
    JoinWaitingRoom: NOTHING;
    /// Read the visits of a waiting room that are over.
    ReadHistory: NOTHING;
    /// Read who opened one's own visit.
    ReadOwnAccess: NOTHING;
    /// See which waiting rooms there are, and whose: no patients.
    SeeWaitingRooms: NOTHING;
    /// See and end one's own sessions, change one's own factors.
    ManageOwnAccount: ALSO_LOCKED;
    /// See who works here, as what.
    ReadPeople: NOTHING;
    /// Invite somebody to work here.
    InvitePerson: FRESH;
    /// Change what somebody may do; let them in no more; let them begin anew.
    ChangePerson: FRESH;
    /// See what somebody may do and see.
    ReadRights: NOTHING;
    /// Read and verify who did what.
    ReadAudit: NOTHING;
    /// See what of it is under a legal hold, and why.
    SeeHolds: NOTHING;
    /// Place a legal hold on it, or lift one.
    ManageHolds: FRESH;
    /// Ask for a record that one has no right to, in an emergency.
    BreakGlass: FRESH;
    /// Hear at once that somebody did, who, and where: no reasons, no patients.
    SeeBreakGlass: NOTHING;
    /// Judge afterwards whether it was one.
    ReviewBreakGlass: NOTHING;
    /// See which keys partners have, and what for.
    SeePartnerKeys: NOTHING;
    /// Make a partner's key, or revoke one.
    ManagePartnerKeys: FRESH;
    /// See how one's own unit is set up: its name, address, language and time zone.
    SeeUnit: NOTHING;
    /// Change its name, language or time zone.
    ChangeUnit: FRESH;
    /// See where the unit's webhooks go, and what became of what was sent.
    SeeWebhooks: NOTHING;
    /// Add, remove or switch on a webhook, change its secret, have it send again.
    ManageWebhooks: FRESH;
    /// See how the platform does: no names.
    ReadStatus: NOTHING;
}
