//! What waits for the writer: one queue for each lane, with a lock of its own.
//!
//! The file has one writer, and the lanes share that and nothing else. Whoever brings work takes the lock of its own
//! lane; the writer takes each lane's in turn, the most urgent first, and passes over one that is held: it is held for
//! a push, whose owner wakes the writer afterwards. So nobody waits for the lock of another lane. Only for the most
//! urgent the writer waits a moment: otherwise a crowd that pushes could keep it away.
//!
//! While urgent work comes again and again, batch work waits a little to share a commit with it: urgent work that comes in
//! the middle of another's sync waits for two.

use super::batch::Work;
use crate::{
    event_log::{Refusal, judge::Outcome, turn::Turn},
    lane::Lane,
    limits::{BATCH_RIDES_ALONG, BYTES_OF_A_COMMIT, MAX_QUEUED_APPENDS, SHARES_OF_A_COMMIT, URGENT_LATELY},
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    thread::{self, Thread},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// Longer than a push takes.
const A_MOMENT: Duration = Duration::from_millis(1);

/// One waiting piece of work, and who waits for it.
pub(super) struct Request {
    pub(super) work: Work,
    /// `None` when the work answers by itself.
    pub(super) reply: Option<oneshot::Sender<Outcome>>,
    /// Until when it may be begun.
    turn: Turn,
    /// What it writes, about.
    bytes: usize,
}

impl Request {
    /// Work of a lane, by the task that asks for it.
    ///
    /// # Errors
    /// `Overdue`: nobody waits for it.
    pub(super) fn new(
        lane: Lane,
        work: Work,
        reply: Option<oneshot::Sender<Outcome>>,
    ) -> Result<Self, Refusal> {
        let (turn, bytes) = (Turn::begin(lane)?, work.bytes());
        Ok(Self { work, reply, turn, bytes })
    }
}

/// Queues of the lanes, and who empties them.
#[derive(Default)]
pub(super) struct Queue {
    lanes: [Line; Lane::ALL.len()],
    writer: Sleeper,
}

#[derive(Default)]
struct Line {
    state: Mutex<State>,
    /// How many are in it, for who may not wait for the lock.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    closed: bool,
}

/// What the writer takes at once.
#[derive(Default)]
pub(super) struct Taken {
    /// To be done, in this order.
    pub(super) requests: Vec<Request>,
    /// Too late to be begun.
    pub(super) overdue: Vec<Request>,
    /// When there was critical work last.
    urgent_at: Option<Instant>,
    /// Since when batch work waits for some.
    rides_since: Option<Instant>,
}

/// What a look at the queues has come to.
enum Look {
    Taken,
    /// Nothing, but at this time there may be.
    Nothing(Option<Instant>),
}

impl Queue {
    /// Puts a request in line, unless its lane is full or the store closes.
    pub(super) fn push(&self, lane: Lane, request: Request) -> Result<(), Refusal> {
        let line = &self.lanes[lane.index()];
        let mut state = line.state.lock();
        if state.closed || state.requests.len() >= MAX_QUEUED_APPENDS {
            return Err(Refusal::Unavailable);
        }
        state.requests.push_back(request);
        line.waiting.store(state.requests.len(), Ordering::Relaxed);
        drop(state);
        self.writer.wake();
        Ok(())
    }

    /// Waits for work and takes what one commit may hold, most urgent first. `false` once it is closed and empty. For
    /// the one thread that writes.
    pub(super) fn take(&self, into: &mut Taken) -> bool {
        loop {
            if let Look::Taken = self.try_take(into) {
                return true;
            }
            self.writer.lie_down();
            // What came before the writer lay down woke nobody.
            let until = match self.try_take(into) {
                Look::Taken => {
                    self.writer.get_up();
                    return true;
                }
                Look::Nothing(until) => until,
            };
            if self.is_over() {
                return false;
            }
            self.writer.sleep(until);
        }
    }

    fn try_take(&self, into: &mut Taken) -> Look {
        let now = Instant::now();
        let mut until = None;
        for lane in Lane::ALL {
            let n = lane.index();
            let line = &self.lanes[n];
            if line.waiting.load(Ordering::Relaxed) == 0 {
                continue;
            }
            if lane == Lane::Batch
                && into.requests.is_empty()
                && let Some(later) = into.rides_until(now)
            {
                until = Some(later);
                continue;
            }
            let critical = lane == Lane::Critical;
            let locked = if critical { line.state.try_lock_for(A_MOMENT) } else { line.state.try_lock() };
            let Some(mut state) = locked else { continue };
            take_share(&mut state.requests, (SHARES_OF_A_COMMIT[n], BYTES_OF_A_COMMIT[n]), now, into);
            line.waiting.store(state.requests.len(), Ordering::Relaxed);
            if critical {
                into.urgent_at = Some(now);
            } else if lane == Lane::Batch {
                into.rides_since = None;
            }
        }
        if into.requests.is_empty() && into.overdue.is_empty() { Look::Nothing(until) } else { Look::Taken }
    }

    /// Nothing more comes in, and nothing is left.
    fn is_over(&self) -> bool {
        let over = |line: &Line| line.state.try_lock().is_some_and(|s| s.closed && s.requests.is_empty());
        self.lanes.iter().all(over)
    }

    /// Nothing more comes in; what is in line is still done.
    pub(super) fn close(&self) {
        for line in &self.lanes {
            line.state.lock().closed = true;
        }
        self.writer.wake();
    }

    /// How many wait in each lane.
    pub(super) fn waiting(&self) -> [usize; Lane::ALL.len()] {
        std::array::from_fn(|lane| self.lanes[lane].waiting.load(Ordering::Relaxed))
    }
}

impl Taken {
    /// Until when batch work that is there waits for urgent work to ride along with; not at all where there was none lately.
    fn rides_until(&mut self, now: Instant) -> Option<Instant> {
        let urgent_at = self.urgent_at.filter(|at| now < *at + URGENT_LATELY)?;
        let since = *self.rides_since.get_or_insert(now);
        let until = (since + BATCH_RIDES_ALONG).min(urgent_at + URGENT_LATELY);
        (now < until).then_some(until)
    }
}

/// As many as a commit may hold of a lane, by number and by size, the oldest first; one at least.
fn take_share(line: &mut VecDeque<Request>, (most, bytes): (usize, usize), now: Instant, into: &mut Taken) {
    let (mut taken, mut size) = (0, 0_usize);
    while taken < most
        && let Some(request) = line.pop_front()
    {
        if request.turn.is_over(now) {
            into.overdue.push(request);
            continue;
        }
        size = size.saturating_add(request.bytes);
        if taken > 0 && size > bytes {
            line.push_front(request);
            return;
        }
        taken += 1;
        into.requests.push(request);
    }
}

/// One thread that sleeps while there is nothing to do, and is woken without a lock.
#[derive(Default)]
struct Sleeper {
    thread: OnceLock<Thread>,
    lies: AtomicBool,
}

impl Sleeper {
    /// From now on whoever brings something wakes it.
    fn lie_down(&self) {
        self.thread.get_or_init(thread::current);
        self.lies.store(true, Ordering::Relaxed);
        // Either the writer sees what was brought after this, or who brought it sees that it lies.
        fence(Ordering::SeqCst);
    }

    fn get_up(&self) {
        self.lies.store(false, Ordering::Relaxed);
    }

    /// Until it is woken, which may have been already, or until then.
    fn sleep(&self, until: Option<Instant>) {
        while self.lies.load(Ordering::Acquire) {
            let Some(until) = until else {
                thread::park();
                continue;
            };
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
            self.get_up();
        }
    }

    /// After something was brought, and its lock let go of.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.lies.load(Ordering::Relaxed)
            && self.lies.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests;
