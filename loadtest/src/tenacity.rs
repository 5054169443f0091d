//! What somebody does whose connection is lost: when they come back, how often they try, when they give up. As the
//! browser's pages do (`web/protocol`).

use crate::random::Random;
use model::ParticipantId;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Whoever is not back by then has lost the call, or their place.
pub const GIVE_UP: Duration = Duration::from_secs(10);

/// A socket that has not opened and welcomed us by then is given up, and another one tried.
pub const OPEN_WITHIN: Duration = Duration::from_secs(8);

/// The first pause, of which half is left to chance; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// No pause is longer, however many there were.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Who is told how long each return took.
#[derive(Clone)]
pub struct Tell(Arc<dyn Fn(Duration) + Send + Sync>);

impl Tell {
    /// Tells this.
    pub fn new(tell: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, took: Duration) {
        (self.0)(took);
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tell").finish_non_exhaustive()
    }
}

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Gone {
    /// By a close frame: its code and reason.
    Closed(u16, String),
    /// Without one.
    Broken(String),
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code, reason) => write!(f, "closed {code}: {reason}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Gone {}

/// Whether coming back would not help: anything but a connection that broke, or that a server closed which goes away,
/// restarts or has too much to do.
#[must_use]
pub fn is_over(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Gone>() {
        Some(Gone::Broken(_)) => false,
        Some(Gone::Closed(code, _)) => !matches!(code, 1001 | 1012 | 1013),
        None => true,
    }
}

/// The pause before the n-th try, counted from 1.
#[must_use]
pub fn pause(attempt: u32, who: ParticipantId) -> Duration {
    let grown = FIRST_PAUSE.mul_f64(1.5_f64.powi(attempt.saturating_sub(1).min(30).cast_signed()));
    let pause = grown.min(LONGEST_PAUSE);
    let (high, low) = who.0.as_u64_pair();
    pause / 2 + (pause / 2).mul_f64(Random::new(high ^ low ^ u64::from(attempt)).unit())
}

/// A connection that was lost, and what was tried since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) since: Instant,
    /// When to try next.
    pub(crate) next: Instant,
    attempts: u32,
}

impl Lost {
    pub(crate) fn new(since: Instant, who: ParticipantId) -> Self {
        Self { since, next: since + pause(1, who), attempts: 1 }
    }

    /// That did not work.
    pub(crate) fn again(&mut self, now: Instant, who: ParticipantId) {
        self.attempts += 1;
        self.next = now + pause(self.attempts, who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_may_pass_is_come_back_from() {
        let closed = |code| anyhow::Error::new(Gone::Closed(code, String::new()));
        for code in [1001, 1012, 1013] {
            assert!(!is_over(&closed(code)), "{code}");
        }
        for code in [1000, 1008, 1011, 4401, 4403, 4404, 4409, 4429] {
            assert!(is_over(&closed(code)), "{code}");
        }
        assert!(!is_over(&Gone::Broken("reset".into()).into()));
        assert!(is_over(&anyhow::anyhow!("refused")));
    }

    proptest! {
        #[test]
        fn pauses_grow_to_a_bound(who: u128, attempt: u32) {
            let who = ParticipantId(uuid::Uuid::from_u128(who));
            let first = pause(1, who);
            prop_assert!((FIRST_PAUSE / 2..=FIRST_PAUSE).contains(&first));
            prop_assert!((FIRST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause(attempt, who)));
            prop_assert!(pause(30, who) >= LONGEST_PAUSE / 2);
        }
    }
}
