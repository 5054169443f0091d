//! When to probe, and how fast: what is not sent cannot be measured, so packets that carry nothing are sent
//! for a moment (after libwebrtc's `ProbeController`).

use super::Probe;

/// How long a probe lasts, and its fewest packets.
const SPAN_US: u64 = 20_000;
const PACKETS: u32 = 5;

/// The first probe, and those after it, as multiples of the estimate.
const FIRST: f64 = 3.0;
const NEXT: f64 = 2.0;

/// A probe reaches this much beyond what could be used, so that its result can say that it is there.
const BEYOND: f64 = 1.25;

/// A probe that measured this share of its rate, and more than was known, met no limit: try faster at once.
const UNHINDERED: f64 = 0.7;
const MORE: f64 = 1.05;

/// A probe that found this much more than was known, and then a limit, may have met jitter: look again soon.
const PROGRESS: f64 = 1.3;
const AGAIN_US: i64 = 1_000_000;

/// So many probes in a row that measured nothing are repeated at once: some of their packets were lost.
const REPEATS: u8 = 3;

/// What could be used must rise by this much to be a reason of its own.
const RISEN: f64 = 1.1;

/// Share of the rate before a drop at which the path is tried afterwards.
const RECOVERY: f64 = 0.85;

/// How long a result is waited for.
const PATIENCE_US: i64 = 1_000_000;

/// Between two probes, whatever the reason; a result that invites the next one waits for nothing.
const LEAST_GAP_US: i64 = 500_000;

/// Between two probes of a session that sends less than it could.
const LIMITED_GAP_US: i64 = 5_000_000;

/// Between two probes of one that sends all it may: it grows by itself, and each probe queues.
const FULL_GAP_US: i64 = 8_000_000;

/// A path that is not calm is looked at again after this.
const CALM_GAP_US: i64 = 200_000;

/// How the path is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) estimate_bps: u64,
    /// No queue grows and nothing unusual is lost: a probe would measure something.
    pub(super) calm: bool,
    /// The session sends less than it could.
    pub(super) limited: bool,
}

/// Plans the probes of one session.
#[derive(Debug, Default)]
pub(super) struct Prober {
    most_bps: u64,
    last_id: u32,
    last_us: Option<i64>,
    due: Option<Due>,
    waiting: Option<Waiting>,
    repeats: u8,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    at_us: i64,
    /// `None`: a multiple of what is estimated by then.
    bps: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: u32,
    bps: u64,
    until_us: i64,
}

impl Prober {
    /// So much could be used from now on.
    pub(super) fn aim(&mut self, most_bps: u64, estimate_bps: u64, now_us: i64) {
        let risen = most_bps as f64 > self.most_bps as f64 * RISEN && most_bps > estimate_bps;
        self.most_bps = most_bps;
        if most_bps == 0 {
            self.due = None;
        } else if risen {
            self.want(None, now_us);
        }
    }

    /// The path was at this rate before something passing brought it down.
    pub(super) fn recover(&mut self, before_bps: u64, now_us: i64) {
        self.want(Some((before_bps as f64 * RECOVERY) as u64), now_us);
    }

    fn want(&mut self, bps: Option<u64>, now_us: i64) {
        let soonest = self.last_us.map_or(now_us, |last| last.saturating_add(LEAST_GAP_US));
        self.due = Some(Due { at_us: now_us.max(soonest), bps });
    }

    /// When [`Prober::poll`] has something to say at the latest.
    pub(super) fn deadline_us(&self, estimate_bps: u64, limited: bool) -> Option<i64> {
        let wanted = self.most_bps > estimate_bps;
        let due = wanted.then(|| self.due_us(limited)).flatten();
        self.waiting.map(|waiting| due.map_or(waiting.until_us, |at| at.max(waiting.until_us))).or(due)
    }

    /// Without a reason of its own, a probe is due some time after the last.
    fn due_us(&self, limited: bool) -> Option<i64> {
        let gap = if limited { LIMITED_GAP_US } else { FULL_GAP_US };
        let periodic = self.last_us.map(|last| last.saturating_add(gap));
        self.due.map(|due| due.at_us).or(periodic)
    }

    /// The probe that is due now.
    pub(super) fn poll(&mut self, path: Path, now_us: i64) -> Option<Probe> {
        if self.waiting.take_if(|waiting| waiting.until_us <= now_us).is_some() && self.repeats < REPEATS {
            self.repeats += 1;
            self.due.get_or_insert(Due { at_us: now_us, bps: None });
        }
        if self.most_bps <= path.estimate_bps {
            self.due = None;
            return None;
        }
        if self.waiting.is_some() || self.due_us(path.limited).is_none_or(|at| at > now_us) {
            return None;
        }
        if !path.calm {
            let bps = self.due.and_then(|due| due.bps);
            self.due = Some(Due { at_us: now_us.saturating_add(CALM_GAP_US), bps });
            return None;
        }
        let factor = if self.last_us.is_none() { FIRST } else { NEXT };
        let wanted = self.due.take().and_then(|due| due.bps).unwrap_or(0);
        let wanted = wanted.max((path.estimate_bps as f64 * factor) as u64);
        Some(self.begin(wanted.min((self.most_bps as f64 * BEYOND) as u64), now_us))
    }

