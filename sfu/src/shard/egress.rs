//! What limits sending to one client: the estimate of its link, the pace of pictures, the share of repairs.

use sfu_core::{
    congestion::{self, Congestion, Probe},
    limits::{HISTORY_KEPT_US, HISTORY_PICTURES},
    pacer::Pacer,
    twcc::Feedback,
};
use std::collections::VecDeque;

/// Pictures that wait for their turn, fewer than a track remembers. Past it the oldest are dropped, and a keyframe is asked for.
const MAX_WAITING: usize = HISTORY_PICTURES - 16;

/// How long a picture may wait: not as long as the history keeps it, or it would be gone when its turn comes.
const LONGEST_WAIT_US: i64 = HISTORY_KEPT_US - 50_000;

/// What a byte of media adds to what may be spent on repairs, in percent: repairs cannot drown a weak link.
const REPAIR_PERCENT: i64 = 25;

/// Most that can be saved up for repairs: a burst of losses after a quiet minute.
const MOST_REPAIRS: i64 = 48 * 1024;

/// A picture that waits: which track, and its number there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) track: u32,
    pub(crate) number: u16,
    at_us: i64,
}

/// A probe under way.
#[derive(Debug)]
struct Probing {
    probe: Probe,
    began_us: i64,
    bytes: u32,
    packets: u32,
}

pub(crate) struct Egress {
    congestion: Congestion,
    /// Whether the client agreed to tell us what arrives, and whether it has.
    informed: bool,
    heard: bool,
    pacer: Pacer,
    waiting: VecDeque<Waiting>,
    repairs: i64,
    probing: Option<Probing>,
    /// Round trip by report blocks.
    rtt_us: Option<i64>,
    /// Loss by report blocks, 0 to 1.
    loss: f32,
    /// What the session could use, in bit/s.
    most_bps: u64,
    /// When the estimator is to be asked for a probe again. Asked of it when feedback came or it was polled, not on
    /// every packet.
    poll_us: Option<i64>,
}

/// No link is taken for slower: a word and a still picture.
const LEAST_BPS: u64 = 50_000;

/// A link nobody reports on is not paced.
const UNPACED_BPS: u64 = 1_000_000_000;

impl Egress {
    pub(crate) fn new(initial_bps: u64, max_bps: u64, now_us: i64) -> Self {
        let config = congestion::Config { initial_bps, min_bps: LEAST_BPS, max_bps };
        Self {
            congestion: Congestion::new(config, now_us),
            informed: false,
            heard: false,
            pacer: Pacer::new(UNPACED_BPS, now_us),
            waiting: VecDeque::new(),
            repairs: MOST_REPAIRS / 4,
            probing: None,
            rtt_us: None,
            loss: 0.0,
            most_bps: 0,
            poll_us: None,
        }
    }

    pub(crate) fn set_informed(&mut self, informed: bool, now_us: i64) {
        self.informed = informed;
        self.set_pace(now_us);
        self.stop_idle_probe();
    }

    fn set_pace(&mut self, now_us: i64) {
        let pace = if self.informed { self.congestion.estimate_bps() } else { UNPACED_BPS };
        self.pacer.set_pace(pace, now_us);
    }

    /// What the session could use: the estimator probes for no more, and not for somebody who only waits.
    pub(crate) fn aim(&mut self, most_bps: u64, now_us: i64) {
        self.most_bps = most_bps;
        self.congestion.aim(most_bps, now_us);
        self.poll_us = self.congestion.deadline_us();
        self.stop_idle_probe();
    }

    pub(crate) fn feedback(&mut self, feedback: &Feedback<'_>, now_us: i64) {
        self.heard = true;
        self.congestion.feedback(feedback, now_us);
        self.poll_us = self.congestion.deadline_us();
        self.set_pace(now_us);
    }

    pub(crate) const fn report(&mut self, loss: f32, rtt_us: Option<i64>) {
        self.loss = loss;
        if rtt_us.is_some() {
            self.rtt_us = rtt_us;
        }
    }

