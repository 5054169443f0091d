//! `tell` and `listen`.

use super::{message, pattern};
use crate::wait::{eventually, soon};
use platform::{
    bus::{Bus, BusError, Heard, Listener},
    limits::{MAX_HEARD, MAX_LISTENERS},
};

async fn heard(listener: &mut Listener) -> Heard {
    soon("to hear something", listener.next()).await.expect("the bus lives")
}

pub(super) async fn tells_whoever_listens(bus: &dyn Bus) {
    let mut one = bus.listen(pattern("live.*.a")).await.expect("listening");
    let mut all = bus.listen(pattern("live.>")).await.expect("listening");
    let messages = [message("live.x.a", "1"), message("live.x.b", "2"), message("live.y.a", "3")];
    for message in &messages {
        bus.tell(message.clone()).await.expect("told");
    }
    for message in &messages {
        assert_eq!(heard(&mut all).await, Heard::Message(message.clone()));
    }
    for message in [&messages[0], &messages[2]] {
        assert_eq!(heard(&mut one).await, Heard::Message(message.clone()));
    }
}

pub(super) async fn keeps_nothing_for_whoever_comes_later(bus: &dyn Bus) {
    bus.tell(message("later.a", "before")).await.expect("told");
    let mut listener = bus.listen(pattern("later.a")).await.expect("listening");
    let after = message("later.a", "after");
    bus.tell(after.clone()).await.expect("told");
    assert_eq!(heard(&mut listener).await, Heard::Message(after));
}

/// However many it misses: what it hears and what it is told it missed add up, and the newest is there.
pub(super) async fn tells_a_slow_listener_how_much_it_missed(bus: &dyn Bus) {
    let told = MAX_HEARD * 2;
    let mut slow = bus.listen(pattern("slow.a")).await.expect("listening");
    let mut fast = bus.listen(pattern("slow.a")).await.expect("listening");
    for n in 0..told {
        bus.tell(message("slow.a", n.to_string())).await.expect("told");
        // One that keeps up, so that the slow one is behind by its own doing alone.
        assert!(matches!(heard(&mut fast).await, Heard::Message(_)));
    }
    let (mut missed, mut heard_count) = (0, 0);
    loop {
        match heard(&mut slow).await {
            Heard::Missed(count) => missed += count,
            Heard::Message(message) => {
                heard_count += 1;
                if message.body == (told - 1).to_string() {
                    break;
                }
            }
        }
    }
    assert_eq!(missed + heard_count, told as u64);
    assert!((1..=MAX_HEARD as u64).contains(&heard_count), "{heard_count} were kept");
}

/// Last: by now those that listened before have been forgotten.
pub(super) async fn lets_as_many_listen_as_may(bus: &dyn Bus) {
    let mut listeners = Vec::new();
    for _ in 0..MAX_LISTENERS {
        listeners.push(bus.listen(pattern("many.a")).await.expect("listening"));
    }
    assert!(matches!(bus.listen(pattern("many.a")).await, Err(BusError::TooMany)));
    drop(listeners);
    eventually("there is room again", async || bus.listen(pattern("many.a")).await.is_ok()).await;
}
