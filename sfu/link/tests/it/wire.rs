//! Messages as bytes.

use model::{ParticipantId, RoomId};
use proptest::prelude::*;
use sfu_link::{
    limits::MAX_MESSAGE_BYTES,
    protocol::{self, Ask, Direction, Existing, Tell},
};
use uuid::Uuid;

fn largest(session: u64) -> Existing {
    let somebody = ParticipantId(Uuid::max());
    // As many slots as an offer of the most lines has: audio and camera each, beside what is sent.
    let slots = sfu_core::limits::MAX_M_LINES / 2;
    Existing {
        session: u64::MAX - session,
        participant: somebody,
        direction: Direction::Subscribe { to: somebody },
        room: Some(RoomId(Uuid::max())),
        connected: Some("udp".to_owned()),
        slots: Some(vec![Some(somebody); slots]),
        screen: Some(somebody),
    }
}

#[test]
fn as_many_sessions_as_an_affinity_may_list_fit_in_a_message() {
    let sessions: Vec<_> = (0..sfu_core::limits::MAX_EXISTING as u64).map(largest).collect();
    let text = protocol::encode(&Tell::Claimed { call: u64::MAX, sessions }).unwrap();
    assert!(text.len() <= MAX_MESSAGE_BYTES, "{}", text.len());
    let Tell::Claimed { sessions, .. } = protocol::parse(&text).unwrap() else { panic!("another message") };
    assert_eq!(sessions[1], largest(1));
}

#[test]
fn what_is_too_long_is_neither_written_nor_read() {
    let answer = |bytes| Tell::Answer { call: 1, session: 1, sdp: "a".repeat(bytes).into() };
    let around = protocol::encode(&answer(0)).unwrap().len();
    let longest = protocol::encode(&answer(MAX_MESSAGE_BYTES - around)).unwrap();
    assert_eq!(longest.len(), MAX_MESSAGE_BYTES);
    assert!(protocol::parse::<Tell>(&longest).is_ok());
    assert_eq!(protocol::encode(&answer(MAX_MESSAGE_BYTES - around + 1)), Err(protocol::TooLong));
    assert!(protocol::parse::<Tell>(&longest.replace(r#""sdp":""#, r#""sdp":"a"#)).is_err());
}

#[test]
fn an_offer_does_not_print() {
    let text = r#"{"type":"restart","call":1,"session":2,"epoch":3,"offer":"c=IN IP4 192.0.2.7"}"#;
    let ask: Ask = protocol::parse(text).unwrap();
    assert!(!format!("{ask:?}").contains("192.0.2.7"));
    assert!(protocol::encode(&ask).unwrap().contains("192.0.2.7"));
    let broken = protocol::parse::<Ask>(r#"{"type":"seat","call":"192.0.2.7"}"#).unwrap_err();
    assert!(!format!("{broken} {broken:?}").contains("192.0.2.7"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = protocol::parse::<Ask>(&text);
        let _ = protocol::parse::<Tell>(&text);
    }

    #[test]
    fn messages_with_a_byte_changed_are_read_or_refused_without_a_panic(at in 0_usize..400, byte in any::<u8>()) {
        let sessions = vec![largest(0)];
        let mut bytes = protocol::encode(&Tell::Claimed { call: 7, sessions }).unwrap().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let text = String::from_utf8_lossy(&bytes);
        let _ = protocol::parse::<Tell>(&text);
        let _ = protocol::parse::<Ask>(&text);
    }
}
