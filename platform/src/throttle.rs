//! Slows down who guesses: a bucket of failures per key (a source, an account) that refills with time.

use crate::limits::MAX_THROTTLED;
use model::Timestamp;
use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// Failures by key, by the generic cell rate algorithm: one timestamp per key says when its bucket will be empty again.
#[derive(Debug)]
pub struct Throttle<K> {
    per_failure: Duration,
    burst: Duration,
    empty_at: HashMap<K, Timestamp>,
}

/// Where a request comes from: an IPv6 subscriber has a /64 to choose addresses from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        })
    }
}

impl<K: Copy + Eq + Hash> Throttle<K> {
    /// So many failures at a stretch, and as many again in each `window`.
    pub fn new(failures: u32, window: Duration) -> Self {
        Self { per_failure: window / failures.max(1), burst: window, empty_at: HashMap::new() }
    }

    /// How long a key must wait before it may try again, if it must.
    pub fn must_wait(&self, key: K, now: Timestamp) -> Option<Duration> {
        let empty_at = self.empty_at.get(&key)?;
        let over = (empty_at.since(now) + self.per_failure).checked_sub(self.burst)?;
        (!over.is_zero()).then_some(over)
    }

    /// Notes a failure.
    pub fn failed(&mut self, key: K, now: Timestamp) {
        if self.empty_at.len() >= MAX_THROTTLED && !self.empty_at.contains_key(&key) {
            self.make_room(now);
        }
        let empty_at = self.empty_at.entry(key).or_insert(now);
        *empty_at = (*empty_at).max(now) + self.per_failure;
    }

    /// Forgets a key's failures: it was right.
    pub fn succeeded(&mut self, key: K) {
        self.empty_at.remove(&key);
    }

    fn make_room(&mut self, now: Timestamp) {
        self.empty_at.retain(|_, empty_at| *empty_at > now);
        if self.empty_at.len() >= MAX_THROTTLED
            && let Some(least) = self.empty_at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| *key)
        {
            self.empty_at.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn source(n: u32) -> Source {
        IpAddr::from(n.to_be_bytes()).into()
    }

    #[test]
    fn a_source_may_fail_as_often_as_it_may_and_then_waits_until_it_has_cooled() {
        let mut throttle = Throttle::new(30, Duration::from_secs(60));
        for _ in 0..30 {
            assert_eq!(throttle.must_wait(source(1), NOW), None);
            throttle.failed(source(1), NOW);
        }
        assert_eq!(throttle.must_wait(source(1), NOW), Some(Duration::from_secs(2)));
        assert_eq!(throttle.must_wait(source(2), NOW), None);
        assert_eq!(throttle.must_wait(source(1), NOW + Duration::from_secs(2)), None);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source_and_a_mapped_address_is_its_ipv4() {
        let of = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_flood_does_not_free_the_one_who_guesses_most() {
        let mut throttle = Throttle::new(30, Duration::from_secs(60));
        for _ in 0..30 {
            throttle.failed(source(1), NOW);
        }
        for n in 0..MAX_THROTTLED as u32 + 1 {
            throttle.failed(source(100 + n), NOW);
        }
        assert_eq!(throttle.empty_at.len(), MAX_THROTTLED);
        assert!(throttle.must_wait(source(1), NOW).is_some());
    }
}
