//! Visits that are over. The newest stay in memory: for the closing page, for the end of the queue and for
//! the estimate of the wait. The log keeps them all.

use super::{Output, Owner, Stream};
use crate::{limits, visit::Phase};
use model::VisitId;

impl Owner {
    /// After an event of `id`: when it is over, the oldest visits beyond the bound are forgotten.
    pub(super) fn forget_the_past(&mut self, id: VisitId) {
        let Some(Phase::Ended { at, .. }) = self.visits.get(&id).map(|visit| visit.phase()) else { return };
        self.ended.insert((*at, id));
        let beyond = self.ended.len().saturating_sub(limits::MAX_ENDED_VISITS);
        // One with commands in line is forgotten when the next visit ends.
        let idle = |id: &VisitId| !self.lanes.contains_key(&Stream::Visit(*id));
        let oldest: Vec<_> = self.ended.iter().take(beyond).copied().filter(|(_, id)| idle(id)).collect();
        for (at, id) in oldest {
            self.ended.remove(&(at, id));
            self.forget_visit(id);
        }
    }

    fn forget_visit(&mut self, id: VisitId) {
        let booked = self.visits.remove(&id).and_then(|visit| visit.booked().cloned());
        self.invitations.retain(|_, visit| *visit != id);
        if let Some(booked) = booked {
            self.links.remove(&booked.link);
            self.outputs.push_back(Output::Unlink { hash: booked.link });
        }
    }
}
