//! The thread that writes: takes what waits, commits it together, answers.
//!
//! While one commit waits for the disk the next batch gathers in the queue, so that the batch size
//! follows the load by itself and a lone append waits for nobody.

use super::{
    batch::{self, Fate, Outcome},
    metrics::StoreMetrics,
    schema,
};
use crate::{
    event_log::{Append, AppendError},
    limits::MAX_APPENDS_PER_COMMIT,
};
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// One waiting append.
pub(super) struct Request {
    pub(super) append: Append,
    pub(super) reply: oneshot::Sender<Outcome>,
}

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) connection: Option<Connection>,
    pub(super) queue: mpsc::Receiver<Request>,
    pub(super) writable: Arc<AtomicBool>,
    pub(super) metrics: StoreMetrics,
}

impl Writer {
    /// Runs until every handle to the store is gone and the queue is empty.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAX_APPENDS_PER_COMMIT);
        while self.queue.blocking_recv_many(&mut waiting, MAX_APPENDS_PER_COMMIT) > 0 {
            let (appends, replies): (Vec<_>, Vec<_>) = waiting.drain(..).map(|r| (r.append, r.reply)).unzip();
            let timer = self.metrics.commit_seconds.start_timer();
            let result = self.commit(&appends);
            timer.observe_duration();
            self.metrics.commit_appends.observe(appends.len() as f64);
            self.note(result.as_ref().err());
            self.answer(result, replies);
        }
    }

    fn commit(&mut self, appends: &[Append]) -> Result<Vec<Outcome>, Fate> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            // The last commit's fate was unknown: only a fresh look at the file tells what it holds.
            None => match schema::open_writer(&self.path) {
                Ok(connection) => self.connection.insert(connection),
                Err(_) => return Err(Fate::NotRecorded),
            },
        };
        let result = batch::append_all(connection, appends);
        if matches!(result, Err(Fate::Unknown)) {
            self.connection = None;
        }
        result
    }

    /// Logs a change of health once, not once per refused append.
    fn note(&self, failure: Option<&Fate>) {
        let writable = failure.is_none();
        if self.writable.swap(writable, Ordering::Relaxed) != writable {
            if writable {
                tracing::info!("The event log can be written again");
            } else {
                tracing::error!(?failure, "The event log cannot be written: is the disk full?");
            }
        }
    }

    fn answer(&self, result: Result<Vec<Outcome>, Fate>, replies: Vec<oneshot::Sender<Outcome>>) {
        match result {
            Ok(outcomes) => {
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    self.metrics.count(&outcome);
                    // Who no longer waits reads the stream later.
                    let _ = reply.send(outcome);
                }
            }
            Err(fate) => {
                for reply in replies {
                    let outcome = Err(match fate {
                        Fate::NotRecorded => AppendError::Unavailable,
                        Fate::Unknown => AppendError::Unknown,
                    });
                    self.metrics.count(&outcome);
                    let _ = reply.send(outcome);
                }
                // A full disk would otherwise be asked as fast as callers can retry.
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
