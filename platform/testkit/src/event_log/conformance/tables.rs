//! Tables made from events.

use crate::event_log::{append, stream};
use model::TenantId;
use platform::{
    event_log::{
        AppendError, Category, Change, Partition, Position, Projection, Projector, Refusal, Row, Store,
        Table, TailEvent,
    },
    lane::Lane,
    limits::{MAX_CHANGES, MAX_EVENT_BYTES, MAX_KEY_BYTES, PROJECTED_AT_ONCE},
};
use std::sync::Arc;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(70));

pub(super) async fn conform(store: Arc<dyn Store>) {
    a_step_is_taken_once(&*store).await;
    rows_are_listed_by_the_bytes_of_their_keys(&*store).await;
    a_step_holds_its_limits(&*store).await;
    a_table_follows_its_events_and_is_rebuilt_while_it_is_read(store).await;
}

fn put(key: &str, body: &str) -> Change {
    let row = Row { key: key.to_owned(), body: body.to_owned(), phi: None };
    Change::Put { tenant: TENANT, row }
}

async fn a_step_is_taken_once(store: &dyn Store) {
    let table = Table { name: "steps.1", generation: 0 };
    let step = |from, to, changes| store.apply(table, Partition(0), Position(from), Position(to), changes);
    assert_eq!(store.applied(table, Partition(0)).await, Ok(Position(0)));
    step(0, 5, vec![put("a", "1"), put("b", "1"), put("a", "2")]).await.expect("applied");
    let late = step(0, 5, vec![put("a", "3")]).await;
    assert!(matches!(late, Err(AppendError::Rejected(Refusal::Conflict { .. }))), "{late:?}");
    step(5, 6, vec![Change::Delete { tenant: TENANT, key: "b".to_owned() }]).await.expect("applied");
    assert_eq!(store.applied(table, Partition(0)).await, Ok(Position(6)));
    let body =
        async |key: &str| store.row(table, TENANT, key.to_owned()).await.expect("read").map(|row| row.body);
    assert_eq!((body("a").await.as_deref(), body("b").await), (Some("2"), None));
    let elsewhere = store.row(table, TenantId(Uuid::from_u128(71)), "a".to_owned()).await;
    assert_eq!(elsewhere, Ok(None), "another tenant's");
}

async fn rows_are_listed_by_the_bytes_of_their_keys(store: &dyn Store) {
    let table = Table { name: "listed.1", generation: 0 };
    let keys = ["r/B", "r/Z", "r/a", "r/b", "r/é", "r/\u{1F9D1}", "q", "s", "r"];
    let changes = keys.iter().map(|key| put(key, "{}")).collect();
    store.apply(table, Partition(0), Position(0), Position(1), changes).await.expect("applied");
    let listed = async |after: Option<&str>, limit| {
        let rows =
            store.rows(table, TENANT, "r/".to_owned(), after.map(str::to_owned), limit).await.expect("read");
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 100).await, keys[..6]);
    assert_eq!(listed(None, 2).await, keys[..2]);
    assert_eq!(listed(Some("r/Z"), 2).await, keys[2..4]);
    assert_eq!(store.rows(table, TENANT, String::new(), None, 100).await.expect("read").len(), keys.len());
}

async fn a_step_holds_its_limits(store: &dyn Store) {
    let table = Table { name: "limits.1", generation: 0 };
    let step = |changes| store.apply(table, Partition(0), Position(0), Position(1), changes);
    let past = [
        vec![put("a", "1"); MAX_CHANGES + 1],
        vec![put(&"k".repeat(MAX_KEY_BYTES + 1), "1")],
        vec![put("a", &"b".repeat(MAX_EVENT_BYTES + 1))],
    ];
    for changes in past {
        let refused = step(changes).await;
        assert!(matches!(refused, Err(AppendError::Rejected(Refusal::TooLarge))), "{refused:?}");
    }
    let mut changes = vec![put("a", "1"); MAX_CHANGES];
    changes[0] = put(&"k".repeat(MAX_KEY_BYTES), &"b".repeat(MAX_EVENT_BYTES));
    step(changes).await.expect("at the limits");
}

/// How many events a stream has.
struct Lengths;

const COUNTED: Category = Category { name: "counted", lane: Lane::Standard };

impl Projection for Lengths {
    const NAME: &'static str = "lengths.1";

    fn changes(event: &TailEvent) -> Vec<Change> {
        let row = || Row {
            key: format!("{}", event.stream),
            body: event.event.version.0.to_string(),
            phi: event.event.phi.clone(),
        };
        (event.category == COUNTED.name)
            .then(|| Change::Put { tenant: event.tenant, row: row() })
            .into_iter()
            .collect()
    }
}

async fn a_table_follows_its_events_and_is_rebuilt_while_it_is_read(store: Arc<dyn Store>) {
    let counted = platform::event_log::StreamId { category: COUNTED, ..stream(80) };
    let lengths = Projector::<Lengths, dyn Store>::new(Arc::clone(&store));
    let key = counted.id.to_string();
    let length = async || lengths.newest_row(counted.tenant, &key).await.expect("read").map(|row| row.body);
    assert_eq!(length().await, None);
    let many = PROJECTED_AT_ONCE as u64 + 10;
    for version in (0..many).step_by(10) {
        store.append(append(counted, version, None, 10)).await.expect("recorded");
    }
    assert_eq!(length().await, Some(many.to_string()));
    store.append(append(counted, many, None, 1)).await.expect("recorded");
    // Two processes at once, and readers beside them: the row is there all the time.
    let (first, second) = (lengths.catch_up(), lengths.catch_up());
    let (first, second) = futures_util::future::join(first, second).await;
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(length().await, Some((many + 1).to_string()));
    let rebuilt = lengths.rebuild();
    let read = async {
        for _ in 0..20 {
            assert_eq!(length().await, Some((many + 1).to_string()));
        }
    };
    let (rebuilt, ()) = futures_util::future::join(rebuilt, read).await;
    assert_eq!(rebuilt, Ok(()));
    assert_eq!(store.live(Lengths::NAME).await, Ok(1));
    assert_eq!(length().await, Some((many + 1).to_string()));
    let old = Table { name: Lengths::NAME, generation: 0 };
    assert_eq!(store.row(old, counted.tenant, key.clone()).await, Ok(None), "the old generation is gone");
    assert_eq!(store.applied(old, Partition(0)).await, Ok(Position(0)));
}
