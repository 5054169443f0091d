//! How much of its workers each lane may use while the process as a whole is behind: the lowest gives first.
//!
//! At every look at which the process was behind, the lowest lane that has more than it keeps loses half; at every
//! look at which it was not, the highest lane that lacks some gets a little back. (Additive increase, multiplicative
//! decrease, lane by lane.) The critical lane never loses any.

use super::Lane;
use crate::limits::{PARTS_GIVEN_BACK, PARTS_OF_A_LANE, STANDARD_KEEPS, STANDING_DELAY};
use std::time::Duration;

/// The shares of the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Of [`PARTS_OF_A_LANE`].
    parts: [usize; Lane::ALL.len()],
}

impl Default for Overload {
    fn default() -> Self {
        Self { parts: [PARTS_OF_A_LANE; Lane::ALL.len()] }
    }
}

impl Overload {
    /// A look: the delay that was never undercut since the look before. (A single late moment is no overload.)
    pub fn observe(&mut self, least_delay: Duration) {
        if least_delay > STANDING_DELAY { self.take() } else { self.give() }
    }

    /// How many of a lane's workers it may use.
    pub fn allowed(&self, lane: Lane, workers: usize) -> usize {
        (workers * self.parts[lane.index()]).div_ceil(PARTS_OF_A_LANE)
    }

    fn take(&mut self) {
        for (lane, keeps) in [(Lane::Batch, 0), (Lane::Standard, STANDARD_KEEPS)] {
            let parts = &mut self.parts[lane.index()];
            if *parts > keeps {
                *parts = (*parts / 2).max(keeps);
                return;
            }
        }
    }

    fn give(&mut self) {
        for parts in &mut self.parts {
            if *parts < PARTS_OF_A_LANE {
                *parts = (*parts + PARTS_GIVEN_BACK).min(PARTS_OF_A_LANE);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEHIND: Duration = Duration::from_millis(STANDING_DELAY.as_millis() as u64 + 1);

    fn shares(overload: &Overload) -> [usize; 3] {
        Lane::ALL.map(|lane| overload.allowed(lane, PARTS_OF_A_LANE))
    }

    #[test]
    fn the_limit_itself_is_no_overload_and_a_little_more_is() {
        let mut overload = Overload::default();
        overload.observe(STANDING_DELAY);
        assert_eq!(shares(&overload), [64, 64, 64]);
        overload.observe(BEHIND);
        assert_eq!(shares(&overload), [64, 64, 32]);
    }

    #[test]
    fn batch_gives_all_before_standard_gives_any_and_critical_never_does() {
        let mut overload = Overload::default();
        let mut seen = Vec::new();
        for _ in 0..12 {
            overload.observe(BEHIND);
            seen.push(shares(&overload));
        }
        let batch = [32, 16, 8, 4, 2, 1, 0].map(|parts| [64, 64, parts]);
        let standard = [32, 16, STANDARD_KEEPS, STANDARD_KEEPS, STANDARD_KEEPS].map(|parts| [64, parts, 0]);
        assert_eq!(seen, [batch.as_slice(), &standard].concat());
    }

    #[test]
    fn what_was_taken_comes_back_standard_first() {
        let mut overload = Overload::default();
        (0..20).for_each(|_| overload.observe(BEHIND));
        let mut looks = 0;
        while shares(&overload)[1] < PARTS_OF_A_LANE {
            assert_eq!(shares(&overload)[2], 0);
            overload.observe(Duration::ZERO);
            looks += 1;
        }
        while shares(&overload)[2] < PARTS_OF_A_LANE {
            overload.observe(Duration::ZERO);
            looks += 1;
        }
        assert_eq!(
            looks,
            (64 - STANDARD_KEEPS).div_ceil(PARTS_GIVEN_BACK) + 64_usize.div_ceil(PARTS_GIVEN_BACK)
        );
    }

    proptest! {
        #[test]
        fn whatever_happens_a_lower_lane_never_has_more_than_it_is_due(
            looks in prop::collection::vec(any::<bool>(), 0..200), workers in 1_usize..5_000,
        ) {
            let mut overload = Overload::default();
            for behind in looks {
                overload.observe(if behind { BEHIND } else { Duration::ZERO });
                let [critical, standard, batch] = Lane::ALL.map(|lane| overload.allowed(lane, workers));
                prop_assert_eq!(critical, workers);
                prop_assert!(standard >= 1 && standard <= workers && batch <= workers);
                // Standard has lost some only when batch has lost all, or when batch gets nothing back yet.
                prop_assert!(overload.parts[1] == PARTS_OF_A_LANE || overload.parts[2] == 0);
            }
        }
    }
}
