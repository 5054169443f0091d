//! How much arrives: the rate at which packets reach the receiver.
//!
//! Windows of the receiver's time, each weighed against what was believed before. A window that differs
//! much is believed less, so that one burst or gap moves the rate little and a lasting change moves it
//! within a second (after libwebrtc's `BitrateEstimator`, with less doubt).

/// The first window, in which nothing is known yet.
const FIRST_WINDOW_US: i64 = 500_000;

/// The windows after it.
const WINDOW_US: i64 = 150_000;

/// Packets further apart than this are not one flow: measuring begins again.
const PAUSE_US: i64 = 2_000_000;

/// How doubtful a window is that differs from the belief by all of it.
const DOUBT: f64 = 5.0;

/// How much more doubtful a belief gets with each window.
const AGEING: f64 = 5.0;

/// The rate at which packets arrive.
#[derive(Debug, Default)]
pub(super) struct Acked {
    window: Option<Window>,
    belief: Option<Belief>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since_us: i64,
    newest_us: i64,
    bytes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Belief {
    bps: f64,
    variance: f64,
}

impl Acked {
    /// A packet arrived, by the receiver's clock.
    pub(super) fn arrived(&mut self, at_us: i64, bytes: u16) {
        let fresh = Window { since_us: at_us, newest_us: at_us, bytes: 0 };
        let window = self.window.get_or_insert(fresh);
        let gap = at_us.saturating_sub(window.newest_us);
        if gap.saturating_abs() > PAUSE_US {
            *self = Self { window: Some(Window { bytes: u32::from(bytes), ..fresh }), belief: None };
            return;
        }
        let length = if self.belief.is_some() { WINDOW_US } else { FIRST_WINDOW_US };
        let elapsed = at_us - window.since_us;
        if elapsed >= length {
            let sample = f64::from(window.bytes) * 8e6 / elapsed as f64;
            *window = fresh;
            self.belief =
                Some(self.belief.map_or(Belief { bps: sample, variance: 50.0 }, |b| b.after(sample)));
        }
        window.newest_us = window.newest_us.max(at_us);
        window.bytes = window.bytes.saturating_add(u32::from(bytes));
    }

    /// The rate, once half a second was measured.
    pub(super) fn bps(&self) -> Option<u64> {
        self.belief.map(|belief| belief.bps as u64)
    }
}

impl Belief {
    fn after(self, sample: f64) -> Self {
        let doubt = (DOUBT * (self.bps - sample).abs() / self.bps.max(sample).max(1.0)).powi(2);
        let variance = self.variance + AGEING;
        Self {
            bps: (doubt * self.bps + variance * sample) / (doubt + variance),
            variance: doubt * variance / (doubt + variance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    /// 1,250 bytes every `gap_ms` for `span_ms`; says the rate in kbit/s after each packet.
    fn run(acked: &mut Acked, from_ms: i64, span_ms: i64, gap_ms: i64) -> Option<u64> {
        for n in 0..span_ms / gap_ms {
            acked.arrived((from_ms + n * gap_ms) * MS, 1_250);
        }
        acked.bps().map(|bps| bps / 1_000)
    }

    #[test]
    fn it_measures_half_a_second_and_follows_a_change_soon() {
        let mut acked = Acked::default();
        assert_eq!(run(&mut acked, 0, 500, 10), None);
        assert_eq!(run(&mut acked, 500, 500, 10), Some(1_000));
        let slower = run(&mut acked, 1_000, 800, 40).unwrap();
        assert!((200..400).contains(&slower), "{slower}");
        let faster = run(&mut acked, 1_800, 900, 5).unwrap();
        assert!((1_700..2_050).contains(&faster), "{faster}");
    }

    #[test]
    fn a_pause_or_a_jump_of_the_clock_begins_again() {
        let mut acked = Acked::default();
        for from in [0, 60_000, -1_000_000] {
            run(&mut acked, from, 1_000, 10);
            assert_eq!(acked.bps(), Some(1_000_000));
            run(&mut acked, from + 10_000, 10, 10);
            assert_eq!(acked.bps(), None);
        }
    }
}
