//! The thread that writes the journal: judges what waits, commits it together, answers.

use super::{
    entry::Entry,
    file::{self, Found, Journal},
    parked::{Parked, Why},
    shared::Shared,
    state::{Amount, Judgement, Line},
};
use crate::{
    event_log::{
        Append, AppendError, Refusal, StreamId,
        judge::Outcome,
        sqlite::batch::{Fate, Phase},
    },
    limits::{MAX_JOURNALED_PER_COMMIT, MAX_LISTED},
};
use model::CommandId;
use rusqlite::{Transaction, TransactionBehavior};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Pause after a commit that failed: a full disk would otherwise be asked as fast as callers can retry.
const PAUSE: Duration = Duration::from_millis(20);

/// What the thread is asked to do.
pub(super) enum Request {
    /// Journal this.
    Append { append: Box<Append>, body: Vec<u8>, reply: oneshot::Sender<Outcome> },
    /// The store has it.
    Forget(u64),
    /// The store will not have the first of a stream. Answers whether that is on disk.
    Park { stream: StreamId, why: Why, reply: oneshot::Sender<bool> },
    /// Which are parked?
    List { after: u64, reply: oneshot::Sender<Option<Vec<Parked>>> },
    /// Somebody has looked at a parked one. Answers whether it was there, and is not any more.
    Discard { seq: u64, reply: oneshot::Sender<Option<bool>> },
    /// Do what was asked before this, and end.
    Close,
}

/// What is to be written for a request, and what is undone if it cannot be.
enum Task {
    Insert {
        entry: Arc<Entry>,
        body: Vec<u8>,
        reply: oneshot::Sender<Outcome>,
    },
    /// Answered once what it repeats is on disk.
    Repeat {
        stream: StreamId,
        key: CommandId,
        reply: oneshot::Sender<Outcome>,
    },
    Refuse {
        refusal: Refusal,
        reply: oneshot::Sender<Outcome>,
    },
    Forget(u64),
    Park {
        stream: StreamId,
        line: Line,
        why: Why,
        reply: oneshot::Sender<bool>,
    },
    Discard {
        seq: u64,
        bytes: Option<u64>,
        reply: oneshot::Sender<Option<bool>>,
    },
}

impl Task {
    /// Whether anything of it goes to the disk.
    const fn writes(&self) -> bool {
        !matches!(self, Self::Refuse { .. } | Self::Repeat { .. })
    }
}

pub(super) struct Writer {
    pub(super) journal: Journal,
    pub(super) shared: Arc<Shared>,
    pub(super) next: u64,
    /// What the file may still hold and should not: its deletion failed, or its insertion did in a way that leaves it
    /// open. Nothing is inserted before they are gone.
    pub(super) leftover: Vec<u64>,
    /// Whether the last commit succeeded.
    pub(super) writable: bool,
}

impl Writer {
    /// Takes over what an earlier incarnation has left.
    pub(super) fn new(mut journal: Journal, found: Found, shared: Arc<Shared>) -> rusqlite::Result<Self> {
        let next = found.last + 1;
        let mut parked = found.parked;
        if let Some((first, _)) = found.unreadable.first() {
            let transaction = journal.connection()?.transaction()?;
            for (seq, _) in &found.unreadable {
                file::park(&transaction, *seq, Why::Unreadable)?;
            }
            transaction.commit()?;
            let entries = found.unreadable.len();
            tracing::error!(
                journal.seq = first,
                journal.entries = entries,
                "Entries of the local journal cannot be read: they are parked"
            );
            parked.extend(found.unreadable.iter().map(|(_, bytes)| bytes));
        }
        let mut state = shared.state.lock();
        state.parked = Amount { entries: parked.len(), bytes: parked.iter().sum() };
        for entry in found.waiting {
            state.found(&Arc::new(entry));
        }
        drop(state);
        shared.changed();
        Ok(Self { journal, shared, next, leftover: Vec::new(), writable: true })
    }

