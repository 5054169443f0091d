//! The thread with the file.

use super::KeyringError;
use crate::limits::MAX_KEYRING_JOBS_PER_COMMIT;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

/// A question, and who waits for its answer.
pub(super) trait Job: Send {
    /// Whether it changes anything.
    fn writes(&self) -> bool;
    /// Whether what it deletes must not stay in the log that is written ahead.
    fn scrubs(&self) -> bool;
    /// Does it, as part of a transaction.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    /// Answers: with what it found, if that was committed.
    fn answer(self: Box<Self>, failure: Option<KeyringError>);
}

pub(super) struct Task<F, T> {
    pub(super) writes: bool,
    pub(super) scrubs: bool,
    pub(super) question: F,
    pub(super) result: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, KeyringError>>,
}

impl<F: FnMut(&Connection) -> rusqlite::Result<T> + Send, T: Send> Job for Task<F, T> {
    fn writes(&self) -> bool {
        self.writes
    }

    fn scrubs(&self) -> bool {
        self.scrubs
    }

    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.result = Some((self.question)(connection)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<KeyringError>) {
        let answer = match failure {
            Some(failure) => Err(failure),
            None => self.result.ok_or(KeyringError::Away),
        };
        // Who no longer waits asks again.
        let _ = self.reply.send(answer);
    }
}

/// Takes what is queued into one transaction after the other, until nobody can ask any more.
pub(super) fn run(mut connection: Connection, mut inbox: mpsc::Receiver<Box<dyn Job>>) {
    let mut jobs = Vec::new();
    while inbox.blocking_recv_many(&mut jobs, MAX_KEYRING_JOBS_PER_COMMIT) > 0 {
        let failures = commit(&mut connection, &mut jobs);
        // Before anybody is told that it is gone.
        let scrubbed = !jobs.iter().any(|job| job.scrubs()) || scrub(&connection);
        for (at, job) in jobs.drain(..).enumerate() {
            let unscrubbed = (job.scrubs() && !scrubbed).then_some(KeyringError::Away);
            let failure = match &failures {
                Ok(failures) => failures.get(at).copied().flatten().or(unscrubbed),
                Err(_) => Some(KeyringError::Away),
            };
            job.answer(failure);
        }
    }
}

/// What went wrong with each, or that nothing was recorded.
fn commit(
    connection: &mut Connection,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<Vec<Option<KeyringError>>> {
    let writes = jobs.iter().any(|job| job.writes());
    let behavior = if writes { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
    let mut transaction = connection.transaction_with_behavior(behavior)?;
    let mut failures = Vec::with_capacity(jobs.len());
    for job in jobs {
        // One that fails takes nobody else with it.
        let own = transaction.savepoint()?;
        let done = job.run(&own);
        failures.push(match done {
            Ok(()) => {
                own.commit()?;
                None
            }
            Err(error) => Some(judge(&error)),
        });
    }
    transaction.commit()?;
    Ok(failures)
}

fn judge(error: &rusqlite::Error) -> KeyringError {
    match error.sqlite_error_code() {
        // The one constraint that somebody else's work can make us break.
        Some(ErrorCode::ConstraintViolation) => KeyringError::Retired,
        code => {
            tracing::error!(?code, "The keyring refuses a question");
            KeyringError::Away
        }
    }
}

/// Whether no deleted key is left in the log that is written ahead. Somebody who is reading it may be in the way: waits for
/// them as long as for a lock.
fn scrub(connection: &Connection) -> bool {
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
    if !matches!(busy, Ok(0)) {
        tracing::error!("The keyring's log could not be cut: a key that was destroyed may still stand in it");
    }
    matches!(busy, Ok(0))
}
