//! A gate, and those who wait at it. The lock is the lane's own and held for a look, never while anything is done.

use super::metrics::DoorMetrics;
use parking_lot::{Mutex, MutexGuard};
use platform::{
    lane::gate::{Arrival, Capacity, Gate, Reason, Ticket, Verdict},
    limits::STANDING_QUEUE,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

type Reply = oneshot::Sender<Result<Permit, Reason>>;

pub(super) struct Door {
    state: Mutex<State>,
    capacity: Capacity,
    metrics: DoorMetrics,
}

struct State {
    gate: Gate,
    waiting: HashMap<Ticket, Reply>,
}

/// The right to work. Dropped, it makes room for the next.
pub(super) struct Permit(Arc<Door>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.change(|gate, now| gate.finish(now));
    }
}

enum Entry {
    Open(Permit),
    Later(Ticket, oneshot::Receiver<Result<Permit, Reason>>),
    Closed(Reason),
}

/// A place in the queue. Dropped, it is given up.
struct Place<'a> {
    door: &'a Arc<Door>,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let ticket = self.ticket;
        self.door.state.lock().waiting.remove(&ticket);
        self.door.change(|gate, now| gate.leave(now, ticket));
    }
}

impl Door {
    pub(super) fn new(capacity: Capacity, metrics: DoorMetrics) -> Self {
        let state = State { gate: Gate::new(capacity), waiting: HashMap::new() };
        Self { state: Mutex::new(state), capacity, metrics }
    }

    /// Waits for a turn, at most until the deadline.
    pub(super) async fn enter(self: &Arc<Self>, deadline: Instant) -> Result<Permit, Reason> {
        let arrived = Instant::now();
        let (ticket, mut verdict) = match self.arrive(arrived, deadline) {
            Entry::Open(permit) => return self.heard(Some(Ok(permit)), arrived),
            Entry::Later(ticket, verdict) => (ticket, verdict),
            Entry::Closed(reason) => return Err(reason),
        };
        let _place = Place { door: self, ticket };
        // When this one may have to be shed, if nothing else happens at the gate meanwhile.
        let age = self.capacity.age;
        let looks = [arrived + age, arrived + age.max(STANDING_QUEUE)].map(|at| at.min(deadline));
        for at in looks.into_iter().chain([deadline]) {
            if let Ok(verdict) = timeout_at(at, &mut verdict).await {
                return self.heard(verdict.ok(), arrived);
            }
            self.change(Gate::handle_timeout);
        }
        // At the deadline the gate has said something.
        self.heard(verdict.try_recv().ok(), arrived)
    }

    /// In at once, or a place in the queue, or neither.
    fn arrive(self: &Arc<Self>, now: Instant, deadline: Instant) -> Entry {
        let mut state = self.state.lock();
        let arrival = state.gate.arrive(now.into_std(), deadline.into_std());
        let answer = match arrival {
            Arrival::Run => Entry::Open(Permit(Arc::clone(self))),
            Arrival::Shed(reason) => Entry::Closed(reason),
            Arrival::Wait(ticket) => {
                let (reply, verdict) = oneshot::channel();
                state.waiting.insert(ticket, reply);
                Entry::Later(ticket, verdict)
            }
        };
        self.tell(state);
        answer
    }

    /// How many workers may be used from now on.
    pub(super) fn allow(self: &Arc<Self>, workers: usize) {
        self.change(|gate, now| gate.allow(now, workers));
        self.metrics.allowed.set(workers as i64);
    }

    /// How many workers there are.
    pub(super) const fn workers(&self) -> usize {
        self.capacity.workers
    }

    /// How long the oldest has waited.
    pub(super) fn delay(&self) -> Duration {
        self.state.lock().gate.delay(Instant::now().into_std())
    }

    /// How many are worked for, and how many wait.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.gate.running(), state.gate.waiting())
    }

    fn heard(&self, verdict: Option<Result<Permit, Reason>>, arrived: Instant) -> Result<Permit, Reason> {
        let verdict = verdict.unwrap_or(Err(Reason::Deadline));
        if verdict.is_ok() {
            self.metrics.wait_seconds.observe(arrived.elapsed().as_secs_f64());
        }
        verdict
    }

    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Gate, std::time::Instant)) {
        let mut state = self.state.lock();
        change(&mut state.gate, Instant::now().into_std());
        self.tell(state);
    }

    /// Tells those whose fate is decided, without the lock: a permit that nobody takes comes back at once.
    fn tell(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut decided: Vec<(Option<Reply>, Verdict)> = Vec::new();
        while let Some((ticket, verdict)) = state.gate.poll() {
            decided.push((state.waiting.remove(&ticket), verdict));
        }
        self.metrics.running.set(state.gate.running() as i64);
        self.metrics.waiting.set(state.gate.waiting() as i64);
        drop(state);
        for (reply, verdict) in decided {
            let verdict = verdict.map(|()| Permit(Arc::clone(self)));
            if let Some(reply) = reply {
                let _ = reply.send(verdict);
            }
        }
    }
}
