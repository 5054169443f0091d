//! Keyrings.

use super::rig::{TENANT, keyring, stands_in};
use model::TenantId;
use platform::{
    event_log::sqlite::OpenError,
    vault::keyring::{
        DataKey, Keyring as _, KeyringError, Shred, Shredding, TenantKey,
        postgres::{PostgresKeyring, statements},
        sqlite::SqliteKeyring,
    },
};
use std::{os::unix::fs::PermissionsExt as _, sync::Arc};
use testkit::{engines::Postgres, event_log::DECIDED, vault::conformance};
use uuid::Uuid;

fn tenant_key(tenant: TenantId) -> TenantKey {
    TenantKey { tenant, version: 1, kek: "kek".into(), wrapped: vec![1; 60], at: DECIDED }
}

#[tokio::test]
async fn sqlite_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance(keyring(dir.path())).await;
    // What it answered is there after a restart.
    assert_eq!(keyring(dir.path()).shredded(0, 10).await.unwrap().len(), 2);
    let mode = std::fs::metadata(dir.path().join("keys.sqlite")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn two_processes_use_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (keyring(dir.path()), keyring(dir.path()));
    assert_eq!(one.add_tenant_key(tenant_key(TENANT)).await, Ok(true));
    assert_eq!(other.tenant_keys(TENANT).await.unwrap(), [tenant_key(TENANT)]);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100_u128 {
        let keyring = Arc::clone(if n % 2 == 0 { &one } else { &other });
        tasks.spawn(async move {
            let (scope, wrapped) = (Uuid::from_u128(n / 2), vec![n as u8; 60]);
            let key = DataKey { tenant: TENANT, scope, version: 1, wrapped, at: DECIDED };
            keyring.settle(vec![key]).await.unwrap().remove(0)
        });
    }
    let mut found = tasks.join_all().await;
    found.sort_by_key(platform::vault::keyring::Found::scope);
    for pair in found.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[tokio::test]
async fn a_key_that_was_destroyed_stands_in_no_file_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let ring = keyring(dir.path());
    ring.add_tenant_key(tenant_key(TENANT)).await.unwrap();
    let key = |n: u128| {
        let wrapped: Vec<u8> = (0..60).map(|at| (n as u8).wrapping_mul(31) ^ at).collect();
        DataKey { tenant: TENANT, scope: Uuid::from_u128(n), version: 1, wrapped, at: DECIDED }
    };
    for n in 0..50 {
        ring.settle(vec![key(n)]).await.unwrap();
    }
    assert!(stands_in(dir.path(), &key(7).wrapped), "this is how it is looked for");
    let shred = Shred { tenant: TENANT, scope: key(7).scope, reason: "asked for".into(), at: DECIDED };
    assert_eq!(ring.shred(shred).await, Ok(Shredding::Done));
    assert!(!stands_in(dir.path(), &key(7).wrapped));
    assert!(stands_in(dir.path(), &key(8).wrapped), "the others stay");
}

#[test]
fn what_is_no_keyring_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys.sqlite");
    std::fs::write(&path, b"this is no database, however long it is looked at. ".repeat(100)).unwrap();
    assert!(matches!(SqliteKeyring::open(&path), Err(OpenError::Sqlite { .. } | OpenError::Schema { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_conforms_and_prepares_each_statement() {
    let server = Postgres::start(false);
    let config = crate::postgres::config(&server, "events_keys");
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let config = config.clone();
        opening.spawn(async move { PostgresKeyring::open(&config).await.unwrap() });
    }
    let opened = opening.join_all().await;
    conformance(Arc::new(opened.into_iter().next().unwrap())).await;
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    client.batch_execute("SET search_path = events_keys").await.unwrap();
    for statement in statements::ALL {
        let prepared = client.prepare(statement.sql).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_or_hangs_is_said_to_be_and_found_again() {
    let mut server = Postgres::start(false);
    let ring = PostgresKeyring::open(&crate::postgres::config(&server, "events_keys")).await.unwrap();
    assert_eq!(ring.add_tenant_key(tenant_key(TENANT)).await, Ok(true));
    server.pause();
    assert_eq!(ring.tenant_keys(TENANT).await, Err(KeyringError::Away));
    server.resume();
    server.kill();
    assert_eq!(ring.tenant_keys(TENANT).await, Err(KeyringError::Away));
    server.restart();
    testkit::wait::eventually("it to be found", async || ring.tenant_keys(TENANT).await.is_ok()).await;
    assert_eq!(ring.tenant_keys(TENANT).await, Ok(vec![tenant_key(TENANT)]));
}
