//! Connections, counted by the lane of their newest request, so that those of one lane do not use up another's.

use parking_lot::Mutex;
use platform::lane::Lane;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections that a lane may have.
pub(super) struct Seats(Arc<Semaphore>);

impl Seats {
    pub(super) fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections)))
    }
}

/// Where a connection sits. The listener puts it among the extensions of every request.
#[derive(Clone, Debug, Default)]
pub struct Seat(Arc<Mutex<Option<(Lane, OwnedSemaphorePermit)>>>);

impl Seat {
    /// Sits down in a lane, unless all of its seats are taken. The lane that it leaves has one more.
    pub(super) fn take(&self, lane: Lane, seats: &Seats) -> bool {
        let mut seat = self.0.lock();
        if seat.as_ref().is_some_and(|(taken, _)| *taken == lane) {
            return true;
        }
        let taken = Arc::clone(&seats.0).try_acquire_owned().ok();
        let has_one = taken.is_some();
        *seat = taken.map(|permit| (lane, permit));
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_so_many_connections_and_no_more_and_other_lanes_do_not_count() {
        let (batch, critical) = (Seats::new(2), Seats::new(1));
        let connections: [Seat; 3] = Default::default();
        assert!(connections[0].take(Lane::Batch, &batch));
        // A second request, or another stream, of the same connection.
        assert!(connections[0].clone().take(Lane::Batch, &batch));
        assert!(connections[1].take(Lane::Batch, &batch));
        assert!(!connections[2].take(Lane::Batch, &batch));
        assert!(connections[2].take(Lane::Critical, &critical));
        // One that moves makes room, and so does one that ends.
        assert!(!connections[1].take(Lane::Critical, &critical));
        assert!(connections[1].take(Lane::Batch, &batch));
        let [first, ..] = connections;
        assert!(!Seat::default().take(Lane::Batch, &batch));
        drop(first);
        assert!(Seat::default().take(Lane::Batch, &batch));
    }
}
