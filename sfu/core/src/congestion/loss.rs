//! The rate by loss.
//!
//! The classic rule (draft-ietf-rmcat-gcc-02 §6): below 2 % of loss the rate may grow, above 10 % it is cut
//! by half of the loss. It presumes that who sends less loses less. On radio that is not so, and the rule
//! alone would drive the rate to the floor. So each decrease is a trial:
//!
//! * When it begins, the loss and the rate sent are remembered. The limit goes down, fast above 10 %, by
//!   small steps above 2 % (a session that sends less than it could is left alone below 10 %).
//! * It ends when less is sent than arrived at its beginning. If sending too much had been the reason,
//!   loss would be gone by now.
//! * If most of the loss remains, it is the path's own: it is tolerated from now on, the thresholds
//!   counting from it, and the limit is lifted. If not, the limit was right: it grows slowly from here.
//! * Loss just after delay brought the rate down is a full queue's, and dealt with.
//! * What is tolerated goes down again as loss does.

/// Loss above what is tolerated at which the limit stops growing, and at which it is cut at once.
const SOME: f64 = 0.02;
const MUCH: f64 = 0.10;

/// How much more is needed on a path with loss of its own: it varies with it.
const VARIES: f64 = 0.25;

/// Share of the limit that a small step leaves.
const STEP: f64 = 0.95;

/// Between two cuts, beside the round trip.
const BETWEEN_CUTS_US: i64 = 300_000;

/// A trial sends at most this share of what it began with, however little was lost.
const TRIAL: f64 = 0.9;

/// Share of a trial's loss that, when it remains at the end, is the path's own.
const OWN: f64 = 0.7;

/// Growth of the limit in a second.
const GROWTH: f64 = 1.08;

/// A limit begins no further above what is sent than this.
const ABOVE_SENT: f64 = 2.0;

/// Loss is judged over this long and so many packets, or longer.
const WINDOW_US: i64 = 250_000;
const WINDOW_PACKETS: u32 = 20;

/// Weight of a window in the smoothed loss.
const WEIGHT: f64 = 0.4;

/// Windows in a row with too much loss before a trial begins.
const SUSPICIOUS: u8 = 2;

/// Weight of a window when what is tolerated goes down.
const FORGET: f64 = 0.1;

/// What loss is judged with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// What delay allows.
    pub(super) rate_bps: u64,
    /// Delay brought the rate down just now: a full queue drops, and that is its loss.
    pub(super) reduced: bool,
    /// The session sends less than it could.
    pub(super) limited: bool,
    pub(super) rtt_us: i64,
}

/// The rate that loss allows.
#[derive(Debug)]
pub(super) struct Loss {
    window: Window,
    /// Smoothed, and of the last window.
    share: f64,
    latest: f64,
    /// What is sent, in bit/s, smoothed.
    sent_bps: f64,
    tolerated: f64,
    limit_bps: Option<f64>,
    trial: Option<Trial>,
    suspicious: u8,
    judged_us: i64,
    cut_us: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since_us: i64,
    packets: u32,
    /// May go below zero: what came late was counted as missing in a window before.
    missing: i32,
    bits: f64,
    sent_from_us: Option<i64>,
    sent_until_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    share: f64,
    sent_bps: f64,
}

impl Loss {
    pub(super) const fn new(now_us: i64) -> Self {
        Self {
            window: Window::new(now_us, None),
            share: 0.0,
            latest: 0.0,
            sent_bps: 0.0,
            tolerated: 0.0,
            limit_bps: None,
            trial: None,
            suspicious: 0,
            judged_us: now_us,
            cut_us: None,
        }
    }

    /// Smoothed, from 0 to 1.
    pub(super) const fn share(&self) -> f64 {
        self.share
    }

    /// Whether loss forbids to send more.
    pub(super) fn forbids_more(&self) -> bool {
        self.limit_bps.is_some() || self.share - self.tolerated > self.threshold(MUCH)
    }

