//! The thread that tells callers what became of their appends.

use super::batch::{Fate, Work};
use crate::event_log::{AppendError, judge::Outcome, metrics::StoreMetrics};
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Batches whose callers are still to be told. When they cannot be told as fast as commits are made, the writer waits.
pub(super) const PENDING: usize = 2;

/// What became of a batch, and who waits for it.
pub(super) struct Answers {
    pub(super) batch: Vec<Work>,
    pub(super) replies: Vec<Option<oneshot::Sender<Outcome>>>,
    pub(super) result: Result<Vec<Outcome>, Fate>,
}

/// Runs until the writer has ended.
pub(super) fn run(answers: &Receiver<Answers>, metrics: &StoreMetrics) {
    while let Ok(Answers { batch, replies, result }) = answers.recv() {
        let (fate, mut outcomes) = match result {
            Ok(outcomes) => (Ok(()), outcomes.into_iter()),
            Err(fate) => (Err(fate), Vec::new().into_iter()),
        };
        for (work, reply) in batch.into_iter().zip(replies) {
            match work {
                Work::Other(other) => other.answer(fate),
                Work::Append(_) => {
                    let outcome = match fate {
                        Ok(()) => outcomes.next().unwrap_or(Err(AppendError::Unknown)),
                        Err(fate) => Err(fate.into()),
                    };
                    metrics.count(&outcome);
                    // Who no longer waits reads the stream later.
                    let _ = reply.map(|reply| reply.send(outcome));
                }
            }
        }
    }
}
