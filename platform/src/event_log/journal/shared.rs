//! What callers, the writing thread and the replaying task share.

use super::{metrics::JournalMetrics, state::State};
use crate::clock::Clock;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{Notify, watch};

pub(super) struct Shared {
    /// Held for a look or a change in memory, never while anything is waited for. The critical lane's: others do not
    /// take it, but for snapshots.
    pub(super) state: Mutex<State>,
    /// The state's, for who is of another lane.
    away: AtomicBool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: JournalMetrics,
    /// There may be something to replay, or a question to ask.
    pub(super) wake: Notify,
    pub(super) unrecorded: watch::Sender<usize>,
    /// Something entered or left the lines.
    pub(super) changes: watch::Sender<()>,
}

impl Shared {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: JournalMetrics) -> Self {
        let (state, wake) = (Mutex::default(), Notify::new());
        let (unrecorded, changes) = (watch::Sender::new(0), watch::Sender::new(()));
        Self { state, away: AtomicBool::new(false), clock, metrics, wake, unrecorded, changes }
    }

    /// Tells everybody how much there is now.
    pub(super) fn changed(&self) {
        let state = self.state.lock();
        self.metrics.show(&state, self.clock.now());
        let unrecorded = state.unrecorded();
        self.unrecorded.send_if_modified(|before| std::mem::replace(before, unrecorded) != unrecorded);
        drop(state);
        self.changes.send_replace(());
        self.wake.notify_one();
    }

    /// Whether the store is away, as far as is known.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The store does not answer, or does again. Said once, not once per append.
    pub(super) fn store_is(&self, away: bool) {
        let changed = {
            let mut state = self.state.lock();
            self.away.store(away, Ordering::Relaxed);
            std::mem::replace(&mut state.away, away) != away
        };
        if changed {
            self.metrics.away.set(i64::from(away));
            if away {
                tracing::warn!("The store does not answer: owners write into the local journal");
            } else {
                tracing::info!("The store answers again");
            }
            self.wake.notify_one();
        }
    }
}
