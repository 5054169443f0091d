use super::*;
use crate::{
    bus::Subject,
    limits::{MAX_DEDUPE_IDS, MAX_IN_FLIGHT},
};

fn message(n: usize) -> Message {
    Message::new(Uuid::from_u128(n as u128), Subject::new("a.b").unwrap(), vec![0; 10])
}

fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).unwrap()
}

fn lane(lane_messages: usize, lane_bytes: usize) -> LaneStore {
    LaneStore::new(Config { lane_messages, lane_bytes, ..Config::default() })
}

fn with_consumer(mut store: LaneStore) -> LaneStore {
    store.join(&name("c"), Pattern::new(">").unwrap()).unwrap();
    store
}

fn taken(store: &mut LaneStore, now: Instant) -> Option<(u64, u32)> {
    match store.take(&name("c"), now) {
        Taken::Message { sequence, attempt, .. } => Some((sequence, attempt)),
        _ => None,
    }
}

#[tokio::test]
async fn a_lane_full_of_wanted_messages_refuses_more_until_one_is_handled() {
    let now = Instant::now();
    for mut store in [with_consumer(lane(3, usize::MAX)), with_consumer(lane(usize::MAX, 30))] {
        for n in 0..3 {
            store.publish(message(n), now).unwrap();
        }
        assert!(matches!(store.publish(message(3), now), Err(BusError::Unavailable)));
        let (sequence, attempt) = taken(&mut store, now).unwrap();
        store.settle(&name("c"), sequence, attempt, Settle::Done, now);
        assert_eq!(store.publish(message(3), now).unwrap(), Published::New, "a refusal is not remembered");
    }
}

#[tokio::test]
async fn what_nobody_wants_makes_room_and_is_there_for_whoever_comes() {
    let now = Instant::now();
    let mut store = lane(3, usize::MAX);
    for n in 0..10 {
        store.publish(message(n), now).unwrap();
    }
    let mut store = with_consumer(store);
    let seen: Vec<_> = std::iter::from_fn(|| taken(&mut store, now)).collect();
    assert_eq!(seen, [(8, 1), (9, 1), (10, 1)]);
}

#[tokio::test]
async fn as_many_are_in_flight_as_may_be_and_not_one_more() {
    let now = Instant::now();
    let mut store = with_consumer(lane(usize::MAX, usize::MAX));
    for n in 0..=MAX_IN_FLIGHT {
        store.publish(message(n), now).unwrap();
    }
    let held: Vec<_> = std::iter::from_fn(|| taken(&mut store, now)).collect();
    assert_eq!(held.len(), MAX_IN_FLIGHT);
    store.settle(&name("c"), held[0].0, 1, Settle::Done, now);
    assert!(taken(&mut store, now).is_some());
    assert!(taken(&mut store, now).is_none());
    // Unsettled ones come again although the window is full: they are in it already.
    assert_eq!(taken(&mut store, now + Config::default().ack_wait), Some((held[1].0, 2)));
}

#[tokio::test]
async fn a_late_word_about_an_earlier_attempt_does_not_disturb_the_next() {
    let now = Instant::now();
    let mut store = with_consumer(lane(usize::MAX, usize::MAX));
    store.publish(message(1), now).unwrap();
    assert_eq!(taken(&mut store, now), Some((1, 1)));
    let later = now + Config::default().ack_wait;
    assert_eq!(taken(&mut store, later), Some((1, 2)));
    store.settle(&name("c"), 1, 1, Settle::Retry(Duration::ZERO), later);
    assert_eq!(taken(&mut store, later), None, "attempt 2 is still being handled");
    store.settle(&name("c"), 1, 1, Settle::Done, later);
    assert_eq!(taken(&mut store, later), None);
}

#[tokio::test]
async fn ids_are_remembered_for_the_window_and_in_bounds() {
    let now = Instant::now();
    let mut store = lane(usize::MAX, usize::MAX);
    store.publish(message(0), now).unwrap();
    assert_eq!(store.publish(message(0), now).unwrap(), Published::Repeated);
    assert_eq!(store.publish(message(0), now + DEDUPE_WINDOW).unwrap(), Published::New);
    for n in 0..MAX_DEDUPE_IDS * 2 {
        store.publish(message(n), now).unwrap();
    }
    assert!(store.seen.len() <= MAX_DEDUPE_IDS && store.seen.len() == store.seen_in_order.len());
}

#[tokio::test]
async fn the_newest_parked_messages_are_kept() {
    let now = Instant::now();
    let mut store = with_consumer(lane(usize::MAX, usize::MAX));
    for n in 0..=MAX_PARKED {
        store.publish(message(n), now).unwrap();
        let (sequence, attempt) = taken(&mut store, now).unwrap();
        store.settle(&name("c"), sequence, attempt, Settle::Park(message(n)), now);
    }
    assert_eq!(store.parked(), MAX_PARKED as u64);
    assert_eq!(store.parked.front().unwrap().1.id, Uuid::from_u128(1));
}

#[tokio::test]
async fn consumers_are_as_many_as_they_may_be() {
    let mut store = lane(1, 1);
    let pattern = Pattern::new(">").unwrap();
    for n in 0..MAX_CONSUMERS {
        store.join(&name(&format!("c{n}")), pattern.clone()).unwrap();
    }
    assert!(matches!(store.join(&name("more"), pattern.clone()), Err(BusError::TooMany)));
    store.join(&name("c0"), pattern).unwrap();
    let other = store.join(&name("c0"), Pattern::new("a").unwrap());
    assert!(matches!(other, Err(BusError::Mismatch { .. })));
}
