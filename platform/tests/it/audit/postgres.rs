//! The same on PostgreSQL, once of each kind.

use super::{TENANT, exported, fill, judge, later, sealer};
use crate::postgres::config;
use platform::{
    audit::{ChainId, Seal, Signer, Trail as _, verify::Kind},
    clock::ManualClock,
    event_log::{EventStore as _, Store, postgres::PostgresStore},
};
use prometheus::Registry;
use std::sync::Arc;
use testkit::engines::Postgres;

/// Its name, its SQL, and what must be found.
type Attack<'a> = (&'a str, String, &'a [(Kind, u64, u64)]);

#[tokio::test]
async fn what_was_done_to_rows_in_postgres_is_found_and_named() {
    let server = Postgres::start(false);
    let store = PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap();
    let store: Arc<PostgresStore> = Arc::new(store);
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let clock = Arc::new(ManualClock::new(later(0)));
    let mut sealer = sealer(Arc::clone(&store) as Arc<dyn Store>, &signer, &clock, 20);
    for n in (0..200).step_by(20) {
        fill(&*store, n, 20).await;
        clock.set(later(n + 20));
        sealer.look(false).await;
    }
    let end = store.audit_ends(None, 10).await.unwrap().remove(0);
    let chain = ChainId { tenant: TENANT, partition: end.partition };
    let newest = store.audit_seals(chain, 9, 10).await.unwrap();
    let newest = Seal::of_event(chain, &newest[0]).unwrap();
    let keys = signer.public_keys();
    let look = async || judge(&exported(&*store, &store.partitions(), keys).await, keys, Some(&newest));
    let report = look().await;
    assert!(report.is_clean() && report.rows == 200 && report.seals == 10, "{report:#?}");

    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    client.batch_execute("SET search_path = events; CREATE TABLE kept AS SELECT * FROM audit").await.unwrap();
    let shift = "UPDATE audit SET number = -number WHERE number > 77; UPDATE audit SET number = -number";
    let attacks: [Attack<'_>; 5] = [
        ("edit", "UPDATE audit SET actor = NULL, body = '{}' WHERE number = 77".into(), &[(Kind::Edited, 77, 77)]),
        ("delete", "DELETE FROM audit WHERE number = 77".into(), &[(Kind::Deleted, 77, 77)]),
        (
            "delete and renumber",
            format!("DELETE FROM audit WHERE number = 77; {shift} - 1 WHERE number < 0"),
            &[(Kind::Deleted, 77, 77), (Kind::Renumbered, 78, 200)],
        ),
        (
            "swap",
            "UPDATE audit SET number = -12 WHERE number = 99; UPDATE audit SET number = 99 WHERE number = 12; \
             UPDATE audit SET number = 12 WHERE number = -12"
                .into(),
            &[(Kind::Reordered, 12, 12), (Kind::Reordered, 99, 99)],
        ),
        ("truncate", "DELETE FROM audit WHERE number > 150".into(), &[(Kind::Truncated, 151, 200)]),
    ];
    for (name, sql, wanted) in attacks {
        client.batch_execute(&sql).await.unwrap();
        let mut found: Vec<_> = look().await.findings.iter().map(|f| (f.kind, f.from, f.to)).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{name}");
        client.batch_execute("TRUNCATE audit; INSERT INTO audit SELECT * FROM kept").await.unwrap();
    }
    assert!(look().await.is_clean());
}
