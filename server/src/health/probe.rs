//! Probes: each exercises the thing itself.

use super::{board::Board, readiness::Readiness};
use crate::limits::{PROBE_EVERY, PROBE_WITHIN};
use parking_lot::Mutex;
use platform::event_log::{AppendError, Partition, Position, Refusal, Store, Table};
use std::{collections::BTreeMap, pin::Pin, sync::Arc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What writes to the event log and reads it.
pub(crate) const EVENT_LOG: &str = "event log";
/// What goes through every shard.
pub(crate) const MEDIA: &str = "media";

/// Makes one probe; whether it succeeded.
type Run = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Something that must work for the process to do its job.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) run: Run,
}

/// What the probes found last.
#[derive(Default)]
pub(crate) struct Findings(Mutex<(Readiness, BTreeMap<&'static str, bool>)>);

impl Findings {
    /// Whether people are to be sent here, and what was found of each.
    pub(crate) fn look(&self, others_are_well: bool) -> (bool, BTreeMap<&'static str, bool>) {
        let state = self.0.lock();
        (state.0.takes_part(others_are_well), state.1.clone())
    }
}

/// Makes all probes again and again, until `shutdown`, and says whether the process is well.
pub(crate) async fn run(
    probes: Vec<Probe>,
    findings: Arc<Findings>,
    board: Arc<Board>,
    well: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let mut every = tokio::time::interval(PROBE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = every.tick() => {}
        }
        let mut found = BTreeMap::new();
        for Probe { name, run } in &probes {
            let succeeded = tokio::time::timeout(PROBE_WITHIN, run()).await.unwrap_or(false);
            found.insert(*name, succeeded);
        }
        let is_well = {
            let mut state = findings.0.lock();
            for (name, succeeded) in &found {
                if !succeeded && state.1.get(name).copied().unwrap_or(true) {
                    tracing::warn!(probe = name, "A probe fails");
                } else if *succeeded && state.1.get(name) == Some(&false) {
                    tracing::info!(probe = name, "A probe succeeds again");
                }
            }
            state.0.probed(found.values().all(|succeeded| *succeeded));
            state.1 = found;
            state.0.is_well()
        };
        board.look();
        well.send_if_modified(|before| std::mem::replace(before, is_well) != is_well);
    }
}

/// Writes to the event log, durably, and reads what was written: the place of a table that has no rows.
pub(crate) fn store(store: &Arc<dyn Store>) -> Run {
    let store = Arc::downgrade(store);
    Box::new(move || {
        let store = store.upgrade();
        Box::pin(async move {
            let Some(store) = store else { return false };
            let (table, partition) = (Table { name: "readiness.1", generation: 0 }, Partition(0));
            let Ok(from) = store.applied(table, partition).await else { return false };
            match store.apply(table, partition, from, Position(from.0 + 1), Vec::new()).await {
                Ok(()) => store.applied(table, partition).await.is_ok_and(|place| place > from),
                // Another process wrote in between.
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => true,
                Err(_) => false,
            }
        })
    })
}

/// Sends a datagram through every shard.
pub(crate) fn media(handle: sfu::Handle) -> Run {
    Box::new(move || {
        let handle = handle.clone();
        Box::pin(async move { handle.probe().await })
    })
}
