//! What a signaling process says.

use super::Direction;
use model::{Epoch, ParticipantId, Phi, RoomId, TenantId, TraceContext};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A question, or the greeting.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Ask {
    /// The first message.
    Hello {
        /// The newest version the process speaks.
        version: u32,
        /// Which process: a new id each time one starts.
        process: Uuid,
        /// What it understands beyond its version.
        #[serde(default)]
        capabilities: Vec<String>,
    },
    /// From now on this process speaks for an affinity. Answered with `claimed`.
    Claim {
        /// For the answer.
        call: u64,
        /// The healthcare unit.
        tenant: TenantId,
        /// A waiting room's id.
        affinity: Uuid,
        /// In which epoch.
        epoch: Epoch,
    },
    /// A new session. Answered with `answer`.
    Connect {
        /// For the answer.
        call: u64,
        /// The healthcare unit.
        tenant: TenantId,
        /// A waiting room's id.
        affinity: Uuid,
        /// In which epoch.
        epoch: Epoch,
        /// Who connects.
        participant: ParticipantId,
        /// What may flow.
        direction: Direction,
        /// Where to seat it at once.
        #[serde(default)]
        room: Option<RoomId>,
        /// SDP.
        #[serde(serialize_with = "model::phi::expose")]
        offer: Phi<String>,
        /// W3C Trace Context that this is part of.
        #[serde(
            default,
            deserialize_with = "TraceContext::lenient",
            skip_serializing_if = "Option::is_none"
        )]
        traceparent: Option<TraceContext>,
    },
    /// A re-offer of a session. Answered with `answer`.
    Restart {
        /// For the answer.
        call: u64,
        /// Which, as the node counts.
        session: u64,
        /// In which epoch.
        epoch: Epoch,
        /// SDP.
        #[serde(serialize_with = "model::phi::expose")]
        offer: Phi<String>,
    },
    /// Seat a session. Answered with `done`.
    Seat {
        /// For the answer.
        call: u64,
        /// Which.
        session: u64,
        /// In which epoch.
        epoch: Epoch,
        /// Where; `null` is a warm seat.
        #[serde(default)]
        room: Option<RoomId>,
        /// W3C Trace Context that this is part of.
        #[serde(
            default,
            deserialize_with = "TraceContext::lenient",
            skip_serializing_if = "Option::is_none"
        )]
        traceparent: Option<TraceContext>,
    },
    /// Who may share a screen. Answered with `done`.
    SetSharer {
        /// For the answer.
        call: u64,
        /// The healthcare unit.
        tenant: TenantId,
        /// A waiting room's id.
        affinity: Uuid,
        /// In which epoch.
        epoch: Epoch,
        /// In which room.
        room: RoomId,
        /// Who.
        #[serde(default)]
        sharer: Option<ParticipantId>,
    },
    /// End a session. Answered with `done`, also when it is gone already.
    Disconnect {
        /// For the answer.
        call: u64,
        /// Which.
        session: u64,
        /// In which epoch.
        epoch: Epoch,
    },
    /// The process is there.
    Beat,
    /// Something a newer process says; ignored.
    #[serde(other)]
    Unknown,
}
