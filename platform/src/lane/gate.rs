//! Who is worked for now, who waits, and who is told at once that it will not be done. One gate a lane.
//!
//! ```text
//! arrive ─▶ a worker is free ──────────────▶ Run      … finish
//!        ─▶ there is room in the queue ────▶ Wait ──▶ poll: Run, or Shed(Age | Deadline)
//!        ─▶ otherwise ─────────────────────▶ Shed(Full | Overload | Deadline)
//! ```
//!
//! A queue that empties now and then absorbs bursts, oldest first. One that stands does nothing but make everybody
//! late: then the gate is overloaded, serves the newest first (whose sender still waits) and sheds who has waited
//! too long. It is the rule of CoDel (RFC 8289) with the order of an adaptive LIFO, for requests instead of packets.
//!
//! Contract: after each call that takes a time, drain [`Gate::poll`] to `None`.

use crate::limits::STANDING_QUEUE;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How much a lane takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// What is worked on at a time.
    pub workers: usize,
    /// What may wait. One more is shed.
    pub queue: usize,
    /// Longest wait while the lane is overloaded. With none at all nobody more is let wait then, and who waits already
    /// has their turn, in order.
    pub age: Duration,
}

/// Work that waits at a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What becomes of work that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Now. Whoever is told so says [`Gate::finish`] later.
    Run,
    /// When [`Gate::poll`] says so.
    Wait(Ticket),
    /// Not at all.
    Shed(Reason),
}

/// Why work is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The queue is full.
    Full,
    /// It waited too long while the lane was overloaded.
    Age,
    /// Nobody waits for it any more.
    Deadline,
    /// The process is behind, and the lane has lost all of its workers for now.
    Overload,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::Age, Self::Deadline, Self::Overload];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Age => "age",
            Self::Deadline => "deadline",
            Self::Overload => "overload",
        }
    }
}

/// What became of work that waited. `Ok`: now, and [`Gate::finish`] later.
pub type Verdict = Result<(), Reason>;

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    arrived: Instant,
    deadline: Instant,
}

/// The gate of one lane.
#[derive(Debug)]
pub struct Gate {
    capacity: Capacity,
    /// Workers that may be used now.
    allowed: usize,
    running: usize,
    /// The oldest in front.
    queue: VecDeque<Waiting>,
    next: u64,
    /// No deadline in the queue is before it.
    first_deadline: Option<Instant>,
    /// Since when somebody has waited without a pause.
    standing_since: Option<Instant>,
    overloaded_until: Option<Instant>,
    decided: VecDeque<(Ticket, Verdict)>,
}

