//! When nothing is heard of what was sent: then the path may be gone, and sending on as before would
//! meet it with a burst when it is back.

/// How long feedback may take beside the round trip. Receivers report four times a second or more.
const PATIENCE_US: i64 = 500_000;

/// So many packets without word are needed: one may be lost, and then nothing is reported.
const PACKETS: u32 = 5;

/// Counts packets since feedback was heard.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// When the first was sent.
    since_us: Option<i64>,
    packets: u32,
    periods: u32,
}

impl Silence {
    pub(super) fn sent(&mut self, now_us: i64) {
        self.since_us.get_or_insert(now_us);
        self.packets = self.packets.saturating_add(1);
    }

    /// Feedback was heard.
    pub(super) fn over(&mut self) {
        *self = Self::default();
    }

    /// Whether it has lasted for a period already.
    pub(super) const fn is_long(&self) -> bool {
        self.periods > 0
    }

    pub(super) fn deadline_us(&self, rtt_us: i64) -> Option<i64> {
        let since = self.since_us.filter(|_| self.packets >= PACKETS)?;
        Some(since.saturating_add(PATIENCE_US).saturating_add(rtt_us.clamp(0, 2 * PATIENCE_US)))
    }

    /// Whether a period without word ends now. The next begins with the next packet.
    pub(super) fn poll(&mut self, rtt_us: i64, now_us: i64) -> bool {
        let ends = self.deadline_us(rtt_us).is_some_and(|at| at <= now_us);
        if ends {
            *self = Self { since_us: None, packets: 0, periods: self.periods.saturating_add(1) };
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    #[test]
    fn each_period_of_sending_without_word_counts_once() {
        let mut silence = Silence::default();
        let mut ends = Vec::new();
        for ms in 0..2_000 {
            if ms % 20 == 0 && ms < 1_500 {
                silence.sent(ms * MS);
            }
            if silence.poll(100 * MS, ms * MS) {
                ends.push(ms);
            }
        }
        assert_eq!(ends, [600, 1_220, 1_840]);
        assert!(silence.is_long());
        silence.over();
        assert!(!silence.is_long() && silence.deadline_us(0).is_none());
    }

    #[test]
    fn one_packet_is_no_reason() {
        let mut silence = Silence::default();
        silence.sent(0);
        assert!(!silence.poll(0, i64::MAX));
    }
}