    pub(crate) fn estimate_bps(&self) -> u64 {
        self.congestion.estimate_bps()
    }

    pub(crate) fn loss(&self) -> f32 {
        if self.informed { self.congestion.loss() } else { self.loss }
    }

    pub(crate) fn rtt_us(&self) -> Option<i64> {
        self.rtt_us.or_else(|| self.congestion.rtt_us())
    }

    /// A packet of so many bytes leaves: its transport-wide number, if it carries one.
    pub(crate) fn number(&mut self, bytes: usize, probe: Option<u32>, now_us: i64) -> u16 {
        self.congestion.sent(bytes, probe, now_us)
    }

    /// Media left.
    pub(crate) fn sent(&mut self, bytes: usize) {
        let bytes_i = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.repairs = (self.repairs + bytes_i * REPAIR_PERCENT / 100).min(MOST_REPAIRS);
        self.pacer.sent(bytes);
    }

    /// Whether so many bytes may be spent on a repair; spends them.
    pub(crate) fn spend_on_repair(&mut self, bytes: usize) -> bool {
        let bytes_i = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.repairs < bytes_i {
            return false;
        }
        self.repairs -= bytes_i;
        self.pacer.sent(bytes);
        true
    }

    /// Whether a picture may leave at once.
    pub(crate) fn lets_through(&mut self, now_us: i64) -> bool {
        self.waiting.is_empty() && self.pacer.ready(now_us)
    }

    /// A picture waits for its turn. `false`: too many do, or for too long.
    pub(crate) fn hold(&mut self, track: u32, number: u16, now_us: i64) -> bool {
        if self.overdue(now_us) || self.waiting.len() >= MAX_WAITING {
            return false;
        }
        self.waiting.push_back(Waiting { track, number, at_us: now_us });
        true
    }

    /// Whether what waits has waited for too long.
    pub(crate) fn overdue(&self, now_us: i64) -> bool {
        self.waiting.front().is_some_and(|first| first.at_us + LONGEST_WAIT_US < now_us)
    }

    /// Whether the client says what arrives, so that the estimate is one.
    pub(crate) const fn informed(&self) -> bool {
        self.informed && self.heard
    }

