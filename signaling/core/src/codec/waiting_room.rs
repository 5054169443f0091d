//! A waiting room's events.

use super::{DecodeError, Encoded, Reader, Stored, encode};
use crate::{
    link::LinkHash,
    record::Recorded,
    waiting_room::{Event, Opened},
};
use model::{Generation, ParticipantId, Phi, phi::ERASED_TEXT};
use serde::Deserialize;
use serde_json::json;
use signaling_protocol::view::ClinicView;

/// For the log.
#[must_use]
pub fn encode_waiting_room(recorded: &Recorded<Event>) -> Encoded {
    match &recorded.event {
        Event::Opened(opened) => encode(
            recorded,
            "opened",
            json!({ "clinic": opened.clinic, "clinician": opened.clinician, "link": opened.link }),
            Some(json!({ "practitioner": opened.practitioner.expose() })),
        ),
        Event::SeatTaken { participant, generation } => encode(
            recorded,
            "seat-taken",
            json!({ "participant": participant, "generation": generation }),
            None,
        ),
    }
}

#[derive(Deserialize)]
struct OpenedBody {
    clinic: ClinicView,
    clinician: ParticipantId,
    link: LinkHash,
}

#[derive(Deserialize)]
struct OpenedPhi {
    practitioner: Phi<String>,
}

#[derive(Deserialize)]
struct SeatTaken {
    participant: ParticipantId,
    generation: Generation,
}

/// From the log.
///
/// # Errors
/// [`DecodeError`]: a newer build's, or damaged.
pub fn decode_waiting_room(stored: &Stored) -> Result<Recorded<Event>, DecodeError> {
    let reader = Reader(stored);
    reader.check()?;
    let event = match stored.kind.as_str() {
        "opened" => {
            let OpenedBody { clinic, clinician, link } = reader.body()?;
            let OpenedPhi { practitioner } = reader.phi(OpenedPhi { practitioner: ERASED_TEXT.into() })?;
            Event::Opened(Opened { clinic, practitioner, clinician, link })
        }
        "seat-taken" => {
            let SeatTaken { participant, generation } = reader.body()?;
            Event::SeatTaken { participant, generation }
        }
        _ => return Err(reader.unknown()),
    };
    reader.recorded(event)
}