    /// The rate that loss allows, if it forbids any.
    pub(super) fn limit_bps(&self) -> Option<u64> {
        self.limit_bps.map(|bps| bps as u64)
    }

    /// Feedback spoke of a packet for the first time.
    pub(super) fn heard(&mut self, missing: bool, sent_us: i64, bytes: u16) {
        self.window.packets += 1;
        self.window.missing += i32::from(missing);
        self.window.bits += f64::from(bytes) * 8.0;
        self.window.sent_from_us.get_or_insert(sent_us);
        self.window.sent_until_us = self.window.sent_until_us.max(sent_us);
    }

    /// A packet counted as missing arrived after all.
    pub(super) const fn arrived_after_all(&mut self) {
        self.window.missing -= 1;
    }

    /// Judges what was heard.
    pub(super) fn update(&mut self, signs: Signs, now_us: i64) {
        let window = self.window;
        let since = now_us.saturating_sub(window.since_us);
        if window.packets < WINDOW_PACKETS || since < WINDOW_US {
            return;
        }
        self.window = Window::new(now_us, Some(window.sent_until_us));
        self.measure(&window);
        self.judge(signs, now_us);
        self.judged_us = now_us;
    }

    fn measure(&mut self, window: &Window) {
        self.latest = (f64::from(window.missing) / f64::from(window.packets)).clamp(0.0, 1.0);
        self.share += WEIGHT * (self.latest - self.share);
        if self.share < self.tolerated * OWN {
            self.tolerated += FORGET * (self.share - self.tolerated);
        }
        if let Some(bps) = window.bps() {
            self.sent_bps =
                if self.sent_bps == 0.0 { bps } else { self.sent_bps + WEIGHT * (bps - self.sent_bps) };
        }
    }

    fn judge(&mut self, signs: Signs, now_us: i64) {
        self.end_trial();
        let excess = self.share - self.tolerated;
        let too_much = excess > self.threshold(SOME) && self.latest - self.tolerated > self.threshold(SOME);
        self.suspicious = if too_much { self.suspicious.saturating_add(1) } else { 0 };
        let much = excess > self.threshold(MUCH);
        if excess <= self.threshold(SOME) {
            self.trial = None;
            self.grow(signs.rate_bps as f64, now_us);
        } else if signs.reduced {
            self.suspicious = 0;
        } else if self.suspicious >= SUSPICIOUS && (much || !signs.limited) {
            self.cut(if much { 1.0 - 0.5 * excess } else { STEP }, signs, now_us);
        }
    }

    fn threshold(&self, above: f64) -> f64 {
        above + VARIES * self.tolerated
    }

    fn cut(&mut self, share: f64, signs: Signs, now_us: i64) {
        let wait = BETWEEN_CUTS_US.saturating_add(signs.rtt_us.clamp(0, 1_000_000));
        if self.cut_us.is_some_and(|at| now_us.saturating_sub(at) < wait) {
            return;
        }
        self.cut_us = Some(now_us);
        self.trial.get_or_insert(Trial { share: self.share, sent_bps: self.sent_bps });
        let limit =
            self.limit_bps.unwrap_or(f64::MAX).min(signs.rate_bps as f64).min(self.sent_bps * ABOVE_SENT);
        self.limit_bps = Some(limit * share);
    }

    fn end_trial(&mut self) {
        let Some(trial) = self.trial else { return };
        let arrived = (1.0 - trial.share).min(TRIAL);
        if self.sent_bps > trial.sent_bps * arrived {
            return;
        }
        let remaining = trial.share * OWN;
        if self.share < remaining {
            // It was the rate. If there is still too much, the next trial begins here.
            self.trial = None;
        } else if self.latest >= remaining {
            self.trial = None;
            self.tolerated = self.share;
            self.limit_bps = None;
        }
    }