    /// The next picture whose turn it is.
    pub(crate) fn release(&mut self, now_us: i64) -> Option<Waiting> {
        if self.waiting.is_empty() || !self.pacer.ready(now_us) {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Everything that waits, which will not be sent.
    pub(crate) fn give_up(&mut self) -> impl Iterator<Item = Waiting> + '_ {
        self.waiting.drain(..)
    }

    /// Whether there is somebody to probe for, and word of what arrives.
    const fn may_probe(&self) -> bool {
        self.informed && self.heard && self.most_bps > 0
    }

    fn stop_idle_probe(&mut self) {
        if !self.may_probe() {
            self.probing = None;
        }
    }

    /// A probe packet that should leave now, for this probe.
    pub(crate) fn poll_probe(&mut self, now_us: i64) -> Option<u32> {
        if !self.may_probe() {
            return None;
        }
        if self.probing.is_none() {
            let probe = self.congestion.poll_probe(now_us);
            // It may have slowed down for want of feedback.
            self.set_pace(now_us);
            self.poll_us = self.congestion.deadline_us();
            let probe = probe?;
            self.probing = Some(Probing { probe, began_us: now_us, bytes: 0, packets: 0 });
        }
        let probing = self.probing.as_mut()?;
        if probing.due_us() > now_us {
            return None;
        }
        Some(probing.probe.id)
    }

    /// A probe packet left.
    pub(crate) fn probed(&mut self, bytes: usize) {
        let Some(probing) = &mut self.probing else { return };
        probing.bytes += bytes as u32;
        probing.packets += 1;
        if probing.bytes >= probing.probe.bytes && probing.packets >= probing.probe.packets {
            self.probing = None;
        }
    }

    /// A probe that cannot be sent.
    pub(crate) fn abandon_probe(&mut self) {
        self.probing = None;
    }

    /// When something is due, in microseconds.
    pub(crate) fn deadline_us(&self) -> Option<i64> {
        let waiting = (!self.waiting.is_empty()).then(|| self.pacer.ready_at_us());
        let probing = match &self.probing {
            _ if !self.may_probe() => None,
            Some(probing) => Some(probing.due_us()),
            None => self.poll_us,
        };
        waiting.into_iter().chain(probing).min()
    }
}

impl Probing {
    /// When the next packet keeps the probe at its rate.
    fn due_us(&self) -> i64 {
        let us = u64::from(self.bytes) * 8_000_000 / self.probe.bps.max(1);
        self.began_us.saturating_add(us.cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::twcc::{Arrivals, read};

    const MS: i64 = 1_000;

    /// A session that is fed, and whose client has said once what arrived.
    fn fed() -> Egress {
        let mut egress = Egress::new(1_000_000, 3_000_000, 0);
        egress.set_informed(true, 0);
        egress.aim(1_700_000, 0);
        let mut arrivals = Arrivals::default();
        for n in 0..10 {
            arrivals.record(egress.number(1_000, None, n * 10 * MS), (n * 10 + 20) * MS);
        }
        let mut report = Vec::new();
        assert!(arrivals.write(&mut report, 1, 2));
        egress.feedback(&read(&report[12..]).unwrap(), 120 * MS);
        egress
    }

    #[test]
    fn a_probe_ends_with_whoever_it_was_for() {
        let mut egress = fed();
        let began = (120..2_000).find(|ms| egress.poll_probe(ms * MS).is_some());
        let began = began.expect("there is more to be found") * MS;
        egress.probed(300);
        assert!(egress.deadline_us().is_some_and(|at| at > began), "the rest follows at its rate");
        egress.aim(0, began);
        assert_eq!(egress.deadline_us(), None, "and no timer is left behind");
        assert_eq!(egress.poll_probe(began + 1_000 * MS), None);
    }

    #[test]
    fn who_never_reports_is_neither_probed_nor_slowed_down() {
        let mut egress = Egress::new(1_000_000, 3_000_000, 0);
        egress.set_informed(true, 0);
        egress.aim(1_700_000, 0);
        for ms in 0..10_000 {
            egress.number(1_000, None, ms * MS);
            assert_eq!(egress.poll_probe(ms * MS), None);
        }
        assert_eq!(egress.estimate_bps(), 1_000_000);
    }

    #[test]
    fn pictures_wait_in_order_and_too_many_are_given_up() {
        let mut egress = fed();
        let now = 200 * MS;
        while egress.lets_through(now) {
            egress.sent(1_200);
        }
        for number in 0..MAX_WAITING as u16 {
            assert!(egress.hold(0, number, now));
        }
        assert!(!egress.hold(0, 999, now), "one past it");
        assert!(!egress.lets_through(now + 1_000 * MS), "nobody overtakes");
        assert_eq!(egress.release(now + 1_000 * MS).map(|waiting| waiting.number), Some(0));
        assert_eq!(egress.give_up().count(), MAX_WAITING - 1);
        assert!(egress.lets_through(now + 2_000 * MS));
        assert!(egress.hold(0, 1, now));
        assert!(!egress.hold(0, 2, now + LONGEST_WAIT_US + 1), "the first has waited too long");
    }

    #[test]
    fn repairs_have_their_share_and_no_more() {
        let mut egress = Egress::new(1_000_000, 3_000_000, 0);
        while egress.spend_on_repair(1_000) {}
        egress.sent(1_000);
        assert!(!egress.spend_on_repair(1_000));
        for _ in 0..3 {
            egress.sent(1_000);
        }
        assert!(egress.spend_on_repair(1_000), "a quarter of what is sent");
    }
}
