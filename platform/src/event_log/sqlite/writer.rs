//! The thread that writes: takes what waits, commits it together, answers.
//!
//! While one commit waits for the disk the next batch gathers in the queue, so that the batch size
//! follows the load by itself and a lone append waits for nobody. Waking those who wait costs as much as a good part
//! of a commit, so another thread does it while the next commit is under way.

use super::{
    answers::Answers,
    batch::{self, Fate, Work},
    checkpoint,
    memory::Memory,
    queue::{Queue, Taken},
    schema,
};
use crate::event_log::{judge::Outcome, metrics::StoreMetrics};
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread,
    time::Duration,
};

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) connection: Option<Connection>,
    pub(super) memory: Memory,
    pub(super) queue: Arc<Queue>,
    pub(super) writable: Arc<AtomicBool>,
    pub(super) metrics: StoreMetrics,
    pub(super) answers: SyncSender<Answers>,
    /// The log is to be brought in to its end.
    pub(super) finish: Arc<AtomicBool>,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut taken = Taken::default();
        while self.queue.take(&mut taken) {
            if !taken.overdue.is_empty() {
                let _ = self.answers.send(Answers::Overdue(std::mem::take(&mut taken.overdue)));
            }
            if taken.requests.is_empty() {
                continue;
            }
            let (mut batch, replies): (Vec<_>, Vec<_>) =
                taken.requests.drain(..).map(|r| (r.work, r.reply)).unzip();
            let timer = self.metrics.commit_seconds.start_timer();
            let result = self.commit(&mut batch);
            timer.observe_duration();
            self.metrics.commit_appends.observe(batch.len() as f64);
            self.metrics.waiting(self.queue.waiting());
            self.note(result.as_ref().err());
            let failed = result.is_err();
            // The other thread lives as long as this one.
            let _ = self.answers.send(Answers::Done { batch, replies, result });
            if failed {
                // A full disk would otherwise be asked as fast as callers can retry.
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn commit(&mut self, batch: &mut [Work]) -> Result<Vec<Outcome>, Fate> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            // The last commit's fate was unknown: only a fresh look at the file tells what it holds.
            None => match schema::open_writer(&self.path) {
                Ok(connection) => self.connection.insert(connection),
                Err(_) => return Err(Fate::NotRecorded),
            },
        };
        if self.finish.swap(false, Ordering::Relaxed) {
            checkpoint::finish(connection);
        }
        let result = batch::commit(connection, &mut self.memory, batch);
        if result.is_err() {
            self.memory = Memory::default();
        }
        if matches!(result, Err(Fate::Unknown)) {
            self.connection = None;
        }
        result
    }

    /// Logs a change of health once, not once per refused append.
    fn note(&self, failure: Option<&Fate>) {
        let writable = failure.is_none();
        if self.writable.swap(writable, Ordering::Relaxed) != writable {
            self.metrics.writable(writable);
            if writable {
                tracing::info!("The event log can be written again");
            } else {
                tracing::error!(?failure, "The event log cannot be written: is the disk full?");
            }
        }
    }
}
