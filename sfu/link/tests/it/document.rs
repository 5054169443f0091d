//! docs/media-link.md says what the code does: every message in it is read, and every message is in it.

use serde_json::Value;
use sfu_link::protocol::{self, Ask, Tell};
use std::collections::BTreeSet;

const ASKS: [&str; 8] = ["hello", "claim", "connect", "restart", "seat", "set-sharer", "disconnect", "beat"];
const TELLS: [&str; 11] = [
    "hello",
    "load",
    "claimed",
    "answer",
    "done",
    "refused",
    "fenced",
    "connected",
    "closed",
    "slots",
    "quality",
];

/// The messages under a heading, one a line of a `json` block.
fn messages(heading: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/media-link.md");
    let text = std::fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let blocks = section.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

fn kinds(messages: &[String]) -> BTreeSet<String> {
    let kind =
        |text: &String| serde_json::from_str::<Value>(text).unwrap()["type"].as_str().unwrap().to_owned();
    messages.iter().map(kind).collect()
}

#[test]
fn every_message_is_in_the_document_and_can_be_read() {
    let (asks, tells) = (messages("What a process says"), messages("What a node says"));
    assert_eq!(kinds(&asks), ASKS.map(str::to_owned).into());
    assert_eq!(kinds(&tells), TELLS.map(str::to_owned).into());
    for text in &asks {
        let ask: Ask = protocol::parse(text).unwrap_or_else(|_| panic!("cannot be read: {text}"));
        assert!(!matches!(ask, Ask::Unknown), "{text}");
        assert_eq!(json(&protocol::encode(&ask).unwrap()), json(text));
    }
    for text in &tells {
        let tell: Tell = protocol::parse(text).unwrap_or_else(|_| panic!("cannot be read: {text}"));
        assert!(!matches!(tell, Tell::Unknown), "{text}");
        assert_eq!(json(&protocol::encode(&tell).unwrap()), json(text));
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
