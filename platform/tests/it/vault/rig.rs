//! A sealed store over real files.

use model::{TenantId, Timestamp};
use platform::{
    clock::Clock,
    event_log::{Append, NewAudit, NewEvent, StreamId, Version, sqlite::SqliteStore},
    vault::{
        Sealing, Vault,
        keyring::{Keyring, sqlite::SqliteKeyring},
        provider::file::FileKeys,
    },
};
use prometheus::Registry;
use std::{path::Path, sync::Arc};
use testkit::event_log::{DECIDED, VISIT};
use uuid::Uuid;

pub(super) type Sealed = Sealing<SqliteStore>;

pub(super) const TENANT: TenantId = TenantId(Uuid::from_u128(1));

pub(super) struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        DECIDED
    }
}

/// A vault, and what it counts.
pub(super) fn vault(dir: &Path, keyring: Arc<dyn Keyring>) -> (Arc<Vault>, Registry) {
    let registry = Registry::new();
    let keys = FileKeys::open(&dir.join("keys"), true).unwrap();
    (Arc::new(Vault::new(keyring, Arc::new(keys), Arc::new(Fixed), &registry).unwrap()), registry)
}

pub(super) fn keyring(dir: &Path) -> Arc<SqliteKeyring> {
    Arc::new(SqliteKeyring::open(&dir.join("keys.sqlite")).unwrap())
}

/// SQLite below, SQLite beside.
pub(super) fn open(dir: &Path) -> Sealed {
    Sealing::new(Arc::new(crate::sqlite::open(dir)), vault(dir, keyring(dir)).0)
}

pub(super) fn stream(id: u128) -> StreamId {
    StreamId { tenant: TENANT, category: VISIT, id: Uuid::from_u128(id) }
}

/// An event and an audit row, each with PHI.
pub(super) fn append(stream: StreamId, expected: u64, phi: &str) -> Append {
    let event =
        NewEvent { kind: "noted", schema: 1, body: "{}".to_owned(), phi: Some(json(phi)), effective: None };
    let audit = NewAudit {
        action: "visit.note",
        actor: Some(Uuid::from_u128(7)),
        subject: Some(stream.id),
        body: format!("{{\"version\":{expected}}}"),
        phi: Some(json(phi)),
    };
    Append { audit: vec![audit], ..Append::new(stream, Version(expected), vec![event], DECIDED) }
}

pub(super) fn json(phi: &str) -> String {
    format!("{{\"text\":\"{phi}\"}}")
}

/// One line of the metrics.
pub(super) fn count(registry: &Registry, line: &str) -> u64 {
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let value = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or("0");
    value.trim().parse().unwrap()
}

/// Whether bytes stand in any file of a directory.
pub(super) fn stands_in(dir: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => stands_in(&path, bytes),
            false => std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes),
        }
    })
}
