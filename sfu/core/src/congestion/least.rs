//! The least value of late: a path's delay without what queues on it.

/// How long a value counts, at least; at most twice as long.
const WINDOW_US: i64 = 10_000_000;

/// The least of the values of the last 10 to 20 seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    since_us: i64,
    current: i64,
    previous: i64,
}

impl Least {
    pub(super) const fn new(value: i64, now_us: i64) -> Self {
        Self { since_us: now_us, current: value, previous: value }
    }

    pub(super) fn add(&mut self, value: i64, now_us: i64) {
        let elapsed = now_us.saturating_sub(self.since_us);
        if elapsed >= WINDOW_US {
            let previous = if elapsed < 2 * WINDOW_US { self.current } else { value };
            *self = Self { since_us: now_us, current: value, previous };
        }
        self.current = self.current.min(value);
    }

    pub(super) fn get(&self) -> i64 {
        self.current.min(self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_least_is_forgotten_in_time() {
        let mut least = Least::new(50, 0);
        let mut at = |second: i64, value| {
            least.add(value, second * 1_000_000);
            least.get()
        };
        assert_eq!((at(1, 40), at(9, 70), at(10, 60), at(19, 80)), (40, 40, 40, 40));
        assert_eq!((at(20, 90), at(30, 90), at(60, 95)), (60, 90, 95));
    }
}
