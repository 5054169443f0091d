//! One direction of one client's link: what becomes of each packet. No clock, no sockets.
//!
//! ```text
//! packet ─► cut? ─► lost? ─► queue ─► at the rate ─► delay + jitter ─► out, in order
//!             └───────┴────────┴─► dropped              (+ held back: out of order)
//! ```
//!
//! Fates are drawn by a packet's number, jitter by the time, each from the seed: the same packets meet the same
//! losses on a slower machine too.

use super::{
    random::Stream,
    units::{Queue, Rate, Share, Span},
};

/// What a link does to packets. The default does nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Conditions {
    /// Nothing enters. What is already on the way still arrives.
    pub(super) cut: bool,
    /// How long every packet takes.
    pub(super) delay: Span,
    /// How much longer it may take: the delay wanders between none and all of this.
    pub(super) jitter: Span,
    /// Lost, each packet by itself.
    pub(super) loss: Share,
    /// Bad periods, beside that.
    pub(super) bursts: Bursts,
    /// Packets that later ones overtake.
    pub(super) reorder: Reorder,
    /// Bits in a second, IP headers included.
    pub(super) rate: Rate,
    /// How much may wait for its turn; what comes on top is dropped.
    pub(super) queue: Queue,
}

/// Loss in bursts: Gilbert-Elliott, a chain of a good and a bad state (Elliott, Bell System Technical Journal
/// 42, 1963). In the good one, `Conditions::loss` holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Bursts {
    /// Packets that meet the bad state.
    pub(super) share: Share,
    /// Packets it lasts, on average.
    pub(super) length: f64,
    /// Lost while it lasts.
    pub(super) loss: Share,
}

impl Default for Bursts {
    fn default() -> Self {
        Self { share: Share(0.0), length: 1.0, loss: Share(1.0) }
    }
}

impl Bursts {
    /// To enter the bad state, and to leave it, with each packet.
    fn chances(&self) -> (f64, f64) {
        let (share, leave) = (self.share.0, 1.0 / self.length);
        let enter = leave * share / (1.0 - share);
        // Between two bursts lies one good packet at least. Where that leaves too little for the share, the
        // share wins and bursts get longer.
        if enter <= 1.0 { (enter, leave) } else { (1.0, (1.0 - share) / share) }
    }
}

/// Held back beyond its turn.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Reorder {
    /// Of all packets.
    pub(super) share: Share,
    /// For how long.
    pub(super) by: Span,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Comes out then, nanoseconds.
    Passes { at_ns: u64 },
    /// Never comes out.
    Dropped(Reason),
}

/// Why a packet never comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    /// The link was cut.
    Cut,
    /// By chance.
    Lost,
    /// The queue was full.
    QueueFull,
}

/// How often the wandering delay takes a new direction.
const JITTER_STEP_NS: u64 = 20_000_000;

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Link {
    conditions: Conditions,
    chances: Chances,
    /// Packets so far: the number that fates are drawn by.
    packets: u64,
    bad: bool,
    /// When the last bit of what was taken so far is on its way.
    busy_until_ns: u64,
    /// When the last packet that keeps order comes out.
    last_out_ns: u64,
}

/// Everything random about a link, apart from each other so that one setting does not change another's draws.
#[derive(Debug)]
struct Chances {
    state: Stream,
    loss: Stream,
    reorder: Stream,
    jitter: Stream,
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        let chances = Chances {
            state: Stream::new(seed, 1),
            loss: Stream::new(seed, 2),
            reorder: Stream::new(seed, 3),
            jitter: Stream::new(seed, 4),
        };
        let conditions = Conditions::default();
        Self { conditions, chances, packets: 0, bad: false, busy_until_ns: 0, last_out_ns: 0 }
    }

    /// From the next packet on.
    pub(super) fn set(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// A packet of `len` bytes enters.
    pub(super) fn handle_packet(&mut self, now_ns: u64, len: usize) -> Fate {
        let number = self.packets;
        self.packets += 1;
        // Drawn whatever happens, so that a cut or a full queue does not shift the fates of later packets.
        let lost = self.draw_loss(number);
        if self.conditions.cut {
            return Fate::Dropped(Reason::Cut);
        }
        if lost {
            return Fate::Dropped(Reason::Lost);
        }
        let Some(sent_ns) = self.serialize(now_ns, len as u64) else {
            return Fate::Dropped(Reason::QueueFull);
        };
        let out_ns = sent_ns + self.conditions.delay.0 + self.jitter(sent_ns);
        let reorder = self.conditions.reorder;
        if self.chances.reorder.at(number) < reorder.share.0 {
            return Fate::Passes { at_ns: out_ns.max(self.last_out_ns) + reorder.by.0 };
        }
        self.last_out_ns = out_ns.max(self.last_out_ns);
        Fate::Passes { at_ns: self.last_out_ns }
    }

    fn draw_loss(&mut self, number: u64) -> bool {
        let bursts = self.conditions.bursts;
        let (enter, leave) = bursts.chances();
        let draw = self.chances.state.at(number);
        self.bad = if self.bad { draw >= leave } else { draw < enter };
        let loss = if self.bad { bursts.loss } else { self.conditions.loss };
        self.chances.loss.at(number) < loss.0
    }

    /// When the packet's last bit is sent, if it has room.
    fn serialize(&mut self, now_ns: u64, len: u64) -> Option<u64> {
        let Some(rate) = self.conditions.rate.0 else { return Some(now_ns) };
        let waits_ns = self.busy_until_ns.saturating_sub(now_ns);
        let full = match self.conditions.queue {
            Queue::Time(most) => waits_ns > most.0,
            Queue::Bytes(most) => waits_ns > 0 && bytes_in(waits_ns, rate) + len > most,
        };
        if full {
            return None;
        }
        // Rounded up, so that the rate is never exceeded.
        self.busy_until_ns = now_ns + waits_ns + (len * 8 * 1_000_000_000).div_ceil(rate);
        Some(self.busy_until_ns)
    }

    /// By the time: a straight line from one random height to the next, so that packets that leave together
    /// arrive together.
    fn jitter(&self, at_ns: u64) -> u64 {
        let most = self.conditions.jitter.0 as f64;
        let (step, within) = (at_ns / JITTER_STEP_NS, at_ns % JITTER_STEP_NS);
        let (from, to) = (self.chances.jitter.at(step), self.chances.jitter.at(step + 1));
        (most * (from + (to - from) * within as f64 / JITTER_STEP_NS as f64)) as u64
    }
}

fn bytes_in(span_ns: u64, rate: u64) -> u64 {
    u64::try_from(u128::from(span_ns) * u128::from(rate) / 8_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
