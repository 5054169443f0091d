//! Keeps `docs/signaling-protocol.md` true: every literal parses, and every message that exists has one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use signaling_protocol::{ClientMessage, CloseCode, ErrorCode, ServerMessage};
use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../docs/signaling-protocol.md");

/// The JSON literals of one section.
fn literals(section: &str) -> Vec<Value> {
    let start = DOCUMENT.find(&format!("\n## {section}\n")).unwrap() + 4;
    let end = DOCUMENT[start..].find("\n## ").map_or(DOCUMENT.len(), |at| start + at);
    let blocks = DOCUMENT[start..end].split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

/// The names of an enum's variants, as they are on the wire, by its JSON Schema.
fn names(schema: &schemars::Schema, tag: Option<&str>) -> BTreeSet<String> {
    let variants = schema.as_value()["oneOf"].as_array().unwrap();
    let name = |variant: &Value| match tag {
        Some(tag) => variant["properties"][tag]["const"].as_str().unwrap().to_owned(),
        None => variant["const"].as_str().unwrap().to_owned(),
    };
    variants.iter().map(name).collect()
}

fn shown(literals: &[Value]) -> BTreeSet<String> {
    literals.iter().map(|literal| literal["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_client_message_has_a_literal_that_parses_and_shows_every_field() {
    let literals = literals("What a browser says");
    for literal in &literals {
        let message = ClientMessage::parse(&literal.to_string()).unwrap();
        assert_eq!(&serde_json::to_value(message).unwrap(), literal);
    }
    assert_eq!(shown(&literals), names(&schemars::schema_for!(ClientMessage), Some("type")));
}

#[test]
fn every_server_message_has_a_literal_that_parses_and_shows_every_field() {
    let literals = literals("What the server says");
    for literal in &literals {
        let message: ServerMessage = serde_json::from_value(literal.clone()).unwrap();
        assert_eq!(&serde_json::to_value(message).unwrap(), literal);
    }
    assert_eq!(shown(&literals), names(&schemars::schema_for!(ServerMessage), Some("type")));
}

#[test]
fn every_error_stands_in_its_table_with_the_code_it_closes_with() {
    for name in names(&schemars::schema_for!(ErrorCode), None) {
        let code: ErrorCode = serde_json::from_value(Value::String(name.clone())).unwrap();
        let line = DOCUMENT.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let close = u16::from(CloseCode::for_error(code)).to_string();
        assert!(line.is_some_and(|line| line.contains(&close)), "{name} closes with {close}");
    }
}

#[test]
fn every_close_code_stands_in_its_table() {
    for code in CloseCode::ALL {
        assert!(DOCUMENT.contains(&format!("\n| {} |", u16::from(code))), "{code:?}");
    }
}

#[test]
fn the_schema_accepts_what_the_document_shows() {
    // A literal's fields are all known to the schema: a field that was renamed would stand out.
    for (schema, section) in [
        (schemars::schema_for!(ClientMessage), "What a browser says"),
        (schemars::schema_for!(ServerMessage), "What the server says"),
    ] {
        for literal in literals(section) {
            let variants = schema.as_value()["oneOf"].as_array().unwrap();
            let variant =
                variants.iter().find(|v| v["properties"]["type"]["const"] == literal["type"]).unwrap();
            for field in literal.as_object().unwrap().keys() {
                assert!(variant["properties"].get(field).is_some(), "{} has no {field}", literal["type"]);
            }
            for field in variant["required"].as_array().unwrap() {
                assert!(
                    literal.get(field.as_str().unwrap()).is_some(),
                    "{} shows no {field}",
                    literal["type"]
                );
            }
        }
    }
}
