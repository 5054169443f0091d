//! The media plane as its callers see it: the port that `sfu` implements and `signaling` uses.
//!
//! A [`SessionId`] is one PeerConnection. A session that is connected but *seated* in no room is a
//! **warm seat**: ICE and DTLS are up, and its media goes nowhere. Seating it is one control message
//! and no negotiation.
//!
//! ```text
//! connect ──▶ Connecting ──ICE+DTLS──▶ Connected ──seat(Some(room))──▶ Seated
//!                  │                      ▲   └────────seat(None)◀───────┘
//!                  └─────disconnect / timeout / replaced────▶ Closed
//! ```
//!
//! A session outlives whoever asked for it. A caller that begins [claims](MediaNode::claim) what it is to
//! speak for, and is told what is there.

use model::{Bitrate, Epoch, ParticipantId, RoomId, TenantId};
use std::{fmt, future::Future, pin::Pin};

/// A future that the port's methods return: this crate knows no runtime.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One PeerConnection on one node. Unique for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sessions with the same affinity live on the same shard, so that they can be seated together
/// without negotiating anew. A waiting room's UUID, or a room's for sessions that know no other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Affinity(pub u128);

/// Who speaks for an affinity from now on: the caller, in this epoch of the affinity's owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// For what.
    pub affinity: Affinity,
    /// A claim of an older epoch than the newest is refused, and so is all that its maker asks later.
    pub epoch: Epoch,
}

/// A session that a caller finds when it claims an affinity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Existing {
    /// The session.
    pub session: SessionId,
    /// Whose it is.
    pub participant: ParticipantId,
    /// Under which affinity it was made.
    pub affinity: Affinity,
    /// What may flow.
    pub direction: Direction,
    /// Where it is seated; `None` is a warm seat.
    pub room: Option<RoomId>,
    /// Over which transport it is connected; `None` when it is not, or not yet.
    pub connected: Option<Transport>,
    /// Who was last shown in its slots; `None` when that was never told.
    pub shown: Option<Shown>,
}

/// Who is in the receive slots of a session.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shown {
    /// Participants by slot.
    pub slots: Vec<Option<ParticipantId>>,
    /// Who shares a screen.
    pub screen: Option<ParticipantId>,
}

/// Which way media may flow for a session, whatever its SDP says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Publishes and subscribes: a browser in a visit.
    Both,
    /// Publishes only: WHIP.
    Publish,
    /// Subscribes only, to this one participant's feed: WHEP.
    Subscribe {
        /// Whose feed.
        to: ParticipantId,
    },
}

/// A new PeerConnection: the client's offer and what the session is for.
#[derive(Clone)]
pub struct Connect {
    /// The healthcare unit; part of every key on the node.
    pub tenant: TenantId,
    /// Who connects. A newer session of the same participant replaces an older one of the same
    /// direction once it is connected.
    pub participant: ParticipantId,
    /// Where to place it.
    pub affinity: Affinity,
    /// What may flow.
    pub direction: Direction,
    /// The room to be seated in at once, `None` for a warm seat.
    pub room: Option<RoomId>,
    /// SDP offer (PHI: holds addresses). At most `limits::MAX_OFFER_BYTES`, checked before parsing.
    pub offer: String,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("participant", &self.participant)
            .field("direction", &self.direction)
            .field("room", &self.room)
            .field("offer_bytes", &self.offer.len())
            .finish_non_exhaustive()
    }
}