impl Gate {
    /// One at which nobody is.
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            allowed: capacity.workers,
            running: 0,
            queue: VecDeque::new(),
            next: 0,
            first_deadline: None,
            standing_since: None,
            overloaded_until: None,
            decided: VecDeque::new(),
        }
    }

    /// Work has come, and is of use until its deadline.
    pub fn arrive(&mut self, now: Instant, deadline: Instant) -> Arrival {
        self.settle(now);
        if deadline <= now {
            return Arrival::Shed(Reason::Deadline);
        }
        if self.allowed == 0 {
            return Arrival::Shed(Reason::Overload);
        }
        if self.queue.is_empty() && self.running < self.allowed {
            self.running += 1;
            return Arrival::Run;
        }
        if self.capacity.age.is_zero() && self.is_overloaded(now) {
            self.overloaded_until = Some(now + STANDING_QUEUE);
            return Arrival::Shed(Reason::Age);
        }
        if self.queue.len() >= self.capacity.queue {
            // From now on the old make room for the new.
            self.overloaded_until = Some(now + STANDING_QUEUE);
            self.settle(now);
            if self.queue.len() >= self.capacity.queue {
                return Arrival::Shed(Reason::Full);
            }
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.standing_since.get_or_insert(now);
        self.first_deadline = Some(self.first_deadline.map_or(deadline, |first| first.min(deadline)));
        self.queue.push_back(Waiting { ticket, arrived: now, deadline });
        Arrival::Wait(ticket)
    }

    /// Work that was told to run has ended, well or not.
    pub fn finish(&mut self, now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.settle(now);
    }

    /// Whoever sent it has gone. Nothing is said about it any more, unless that was said already.
    pub fn leave(&mut self, now: Instant, ticket: Ticket) {
        if let Ok(at) = self.queue.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            self.queue.remove(at);
        }
        self.settle(now);
    }

    /// How many workers may be used from now on, at most as many as there are. What runs, runs on.
    pub fn allow(&mut self, now: Instant, workers: usize) {
        self.allowed = workers.min(self.capacity.workers);
        self.settle(now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// What became of work that waited.
    pub fn poll(&mut self) -> Option<(Ticket, Verdict)> {
        self.decided.pop_front()
    }

    /// When somebody who waits may have to be shed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = self.queue.front()?;
        if self.capacity.age.is_zero() {
            return self.first_deadline;
        }
        let standing = self.standing_since.map(|since| since + STANDING_QUEUE);
        let aged = oldest.arrived + self.capacity.age;
        let aged = match (self.overloaded_until, standing) {
            // Shed at that age, unless the overload is over before.
            (Some(until), _) if aged < until => aged,
            (_, Some(standing)) => aged.max(standing),
            (_, None) => aged,
        };
        Some(self.first_deadline.map_or(aged, |first| first.min(aged)))
    }

    /// How many are worked for.
    pub const fn running(&self) -> usize {
        self.running
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many workers may be used now.
    pub const fn allowed(&self) -> usize {
        self.allowed
    }

    /// How long the oldest that waits has waited.
    pub fn delay(&self, now: Instant) -> Duration {
        self.queue.front().map_or(Duration::ZERO, |oldest| now.saturating_duration_since(oldest.arrived))
    }

    /// Whether the newest go first and old ones are shed.
    pub fn is_overloaded(&self, now: Instant) -> bool {
        self.overloaded_until.is_some_and(|until| now < until)
    }

    fn settle(&mut self, now: Instant) {
        self.shed_late(now);
        self.overloaded_until = self.overloaded_until.filter(|until| now < *until);
        if self.standing_since.is_some_and(|since| since + STANDING_QUEUE <= now)
            && self.overloaded_until.is_none()
        {
            self.overloaded_until = Some(now + STANDING_QUEUE);
        }
        if self.allowed == 0 {
            while let Some(waiting) = self.queue.pop_front() {
                self.decided.push_back((waiting.ticket, Err(Reason::Overload)));
            }
        }
        let newest_first = self.is_overloaded(now) && !self.capacity.age.is_zero();
        if newest_first {
            self.shed_old(now);
        }
        while self.running < self.allowed {
            let next = if newest_first { self.queue.pop_back() } else { self.queue.pop_front() };
            let Some(next) = next else { break };
            self.running += 1;
            self.decided.push_back((next.ticket, Ok(())));
        }
        if self.queue.is_empty() {
            (self.standing_since, self.first_deadline) = (None, None);
        }
    }

    /// Those for whom nobody waits any more.
    fn shed_late(&mut self, now: Instant) {
        if self.first_deadline.is_none_or(|first| now < first) {
            return;
        }
        let decided = &mut self.decided;
        self.queue.retain(|waiting| {
            let stays = now < waiting.deadline;
            if !stays {
                decided.push_back((waiting.ticket, Err(Reason::Deadline)));
            }
            stays
        });
        self.first_deadline = self.queue.iter().map(|waiting| waiting.deadline).min();
    }

    fn shed_old(&mut self, now: Instant) {
        while self.queue.front().is_some_and(|oldest| oldest.arrived + self.capacity.age <= now) {
            let Some(old) = self.queue.pop_front() else { break };
            self.decided.push_back((old.ticket, Err(Reason::Age)));
            self.overloaded_until = Some(now + STANDING_QUEUE);
        }
    }
}

#[cfg(test)]
mod tests;
