//! What the log holds. The golden lines are what builds in the field have written: they are read for
//! ever.

use model::{CommandId, Generation, ParticipantId, Role, Timestamp, WaitingRoomId};
use proptest::prelude::*;
use signaling_core::{
    codec::{
        DecodeError, Encoded, SCHEMA, Stored, decode_visit, decode_waiting_room, encode_visit,
        encode_waiting_room,
    },
    link::LinkHash,
    record::Recorded,
    visit::{Booked, Escalation, Event},
    waiting_room::{self, Opened},
};
use signaling_protocol::view::{ClinicView, DeviceHealth, Health, Modality, Outcome};
use uuid::Uuid;

/// Where the visits of these tests are.
const HOME: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0xA0));
const CANARY: &str = "Marisol Canary";

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn recorded<E>(event: E) -> Recorded<E> {
    let (by, command) = (Some(ParticipantId(id(0xB))), Some(CommandId(id(0xC))));
    Recorded { at: Timestamp(1_000), by, command, event }
}

/// One of every event of a visit.
fn visit_events() -> Vec<Event> {
    let participant = ParticipantId(id(0xB));
    let all = vec![
        Event::Booked(Booked {
            waiting_room: WaitingRoomId(id(0xA)),
            patient: participant,
            link: LinkHash::of("secret"),
            scheduled_at: Some(Timestamp(5)),
            name: CANARY.into(),
            reason: CANARY.into(),
        }),
        Event::SeatTaken { participant, generation: Generation(3) },
        Event::Returned { participant },
        Event::CheckedIn {
            modality: Modality::Sound,
            devices: DeviceHealth { camera: Health::Blocked, ..DeviceHealth::default() },
        },
        Event::Escalated { to: Escalation::Desk },
        Event::Admitted { by: participant },
        Event::Denied { reason: CANARY.into() },
        Event::Left { participant },
        Event::Ended { outcome: Outcome::TechnicalFailure },
        Event::Said { from: participant, role: Role::Patient, text: CANARY.into() },
        Event::ShareRequested { participant },
        Event::ShareGranted { participant },
        Event::ShareStopped { participant },
    ];
    for event in &all {
        // A new event does not compile until it stands above.
        match event {
            Event::Booked(_)
            | Event::SeatTaken { .. }
            | Event::Returned { .. }
            | Event::CheckedIn { .. }
            | Event::Escalated { .. }
            | Event::Admitted { .. }
            | Event::Denied { .. }
            | Event::Left { .. }
            | Event::Ended { .. }
            | Event::Said { .. }
            | Event::ShareRequested { .. }
            | Event::ShareGranted { .. }
            | Event::ShareStopped { .. } => {}
        }
    }
    all
}

fn room_events() -> Vec<waiting_room::Event> {
    vec![
        waiting_room::Event::Opened(Opened {
            clinic: ClinicView { name: "Harbour Clinic".into(), phone: "+1 555 0100".into() },
            practitioner: CANARY.into(),
            clinician: ParticipantId(id(0xD)),
            link: LinkHash::of("secret"),
        }),
        waiting_room::Event::SeatTaken { participant: ParticipantId(id(0xD)), generation: Generation(1) },
    ]
}

fn stored(encoded: Encoded) -> Stored {
    let Encoded { kind, schema, body, phi } = encoded;
    Stored { version: 1, kind: kind.to_owned(), schema, body, phi, at: Timestamp(1_000) }
}

fn line(encoded: &Encoded) -> String {
    format!("{} {} {} {}", encoded.kind, encoded.schema, encoded.body, encoded.phi.as_deref().unwrap_or("-"))
}