/// The SFU's answer to [`Connect`] or a re-offer.
#[derive(Clone)]
pub struct Answer {
    /// The session, for the calls that follow.
    pub session: SessionId,
    /// SDP answer (PHI: holds addresses), with every candidate of the node in it.
    pub sdp: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Why a session could not be made or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The offer is longer than the limit; it was not parsed.
    #[error("the offer is too large")]
    OfferTooLarge,
    /// The offer is not SDP this node can answer. The reason names no address.
    #[error("the offer cannot be answered: {0}")]
    OfferInvalid(&'static str),
    /// The session is unknown: it ended, or never was.
    #[error("no such session")]
    NoSuchSession,
    /// The node is full or a queue is; try again after a moment.
    #[error("the media node is busy")]
    Busy,
    /// The node is draining and takes no new sessions.
    #[error("the media node is draining")]
    Draining,
    /// Somebody with a newer epoch speaks for this affinity now. Nothing that is asked again will help.
    #[error("another process owns these sessions now")]
    Fenced,
}

/// What the media plane tells signaling. Never blocks a shard: a full queue drops nothing that
/// changes state (those are coalesced), only samples.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// ICE and DTLS are up.
    Connected {
        /// Which session.
        session: SessionId,
        /// Over which transport the selected pair runs.
        transport: Transport,
    },
    /// The session is gone; nothing of it is heard any more.
    Closed {
        /// Which session.
        session: SessionId,
        /// Why.
        reason: ClosedReason,
    },
    /// Who is now in the receive slots of a session. Slot `n` is the client's n-th receiving audio
    /// and n-th receiving camera line; the one screen line shows `screen`.
    Slots {
        /// Whose slots.
        session: SessionId,
        /// Participants by slot.
        slots: Vec<Option<ParticipantId>>,
        /// Who shares a screen.
        screen: Option<ParticipantId>,
    },
    /// How a session's link is doing; at most one a second, and on a change of meaning.
    Quality {
        /// Which session.
        session: SessionId,
        /// Its figures.
        quality: Quality,
    },
    /// A session of an affinity that was claimed has been found late: its node could not be asked before.
    Found {
        /// Of which healthcare unit.
        tenant: TenantId,
        /// What was found.
        existing: Box<Existing>,
    },
}

impl MediaEvent {
    /// Which session it is about.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        match self {
            Self::Connected { session, .. }
            | Self::Closed { session, .. }
            | Self::Slots { session, .. }
            | Self::Quality { session, .. } => *session,
            Self::Found { existing, .. } => existing.session,
        }
    }
}

/// The transport of a selected candidate pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// UDP.
    Udp,
    /// ICE-TCP (RFC 6544).
    Tcp,
}

/// Why a session closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedReason {
    /// Asked for through the port.
    Asked,
    /// A newer session of the same participant took over.
    Replaced,
    /// ICE consent was lost for longer than the limit (RFC 7675).
    Timeout,
    /// The peer closed DTLS.
    Peer,
    /// The session's state machine failed; counted, and only this session is affected.
    Failed,
}

/// A link's figures, from RTCP and the estimator.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Quality {
    /// What the node believes it can send to this session.
    pub estimate: Bitrate,
    /// What it sends.
    pub sent: Bitrate,
    /// What it receives from it.
    pub received: Bitrate,
    /// Share of packets lost towards the session, 0–1.
    pub loss: f32,
    /// Round trip, if known.
    pub rtt_ms: Option<u32>,
}

/// The media plane. Calls are short and bounded: a full shard queue answers [`MediaError::Busy`].
pub trait MediaNode: Send + Sync + 'static {
    /// Speaks for an affinity from now on, and answers what sessions it has, the oldest first; at most
    /// `limits::MAX_EXISTING`, and then the newest.
    ///
    /// # Errors
    /// [`MediaError::Fenced`], [`MediaError::Busy`].
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>>;
    /// Answers an offer and makes a session.
    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>>;
    /// Answers a re-offer of a session: an ICE restart after a network change.
    fn restart(&self, session: SessionId, offer: String) -> PortFuture<'_, Result<Answer, MediaError>>;
    /// Seats a session in a room, or in none (a warm seat: its media goes nowhere).
    ///
    /// # Errors
    /// [`MediaError::NoSuchSession`], [`MediaError::Busy`].
    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError>;
    /// Who may share a screen in a room of an affinity; everybody else's screen goes nowhere.
    ///
    /// # Errors
    /// [`MediaError::Busy`].
    fn set_sharer(
        &self,
        tenant: TenantId,
        affinity: Affinity,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError>;
    /// Ends a session. Unknown sessions are ignored: ending is idempotent.
    fn disconnect(&self, session: SessionId);
}
