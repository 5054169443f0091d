//! The thread that tells callers what became of their appends.

use super::{
    batch::{Fate, Work},
    queue::Request,
};
use crate::event_log::{AppendError, Refusal, judge::Outcome, metrics::StoreMetrics};
use std::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Batches whose callers are still to be told. When they cannot be told as fast as commits are made, the writer waits.
pub(super) const PENDING: usize = 2;

/// What became of work, and who waits for it.
pub(super) enum Answers {
    /// It was done together.
    Done {
        batch: Vec<Work>,
        replies: Vec<Option<oneshot::Sender<Outcome>>>,
        result: Result<Vec<Outcome>, Fate>,
    },
    /// It was not begun.
    Overdue(Vec<Request>),
}

/// Runs until the writer has ended.
pub(super) fn run(answers: &Receiver<Answers>, metrics: &StoreMetrics) {
    while let Ok(answers) = answers.recv() {
        match answers {
            Answers::Done { batch, replies, result } => done(batch, replies, result, metrics),
            Answers::Overdue(requests) => overdue(requests, metrics),
        }
    }
}

fn done(
    batch: Vec<Work>,
    replies: Vec<Option<oneshot::Sender<Outcome>>>,
    result: Result<Vec<Outcome>, Fate>,
    metrics: &StoreMetrics,
) {
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

fn overdue(requests: Vec<Request>, metrics: &StoreMetrics) {
    for Request { work, reply, .. } in requests {
        match work {
            Work::Other(other) => other.refuse(Refusal::Overdue),
            Work::Append(_) => {
                let outcome = Err(Refusal::Overdue.into());
                metrics.count(&outcome);
                let _ = reply.map(|reply| reply.send(outcome));
            }
        }
    }
}
