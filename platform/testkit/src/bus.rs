//! What every bus must do, whatever it is made of.

mod durable;
mod live;

use crate::wait::soon;
use bytes::Bytes;
use platform::{
    bus::{Bus, Consumer, ConsumerName, Delivery, Message, Pattern, Subject},
    ids,
    lane::Lane,
};

/// Runs the suite. The bus must be empty, its `ack_wait` a second or two, its clock the machine's.
///
/// # Panics
/// The bus does not conform.
pub async fn conformance(bus: &dyn Bus) {
    live::tells_whoever_listens(bus).await;
    live::keeps_nothing_for_whoever_comes_later(bus).await;
    live::tells_a_slow_listener_how_much_it_missed(bus).await;
    durable::delivers_what_was_published_before_anybody_consumed(bus).await;
    durable::gives_back_what_it_took(bus).await;
    durable::delivers_a_repeated_publish_once(bus).await;
    durable::keeps_lanes_apart(bus).await;
    durable::shares_among_one_name_and_repeats_to_another(bus).await;
    durable::keeps_a_consumers_place(bus).await;
    durable::delivers_again_what_was_given_back_or_dropped(bus).await;
    durable::parks_what_fails_every_time(bus).await;
    durable::drops_what_is_past_its_deadline(bus).await;
    durable::forgets_whom_nobody_waits_for(bus).await;
    durable::holds_back_when_too_much_is_unsettled(bus).await;
    durable::holds_its_limits(bus).await;
    live::lets_as_many_listen_as_may(bus).await;
}

/// A fresh message.
///
/// # Panics
/// The subject is none.
pub fn message(subject: &str, body: impl Into<Bytes>) -> Message {
    Message::new(ids::fresh(), Subject::new(subject).expect("a subject"), body)
}

/// A pattern.
///
/// # Panics
/// It is none.
pub fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("a pattern")
}

/// Joins a durable consumer.
///
/// # Panics
/// The bus refuses.
pub async fn consumer(bus: &dyn Bus, name: &str, lane: Lane, pattern_text: &str) -> Consumer {
    let name = ConsumerName::new(name).expect("a name");
    bus.consume(name, lane, pattern(pattern_text)).await.expect("the bus lets us consume")
}

/// The next delivery.
///
/// # Panics
/// None comes.
pub async fn next(consumer: &mut Consumer) -> Delivery {
    soon("a delivery", consumer.next()).await.expect("the bus lives")
}

/// Takes and acknowledges the next ones; their bodies.
///
/// # Panics
/// They do not come.
pub async fn bodies(consumer: &mut Consumer, count: usize) -> Vec<Bytes> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let delivery = next(consumer).await;
        bodies.push(delivery.message.body.clone());
        delivery.ack().await.expect("acknowledged");
    }
    bodies
}