    fn begin(&mut self, bps: u64, now_us: i64) -> Probe {
        // 0 stands for no probe.
        self.last_id = self.last_id.wrapping_add(1).max(1);
        self.last_us = Some(now_us);
        self.waiting = Some(Waiting { id: self.last_id, bps, until_us: now_us.saturating_add(PATIENCE_US) });
        let bytes = u32::try_from(bps.saturating_mul(SPAN_US) / 8_000_000).unwrap_or(u32::MAX);
        Probe { id: self.last_id, bps, bytes, packets: PACKETS }
    }

    /// What a probe measured, and what was estimated before.
    pub(super) fn measured(&mut self, id: u32, bps: u64, before_bps: u64, now_us: i64) {
        let Some(waiting) = self.waiting.take_if(|waiting| waiting.id == id) else { return };
        self.repeats = 0;
        let (bps, before) = (bps as f64, before_bps as f64);
        if bps > UNHINDERED * waiting.bps as f64 && bps > MORE * before {
            self.due = Some(Due { at_us: now_us, bps: None });
        } else if bps > PROGRESS * before {
            self.due = Some(Due { at_us: now_us.saturating_add(AGAIN_US), bps: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn path(estimate_bps: u64) -> Path {
        Path { estimate_bps, calm: true, limited: true }
    }

    /// Polls at each deadline for so long; each probe measures at most `link_bps`. Says the probes, as
    /// milliseconds and kbit/s.
    fn run(prober: &mut Prober, mut path: Path, link_bps: u64, span_s: i64) -> Vec<(i64, u64)> {
        let mut probes = Vec::new();
        for _ in 0..1_000 {
            let Some(at) =
                prober.deadline_us(path.estimate_bps, path.limited).filter(|at| *at <= span_s * SECOND)
            else {
                break;
            };
            let Some(probe) = prober.poll(path, at) else { continue };
            probes.push((at / 1_000, probe.bps / 1_000));
            let measured = probe.bps.min(link_bps);
            prober.measured(probe.id, measured, path.estimate_bps, at + 50_000);
            path.estimate_bps = path.estimate_bps.max(measured);
        }
        probes
    }

    #[test]
    fn it_goes_up_by_steps_until_enough_is_there() {
        let mut prober = Prober::default();
        assert!(prober.deadline_us(300_000, true).is_none());
        prober.aim(3_000_000, 300_000, 0);
        assert_eq!(run(&mut prober, path(300_000), u64::MAX, 60), [(0, 900), (50, 1_800), (100, 3_600)]);
    }

    #[test]
    fn it_comes_back_every_five_seconds_where_a_limit_was_met() {
        let mut prober = Prober::default();
        prober.aim(3_000_000, 300_000, 0);
        let probes = run(&mut prober, path(300_000), 500_000, 11);
        assert_eq!(probes, [(0, 900), (1_050, 1_000), (6_050, 1_000)]);
    }

    #[test]
    fn one_that_measures_nothing_is_repeated_a_few_times() {
        let mut prober = Prober::default();
        prober.aim(3_000_000, 300_000, 0);
        let mut probes = Vec::new();
        for ms in 0..10_000 {
            probes.extend(prober.poll(path(300_000), ms * 1_000).map(|_| ms));
        }
        assert_eq!(probes, [0, 1_000, 2_000, 3_000, 8_000]);
    }

    #[test]
    fn a_limit_just_below_what_could_be_used_is_not_run_against_all_the_time() {
        let mut prober = Prober::default();
        prober.aim(1_000_000, 300_000, 0);
        let probes = run(&mut prober, path(300_000), 950_000, 30);
        assert!(probes.len() < 10, "{probes:?}");
    }

    #[test]
    fn nobody_fed_is_nobody_probed() {
        let mut prober = Prober::default();
        prober.aim(3_000_000, 300_000, 0);
        prober.aim(0, 300_000, 0);
        assert_eq!(run(&mut prober, path(300_000), u64::MAX, 60), []);
    }

    #[test]
    fn none_is_faster_than_twice_what_could_be_used() {
        let mut prober = Prober::default();
        prober.aim(400_000, 300_000, 0);
        prober.recover(9_000_000, 0);
        let probe = prober.poll(path(300_000), 0).unwrap();
        assert!(probe.bps <= 800_000);
        assert_eq!((probe.bytes, probe.packets), (1_250, PACKETS));
    }

    #[test]
    fn an_uneasy_path_is_not_probed() {
        let mut prober = Prober::default();
        prober.aim(3_000_000, 300_000, 0);
        let uneasy = Path { calm: false, ..path(300_000) };
        assert_eq!(run(&mut prober, uneasy, u64::MAX, 60), []);
        assert!(prober.poll(path(300_000), 61 * SECOND).is_some());
    }

    #[test]
    fn a_rise_of_what_could_be_used_is_a_reason() {
        let mut prober = Prober::default();
        prober.aim(400_000, 500_000, 0);
        assert_eq!(run(&mut prober, path(500_000), u64::MAX, 9), []);
        prober.aim(2_000_000, 500_000, 10 * SECOND);
        assert_eq!(run(&mut prober, path(500_000), u64::MAX, 60)[0].0, 10_000);
    }
}