    fn grow(&mut self, rate_bps: f64, now_us: i64) {
        let Some(limit) = self.limit_bps else { return };
        let elapsed_s = now_us.saturating_sub(self.judged_us).clamp(0, 1_000_000) as f64 / 1e6;
        let grown = limit * GROWTH.powf(elapsed_s) + 1_000.0;
        self.limit_bps = Some(grown).filter(|bps| *bps < rate_bps);
    }
}

impl Window {
    const fn new(now_us: i64, sent_from_us: Option<i64>) -> Self {
        Self { since_us: now_us, packets: 0, missing: 0, bits: 0.0, sent_from_us, sent_until_us: i64::MIN }
    }

    fn bps(&self) -> Option<f64> {
        let span_us = self.sent_until_us.saturating_sub(self.sent_from_us?);
        (span_us > 0).then(|| self.bits * 1e6 / span_us as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: u64 = 1_000_000;
    const FREE: Signs = Signs { rate_bps: FULL, reduced: false, limited: false, rtt_us: 50_000 };

    /// Ten packets of 1,250 bytes each 100 ms are a megabit a second at full rate; `lost` says how many of
    /// a hundred are lost when sending at this share of it. The session sends what it may.
    fn run(loss: &mut Loss, from_s: i64, span_s: i64, lost: impl Fn(f64) -> f64) -> u64 {
        let mut owed = 0.0;
        let mut rate = FULL;
        for n in 0..span_s * 100 {
            let now_us = from_s * 1_000_000 + n * 10_000;
            rate = loss.limit_bps().unwrap_or(FULL).min(FULL);
            let sent = rate as f64 / FULL as f64;
            owed += lost(sent) / 100.0;
            let missing = owed >= 1.0;
            owed -= f64::from(u8::from(missing));
            loss.heard(missing, now_us, (1_250.0 * sent) as u16);
            loss.update(FREE, now_us);
        }
        rate
    }

    /// Loss of a path that carries this share of the full rate and drops the rest at once.
    fn policed(share: f64) -> impl Fn(f64) -> f64 {
        move |sent| (100.0 * (1.0 - share / sent)).max(0.0)
    }

    #[test]
    fn little_loss_limits_nothing() {
        assert_eq!(run(&mut Loss::new(0), 0, 30, |_| 1.5), 1_000_000);
    }

    #[test]
    fn a_path_that_carries_less_is_found() {
        let mut loss = Loss::new(0);
        for from_s in [0, 30, 40, 50] {
            let rate = run(&mut loss, from_s, 10, policed(0.5));
            assert!((400_000..600_000).contains(&rate), "{rate}");
        }
        assert_eq!(run(&mut loss, 60, 30, |_| 0.0), 1_000_000);
    }

    #[test]
    fn loss_of_the_paths_own_is_tolerated_until_it_falls() {
        for own in [5.0, 15.0, 30.0] {
            let mut loss = Loss::new(0);
            let lowest = (0..60).map(|s| run(&mut loss, s, 1, |_| own)).min().unwrap();
            assert!(lowest as f64 > 1e6 * (1.0 - own / 100.0 - 0.25), "{lowest} at {own}");
            assert!(loss.limit_bps().is_none() && !loss.forbids_more(), "{own}");
            run(&mut loss, 60, 60, |_| 0.0);
            assert!(loss.tolerated < 0.01, "{}", loss.tolerated);
        }
    }

    #[test]
    fn a_limited_session_is_left_alone_at_five_percent() {
        let mut loss = Loss::new(0);
        for n in 0..1_000 {
            loss.heard(n % 20 == 0, n * 10_000, 1_250);
            loss.update(Signs { limited: true, ..FREE }, n * 10_000);
        }
        assert!(loss.limit_bps().is_none());
    }

    #[test]
    fn what_came_late_was_not_lost() {
        let mut loss = Loss::new(0);
        for n in 0..1_000 {
            loss.heard(n % 5 == 0, n * 10_000, 1_250);
            if n % 5 == 3 {
                loss.arrived_after_all();
            }
            loss.update(FREE, n * 10_000);
        }
        assert!(loss.share() < 0.02 && loss.limit_bps().is_none());
    }
}
