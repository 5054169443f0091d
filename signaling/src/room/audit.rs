//! What the auditor reads of what people do: who, what, to which visit. It is recorded with the events, so that it costs
//! no write of its own and nothing happens without it.
//!
//! A clinician who connects is shown the queue, with names. That they take their seat is recorded before, and so is that
//! they will see it.

use model::WaitingRoomId;
use platform::event_log::NewAudit;
use serde_json::json;
use signaling_core::{codec::Encoded, owner::Stream, record::Actor};

/// The row of an append that a person has caused. What the platform does by itself is in the events.
pub(super) fn row(room: WaitingRoomId, stream: Stream, by: Actor, events: &[Encoded]) -> Option<NewAudit> {
    let Actor::Person { id, role } = by else { return None };
    let first = events.first()?;
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let subject = match stream {
        Stream::WaitingRoom => room.0,
        Stream::Visit(visit) => visit.0,
    };
    Some(NewAudit {
        action: action(stream, first.kind),
        actor: Some(id.0),
        subject: Some(subject),
        body: json!({ "role": role, "waitingRoom": room, "events": kinds }).to_string(),
        phi: None,
    })
}

fn action(stream: Stream, kind: &str) -> &'static str {
    match (stream, kind) {
        (Stream::WaitingRoom, "seat-taken") => "queue.view",
        (Stream::WaitingRoom, "opened") => "waiting-room.open",
        (Stream::WaitingRoom, _) => "waiting-room.change",
        (Stream::Visit(_), "booked") => "visit.book",
        (Stream::Visit(_), "seat-taken") => "visit.connect",
        (Stream::Visit(_), "returned") => "visit.return",
        (Stream::Visit(_), "checked-in") => "visit.check-in",
        (Stream::Visit(_), "admitted") => "visit.admit",
        (Stream::Visit(_), "denied") => "visit.deny",
        (Stream::Visit(_), "left") => "visit.leave",
        (Stream::Visit(_), "ended") => "visit.end",
        (Stream::Visit(_), "said") => "visit.say",
        (Stream::Visit(_), "share-requested") => "visit.share-request",
        (Stream::Visit(_), "share-granted") => "visit.share-grant",
        (Stream::Visit(_), "share-stopped") => "visit.share-stop",
        (Stream::Visit(_), _) => "visit.change",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ParticipantId, Role, VisitId};
    use uuid::Uuid;

    const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(1));
    const VISIT: VisitId = VisitId(Uuid::from_u128(2));
    const WHO: ParticipantId = ParticipantId(Uuid::from_u128(3));

    fn events(kinds: &[&'static str]) -> Vec<Encoded> {
        let phi = || Some("{\"name\":\"canary\"}".to_owned());
        let event = |kind| Encoded { kind, schema: 1, body: "{\"text\":\"canary\"}".to_owned(), phi: phi() };
        kinds.iter().map(|kind| event(*kind)).collect()
    }

    #[test]
    fn a_person_s_append_has_one_row_without_what_was_said() {
        let by = Actor::Person { id: WHO, role: Role::Clinician };
        let row = row(ROOM, Stream::Visit(VISIT), by, &events(&["admitted", "said"])).unwrap();
        assert_eq!((row.action, row.actor, row.subject), ("visit.admit", Some(WHO.0), Some(VISIT.0)));
        assert!(row.phi.is_none() && !row.body.contains("canary"), "{}", row.body);
        assert!(row.body.contains("clinician") && row.body.contains("said"), "{}", row.body);
    }

    #[test]
    fn a_clinician_s_seat_is_the_view_of_the_queue_and_the_platform_leaves_no_row() {
        let by = Actor::Person { id: WHO, role: Role::Clinician };
        let seat = events(&["seat-taken"]);
        let of_room = row(ROOM, Stream::WaitingRoom, by, &seat).unwrap();
        assert_eq!((of_room.action, of_room.subject), ("queue.view", Some(ROOM.0)));
        assert!(row(ROOM, Stream::Visit(VISIT), Actor::Platform, &events(&["escalated"])).is_none());
        assert!(row(ROOM, Stream::Visit(VISIT), by, &[]).is_none());
    }
}
