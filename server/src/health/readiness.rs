//! Whether a process takes part: what its probes found, over time, and who else there is. Reads no clock.

/// Probes in a row that fail before a process counts as unwell.
const OUT_AFTER: u32 = 3;
/// Probes in a row that succeed before it counts as well again.
const BACK_AFTER: u32 = 2;

/// The state of one process.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    failures: u32,
    successes: u32,
    unwell: bool,
}

impl Readiness {
    /// All probes were made once; whether every one succeeded.
    pub(crate) fn probed(&mut self, all: bool) {
        if all {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            self.unwell &= self.successes < BACK_AFTER;
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            self.unwell |= self.failures >= OUT_AFTER;
        }
    }

    /// Whether it is what it should be: said at the first failure, before it leaves, so that of several that fail at
    /// once each knows of the others.
    pub(crate) const fn is_well(&self) -> bool {
        self.failures == 0 && !self.unwell
    }

    /// Whether people are to be sent here. One that is unwell stays while nobody who does the same is better: half a
    /// service is more than none.
    pub(crate) const fn takes_part(&self, others_are_well: bool) -> bool {
        !(self.unwell && others_are_well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(probes: &[bool]) -> Readiness {
        let mut readiness = Readiness::default();
        for all in probes {
            readiness.probed(*all);
        }
        readiness
    }

    #[test]
    fn it_leaves_after_some_failures_and_comes_back_after_some_successes() {
        let out = vec![false; OUT_AFTER as usize];
        assert!(after(&out[1..]).takes_part(true) && !after(&out).takes_part(true));
        let mut back = out;
        back.extend(vec![true; BACK_AFTER as usize - 1]);
        assert!(!after(&back).takes_part(true));
        back.push(true);
        assert!(after(&back).takes_part(true) && after(&back).is_well());
    }

    #[test]
    fn one_that_flutters_stays() {
        let flutter: Vec<_> = (0..20).map(|n| n % OUT_AFTER == 0).collect();
        assert!(after(&flutter).takes_part(true));
    }

    #[test]
    fn the_last_one_stays_and_says_early_that_it_is_unwell() {
        let out = after(&[false; 100]);
        assert!(out.takes_part(false) && !out.is_well());
        assert!(!after(&[true, false]).is_well());
    }
}
