//! What is refused, what is forgotten, and what a reader of metrics sees.

use super::{
    memory_bus, memory_store,
    rig::{Counting, Rig, Source, Watched, put},
};
use model::TenantId;
use platform::{
    clock::ManualClock,
    event_log::{Partition, Position},
    limits::{MAX_CHANGES, MAX_PANICS, MAX_PARKED, OUTBOX_KEPT, OUTBOX_KEPT_FOR_ABSENT, RELAY_PIPELINE},
    outbox::{
        Handler, Letter, Unhandled,
        inbox::{Astray, HandlerFuture},
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use testkit::{event_log::DECIDED, wait::eventually};
use uuid::Uuid;

const HERE: Partition = Partition(0);

#[tokio::test]
async fn what_is_refused_for_ever_is_parked_and_the_next_ones_turn_comes() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    rig.relay();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let handler = move |letter: &Letter| match letter.position.0 {
        2 => Err(Unhandled::Refused("no such visit")),
        3 => panic!("position three"),
        4 if counted.fetch_add(1, Ordering::SeqCst) < 2 => Err(Unhandled::NotNow),
        5 => Ok(vec![put(letter.tenant, "a".to_owned(), 1); MAX_CHANGES + 1]),
        6 => Ok(vec![put(letter.tenant, "a\0b".to_owned(), 1)]),
        7 => Ok(vec![put(letter.tenant, "a".to_owned(), 1); MAX_CHANGES]),
        position => Ok(vec![put(letter.tenant, format!("{position}"), 1)]),
    };
    let (inbox, handle) = rig.inbox_with(Source::Relay, handler);
    rig.append(9).await;
    rig.until_handled(9).await;
    let parked = handle.parked(None, 10).await.unwrap();
    let reasons: Vec<_> = parked
        .iter()
        .map(|row| {
            assert!(!row.body.contains("key"), "no bodies: {}", row.body);
            let body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
            (body["position"].as_u64().unwrap(), body["reason"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [
        (2, "no such visit"),
        (3, "the handler panicked"),
        (5, "more changes than a transaction takes"),
        (6, "rows with text that cannot be stored"),
    ];
    assert_eq!(reasons, expected.map(|(position, reason)| (position, reason.to_owned())));
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    assert_eq!(rig.count(inbox, "telehealth_inbox_parked_total"), 4);
    assert_eq!(rig.count(inbox, "telehealth_inbox_handled_total"), 5);
    assert_eq!(rig.count(inbox, "telehealth_inbox_postponed_total"), u64::from(MAX_PANICS - 1) + 2);
}

#[tokio::test]
async fn what_everybody_has_handled_is_forgotten_after_a_while_and_nothing_else() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    let clock = Arc::new(ManualClock::new(DECIDED + OUTBOX_KEPT));
    rig.clock = Arc::clone(&clock) as _;
    rig.append(9).await;
    let relay = rig.relay();
    let inbox = rig.inbox(Source::Relay);
    rig.judge().await;
    let left = async |rig: &Rig| rig.from.outbox(HERE, Position(0), 100).await.unwrap().len();
    assert_eq!(left(&rig).await, 9);
    clock.advance(Duration::from_millis(1));
    eventually("they are forgotten", async || left(&rig).await == 0).await;
    assert_eq!(rig.count(relay, "telehealth_outbox_forgotten_unread_total"), 0);
    rig.append(3).await;
    rig.judge().await;
    assert_eq!(rig.count(inbox, "telehealth_inbox_astray_partitions"), 0);
}

#[tokio::test]
async fn whoever_is_away_too_long_stands_still_until_it_was_made_anew() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    let clock = Arc::new(ManualClock::new(DECIDED + OUTBOX_KEPT_FOR_ABSENT));
    rig.clock = Arc::clone(&clock) as _;
    rig.append(9).await;
    let relay = rig.relay();
    eventually("everything is published", async || rig.published(relay) == 9).await;
    assert_eq!(rig.from.outbox(HERE, Position(0), 100).await.unwrap().len(), 9);
    clock.advance(Duration::from_millis(1));
    let forgotten = "telehealth_outbox_forgotten_unread_total";
    eventually("they are forgotten", async || rig.count(relay, forgotten) == 9).await;
    // The bus goes, too: what is younger than that comes, what is older does not.
    rig.kill_all();
    rig.bus = memory_bus();
    clock.set(DECIDED);
    rig.append(9).await;
    rig.relay();
    let counting = Counting(Arc::clone(&rig.to));
    let (inbox, handle) = rig.inbox_with(Source::Relay, counting);
    let gone = Astray::Gone { place: Position(0), oldest: Position(10) };
    eventually("it says so", async || handle.astray().get(&HERE) == Some(&gone)).await;
    assert_eq!(handle.handled(HERE).await, Ok(Position(0)), "nothing is passed over");
    assert_eq!(rig.count(inbox, "telehealth_inbox_astray_partitions"), 1);
    handle.resume(HERE, Position(9)).await.unwrap();
    rig.until_handled(18).await;
    eventually("it is well again", async || handle.astray().is_empty()).await;
}

#[tokio::test]
async fn an_inbox_of_another_outbox_says_so() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    rig.append(20).await;
    rig.relay();
    rig.inbox(Source::Relay);
    rig.judge().await;
    rig.kill_all();
    // From a backup that is older than what the inbox has handled.
    rig.from = memory_store();
    rig.append(1).await;
    let (_, handle) = rig.inbox_with(Source::Outbox, |_: &Letter| Ok(vec![]));
    eventually("it says so", async || {
        matches!(handle.astray().get(&HERE), Some(Astray::Ahead { place: Position(18), .. }))
    })
    .await;
}

#[tokio::test]
async fn what_is_not_published_shows() {
    let mut rig = Rig::new(memory_store(), memory_store(), Watched::new(memory_bus(), true));
    rig.clock = Arc::new(ManualClock::new(DECIDED + Duration::from_secs(77)));
    rig.append(10).await;
    let relay = rig.relay();
    eventually("it is seen", async || rig.count(relay, "telehealth_outbox_depth_messages") == 10).await;
    assert!(rig.count(relay, "telehealth_outbox_oldest_seconds{critical}") == 77);
    assert!(rig.count(relay, "telehealth_outbox_published_total{failed}") > 0);
    assert_eq!(rig.rows(TenantId(Uuid::nil()), "").await, []);
}

#[tokio::test]
async fn as_many_publishes_are_under_way_as_may_be() {
    let bus = Watched::new(memory_bus(), false);
    let mut rig = Rig::new(memory_store(), memory_store(), Arc::clone(&bus) as _);
    rig.append(50).await;
    // Alone, so that its lanes share one bus and only the urgent one has so many.
    let relay = rig.relay();
    eventually("everything is published", async || rig.published(relay) == 50).await;
    let most = bus.most.load(Ordering::SeqCst);
    let (one, others) = (RELAY_PIPELINE as u64, 50 / 10);
    assert!((one..=one + others).contains(&most), "{most}");
}

#[tokio::test]
async fn as_many_stay_parked_as_may_and_the_oldest_go() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    rig.relay();
    let refuse = |letter: &Letter| match letter.partition {
        HERE => Err(Unhandled::Refused("all of them")),
        _ => Ok(vec![]),
    };
    let (_, handle) = rig.inbox_with(Source::Relay, refuse);
    let positions = async || {
        let (parked, mut positions) = (handle.parked(None, MAX_PARKED + 1).await.unwrap(), vec![]);
        for row in parked {
            let body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
            positions.push(body["position"].as_u64().unwrap());
        }
        positions.sort_unstable();
        positions
    };
    let until_refused = async |count| {
        eventually("they are refused", async || handle.handled(HERE).await == Ok(Position(count))).await;
    };
    // Of ten appended, nine are here.
    rig.append(1_111).await;
    until_refused(1_000).await;
    assert_eq!(positions().await, (1..=1_000).collect::<Vec<_>>());
    rig.append(1).await;
    until_refused(1_001).await;
    assert_eq!(positions().await, (2..=1_001).collect::<Vec<_>>());
}

/// Waits for nothing the first time.
struct Stuck(AtomicU32);

impl Handler for Stuck {
    fn handle<'a>(&'a self, _: &'a Letter) -> HandlerFuture<'a> {
        Box::pin(async {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(vec![])
        })
    }
}

#[tokio::test]
async fn a_handler_that_does_not_return_is_tried_again() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    rig.relay();
    let (inbox, _) = rig.inbox_with(Source::Relay, Stuck(AtomicU32::new(0)));
    rig.append(2).await;
    rig.until_handled(2).await;
    assert_eq!(rig.count(inbox, "telehealth_inbox_postponed_total"), 1);
}
