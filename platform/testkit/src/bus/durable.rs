//! `publish` and `consume`.

use super::{bodies, consumer, message, next};
use crate::wait::eventually;
use model::Timestamp;
use platform::{
    bus::{Bus, BusError, Consumer},
    clock::{Clock as _, SystemClock},
    lane::{Lane, deadline},
    limits::{MAX_DELIVERIES, MAX_IN_FLIGHT, MAX_MESSAGE_BYTES},
    trace,
};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

/// How long nothing must come for us to believe that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);

async fn publish(bus: &dyn Bus, lane: Lane, subject: &str, body: &'static str) {
    bus.publish(lane, message(subject, body)).await.expect("published");
}

async fn is_silent(consumer: &mut Consumer) -> bool {
    timeout(SILENCE, consumer.next()).await.is_err()
}

pub(super) async fn delivers_what_was_published_before_anybody_consumed(bus: &dyn Bus) {
    for body in ["1", "2", "3"] {
        publish(bus, Lane::Critical, "before.a", body).await;
    }
    let mut late = consumer(bus, "before", Lane::Critical, "before.>").await;
    assert_eq!(bodies(&mut late, 3).await, ["1", "2", "3"]);
    let incarnation = bus.incarnation(Lane::Critical);
    assert!(incarnation.borrow().is_some(), "what was published into is known");
}

pub(super) async fn gives_back_what_it_took(bus: &dyn Bus) {
    let mut given = message("whole.a-b_c.1", vec![0, 255, b'\r', b'\n']);
    given.deadline = Some(Timestamp::from_millis(i64::MAX));
    given.headers.insert("colour", "blue").expect("a header");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
    given = trace::in_scope(trace, || given.with_trace());
    bus.publish(Lane::Standard, given.clone()).await.expect("published");
    let delivery = next(&mut consumer(bus, "whole", Lane::Standard, "whole.>").await).await;
    assert_eq!((&delivery.message, delivery.attempt), (&given, 1));
    assert!(trace.is_some() && delivery.message.trace() == trace, "its trace");
    delivery.ack().await.expect("acknowledged");
}

pub(super) async fn delivers_a_repeated_publish_once(bus: &dyn Bus) {
    let repeated = message("once.a", "1");
    for _ in 0..3 {
        bus.publish(Lane::Standard, repeated.clone()).await.expect("published");
    }
    publish(bus, Lane::Standard, "once.a", "2").await;
    let mut consumer = consumer(bus, "once", Lane::Standard, "once.a").await;
    assert_eq!(bodies(&mut consumer, 2).await, ["1", "2"]);
}

pub(super) async fn keeps_lanes_apart(bus: &dyn Bus) {
    for lane in Lane::ALL {
        publish(bus, lane, "apart.a", lane.as_str()).await;
    }
    for lane in Lane::ALL {
        let mut consumer = consumer(bus, "apart", lane, "apart.*").await;
        assert_eq!(bodies(&mut consumer, 1).await, [lane.as_str()]);
        assert!(is_silent(&mut consumer).await);
    }
}

pub(super) async fn shares_among_one_name_and_repeats_to_another(bus: &dyn Bus) {
    let mut workers = Vec::new();
    for name in ["share-a", "share-a", "share-b"] {
        workers.push(consumer(bus, name, Lane::Standard, "share.>").await);
    }
    for body in ["1", "2", "3", "4"] {
        publish(bus, Lane::Standard, "share.x", body).await;
    }
    assert_eq!(bodies(&mut workers[2], 4).await, ["1", "2", "3", "4"]);
    let mut seen = Vec::new();
    while seen.len() < 4 {
        for worker in &mut workers[..2] {
            if let Ok(Some(delivery)) = timeout(SILENCE, worker.next()).await {
                seen.push(delivery.message.body.clone());
                delivery.ack().await.expect("acknowledged");
            }
        }
    }
    seen.sort();
    assert_eq!(seen, ["1", "2", "3", "4"], "each once, to one of the two");
}

pub(super) async fn keeps_a_consumers_place(bus: &dyn Bus) {
    for body in ["1", "2", "3"] {
        publish(bus, Lane::Batch, "place.a", body).await;
    }
    let mut first = consumer(bus, "place", Lane::Batch, "place.a").await;
    assert_eq!(bodies(&mut first, 1).await, ["1"]);
    drop(first);
    let mut again = consumer(bus, "place", Lane::Batch, "place.a").await;
    let rest: BTreeSet<_> = bodies(&mut again, 2).await.into_iter().collect();
    assert_eq!(rest, BTreeSet::from(["2".into(), "3".into()]));
}