    /// Runs until nobody can ask any more.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut requests = Vec::new();
        while inbox.blocking_recv_many(&mut requests, MAX_JOURNALED_PER_COMMIT) > 0 {
            self.write(&mut requests, &mut inbox);
        }
    }

    /// As [`Self::run`], where the caller's runtime is to wait for the disk.
    pub(super) async fn run_here(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut requests = Vec::new();
        while inbox.recv_many(&mut requests, MAX_JOURNALED_PER_COMMIT).await > 0 {
            self.write(&mut requests, &mut inbox);
        }
    }

    /// Judges what was asked, commits it together, answers.
    fn write(&mut self, requests: &mut Vec<Request>, inbox: &mut mpsc::Receiver<Request>) {
        let mut tasks = Vec::with_capacity(requests.len());
        for request in requests.drain(..) {
            if matches!(request, Request::Close) {
                inbox.close();
            }
            tasks.extend(self.judge(request));
        }
        let writes = tasks.iter().any(Task::writes);
        let result = if writes { self.commit(&mut tasks) } else { Ok(()) };
        if writes {
            self.note(result.err());
        }
        match result {
            Ok(()) => self.succeeded(tasks),
            Err(fate) => self.failed(tasks, fate),
        }
        if result.is_err() {
            std::thread::sleep(PAUSE);
        } else if writes && self.shared.state.lock().waiting.entries == 0 {
            self.journal.tidy();
        }
    }

    fn judge(&mut self, request: Request) -> Option<Task> {
        Some(match request {
            Request::Append { append, body, reply } => {
                let key = append.key;
                let (stream, now) = (append.stream, self.shared.clock.now());
                let judged = self.shared.state.lock().judge(*append, body.len(), self.next, now);
                match (judged, key) {
                    (Judgement::InLine(entry), _) => {
                        self.next += 1;
                        Task::Insert { entry, body, reply }
                    }
                    (Judgement::Repeated, Some(key)) => Task::Repeat { stream, key, reply },
                    (Judgement::Repeated, None) => Task::Refuse { refusal: Refusal::Unavailable, reply },
                    (Judgement::Refused(refusal), _) => Task::Refuse { refusal, reply },
                }
            }
            Request::Forget(seq) => Task::Forget(seq),
            Request::Park { stream, why, reply } => {
                let Some(line) = self.shared.state.lock().take_line(stream) else {
                    tell(reply, true);
                    return None;
                };
                Task::Park { stream, line, why, reply }
            }
            Request::List { after, reply } => {
                let listed = self.journal.connection();
                let listed = listed.and_then(|connection| file::parked(connection, after, MAX_LISTED));
                tell(reply, listed.ok());
                return None;
            }
            Request::Discard { seq, reply } => Task::Discard { seq, bytes: None, reply },
            Request::Close => return None,
        })
    }

    fn commit(&mut self, tasks: &mut [Task]) -> Result<(), Fate> {
        let before = |error| Fate::of(&error, Phase::BeforeCommit);
        let Self { journal, leftover, .. } = self;
        let connection = journal.connection().map_err(before)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before)?;
        write_all(&transaction, leftover, tasks).map_err(before)?;
        let committed = transaction.commit().map_err(|error| Fate::of(&error, Phase::Commit));
        match committed {
            Ok(()) => leftover.clear(),
            Err(Fate::Unknown) => self.journal.reopen(),
            Err(Fate::NotRecorded) => {}
        }
        committed
    }

    /// Everybody is told how much there is before anybody is told that theirs is among it.
    fn succeeded(&self, tasks: Vec<Task>) {
        let mut state = self.shared.state.lock();
        for task in &tasks {
            match task {
                Task::Insert { entry, .. } => {
                    state.make_durable(entry);
                    self.shared.metrics.journaled.inc();
                }
                Task::Discard { bytes: Some(bytes), .. } => state.discarded(*bytes),
                Task::Park { stream, line, why, .. } => self.say_parked(*stream, line, *why),
                Task::Repeat { .. } | Task::Refuse { .. } | Task::Forget(_) | Task::Discard { .. } => {}
            }
        }
        drop(state);
        self.shared.changed();
        for task in tasks {
            match task {
                Task::Insert { entry, reply, .. } => tell(reply, Ok(entry.answer(false))),
                Task::Repeat { stream, key, reply } => {
                    // If it is not here any more the store has it, and is to be asked.
                    let answer = self.shared.state.lock().answer(stream, key);
                    tell(reply, answer.ok_or(AppendError::Unknown));
                }
                Task::Refuse { refusal, reply } => tell(reply, Err(refusal.into())),
                Task::Forget(_) => {}
                Task::Park { reply, .. } => tell(reply, true),
                Task::Discard { bytes, reply, .. } => tell(reply, Some(bytes.is_some())),
            }
        }
    }

    /// In the reverse order: what was put in line last is taken out first.
    fn failed(&mut self, tasks: Vec<Task>, fate: Fate) {
        let mut state = self.shared.state.lock();
        for task in tasks.into_iter().rev() {
            match task {
                Task::Insert { entry, reply, .. } => {
                    state.undo(&entry);
                    if fate == Fate::Unknown {
                        self.leftover.push(entry.seq);
                    }
                    tell(reply, Err(fate.into()));
                }
                Task::Repeat { stream, key, reply } => {
                    let durable = state.is_durable(stream, key);
                    let answer = durable.then(|| state.answer(stream, key)).flatten();
                    tell(reply, answer.ok_or_else(|| fate.into()));
                }
                Task::Refuse { refusal, reply } => tell(reply, Err(refusal.into())),
                Task::Forget(seq) => self.leftover.push(seq),
                Task::Park { stream, line, reply, .. } => {
                    state.put_back(stream, line);
                    tell(reply, false);
                }
                Task::Discard { reply, .. } => tell(reply, None),
            }
        }
        drop(state);
        self.shared.changed();
    }

    fn say_parked(&self, stream: StreamId, line: &Line, why: Why) {
        let count = line.entries().count();
        self.shared.metrics.parked(why, count);
        let first = line.entries().next();
        tracing::error!(
            tenant.id = %stream.tenant.0,
            stream.category = stream.category.name,
            stream.id = %stream.id,
            journal.seq = first.map(|entry| entry.seq),
            journal.entries = count,
            journal.why = why.as_str(),
            "What was acknowledged while the store was away cannot be recorded: it is parked"
        );
    }

    /// Logs a change of health once, not once per refused append.
    fn note(&mut self, failure: Option<Fate>) {
        let writable = failure.is_none();
        if std::mem::replace(&mut self.writable, writable) != writable {
            if writable {
                tracing::info!("The local journal can be written again");
            } else {
                tracing::error!(?failure, "The local journal cannot be written: is the disk full?");
            }
        }
    }
}

/// Who no longer waits asks again, if need be with the same key.
fn tell<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn write_all(transaction: &Transaction<'_>, leftover: &[u64], tasks: &mut [Task]) -> rusqlite::Result<()> {
    for seq in leftover {
        file::delete(transaction, *seq)?;
    }
    for task in tasks {
        match task {
            Task::Insert { entry, body, .. } => file::insert(transaction, entry, body)?,
            Task::Forget(seq) => file::delete(transaction, *seq)?,
            Task::Park { line, why, .. } => {
                for (place, entry) in line.entries().enumerate() {
                    let why = if place == 0 { *why } else { Why::Behind };
                    file::park(transaction, entry.seq, why)?;
                }
            }
            Task::Discard { seq, bytes, .. } => *bytes = file::discard(transaction, *seq)?,
            Task::Repeat { .. } | Task::Refuse { .. } => {}
        }
    }
    Ok(())
}
