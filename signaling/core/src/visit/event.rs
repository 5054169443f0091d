//! What can happen to a visit. Names and shapes are for ever: see [`crate::codec`].

use crate::link::LinkHash;
use model::{Generation, ParticipantId, Phi, Role, Timestamp, WaitingRoomId};
use serde::{Deserialize, Serialize};
use signaling_protocol::view::{DeviceHealth, Modality, Outcome};

/// What is known from the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Booked {
    /// Where the patient will wait.
    pub waiting_room: WaitingRoomId,
    /// The patient's seat.
    pub patient: ParticipantId,
    /// Hash of the secret in the patient's link.
    pub link: LinkHash,
    /// The appointment's time; an invitation on the spot has none.
    pub scheduled_at: Option<Timestamp>,
    /// The patient's name.
    pub name: Phi<String>,
    /// What it is about.
    pub reason: Phi<String>,
}

/// Who is to look after somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Escalation {
    /// The practitioner whose queue it is: from the check-in on.
    Clinician,
    /// The front desk.
    Desk,
}

/// An event of a visit.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The visit exists.
    Booked(Booked),
    /// A connection took the seat; older generations are replaced.
    SeatTaken {
        /// Whose seat.
        participant: ParticipantId,
        /// Which generation is current now.
        generation: Generation,
    },
    /// Somebody who had left is back.
    Returned {
        /// Who.
        participant: ParticipantId,
    },
    /// The patient is ready, and in the queue.
    CheckedIn {
        /// Picture and sound, or sound only.
        modality: Modality,
        /// What the device test found.
        devices: DeviceHealth,
    },
    /// The wait is somebody else's business now.
    Escalated {
        /// Whose.
        to: Escalation,
    },
    /// The patient was brought in.
    Admitted {
        /// By whom.
        by: ParticipantId,
    },
    /// The patient was told why not.
    Denied {
        /// The words.
        reason: Phi<String>,
    },
    /// Somebody left the call. The seat is kept.
    Left {
        /// Who.
        participant: ParticipantId,
    },
    /// It is over.
    Ended {
        /// How it went.
        outcome: Outcome,
    },
    /// A chat message.
    Said {
        /// By whom.
        from: ParticipantId,
        /// In which role.
        role: Role,
        /// The words.
        text: Phi<String>,
    },
    /// Somebody asks to share a screen.
    ShareRequested {
        /// Who.
        participant: ParticipantId,
    },
    /// Somebody shares now; whoever did before does not.
    ShareGranted {
        /// Who.
        participant: ParticipantId,
    },
    /// A share ended, or a request was withdrawn or refused.
    ShareStopped {
        /// Whose.
        participant: ParticipantId,
    },
}
