//! Which node is best for something new.

use crate::protocol::Load;

/// A node, as far as choosing goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) slot: u16,
    /// Its stream is up, it is listed, and does not drain.
    pub(super) takes_new: bool,
    pub(super) near: bool,
    pub(super) load: Load,
}

impl Candidate {
    /// Whether something new may be placed there.
    pub(super) const fn is_fit(&self) -> bool {
        self.takes_new && !self.load.draining && self.load.sessions < self.load.capacity
    }

    /// Its sessions, in thousandths of what it takes.
    fn fullness(&self) -> u64 {
        u64::from(self.load.sessions) * 1_000 / u64::from(self.load.capacity.max(1))
    }
}

/// Near before far, then the emptiest; between equals the one that forwards least, then the one listed first.
pub(super) fn best(candidates: &[Candidate]) -> Option<u16> {
    let fit = candidates.iter().filter(|candidate| candidate.is_fit());
    fit.min_by_key(|c| (!c.near, c.fullness(), c.load.forwarded_bps.unwrap_or(0), c.slot)).map(|c| c.slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(slot: u16, near: bool, sessions: u32, capacity: u32) -> Candidate {
        let load = Load { sessions, capacity, ..Load::default() };
        Candidate { slot, takes_new: true, near, load }
    }

    #[test]
    fn the_emptiest_near_node_is_best() {
        assert_eq!(best(&[node(1, true, 50, 100), node(2, true, 40, 50), node(3, false, 0, 100)]), Some(1));
        assert_eq!(best(&[node(1, true, 50, 100), node(2, true, 49, 100)]), Some(2));
        assert_eq!(best(&[node(1, true, 0, 100), node(2, true, 0, 100)]), Some(1));
        let busy = Candidate {
            load: Load { forwarded_bps: Some(9), ..node(1, true, 0, 9).load },
            ..node(1, true, 0, 9)
        };
        assert_eq!(best(&[busy, node(2, true, 0, 9)]), Some(2), "as full, and forwards less");
    }

    #[test]
    fn full_draining_and_unreachable_nodes_get_nothing_new() {
        let full = node(1, true, 100, 100);
        let last_place = node(1, true, 99, 100);
        let mut draining = node(2, true, 0, 100);
        draining.load.draining = true;
        let unreachable = Candidate { takes_new: false, ..node(3, true, 0, 100) };
        assert_eq!(best(&[full, draining, unreachable]), None);
        assert_eq!(best(&[last_place, draining, unreachable]), Some(1));
        assert_eq!(best(&[full, node(4, false, 0, 1)]), Some(4), "far rather than nowhere");
    }
}
