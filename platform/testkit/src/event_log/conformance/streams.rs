//! Streams: order, concurrency, idempotency, pages, limits.

use super::{all, join_all};
use crate::event_log::{append, stream};
use model::TenantId;
use platform::{
    event_log::{AppendError, Category, EventStore, Moment, Refusal, StreamId, Version},
    lane::Lane,
    limits::{MAX_EVENT_BYTES, MAX_EVENTS_PER_APPEND, MAX_READ},
};
use uuid::Uuid;

pub(super) async fn conform(store: &dyn EventStore) {
    records_in_order_and_gives_back_what_it_took(store, stream(1)).await;
    refuses_an_append_that_decided_on_an_older_version(store, stream(2)).await;
    carries_out_a_command_once(store, stream(3)).await;
    keeps_streams_apart(store).await;
    pages(store, stream(5)).await;
    holds_its_limits(store).await;
    lists_streams_in_order(store).await;
    lets_one_of_many_win(store, stream(6)).await;
}

async fn records_in_order_and_gives_back_what_it_took(store: &dyn EventStore, stream: StreamId) {
    let first = append(stream, 0, None, 2);
    let appended = store.append(first.clone()).await.expect("recorded");
    assert_eq!((appended.version, appended.repeated), (Version(2), false));
    store.append(append(stream, 2, None, 1)).await.expect("recorded");
    let events = all(store, stream).await;
    assert_eq!(events.iter().map(|e| e.version.0).collect::<Vec<_>>(), [1, 2, 3]);
    for (recorded, given) in events.iter().zip(&first.events) {
        assert_eq!(recorded.kind, given.kind);
        assert_eq!(recorded.schema, given.schema);
        assert_eq!(recorded.body, given.body);
        assert_eq!(recorded.phi, given.phi);
        assert_eq!(recorded.at, first.at);
    }
}

async fn refuses_an_append_that_decided_on_an_older_version(store: &dyn EventStore, stream: StreamId) {
    store.append(append(stream, 0, None, 2)).await.expect("recorded");
    for stale in [0, 1, 3, 9] {
        let refused = store.append(append(stream, stale, None, 1)).await;
        assert!(
            matches!(refused, Err(AppendError::Rejected(Refusal::Conflict { actual: Version(2) }))),
            "{stale}: {refused:?}"
        );
    }
    assert_eq!(all(store, stream).await.len(), 2);
}

async fn carries_out_a_command_once(store: &dyn EventStore, stream: StreamId) {
    store.append(append(stream, 0, Some(70), 2)).await.expect("recorded");
    store.append(append(stream, 2, Some(71), 1)).await.expect("recorded");
    // Whatever the second attempt believes the version to be.
    for expected in [0, 2, 3, 40] {
        let again = store.append(append(stream, expected, Some(70), 2)).await.expect("repeated");
        assert_eq!((again.version, again.repeated), (Version(2), true));
    }
    assert_eq!(all(store, stream).await.len(), 3);
    // A refused command may be tried again.
    assert!(store.append(append(stream, 1, Some(72), 1)).await.is_err());
    assert!(!store.append(append(stream, 3, Some(72), 1)).await.expect("recorded").repeated);
}

async fn keeps_streams_apart(store: &dyn EventStore) {
    let here = stream(4);
    let tenant = StreamId { tenant: TenantId(Uuid::from_u128(2)), ..here };
    let category = StreamId { category: Category { name: "waiting-room", ..here.category }, ..here };
    for stream in [here, tenant, category] {
        // The same key, on another stream, is another command.
        assert!(!store.append(append(stream, 0, Some(80), 1)).await.expect("recorded").repeated);
    }
    store.append(append(here, 1, None, 1)).await.expect("recorded");
    assert_eq!(all(store, tenant).await.len(), 1);
    assert_eq!(all(store, category).await.len(), 1);
    assert!(all(store, stream(404)).await.is_empty());
}

async fn pages(store: &dyn EventStore, stream: StreamId) {
    for start in (0..MAX_READ as u64 + 50).step_by(50) {
        store.append(append(stream, start, None, 50)).await.expect("recorded");
    }
    assert_eq!(store.read(stream, Version(0), usize::MAX, Moment::NOW).await.expect("read").len(), MAX_READ);
    assert!(store.read(stream, Version(0), 0, Moment::NOW).await.expect("read").is_empty());
    let middle = store.read(stream, Version(49), 3, Moment::NOW).await.expect("read");
    assert_eq!(middle.iter().map(|e| e.version.0).collect::<Vec<_>>(), [50, 51, 52]);
    assert_eq!(all(store, stream).await.len(), MAX_READ + 50);
}

async fn holds_its_limits(store: &dyn EventStore) {
    store.append(append(stream(10), 0, None, MAX_EVENTS_PER_APPEND)).await.expect("at the limit");
    for count in [0, MAX_EVENTS_PER_APPEND + 1] {
        let refused = store.append(append(stream(11), 0, None, count)).await;
        assert!(matches!(refused, Err(AppendError::Rejected(Refusal::TooLarge))), "{count}: {refused:?}");
    }
    let sized = |bytes: usize| {
        let mut sized = append(stream(12), 0, None, 1);
        sized.events[0].phi = Some("p".repeat(100));
        sized.events[0].body = "b".repeat(bytes - 100);
        sized
    };
    let refused = store.append(sized(MAX_EVENT_BYTES + 1)).await;
    assert!(matches!(refused, Err(AppendError::Rejected(Refusal::TooLarge))), "{refused:?}");
    store.append(sized(MAX_EVENT_BYTES)).await.expect("at the limit");
    assert!(all(store, stream(11)).await.is_empty());
}

async fn lists_streams_in_order(store: &dyn EventStore) {
    const CATEGORY: Category = Category { name: "listed", lane: Lane::Standard };
    let listed = |tenant, id| StreamId {
        tenant: TenantId(Uuid::from_u128(tenant)),
        category: CATEGORY,
        id: Uuid::from_u128(id),
    };
    let expected = [listed(1, 5), listed(1, 9), listed(2, 1), listed(2, 7), listed(3, 3)];
    for at in [3, 0, 4, 2, 1] {
        store.append(append(expected[at], 0, None, 2)).await.expect("recorded");
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.streams(CATEGORY, after, 2).await.expect("listed");
        let Some(last) = page.last() else { break };
        after = Some((last.tenant, last.id));
        found.extend(page);
    }
    assert_eq!(found, expected);
}

async fn lets_one_of_many_win(store: &dyn EventStore, stream: StreamId) {
    let mut winners = 0;
    for version in 0..20_u64 {
        let rivals = (0..8)
            .map(|rival| store.append(append(stream, version, Some(u128::from(version) * 8 + rival), 1)));
        let mut won = 0;
        for outcome in join_all(rivals).await {
            match outcome {
                Ok(_) => won += 1,
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1, "at version {version}");
        winners += won;
    }
    assert_eq!(all(store, stream).await.len(), winners);
}