pub(super) async fn delivers_again_what_was_given_back_or_dropped(bus: &dyn Bus) {
    publish(bus, Lane::Critical, "again.a", "1").await;
    let mut consumer = consumer(bus, "again", Lane::Critical, "again.a").await;
    next(&mut consumer).await.retry_after(Duration::from_millis(50)).await.expect("given back");
    let second = next(&mut consumer).await;
    assert_eq!(second.attempt, 2);
    drop(second);
    let third = next(&mut consumer).await;
    assert_eq!((third.attempt, &third.message.body[..]), (3, &b"1"[..]));
    third.ack().await.expect("acknowledged");
    assert!(is_silent(&mut consumer).await);
}

pub(super) async fn parks_what_fails_every_time(bus: &dyn Bus) {
    let before = bus.parked(Lane::Critical).await.expect("counted");
    publish(bus, Lane::Critical, "poison.a", "1").await;
    let mut consumer = consumer(bus, "poison", Lane::Critical, "poison.a").await;
    for attempt in 1..=MAX_DELIVERIES {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.attempt, attempt);
        delivery.retry_after(Duration::ZERO).await.expect("given back");
    }
    eventually("it is parked", async || bus.parked(Lane::Critical).await.is_ok_and(|now| now == before + 1))
        .await;
    publish(bus, Lane::Critical, "poison.a", "2").await;
    assert_eq!(bodies(&mut consumer, 1).await, ["2"], "the next has its turn");
}

pub(super) async fn drops_what_is_past_its_deadline(bus: &dyn Bus) {
    let mut stale = message("stale.a", "1");
    stale.deadline = Some(Timestamp::from_millis(1));
    bus.publish(Lane::Batch, stale).await.expect("published");
    publish(bus, Lane::Batch, "stale.a", "2").await;
    let mut consumer = consumer(bus, "stale", Lane::Batch, "stale.a").await;
    assert_eq!(bodies(&mut consumer, 1).await, ["2"]);
}

/// Who published is waited for no longer: it is not put in, and what was put in before is not delivered any more.
pub(super) async fn forgets_whom_nobody_waits_for(bus: &dyn Bus) {
    let soon = tokio::time::Instant::now() + Duration::from_millis(50);
    deadline::scope(soon, async {
        let message = message("asked.a", "in time").with_deadline(SystemClock.now());
        bus.publish(Lane::Standard, message).await.expect("published");
        tokio::time::sleep_until(soon).await;
        let late = bus.publish(Lane::Standard, super::message("asked.a", "late")).await;
        assert!(matches!(late, Err(BusError::Unavailable)), "{late:?}");
    })
    .await;
    publish(bus, Lane::Standard, "asked.a", "without").await;
    let mut consumer = consumer(bus, "asked", Lane::Standard, "asked.>").await;
    assert_eq!(bodies(&mut consumer, 1).await, ["without"]);
    assert!(is_silent(&mut consumer).await);
}

pub(super) async fn holds_back_when_too_much_is_unsettled(bus: &dyn Bus) {
    for _ in 0..=MAX_IN_FLIGHT {
        publish(bus, Lane::Batch, "flight.a", "").await;
    }
    let mut consumer = consumer(bus, "flight", Lane::Batch, "flight.a").await;
    let mut held = Vec::new();
    for _ in 0..MAX_IN_FLIGHT {
        held.push(next(&mut consumer).await);
    }
    assert!(is_silent(&mut consumer).await, "one more than may be unsettled");
    for delivery in held {
        delivery.ack().await.expect("acknowledged");
    }
    assert_eq!(next(&mut consumer).await.attempt, 1);
}

pub(super) async fn holds_its_limits(bus: &dyn Bus) {
    let sized = |len| message("limits.a", vec![7; len]);
    bus.publish(Lane::Batch, sized(MAX_MESSAGE_BYTES)).await.expect("as large as may be");
    bus.tell(sized(MAX_MESSAGE_BYTES)).await.expect("as large as may be");
    let refused =
        [bus.publish(Lane::Batch, sized(MAX_MESSAGE_BYTES + 1)), bus.tell(sized(MAX_MESSAGE_BYTES + 1))];
    for refused in refused {
        assert!(matches!(refused.await, Err(BusError::TooLarge)));
    }
    let mut consumer = consumer(bus, "limits", Lane::Batch, "limits.a").await;
    assert_eq!(bodies(&mut consumer, 1).await[0].len(), MAX_MESSAGE_BYTES);
}
