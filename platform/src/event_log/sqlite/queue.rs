//! What waits for the writer, lane by lane.

use super::batch::Work;
use crate::{
    event_log::{Refusal, judge::Outcome},
    lane::Lane,
    limits::{MAX_QUEUED_APPENDS, SHARES_OF_A_COMMIT},
};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// One waiting piece of work, and who waits for it.
pub(super) struct Request {
    pub(super) work: Work,
    /// `None` when the work answers by itself.
    pub(super) reply: Option<oneshot::Sender<Outcome>>,
}

/// Queues of the lanes. The lock is held for a push or a drain, never while anything is done.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    lanes: [VecDeque<Request>; Lane::ALL.len()],
    closed: bool,
}

impl Queue {
    /// Puts a request in line, unless its lane is full or the store closes.
    pub(super) fn push(&self, lane: Lane, request: Request) -> Result<(), Refusal> {
        let mut state = self.state.lock();
        if state.closed || state.lanes[lane as usize].len() >= MAX_QUEUED_APPENDS {
            return Err(Refusal::Unavailable);
        }
        state.lanes[lane as usize].push_back(request);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for work and takes what one commit may hold, most urgent first; nothing once it is closed and empty.
    pub(super) fn take(&self, into: &mut Vec<Request>) {
        let mut state = self.state.lock();
        while !state.closed && state.lanes.iter().all(VecDeque::is_empty) {
            self.filled.wait(&mut state);
        }
        for (lane, share) in state.lanes.iter_mut().zip(SHARES_OF_A_COMMIT) {
            into.extend(lane.drain(..share.min(lane.len())));
        }
    }

    /// Nothing more comes in; what is in line is still done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }

    /// How many wait in each lane.
    pub(super) fn waiting(&self) -> [usize; Lane::ALL.len()] {
        let state = self.state.lock();
        std::array::from_fn(|lane| state.lanes[lane].len())
    }
}
