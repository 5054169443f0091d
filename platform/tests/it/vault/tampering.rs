//! Ciphertexts that stand where they were not sealed: somebody with access to the database has moved or altered them.

use super::rig::{TENANT, append, count, keyring, stream, vault};
use model::TenantId;
use platform::{
    event_log::{
        Change, EventStore as _, Moment, Partition, Position, Records as _, Row, Snapshot, Snapshots as _,
        StreamId, Table, Tables as _, Version,
    },
    vault::Sealing,
};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

const OTHER: TenantId = TenantId(Uuid::from_u128(2));
const TABLE: Table = Table { name: "notes.1", generation: 0 };

fn theirs(id: u128) -> StreamId {
    StreamId { tenant: OTHER, ..stream(id) }
}

/// Two events of one stream, one of another, one of the same stream of another tenant, with audit rows; two rows of a
/// table; a snapshot.
async fn fill(dir: &Path) {
    let store = super::rig::open(dir);
    for (stream, expected) in [(stream(1), 0), (stream(1), 1), (stream(2), 0), (theirs(1), 0)] {
        store.append(append(stream, expected, "words")).await.unwrap();
    }
    let row = |key: &str| Row { key: key.into(), body: "{}".into(), phi: Some("{\"row\":1}".into()) };
    let put = |key| (stream(1).id, Change::Put { tenant: TENANT, row: row(key) });
    let changes = vec![put("a"), put("b")];
    store.project(TABLE, Partition(0), Position(0), Position(1), changes).await.unwrap();
    let (version, body) = (Version(2), "{}".to_owned());
    let phi = Some("{\"snapshot\":1}".to_owned());
    store.save(Snapshot { stream: stream(1), version, schema: 1, body, phi }).await.unwrap();
}

/// What each read of everything finds, with how often something was said to be tampered with.
async fn read(dir: &Path) -> (Vec<bool>, u64) {
    let (vault, metrics) = vault(dir, keyring(dir));
    let store = Sealing::new(Arc::new(crate::sqlite::open(dir)), vault);
    let found = vec![
        store.read(stream(1), Version(0), 10, Moment::NOW).await.is_ok(),
        store.read(stream(2), Version(0), 10, Moment::NOW).await.is_ok(),
        store.read(theirs(1), Version(0), 10, Moment::NOW).await.is_ok(),
        store.audit(TENANT, Partition(0), 0, 10).await.is_ok(),
        store.row(TABLE, TENANT, "a".into()).await.is_ok(),
        store.rows(TABLE, TENANT, "b".into(), None, 10).await.is_ok(),
        store.snapshot(stream(1)).await.is_ok(),
        store.tail(Partition(0), Position(0), 10).await.is_ok(),
    ];
    (found, count(&metrics, "telehealth_vault_failures_total{outcome=\"tampered\"}"))
}

/// Does something to the file, and says which reads fail then, by their numbers.
async fn after(what: &str) -> Vec<usize> {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    let (found, tampered) = read(dir.path()).await;
    assert!(found.iter().all(|found| *found) && tampered == 0, "{found:?}");
    let connection = Connection::open(dir.path().join("events.sqlite")).unwrap();
    connection.execute_batch(what).unwrap();
    drop(connection);
    let (found, tampered) = read(dir.path()).await;
    let failed: Vec<_> = (0..found.len()).filter(|at| !found[*at]).collect();
    assert_eq!(tampered as usize, failed.len(), "each is counted");
    failed
}

const ONE: usize = 0;
const TWO: usize = 1;
const THEIRS: usize = 2;
const AUDIT: usize = 3;
const A: usize = 4;
const B: usize = 5;
const SNAPSHOT: usize = 6;
const TAIL: usize = 7;

/// Audit rows of the first tenant.
const OF_OURS: &str = "WHERE tenant = x'00000000000000000000000000000001'";

/// Puts the sealed PHI of one row where that of another stood.
fn copy(from: &str, to: &str) -> String {
    let (to_table, to_row) = to.split_once(' ').unwrap();
    format!("UPDATE {to_table} SET phi = (SELECT phi FROM {from}) {to_row}")
}

#[tokio::test]
async fn a_ciphertext_opens_only_where_it_was_sealed() {
    // Events stand in the order of their appends: versions 1 and 2 of stream 1, stream 2, the other tenant's.
    let event = |n: usize| format!("events WHERE position = {}", n + 1);
    let audit = |n: usize| format!("audit {OF_OURS} AND number = {}", n + 1);
    let row = |key: &str| format!("table_rows WHERE key = '{key}'");
    for (what, from, to, fail) in [
        ("between versions", event(0), event(1), vec![ONE, TAIL]),
        ("between streams", event(0), event(2), vec![TWO, TAIL]),
        ("between tenants", event(0), event(3), vec![THEIRS, TAIL]),
        ("from an audit row to its event", audit(0), event(0), vec![ONE, TAIL]),
        ("from an event to its audit row", event(0), audit(0), vec![AUDIT]),
        ("between audit rows", audit(0), audit(1), vec![AUDIT]),
        ("between rows", row("a"), row("b"), vec![B]),
        ("from an event to a row", event(0), row("a"), vec![A]),
        ("from a snapshot to an event", "snapshots WHERE TRUE".into(), event(1), vec![ONE, TAIL]),
        ("from an event to a snapshot", event(1), "snapshots WHERE TRUE".into(), vec![SNAPSHOT]),
    ] {
        assert_eq!(after(&copy(&from, &to)).await, fail, "{what}");
    }
}

#[tokio::test]
async fn what_was_altered_or_cut_is_noticed_and_so_is_what_says_where_it_stands() {
    let (of_first, of_audit) = ("WHERE position = 1", format!("{OF_OURS} AND number = 1"));
    for (what, fail) in [
        (format!("UPDATE events SET phi = substr(phi, 1, 60) {of_first}"), vec![ONE, TAIL]),
        (format!("UPDATE events SET phi = 'v1.' {of_first}"), vec![ONE, TAIL]),
        (format!("UPDATE events SET phi = 'v9.' || substr(phi, 4) {of_first}"), vec![ONE, TAIL]),
        (format!("UPDATE audit SET action = 'visit.read' {of_audit}"), vec![AUDIT]),
        (format!("UPDATE audit SET actor = NULL {of_audit}"), vec![AUDIT]),
        (format!("UPDATE audit SET at = at + 1 {of_audit}"), vec![AUDIT]),
        ("UPDATE snapshots SET schema = 2".into(), vec![SNAPSHOT]),
    ] {
        assert_eq!(after(&what).await, fail, "{what}");
    }
}