#[test]
fn what_is_written_can_be_read_and_is_written_as_ever() {
    let mut lines = Vec::new();
    for event in visit_events() {
        let encoded = encode_visit(&recorded(event.clone()), HOME);
        lines.push(line(&encoded));
        assert_eq!(decode_visit(&stored(encoded)), Ok(recorded(event)));
    }
    for event in room_events() {
        let encoded = encode_waiting_room(&recorded(event.clone()));
        lines.push(line(&encoded));
        assert_eq!(decode_waiting_room(&stored(encoded)), Ok(recorded(event)));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn phi_stands_in_its_own_column_only() {
    let visits = visit_events().into_iter().map(|event| encode_visit(&recorded(event), HOME));
    let rooms = room_events().into_iter().map(|event| encode_waiting_room(&recorded(event)));
    let mut with_phi = 0;
    for encoded in visits.chain(rooms) {
        assert!(!encoded.body.contains("Canary"), "{} holds PHI in its body", encoded.kind);
        with_phi += usize::from(encoded.phi.is_some_and(|phi| phi.contains("Canary")));
    }
    assert_eq!(with_phi, 4, "booked, denied, said and opened hold PHI");
}

/// The build before this one is still running, or has written the log; the one after it has begun.
#[test]
fn the_schema_before_and_the_one_after_are_read_and_later_ones_refused() {
    for event in visit_events() {
        let mut newer = stored(encode_visit(&recorded(event.clone()), HOME));
        newer.schema = SCHEMA + 1;
        newer.body =
            newer.body.replacen('{', r#"{"colour":"blue","extra":{"deep":[1]},"#, 1).replace(",}", "}");
        assert_eq!(decode_visit(&newer), Ok(recorded(event)), "fields of the next schema are passed over");
        newer.schema = SCHEMA + 2;
        assert!(matches!(decode_visit(&newer), Err(DecodeError::TooNew { .. })));
    }
    let before = |kind: &str, body: &str, phi: Option<&str>| Stored {
        version: 1,
        kind: kind.to_owned(),
        schema: SCHEMA - 1,
        body: body.to_owned(),
        phi: phi.map(str::to_owned),
        at: Timestamp(1),
    };
    let checked_in = decode_visit(&before("checked-in", r#"{"modality":"video"}"#, None)).unwrap();
    assert_eq!(checked_in.command, None);
    assert!(
        matches!(checked_in.event, Event::CheckedIn { devices, .. } if devices == DeviceHealth::default())
    );
    let ended = decode_visit(&before("ended", r#"{"outcome":"done"}"#, None)).unwrap();
    assert_eq!(ended.event, Event::Ended { outcome: Outcome::Done });
    let body = format!(
        r#"{{"waitingRoom":"{}","patient":"{}","link":{}}}"#,
        id(1),
        id(2),
        serde_json::to_string(&LinkHash::of("x")).unwrap()
    );
    let booked = decode_visit(&before("booked", &body, Some(r#"{"name":"Bob"}"#))).unwrap();
    assert!(matches!(booked.event, Event::Booked(Booked { scheduled_at: None, .. })));
}

#[test]
fn what_is_damaged_is_named_and_not_guessed() {
    let good = stored(encode_visit(&recorded(Event::Left { participant: ParticipantId(id(1)) }), HOME));
    let unknown = Stored { kind: "teleported".into(), ..good.clone() };
    assert_eq!(decode_visit(&unknown), Err(DecodeError::UnknownKind("teleported".into())));
    let damaged = Stored { body: "{}".into(), ..good.clone() };
    assert_eq!(decode_visit(&damaged), Err(DecodeError::Malformed("left".into())));
    let said = Event::Said { from: ParticipantId(id(1)), role: Role::Patient, text: "x".into() };
    let shredded = Stored { phi: None, ..stored(encode_visit(&recorded(said), HOME)) };
    assert_eq!(decode_visit(&shredded), Err(DecodeError::Malformed("said".into())));
}

proptest! {
    #[test]
    fn texts_survive_whatever_is_in_them(text in any::<String>(), at: i64) {
        let event = Event::Said { from: ParticipantId(id(1)), role: Role::Patient, text: text.into() };
        let event = Recorded { at: Timestamp(at), by: None, command: None, event };
        let mut stored = stored(encode_visit(&event, HOME));
        stored.at = Timestamp(at);
        prop_assert_eq!(decode_visit(&stored), Ok(event));
    }

    #[test]
    fn arbitrary_columns_are_an_event_or_an_error_and_never_a_panic(
        kind in prop_oneof![Just("booked"), Just("said"), Just("opened"), Just("seat-taken"), Just("ended")],
        body in any::<String>(), phi in any::<Option<String>>(), schema: u16,
    ) {
        let stored = Stored { version: 1, kind: kind.to_owned(), schema, body, phi, at: Timestamp(0) };
        let _ = decode_visit(&stored);
        let _ = decode_waiting_room(&stored);
    }
}

#[test]
fn an_event_whose_phi_was_erased_is_read_with_all_else_that_it_says() {
    let erased = |encoded: Encoded| {
        let Encoded { kind, schema, body, phi } = encoded;
        let phi = phi.map(|_| model::phi::ERASED.to_owned());
        Stored { version: 1, kind: kind.to_owned(), schema, body, phi, at: Timestamp(1_000) }
    };
    for event in visit_events() {
        let before = recorded(event);
        let read = decode_visit(&erased(encode_visit(&before, HOME))).unwrap();
        assert_eq!((read.at, read.by, read.command), (before.at, before.by, before.command));
        let shown = encode_visit(&read, HOME);
        assert_eq!(shown.body, encode_visit(&before, HOME).body, "{}", shown.kind);
        assert!(shown.phi.iter().all(|phi| phi.contains(model::phi::ERASED_TEXT) && !phi.contains(CANARY)));
    }
    for event in room_events() {
        let before = encode_waiting_room(&recorded(event));
        let read = encode_waiting_room(&decode_waiting_room(&erased(before.clone())).unwrap());
        assert_eq!(read.body, before.body);
        assert!(read.phi.iter().all(|phi| phi.contains(model::phi::ERASED_TEXT)));
    }
}
