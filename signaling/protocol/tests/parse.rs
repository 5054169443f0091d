//! Bytes from outside: parsed or refused, never a panic, bounded by length before anything else.

use proptest::prelude::*;
use signaling_protocol::{ClientMessage, client::ParseError, limits::MAX_MESSAGE_BYTES};

const PING: &str = r#"{"type":"ping","nonce":1}"#;

fn padded(bytes: usize) -> String {
    format!("{PING}{}", " ".repeat(bytes - PING.len()))
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_not_one_byte_longer() {
    assert_eq!(ClientMessage::parse(&padded(MAX_MESSAGE_BYTES)), Ok(ClientMessage::Ping { nonce: 1 }));
    assert_eq!(ClientMessage::parse(&padded(MAX_MESSAGE_BYTES + 1)), Err(ParseError::TooLong));
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    let deep = format!(r#"{{"type":"ping","nonce":1,"x":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000));
    assert!(deep.len() <= MAX_MESSAGE_BYTES);
    assert_eq!(ClientMessage::parse(&deep), Err(ParseError::Invalid));
}

#[test]
fn what_a_later_page_adds_is_passed_over() {
    let later = r#"{"type":"ping","nonce":1,"colour":"blue"}"#;
    assert_eq!(ClientMessage::parse(later), Ok(ClientMessage::Ping { nonce: 1 }));
}

#[test]
fn a_message_prints_neither_names_nor_sdp_nor_words() {
    for text in [
        r#"{"type":"invite","id":"00000000-0000-0000-0000-000000000001","name":"CANARY","reason":"CANARY"}"#,
        r#"{"type":"chat","id":"00000000-0000-0000-0000-000000000001","visit":"00000000-0000-0000-0000-000000000001","text":"CANARY"}"#,
        r#"{"type":"offer","id":"00000000-0000-0000-0000-000000000001","sdp":"CANARY"}"#,
        r#"{"type":"deny","id":"00000000-0000-0000-0000-000000000001","visit":"00000000-0000-0000-0000-000000000001","reason":"CANARY"}"#,
    ] {
        let message = ClientMessage::parse(text).unwrap();
        assert!(!format!("{message:?}").contains("CANARY"));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_a_message_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2_048)) {
        let _ = ClientMessage::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn arbitrary_json_is_a_message_or_refused(
        kind in prop_oneof![
            Just("hello"), Just("check-in"), Just("offer"), Just("chat"), Just("share-grant"), Just("ping"), Just("nonsense")
        ],
        field in "[a-zA-Z]{1,12}",
        value in any::<String>(),
        number: i64,
    ) {
        let text = serde_json::json!({ "type": kind, field: value, "nonce": number, "id": number }).to_string();
        let _ = ClientMessage::parse(&text);
    }

    #[test]
    fn one_changed_byte_never_panics(at in 0..PING.len(), byte: u8) {
        let mut bytes = PING.as_bytes().to_vec();
        bytes[at] = byte;
        let _ = ClientMessage::parse(&String::from_utf8_lossy(&bytes));
    }
}
