//! The order of everything, and looks at the past.

use super::all;
use crate::event_log::{VISIT, append, stream};
use model::{TenantId, Timestamp};
use platform::{
    event_log::{
        Append, Category, Moment, Partition, Position, Snapshot, Store, StreamId, TailEvent, Version,
    },
    lane::Lane,
    limits::MAX_READ,
};
use std::collections::HashMap;
use uuid::Uuid;

const BATCH: Category = Category { name: "imported", lane: Lane::Batch };

pub(super) async fn conform(store: &dyn Store) {
    everything_has_one_place(store).await;
    the_past_is_shown_as_it_was_and_as_it_was_known(store, stream(50)).await;
    a_snapshot_is_the_newest(store, stream(51)).await;
}

async fn everything_has_one_place(store: &dyn Store) {
    let of = |tenant: u128, id| StreamId { tenant: TenantId(Uuid::from_u128(tenant)), ..stream(id) };
    for n in 0..6 {
        store.append(append(of(60 + n % 3, 600 + n), 0, None, 2)).await.expect("recorded");
    }
    store.append(append(StreamId { category: BATCH, ..stream(599) }, 0, None, 3)).await.expect("recorded");
    let mut versions: HashMap<(TenantId, String, Uuid), u64> = HashMap::new();
    for partition in store.partitions() {
        let tail = tail(store, partition).await;
        let positions: Vec<_> = tail.iter().map(|event| event.position.0).collect();
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
        assert_eq!(store.head(partition).await, Ok(Position(positions.len() as u64)));
        for found in tail {
            if found.category == BATCH.name {
                assert_eq!(store.lane(partition), Lane::Batch);
            }
            if found.category == VISIT.name {
                assert_eq!(store.lane(partition), Lane::Critical);
            }
            let version = versions.entry((found.tenant, found.category, found.stream)).or_default();
            *version += 1;
            assert_eq!(found.event.version.0, *version, "a stream is whole and in order");
        }
    }
    for n in 0..6 {
        let stream = of(60 + n % 3, 600 + n);
        let key = (stream.tenant, stream.category.name.to_owned(), stream.id);
        assert_eq!(versions.get(&key), Some(&2));
    }
}

async fn the_past_is_shown_as_it_was_and_as_it_was_known(store: &dyn Store, stream: StreamId) {
    // What is decided when, and since when it is true.
    for (version, (at, effective)) in [(100, None), (200, Some(50)), (300, Some(400))].into_iter().enumerate()
    {
        let mut append = Append { at: time(at), ..append(stream, version as u64, None, 1) };
        append.events[0].effective = effective.map(time);
        store.append(append).await.expect("recorded");
    }
    let shown = async |moment| {
        let events = store.read(stream, Version(0), MAX_READ, moment).await.expect("read");
        events.iter().map(|event| event.version.0).collect::<Vec<_>>()
    };
    assert_eq!(shown(Moment::NOW).await, [1, 2, 3]);
    assert_eq!(shown(Moment::as_of(time(49))).await, [0; 0]);
    assert_eq!(shown(Moment::as_of(time(50))).await, [2]);
    assert_eq!(shown(Moment::as_of(time(100))).await, [1, 2]);
    assert_eq!(shown(Moment::as_of(time(399))).await, [1, 2]);
    assert_eq!(shown(Moment::as_of(time(400))).await, [1, 2, 3]);
    assert_eq!(shown(Moment::known_at(time(99))).await, [0; 0]);
    assert_eq!(shown(Moment::known_at(time(100))).await, [1]);
    assert_eq!(shown(Moment::known_at(time(300))).await, [1, 2, 3]);
    assert_eq!(shown(Moment { as_of: Some(time(60)), known_at: Some(time(150)) }).await, [0; 0]);
    let effective: Vec<_> =
        all(store, stream).await.iter().map(|event| event.effective.as_millis()).collect();
    assert_eq!(effective, [100, 50, 400]);
}

async fn a_snapshot_is_the_newest(store: &dyn Store, stream: StreamId) {
    let at = |version| Snapshot {
        stream,
        version: Version(version),
        schema: 3,
        body: format!("{{\"v\":{version}}}"),
        phi: Some("{}".to_owned()),
    };
    store.save(at(1)).await.expect("of nothing");
    assert_eq!(store.snapshot(stream).await, Ok(None));
    store.append(append(stream, 0, None, 5)).await.expect("recorded");
    for (saved, kept) in [(2, 2), (4, 4), (3, 4)] {
        store.save(at(saved)).await.expect("saved");
        assert_eq!(store.snapshot(stream).await, Ok(Some(at(kept))));
    }
}

async fn tail(store: &dyn Store, partition: Partition) -> Vec<TailEvent> {
    let (mut events, mut after) = (Vec::new(), Position(0));
    loop {
        let page = store.tail(partition, after, 100).await.expect("read");
        let Some(last) = page.last() else { return events };
        after = last.position;
        events.extend(page);
    }
}

const fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}
