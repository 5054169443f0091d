//! Keeps what is generated from the wire types current: the TypeScript in `web/protocol/generated/`
//! and the JSON Schema in `docs/schema/`. `UPDATE_TS=1 cargo test -p signaling-protocol` rewrites both.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use model::{CommandId, ParticipantId, Role, RoomId, TenantId, Timestamp, VisitId, WaitingRoomId};
use signaling_protocol::{ClientMessage, CloseCode, SUBPROTOCOL, ServerMessage, limits};
use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};
use ts_rs::{Config, TS};

const GENERATED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/protocol/generated");
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/signaling.v1.json");
const REFRESH: &str = "is out of date; run: UPDATE_TS=1 cargo test -p signaling-protocol";

#[test]
fn the_committed_typescript_is_current() {
    let fresh = generate();
    let folder = Path::new(GENERATED);
    if std::env::var_os("UPDATE_TS").is_some() {
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
        fs::create_dir_all(folder).unwrap();
        for (name, text) in &fresh {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let committed = read_folder(folder);
    assert_eq!(
        committed.keys().collect::<Vec<_>>(),
        fresh.keys().collect::<Vec<_>>(),
        "web/protocol/generated {REFRESH}"
    );
    for (name, text) in &fresh {
        assert!(committed[name] == *text, "web/protocol/generated/{name} {REFRESH}");
    }
}

#[test]
fn the_committed_json_schema_is_current() {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let client = generator.subschema_for::<ClientMessage>();
    let server = generator.subschema_for::<ServerMessage>();
    let fresh = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SUBPROTOCOL,
        "description": "One WebSocket text message: a client's or a server's.",
        "oneOf": [client, server],
        "$defs": generator.take_definitions(true),
    });
    let path = Path::new(SCHEMA);
    if std::env::var_os("UPDATE_TS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_string_pretty(&fresh).unwrap() + "\n").unwrap();
    }
    let committed: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(committed == fresh, "docs/schema/signaling.v1.json {REFRESH}");
}

fn generate() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new().with_out_dir(folder.path());
    ClientMessage::export_all(&config).unwrap();
    ServerMessage::export_all(&config).unwrap();
    Role::export_all(&config).unwrap();
    Timestamp::export_all(&config).unwrap();
    CommandId::export_all(&config).unwrap();
    ParticipantId::export_all(&config).unwrap();
    RoomId::export_all(&config).unwrap();
    TenantId::export_all(&config).unwrap();
    VisitId::export_all(&config).unwrap();
    WaitingRoomId::export_all(&config).unwrap();
    fs::write(folder.path().join("constants.ts"), constants()).unwrap();
    let mut files = read_folder(folder.path());
    let mut index = "// Generated from signaling/protocol. Do not edit.\n".to_owned();
    for name in files.keys() {
        writeln!(index, "export * from \"./{}\";", name.trim_end_matches(".ts")).unwrap();
    }
    files.insert("index.ts".to_owned(), index);
    files
}

fn constants() -> String {
    let mut text = "// Generated from signaling/protocol. Do not edit.\n\n".to_owned();
    writeln!(text, "/** The WebSocket subprotocol of this version. */").unwrap();
    writeln!(text, "export const SUBPROTOCOL = \"{SUBPROTOCOL}\";\n").unwrap();
    writeln!(text, "/** WebSocket close codes the server sends. */").unwrap();
    writeln!(text, "export const CloseCode = {{").unwrap();
    for code in CloseCode::ALL {
        writeln!(text, "  {code:?}: {},", u16::from(code)).unwrap();
    }
    writeln!(text, "}} as const;\n").unwrap();
    writeln!(text, "/** Bounds of what a client sends. */").unwrap();
    writeln!(text, "export const Limits = {{").unwrap();
    for (name, value) in [
        ("messageBytes", limits::MAX_MESSAGE_BYTES),
        ("offerBytes", limits::MAX_OFFER_BYTES),
        ("chatChars", limits::MAX_CHAT_CHARS),
        ("lineChars", limits::MAX_LINE_CHARS),
    ] {
        writeln!(text, "  {name}: {value},").unwrap();
    }
    writeln!(text, "}} as const;").unwrap();
    text
}

fn read_folder(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}
