//! What a media node says.

use super::{Existing, Load, Refusal};
use model::{Bitrate, Epoch, ParticipantId, Phi, TenantId};
use serde::{Deserialize, Serialize};
use sfu_core::port::{ClosedReason, Transport};
use uuid::Uuid;

/// Who a node is: its first message.
#[derive(Clone, Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The newest version the node speaks.
    pub version: u32,
    /// What it understands beyond its version.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Its name in the fleet.
    pub node: String,
    /// A new id each time it starts. Another one than before, and every session of before is gone.
    pub boot: Uuid,
    /// Where it stands.
    #[serde(default)]
    pub region: String,
    /// How loaded it is.
    pub load: Load,
}

/// An answer, an event, or the greeting.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Tell {
    /// The first message.
    Hello(Hello),
    /// How loaded the node is: once a second, and a sign of life.
    Load(Load),
    /// The affinity is the process's, and has these sessions.
    Claimed {
        /// Which question.
        call: u64,
        /// The oldest first.
        sessions: Vec<Existing>,
    },
    /// A session was made, or its re-offer taken.
    Answer {
        /// Which question.
        call: u64,
        /// The session, as the node counts.
        session: u64,
        /// SDP.
        #[serde(serialize_with = "model::phi::expose")]
        sdp: Phi<String>,
    },
    /// It is so.
    Done {
        /// Which question.
        call: u64,
    },
    /// It cannot be.
    Refused {
        /// Which question.
        call: u64,
        /// Why.
        error: Refusal,
    },
    /// Another process claimed an affinity of this one's, in a newer epoch.
    Fenced {
        /// The healthcare unit.
        tenant: TenantId,
        /// A waiting room's id.
        affinity: Uuid,
        /// Its epoch.
        epoch: Epoch,
    },
    /// ICE and DTLS are up.
    Connected {
        /// Which session.
        session: u64,
        /// Over what.
        #[serde(with = "super::words::transport")]
        transport: Transport,
    },
    /// A session is gone.
    Closed {
        /// Which.
        session: u64,
        /// Why.
        #[serde(with = "super::words::reason")]
        reason: ClosedReason,
    },
    /// Who is in a session's slots.
    Slots {
        /// Whose slots.
        session: u64,
        /// Participants by slot.
        slots: Vec<Option<ParticipantId>>,
        /// Who shares a screen.
        #[serde(default)]
        screen: Option<ParticipantId>,
    },
    /// How a session's link is doing.
    #[serde(rename_all = "camelCase")]
    Quality {
        /// Which session.
        session: u64,
        /// What can be sent to it, bits per second.
        estimate: Bitrate,
        /// What is sent.
        sent: Bitrate,
        /// What is received.
        received: Bitrate,
        /// Share lost, 0–1.
        loss: f32,
        /// Round trip.
        #[serde(default)]
        rtt_ms: Option<u32>,
    },
    /// Something a newer node says; ignored.
    #[serde(other)]
    Unknown,
}
