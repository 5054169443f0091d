//! How often somebody may ask: so many requests a second, and as many at a stretch. By the generic cell rate algorithm, one
//! timestamp for each who asked lately.

use crate::limits::MAX_RATED;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use std::{collections::HashMap, hash::Hash, time::Duration};

/// What is left (draft-ietf-httpapi-ratelimit-headers).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What there is (the same draft).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Requests of each, within a window.
#[derive(Debug)]
pub struct Rates<K> {
    name: &'static str,
    quota: u32,
    window: Duration,
    /// Microseconds: by when all that was asked is paid for.
    paid_at: HashMap<K, i64>,
}

/// What is left of a quota after a request that was let through, or before one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    name: &'static str,
    quota: u32,
    window: Duration,
    /// Requests that could be asked at once.
    pub remaining: u32,
    /// Until all of the quota is there again.
    pub full_in: Duration,
    /// How long to wait, if it was not let through.
    pub wait: Option<Duration>,
}

impl<K: Eq + Hash> Rates<K> {
    /// At most `quota` requests at a stretch, and as many in each `window`. The name stands in headers: `a-z` and `-`.
    #[must_use]
    pub fn new(name: &'static str, quota: u32, window: Duration) -> Self {
        Self { name, quota: quota.max(1), window, paid_at: HashMap::new() }
    }

    /// Takes one request, unless there is none left.
    pub fn take(&mut self, key: K, now: Timestamp) -> Left {
        let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX / 4);
        let each = (window / i64::from(self.quota)).max(1);
        let now = now.as_millis().saturating_mul(1_000);
        if self.paid_at.len() >= MAX_RATED && !self.paid_at.contains_key(&key) {
            self.make_room(now);
        }
        let paid_at = self.paid_at.entry(key).or_insert(now);
        // A clock that was set back must not lock anybody out for longer than a window.
        let from = (*paid_at).clamp(now, now.saturating_add(window));
        let next = from.saturating_add(each);
        let over = next.saturating_sub(now).saturating_sub(window);
        let wait = (over > 0).then(|| Duration::from_micros(over.unsigned_abs()));
        *paid_at = if wait.is_none() { next } else { from };
        let debt = if wait.is_none() { next } else { from } - now;
        Left {
            name: self.name,
            quota: self.quota,
            window: self.window,
            remaining: u32::try_from((window - debt).max(0) / each).unwrap_or(self.quota).min(self.quota),
            full_in: Duration::from_micros(debt.unsigned_abs()),
            wait,
        }
    }

    /// Forgets those whose quota is full again, or all: nobody may fill the memory by being many.
    fn make_room(&mut self, now: i64) {
        self.paid_at.retain(|_, paid_at| *paid_at > now);
        if self.paid_at.len() >= MAX_RATED {
            self.paid_at.clear();
        }
    }
}

/// Says in an answer what is left of each quota that the request was taken from.
pub fn say(headers: &mut HeaderMap, all: &[Left]) {
    let whole = |duration: Duration| duration.as_millis().div_ceil(1_000);
    let left = |one: &Left| format!("\"{}\";r={};t={}", one.name, one.remaining, whole(one.full_in));
    let policy = |one: &Left| format!("\"{}\";q={};w={}", one.name, one.quota, whole(one.window).max(1));
    for (name, text) in [
        (RATE_LIMIT, all.iter().map(left).collect::<Vec<_>>().join(", ")),
        (RATE_LIMIT_POLICY, all.iter().map(policy).collect::<Vec<_>>().join(", ")),
    ] {
        if let Ok(text) = HeaderValue::try_from(text) {
            headers.insert(name, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_quota_is_used_up_and_comes_back_evenly() {
        let mut rates = Rates::new("person", 10, SECOND);
        for left in (0..10).rev() {
            let taken = rates.take(1, NOW);
            assert_eq!((taken.remaining, taken.wait), (left, None));
        }
        let refused = rates.take(1, NOW);
        assert_eq!((refused.remaining, refused.wait), (0, Some(Duration::from_millis(100))));
        assert_eq!(rates.take(2, NOW).wait, None, "somebody else has their own");
        assert_eq!(rates.take(1, NOW + Duration::from_millis(99)).wait, Some(Duration::from_millis(1)));
        assert_eq!(rates.take(1, NOW + Duration::from_millis(100)).wait, None);
        assert_eq!(rates.take(1, NOW + SECOND * 5).remaining, 9);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut rates = Rates::new("person", 10, SECOND);
        rates.take(1, NOW + Duration::from_secs(3_600));
        assert_eq!(rates.take(1, NOW + SECOND).wait, Some(Duration::from_millis(100)));
        assert_eq!(rates.take(1, NOW + SECOND * 3).wait, None, "{rates:?}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut rates = Rates::new("person", 10, SECOND);
        for n in 0..=MAX_RATED {
            rates.take(n, NOW);
        }
        assert!(rates.paid_at.len() <= MAX_RATED);
        assert!(rates.paid_at.contains_key(&MAX_RATED), "the newest is counted");
    }

    #[test]
    fn the_headers_are_those_of_the_draft() {
        let mut headers = HeaderMap::new();
        let (mut person, mut unit) = (Rates::new("person", 50, SECOND), Rates::new("unit", 500, SECOND));
        say(&mut headers, &[person.take(1, NOW), unit.take(1, NOW)]);
        assert_eq!(headers[RATE_LIMIT], "\"person\";r=49;t=1, \"unit\";r=499;t=1");
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"person\";q=50;w=1, \"unit\";q=500;w=1");
    }
}
