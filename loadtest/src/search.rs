//! How much a server carries and everybody is well, found by halving: health is lost once and for all on the way up.

/// The state of a search.
#[derive(Clone, Debug)]
pub struct Search {
    first: usize,
    most: usize,
    step: usize,
    healthy: usize,
    ill: usize,
}

impl Search {
    /// Begins with `first`, goes no higher than `most`, and tells numbers apart that differ by `step`.
    #[must_use]
    pub fn new(first: usize, most: usize, step: usize) -> Self {
        let step = step.max(1);
        let most = most / step * step;
        Self { first: first.min(most), most, step, healthy: 0, ill: most + step }
    }

    /// What to try next, until it is found.
    pub fn next(&self) -> Option<usize> {
        let untried = self.healthy == 0 && self.ill > self.most;
        let between = ((self.healthy + self.ill) / 2)
            .next_multiple_of(self.step)
            .min(self.ill.saturating_sub(self.step));
        (self.ill - self.healthy > self.step).then_some(if untried { self.first } else { between })
    }

    /// How it went.
    pub fn tell(&mut self, number: usize, healthy: bool) {
        *(if healthy { &mut self.healthy } else { &mut self.ill }) = number;
    }

    /// The highest number that was well.
    #[must_use]
    pub fn healthy(&self) -> usize {
        self.healthy
    }

    /// Whether something above it was tried and was not well.
    #[must_use]
    pub fn found_the_limit(&self) -> bool {
        self.ill <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_search_finds_any_limit_and_ends() {
        for limit in (0..=320).step_by(5) {
            let (mut search, mut tries) = (Search::new(80, 320, 5), 0);
            while let Some(consults) = search.next() {
                assert!(consults > 0 && consults <= 320);
                search.tell(consults, consults <= limit);
                tries += 1;
            }
            assert_eq!((search.healthy(), search.found_the_limit()), (limit, limit < 320));
            assert!(tries <= 8, "{tries} tries");
        }
    }

    proptest! {
        #[test]
        fn any_search_ends_at_the_limit(step in 1_usize..20, steps in 1_usize..50, first in 1_usize..50, limit in 0_usize..1_500) {
            let most = steps * step;
            let mut search = Search::new(first.min(steps) * step, most, step);
            for _ in 0..64 {
                let Some(number) = search.next() else { break };
                prop_assert!(number > 0 && number <= most && number % step == 0);
                search.tell(number, number <= limit);
            }
            prop_assert!(search.next().is_none());
            prop_assert_eq!(search.healthy(), limit.min(most) / step * step);
        }
    }
}
