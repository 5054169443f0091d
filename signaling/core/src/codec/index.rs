//! What an index needs to know of an event, without its PHI.

use super::Stored;
use crate::link::LinkHash;
use model::WaitingRoomId;
use serde::Deserialize;

/// An event that an index takes note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// A waiting room is open, and this is its clinician's link.
    Opened {
        /// Hash of the link's secret.
        link: LinkHash,
    },
    /// A visit exists.
    Booked {
        /// Where.
        home: WaitingRoomId,
        /// Hash of the secret of the patient's link.
        link: LinkHash,
    },
    /// A visit is over.
    Over {
        /// Where it was.
        home: WaitingRoomId,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(default)]
    waiting_room: Option<WaitingRoomId>,
    #[serde(default)]
    link: Option<LinkHash>,
}

/// Of a waiting room's stream. `None` when no index cares, and for what cannot be read: whoever reads the stream says so.
#[must_use]
pub fn indexed_waiting_room(stored: &Stored) -> Option<Indexed> {
    let link = (stored.kind == "opened").then(|| body(stored)).flatten()?.link?;
    Some(Indexed::Opened { link })
}

/// Of a visit's stream, likewise.
#[must_use]
pub fn indexed_visit(stored: &Stored) -> Option<Indexed> {
    match stored.kind.as_str() {
        "booked" => {
            let Body { waiting_room, link } = body(stored)?;
            Some(Indexed::Booked { home: waiting_room?, link: link? })
        }
        "ended" | "denied" => Some(Indexed::Over { home: body(stored)?.waiting_room? }),
        _ => None,
    }
}

fn body(stored: &Stored) -> Option<Body> {
    serde_json::from_str(&stored.body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{Encoded, encode_visit},
        record::Recorded,
        visit::{Booked, Event},
    };
    use model::{ParticipantId, Timestamp};
    use signaling_protocol::view::Outcome;
    use uuid::Uuid;

    const HOME: WaitingRoomId = WaitingRoomId(Uuid::from_u128(7));

    fn stored(event: Event) -> Stored {
        let recorded = Recorded { at: Timestamp(1), by: None, command: None, event };
        let Encoded { kind, schema, body, phi } = encode_visit(&recorded, HOME);
        Stored { version: 1, kind: kind.to_owned(), schema, body, phi, at: Timestamp(1) }
    }

    #[test]
    fn the_first_and_the_last_event_of_a_visit_name_its_waiting_room() {
        let link = LinkHash::of("abc");
        let booked = Event::Booked(Booked {
            waiting_room: HOME,
            patient: ParticipantId(Uuid::from_u128(1)),
            link,
            scheduled_at: None,
            name: "Ana".into(),
            reason: "Knee".into(),
        });
        assert_eq!(indexed_visit(&stored(booked)), Some(Indexed::Booked { home: HOME, link }));
        for last in [Event::Ended { outcome: Outcome::Done }, Event::Denied { reason: "Full".into() }] {
            assert_eq!(indexed_visit(&stored(last)), Some(Indexed::Over { home: HOME }));
        }
        let left = Event::Left { participant: ParticipantId(Uuid::from_u128(1)) };
        assert_eq!(indexed_visit(&stored(left)), None);
    }

    #[test]
    fn what_an_earlier_build_or_nobody_wrote_is_left_alone() {
        let mut ended = stored(Event::Ended { outcome: Outcome::Done });
        for body in [r#"{"outcome":"completed"}"#, "{", "[]", r#"{"waitingRoom":7}"#] {
            ended.body = body.to_owned();
            assert_eq!(indexed_visit(&ended), None, "{body}");
        }
    }
}
