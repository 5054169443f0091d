//! One writer: takes what waits, commits it together, answers.

use super::{
    batch::{self, Failure, Prepared},
    connect::{Connect, Link},
    roles::Whose,
};
use crate::{
    event_log::{Append, AppendError, Refusal, judge::Outcome, metrics::StoreMetrics, turn::Turn},
    lane::Lane,
    limits::MAX_APPENDS_PER_COMMIT,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Longest a batch may take before its connection is given up.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often a batch that met another's lock in the wrong order is tried again.
const TRIES: usize = 4;

/// Pause after a batch that failed: a database that is away would otherwise be asked as fast as callers can retry.
const PAUSE: Duration = Duration::from_millis(50);

/// One waiting append.
pub(super) struct Request {
    pub(super) append: Box<Append>,
    /// Until when it may be begun.
    pub(super) turn: Turn,
    pub(super) reply: oneshot::Sender<Outcome>,
}

pub(super) struct Writer {
    pub(super) connect: Arc<Connect>,
    pub(super) link: Option<(Link, Prepared)>,
    pub(super) lane: Lane,
    pub(super) metrics: StoreMetrics,
    pub(super) writable: Arc<AtomicBool>,
}

impl Writer {
    /// Runs until it is told to stop and the queue is empty.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Request>, stop: CancellationToken) {
        let mut waiting = Vec::with_capacity(MAX_APPENDS_PER_COMMIT);
        loop {
            let taken = tokio::select! {
                biased;
                taken = inbox.recv_many(&mut waiting, MAX_APPENDS_PER_COMMIT) => taken,
                () = stop.cancelled(), if !inbox.is_closed() => {
                    inbox.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.drop_overdue(&mut waiting);
            if waiting.is_empty() {
                continue;
            }
            let (appends, replies): (Vec<_>, Vec<_>) = waiting.drain(..).map(|r| (r.append, r.reply)).unzip();
            let timer = self.metrics.commit_seconds.start_timer();
            let result = self.commit(&appends).await;
            timer.observe_duration();
            self.metrics.commit_appends.observe(appends.len() as f64);
            self.metrics.waiting_in(self.lane, inbox.len());
            self.note(result.is_ok());
            let failed = result.is_err();
            self.answer(result, replies);
            if failed {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Refuses what nobody waits for any more. Nothing of it was begun.
    fn drop_overdue(&self, waiting: &mut Vec<Request>) {
        let now = Instant::now();
        for late in waiting.extract_if(.., |request| request.turn.is_over(now)) {
            self.answer(Err(Refusal::Overdue.into()), vec![late.reply]);
        }
    }

    async fn commit(&mut self, appends: &[Box<Append>]) -> Result<Vec<Outcome>, AppendError> {
        for _ in 0..TRIES {
            let mut committing = false;
            let tried = tokio::time::timeout(PATIENCE, self.try_commit(appends, &mut committing)).await;
            let failure = match tried {
                Ok(Ok(outcomes)) => return Ok(outcomes),
                Ok(Err(failure)) => failure,
                Err(_) if committing => Failure::Unknown,
                Err(_) => Failure::NotRecorded,
            };
            self.link = None;
            match failure {
                Failure::Again => {}
                Failure::NotRecorded => return Err(Refusal::Unavailable.into()),
                Failure::Unknown => return Err(AppendError::Unknown),
            }
        }
        Err(Refusal::Unavailable.into())
    }

    async fn try_commit(
        &mut self,
        appends: &[Box<Append>],
        committing: &mut bool,
    ) -> Result<Vec<Outcome>, Failure> {
        if self.link.as_ref().is_none_or(|(link, _)| link.is_closed()) {
            let link = self.connect.link().await.map_err(|_| Failure::NotRecorded)?;
            let prepared = Prepared::new(&link.client).await.map_err(|error| Failure::before(&error))?;
            self.link = Some((link, prepared));
        }
        let Some((link, prepared)) = &self.link else { return Err(Failure::NotRecorded) };
        let begin = self.connect.begin(&Whose::of(appends.iter().map(|append| append.stream.tenant)));
        batch::commit(&link.client, prepared, &begin, appends, committing).await
    }

    /// Logs a change of health once, not once per refused append.
    fn note(&self, writable: bool) {
        if self.writable.swap(writable, Ordering::Relaxed) != writable {
            self.metrics.writable(writable);
            if writable {
                tracing::info!("The event log can be written again");
            } else {
                tracing::error!("The event log cannot be written: the database does not answer or refuses");
            }
        }
    }

    fn answer(&self, result: Result<Vec<Outcome>, AppendError>, replies: Vec<oneshot::Sender<Outcome>>) {
        let outcomes = match result {
            Ok(outcomes) => outcomes,
            Err(error) => vec![Err(error); replies.len()],
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            self.metrics.count(&outcome);
            // Who no longer waits reads the stream later.
            let _ = reply.send(outcome);
        }
    }
}
