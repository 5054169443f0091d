//! Brings what was journaled into the store once it answers again: stream by stream in order, oldest first, many
//! streams at a time.

use super::{entry::Entry, parked::Why, patience::Patience, shared::Shared, writer::Request};
use crate::{
    event_log::{AppendError, Position, Refusal, Store, StreamId},
    limits::REPLAYS_AT_ONCE,
};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How often the age of the oldest entry is told.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Replayer<S: ?Sized> {
    pub(super) inner: Arc<S>,
    pub(super) shared: Arc<Shared>,
    pub(super) journal: mpsc::Sender<Request>,
    pub(super) patience: Patience,
}

/// What the store said to an entry.
enum Said {
    Recorded(&'static str),
    Never(Why),
    Nothing,
}

/// Whether it is worth going on at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Pause,
}

impl<S: Store + ?Sized> Replayer<S> {
    /// Runs until it is told to stop. What is under way then is replayed again another time.
    pub(super) async fn run(self, stop: CancellationToken) {
        let ticking = async {
            loop {
                sleep(TICK).await;
                let state = self.shared.state.lock();
                self.shared.metrics.show(&state, self.shared.clock.now());
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = ticking => {}
            () = self.replay() => {}
        }
    }

    async fn replay(&self) {
        loop {
            let next = if self.shared.state.lock().away { self.ask().await } else { self.all().await };
            if next == Next::Pause {
                sleep(self.patience.pause).await;
            } else if !self.has_work() {
                self.shared.wake.notified().await;
            }
        }
    }

    fn has_work(&self) -> bool {
        let state = self.shared.state.lock();
        state.away || state.is_ready()
    }

    /// Is the store back? One stream tries, or, when nothing waits, a question.
    async fn ask(&self) -> Next {
        let ready = self.shared.state.lock().next_ready();
        if let Some(stream) = ready {
            return self.stream(stream).await;
        }
        let answered = match self.inner.partitions().first() {
            Some(partition) => timeout(self.patience.replay, self.inner.head(*partition)).await,
            None => Ok(Ok(Position(0))),
        };
        if !matches!(answered, Ok(Ok(_))) {
            return Next::Pause;
        }
        self.shared.store_is(false);
        Next::GoOn
    }

    /// All that can be replayed. When one stream finds the store away, no further ones are begun.
    async fn all(&self) -> Next {
        let (mut running, mut next) = (FuturesUnordered::new(), Next::GoOn);
        loop {
            while next == Next::GoOn && running.len() < REPLAYS_AT_ONCE {
                let ready = self.shared.state.lock().next_ready();
                let Some(stream) = ready else { break };
                running.push(self.stream(stream));
            }
            match running.next().await {
                Some(Next::Pause) => next = Next::Pause,
                Some(Next::GoOn) => {}
                None => return next,
            }
        }
    }

    /// One stream, until nothing of it waits.
    async fn stream(&self, stream: StreamId) -> Next {
        let next = loop {
            let first = self.shared.state.lock().first(stream);
            let Some(entry) = first else { break Next::GoOn };
            match self.offer(&entry).await {
                Said::Recorded(outcome) => {
                    self.shared.metrics.replayed(outcome);
                    self.shared.store_is(false);
                    self.shared.state.lock().replayed(&entry);
                    self.shared.changed();
                    // If the thread is gone, this process ends; the next one replays it once more, to no effect.
                    let _ = self.journal.send(Request::Forget(entry.seq)).await;
                }
                Said::Never(why) => {
                    self.shared.metrics.replayed("refused");
                    self.shared.store_is(false);
                    if !self.park(stream, why).await {
                        break Next::Pause;
                    }
                }
                Said::Nothing => {
                    self.shared.metrics.replayed("unanswered");
                    self.shared.store_is(true);
                    break Next::Pause;
                }
            }
        };
        self.shared.state.lock().give_back(stream);
        next
    }

    async fn offer(&self, entry: &Entry) -> Said {
        let Ok(outcome) = timeout(self.patience.replay, self.inner.append(entry.append.clone())).await else {
            return Said::Nothing;
        };
        match outcome {
            Ok(appended) if !appended.repeated => Said::Recorded("recorded"),
            Ok(appended) if appended.version == entry.version() => Said::Recorded("repeated"),
            Ok(_) => Said::Never(Why::Elsewhere),
            Err(AppendError::Unknown | AppendError::Rejected(Refusal::Unavailable | Refusal::Overdue)) => {
                Said::Nothing
            }
            Err(AppendError::Rejected(Refusal::Conflict { .. })) => Said::Never(Why::Conflict),
            Err(AppendError::Rejected(Refusal::Fenced)) => Said::Never(Why::Fenced),
            Err(AppendError::Rejected(Refusal::TooLarge | Refusal::Invalid)) => Said::Never(Why::Refused),
        }
    }

    /// Says whether it is on disk that it is parked.
    async fn park(&self, stream: StreamId, why: Why) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = self.journal.send(Request::Park { stream, why, reply }).await;
        asked.is_ok() && answer.await.unwrap_or(false)
    }
}
