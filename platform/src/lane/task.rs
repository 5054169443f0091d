//! In which lane the work of a task is. A batch that looks at what critical work has written does so with a batch's
//! connections, and waits in a batch's queue.
//!
//! It travels as a [`deadline`](super::deadline) does: a task that a handler spawns has none unless it is given one.

use super::Lane;

tokio::task_local! {
    static LANE: Lane;
}

/// Does work as a lane's.
pub async fn scope<T>(lane: Lane, work: impl Future<Output = T>) -> T {
    LANE.scope(lane, work).await
}

/// Where what would be of a lane by itself waits its turn: there, or in the lane of the task that asks, if that is
/// less urgent. A task never gets more urgent by what it asks for.
pub fn lane_for(own: Lane) -> Lane {
    LANE.try_with(|lane| own.max(*lane)).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_task_asks_for_is_as_urgent_as_the_less_urgent_of_both() {
        assert_eq!(Lane::ALL.map(lane_for), Lane::ALL);
        let (critical, standard, batch) = (Lane::Critical, Lane::Standard, Lane::Batch);
        scope(standard, async {
            assert_eq!(Lane::ALL.map(lane_for), [standard, standard, batch]);
        })
        .await;
        scope(critical, async { assert_eq!(Lane::ALL.map(lane_for), Lane::ALL) }).await;
        assert_eq!(lane_for(critical), critical);
    }
}
