//! How late the process is, and what the lanes may use because of it.

use super::{door::Door, metrics::LaneMetrics};
use crate::http::limits::{DELAY_SAMPLE, DELAY_SAMPLES};
use platform::lane::{Lane, overload::Overload};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// Looks again and again. Runs beside the critical handlers, and is as late as they are.
pub(super) async fn run(doors: [Arc<Door>; Lane::ALL.len()], metrics: LaneMetrics) {
    let mut overload = Overload::default();
    loop {
        let mut least = Duration::MAX;
        for _ in 0..DELAY_SAMPLES {
            let due = Instant::now() + DELAY_SAMPLE;
            sleep_until(due).await;
            least = least.min(due.elapsed().max(doors[Lane::Critical.index()].delay()));
        }
        metrics.delay_seconds.set(least.as_secs_f64());
        let before = overload.clone();
        overload.observe(least);
        for (lane, door) in Lane::ALL.into_iter().zip(&doors).filter(|_| overload != before) {
            door.allow(overload.allowed(lane, door.workers()));
        }
    }
}
