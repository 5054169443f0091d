//! Wall-clock time that does not jump.
//!
//! What counts in a waiting room is how much time has passed: since somebody came, until a pause is over, until a seat is
//! given up. An operator or NTP may set the machine's clock forward or back by an hour, and then nobody has waited an
//! hour longer, and no pause has become one. So time goes on as the monotonic clock does, and is drawn towards the
//! machine's clock slowly.

use super::Clock;
use crate::limits::{CLOCK_DRAWN_BY, CLOCK_JUMP};
use model::Timestamp;
use parking_lot::Mutex;
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// The rule. Pure: both clocks are arguments.
#[derive(Debug)]
pub struct Steady {
    /// What the monotonic clock said last, and what was answered then, nanoseconds since the epoch.
    last: Duration,
    shown: i128,
    jumped: bool,
}

/// The machine's clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// By so many milliseconds, backwards if negative.
    pub by_ms: i64,
}

impl Steady {
    /// Right now, the machine's clock is believed.
    #[must_use]
    pub const fn new(monotonic: Duration, wall: Duration) -> Self {
        Self { last: monotonic, shown: wall.as_nanos().cast_signed(), jumped: false }
    }

    /// What time it is, when the monotonic clock (from any beginning) and the machine's (since the epoch) say this; and
    /// whether that was set since the last look. Never earlier than what was answered before.
    pub fn now(&mut self, monotonic: Duration, wall: Duration) -> (Timestamp, Option<Jump>) {
        let passed = monotonic.saturating_sub(self.last).as_nanos().cast_signed();
        self.last = self.last.max(monotonic);
        let behind = wall.as_nanos().cast_signed() - (self.shown + passed);
        let drawn = passed / i128::from(CLOCK_DRAWN_BY);
        self.shown += passed + behind.clamp(-drawn, drawn);
        let far = behind.unsigned_abs() > CLOCK_JUMP.as_nanos();
        let news = far && !self.jumped;
        self.jumped = far;
        let in_ms = |nanos: i128| i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX);
        (Timestamp::from_millis(in_ms(self.shown)), news.then(|| Jump { by_ms: in_ms(behind) }))
    }
}

/// Another clock, without its jumps. Made once in a process.
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    began: Instant,
    steady: Mutex<Steady>,
}

impl SteadyClock {
    /// Begins with what the other one says.
    #[must_use]
    pub fn new(wall: Arc<dyn Clock>) -> Self {
        let steady = Mutex::new(Steady::new(Duration::ZERO, since_epoch(wall.now())));
        Self { wall, began: Instant::now(), steady }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (now, jump) = self.steady.lock().now(self.began.elapsed(), since_epoch(self.wall.now()));
        if let Some(Jump { by_ms }) = jump {
            tracing::warn!(by_ms, "The machine's clock was set; waiting rooms follow it slowly");
        }
        now
    }
}

impl fmt::Debug for SteadyClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SteadyClock").finish_non_exhaustive()
    }
}

fn since_epoch(at: Timestamp) -> Duration {
    at.since(Timestamp::from_millis(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use proptest::prelude::*;

    const WALL: Duration = Duration::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn ms(duration: Duration) -> i64 {
        duration.as_millis() as i64
    }

    #[test]
    fn a_clock_that_is_set_is_followed_slowly_and_said_once() {
        for (set, by_ms) in [(WALL + HOUR, ms(HOUR)), (WALL - HOUR, -ms(HOUR))] {
            let mut steady = Steady::new(Duration::ZERO, WALL);
            let second = Duration::from_secs(1);
            let (now, jump) = steady.now(second, set + second);
            assert_eq!(jump, Some(Jump { by_ms }));
            assert!((now.as_millis() - ms(WALL + second)).abs() <= 100, "{now}");
            assert_eq!(steady.now(2 * second, set + 2 * second).1, None);
            // A tenth of the time is what it takes.
            let later = HOUR * (CLOCK_DRAWN_BY + 1);
            let (now, _) = steady.now(later, set + later);
            assert_eq!(now.as_millis(), ms(set + later));
        }
    }

    #[test]
    fn what_is_less_than_a_jump_is_not_said() {
        let mut steady = Steady::new(Duration::ZERO, WALL);
        assert_eq!(steady.now(Duration::ZERO, WALL + CLOCK_JUMP).1, None);
        assert!(steady.now(Duration::ZERO, WALL + CLOCK_JUMP + Duration::from_nanos(1)).1.is_some());
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_keeps_its_pace(
            looks in prop::collection::vec((0u64..100_000, 0u64..u64::MAX / 2), 1..50),
        ) {
            let mut steady = Steady::new(Duration::ZERO, WALL);
            let (mut passed, mut before) = (0, ms(WALL));
            for (step, wall) in looks {
                passed += step;
                let (now, _) = steady.now(Duration::from_millis(passed), Duration::from_nanos(wall));
                let went = now.as_millis() - before;
                let most = (step + step / u64::from(CLOCK_DRAWN_BY)) as i64 + 1;
                prop_assert!((0..=most).contains(&went), "{went} ms in {step} ms");
                before = now.as_millis();
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_not_followed_back() {
        let wall = Arc::new(ManualClock::new(Timestamp::from_millis(ms(WALL))));
        let steady = SteadyClock::new(Arc::clone(&wall) as Arc<_>);
        let before = steady.now();
        wall.set(Timestamp::from_millis(ms(WALL - HOUR)));
        assert!(steady.now() >= before);
    }
}
