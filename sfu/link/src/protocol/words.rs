//! The port's values as they stand in a message. A value this build does not know is read as the closest one it
//! does, so that a newer peer may have more.

use model::{ParticipantId, RoomId};
use serde::{Deserialize, Serialize};
use sfu_core::port::{self, Affinity, MediaError, SessionId, Shown};

/// Which way media may flow.
#[derive(Clone, Copy, Serialize, Deserialize, Debug, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    Both,
    /// Towards the node.
    Publish,
    /// From the node.
    Subscribe {
        /// Whose feed.
        to: ParticipantId,
    },
}

impl From<port::Direction> for Direction {
    fn from(direction: port::Direction) -> Self {
        match direction {
            port::Direction::Both => Self::Both,
            port::Direction::Publish => Self::Publish,
            port::Direction::Subscribe { to } => Self::Subscribe { to },
        }
    }
}

impl From<Direction> for port::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Both => Self::Both,
            Direction::Publish => Self::Publish,
            Direction::Subscribe { to } => Self::Subscribe { to },
        }
    }
}

/// How loaded a node is.
#[derive(Clone, Copy, Serialize, Deserialize, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// Sessions it has.
    pub sessions: u32,
    /// Sessions it takes at most.
    pub capacity: u32,
    /// What it forwards, bits per second, where it is known.
    #[serde(default)]
    pub forwarded_bps: Option<u64>,
    /// It takes no new sessions.
    #[serde(default)]
    pub draining: bool,
}

/// A session that is there.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// As the node counts.
    pub session: u64,
    /// Whose.
    pub participant: ParticipantId,
    /// What may flow.
    pub direction: Direction,
    /// Where it is seated.
    #[serde(default)]
    pub room: Option<RoomId>,
    /// `udp` or `tcp` when it is connected.
    #[serde(default)]
    pub connected: Option<String>,
    /// Who is in its slots, if that was ever told.
    #[serde(default)]
    pub slots: Option<Vec<Option<ParticipantId>>>,
    /// Who shares a screen.
    #[serde(default)]
    pub screen: Option<ParticipantId>,
}

impl From<port::Existing> for Existing {
    fn from(existing: port::Existing) -> Self {
        let port::Existing { session, participant, direction, room, connected, shown, affinity: _ } =
            existing;
        let screen = shown.as_ref().and_then(|shown| shown.screen);
        Self {
            session: session.0,
            participant,
            direction: direction.into(),
            room,
            connected: connected.map(|transport| transport::name(transport).to_owned()),
            slots: shown.map(|shown| shown.slots),
            screen,
        }
    }
}

impl Existing {
    /// With the number by which the process knows it.
    #[must_use]
    pub fn known_as(self, session: SessionId, affinity: Affinity) -> port::Existing {
        let screen = self.screen;
        port::Existing {
            session,
            participant: self.participant,
            affinity,
            direction: self.direction.into(),
            room: self.room,
            connected: self.connected.as_deref().map(transport::named),
            shown: self.slots.map(|slots| Shown { slots, screen }),
        }
    }
}

/// Why something cannot be.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// One of the codes in docs/media-link.md. An unknown one is read as `busy`.
    pub code: String,
}

impl From<&MediaError> for Refusal {
    fn from(error: &MediaError) -> Self {
        let code = match error {
            MediaError::OfferTooLarge => "offer-too-large",
            MediaError::OfferInvalid(_) => "offer-invalid",
            MediaError::NoSuchSession => "no-such-session",
            MediaError::Busy => "busy",
            MediaError::Draining => "draining",
            MediaError::Fenced => "fenced",
        };
        Self { code: code.to_owned() }
    }
}

impl Refusal {
    /// As the port has it.
    #[must_use]
    pub fn error(&self) -> MediaError {
        match self.code.as_str() {
            "offer-too-large" => MediaError::OfferTooLarge,
            "offer-invalid" => MediaError::OfferInvalid("the media node refused it"),
            "no-such-session" => MediaError::NoSuchSession,
            "draining" => MediaError::Draining,
            "fenced" => MediaError::Fenced,
            _ => MediaError::Busy,
        }
    }
}

/// `udp`, `tcp`.
pub(super) mod transport {
    use serde::{Deserialize, Deserializer, Serializer};
    use sfu_core::port::Transport;

    pub(crate) const fn name(transport: Transport) -> &'static str {
        match transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }

    pub(crate) fn named(name: &str) -> Transport {
        if name == "udp" { Transport::Udp } else { Transport::Tcp }
    }

    pub(crate) fn serialize<S: Serializer>(transport: &Transport, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name(*transport))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Transport, D::Error> {
        String::deserialize(from).map(|text| named(&text))
    }
}

/// `asked`, `replaced`, `timeout`, `peer`, `failed`.
pub(super) mod reason {
    use serde::{Deserialize, Deserializer, Serializer};
    use sfu_core::port::ClosedReason;

    pub(crate) fn serialize<S: Serializer>(reason: &ClosedReason, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match reason {
            ClosedReason::Asked => "asked",
            ClosedReason::Replaced => "replaced",
            ClosedReason::Timeout => "timeout",
            ClosedReason::Peer => "peer",
            ClosedReason::Failed => "failed",
        })
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ClosedReason, D::Error> {
        Ok(match String::deserialize(from)?.as_str() {
            "asked" => ClosedReason::Asked,
            "replaced" => ClosedReason::Replaced,
            "timeout" => ClosedReason::Timeout,
            "peer" => ClosedReason::Peer,
            _ => ClosedReason::Failed,
        })
    }
}
