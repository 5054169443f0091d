//! A visit's events.

use super::{DecodeError, Encoded, Reader, Stored, encode};
use crate::{
    link::LinkHash,
    record::Recorded,
    visit::{Booked, Escalation, Event},
};
use model::{Generation, ParticipantId, Phi, Role, Timestamp, WaitingRoomId, phi::ERASED_TEXT};
use serde::Deserialize;
use serde_json::json;
use signaling_protocol::view::{DeviceHealth, Modality, Outcome};

/// For the log. `home` is the visit's waiting room: the last event of a visit names it as the first does, so that an
/// index of open visits can be made from events alone. One of an earlier build does not.
#[must_use]
pub fn encode_visit(recorded: &Recorded<Event>, home: WaitingRoomId) -> Encoded {
    let put = |kind, body| encode(recorded, kind, body, None);
    match &recorded.event {
        Event::Booked(booked) => encode(
            recorded,
            "booked",
            json!({
                "waitingRoom": booked.waiting_room,
                "patient": booked.patient,
                "link": booked.link,
                "scheduledAt": booked.scheduled_at,
            }),
            Some(json!({ "name": booked.name.expose(), "reason": booked.reason.expose() })),
        ),
        Event::SeatTaken { participant, generation } => {
            put("seat-taken", json!({ "participant": participant, "generation": generation }))
        }
        Event::Returned { participant } => put("returned", json!({ "participant": participant })),
        Event::CheckedIn { modality, devices } => {
            put("checked-in", json!({ "modality": modality, "devices": devices }))
        }
        Event::Escalated { to } => put("escalated", json!({ "to": to })),
        Event::Admitted { by } => put("admitted", json!({ "clinician": by })),
        Event::Denied { reason } => {
            let body = json!({ "waitingRoom": home });
            encode(recorded, "denied", body, Some(json!({ "reason": reason.expose() })))
        }
        Event::Left { participant } => put("left", json!({ "participant": participant })),
        Event::Ended { outcome } => put("ended", json!({ "outcome": outcome, "waitingRoom": home })),
        Event::Said { from, role, text } => encode(
            recorded,
            "said",
            json!({ "from": from, "role": role }),
            Some(json!({ "text": text.expose() })),
        ),
        Event::ShareRequested { participant } => {
            put("share-requested", json!({ "participant": participant }))
        }
        Event::ShareGranted { participant } => put("share-granted", json!({ "participant": participant })),
        Event::ShareStopped { participant } => put("share-stopped", json!({ "participant": participant })),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookedBody {
    waiting_room: WaitingRoomId,
    patient: ParticipantId,
    link: LinkHash,
    #[serde(default)]
    scheduled_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct BookedPhi {
    name: Phi<String>,
    #[serde(default)]
    reason: Phi<String>,
}

#[derive(Deserialize)]
struct Who {
    participant: ParticipantId,
}

#[derive(Deserialize)]
struct SeatTaken {
    participant: ParticipantId,
    generation: Generation,
}

#[derive(Deserialize)]
struct CheckedIn {
    modality: Modality,
    #[serde(default)]
    devices: DeviceHealth,
}

#[derive(Deserialize)]
struct Escalated {
    to: Escalation,
}

#[derive(Deserialize)]
struct Admitted {
    clinician: ParticipantId,
}

#[derive(Deserialize)]
struct Denied {
    reason: Phi<String>,
}

#[derive(Deserialize)]
struct Ended {
    outcome: Outcome,
}

#[derive(Deserialize)]
struct Said {
    from: ParticipantId,
    role: Role,
}

#[derive(Deserialize)]
struct SaidPhi {
    text: Phi<String>,
}

/// From the log.
///
/// # Errors
/// [`DecodeError`]: a newer build's, or damaged.
pub fn decode_visit(stored: &Stored) -> Result<Recorded<Event>, DecodeError> {
    let reader = Reader(stored);
    reader.check()?;
    let who = || reader.body::<Who>().map(|body| body.participant);
    let event = match stored.kind.as_str() {
        "booked" => {
            let BookedBody { waiting_room, patient, link, scheduled_at } = reader.body()?;
            let erased = BookedPhi { name: ERASED_TEXT.into(), reason: ERASED_TEXT.into() };
            let BookedPhi { name, reason } = reader.phi(erased)?;
            Event::Booked(Booked { waiting_room, patient, link, scheduled_at, name, reason })
        }
        "seat-taken" => {
            let SeatTaken { participant, generation } = reader.body()?;
            Event::SeatTaken { participant, generation }
        }
        "returned" => Event::Returned { participant: who()? },
        "checked-in" => {
            let CheckedIn { modality, devices } = reader.body()?;
            Event::CheckedIn { modality, devices }
        }
        "escalated" => Event::Escalated { to: reader.body::<Escalated>()?.to },
        "admitted" => Event::Admitted { by: reader.body::<Admitted>()?.clinician },
        "denied" => Event::Denied { reason: reader.phi(Denied { reason: ERASED_TEXT.into() })?.reason },
        "left" => Event::Left { participant: who()? },
        "ended" => Event::Ended { outcome: reader.body::<Ended>()?.outcome },
        "said" => {
            let Said { from, role } = reader.body()?;
            Event::Said { from, role, text: reader.phi(SaidPhi { text: ERASED_TEXT.into() })?.text }
        }
        "share-requested" => Event::ShareRequested { participant: who()? },
        "share-granted" => Event::ShareGranted { participant: who()? },
        "share-stopped" => Event::ShareStopped { participant: who()? },
        _ => return Err(reader.unknown()),
    };
    reader.recorded(event)
}
