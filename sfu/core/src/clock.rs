//! When a packet was captured, on this node's clock.
//!
//! Lips and voice stay together if outgoing sender reports carry the publisher's own clock: sound and
//! picture arrive by different delays, so arrival time would pull them apart. All times here are
//! microseconds.

/// Longest plausible time between capture and arrival; beyond it a report is not believed.
const OLDEST_US: i64 = 10_000_000;

/// A step of the publisher's clock larger than this restarts the mapping.
const STEP_US: i64 = 2_000_000;

/// A stream whose own clock stood still for so long was paused: browsers stop counting while a microphone is off.
pub const PAUSE_US: i64 = 1_000_000;

/// How fast the mapping follows a publisher whose clock runs slow: 500 ppm.
const DRIFT_DIVISOR: i64 = 2_000;

/// Maps one publisher's clock to this node's. Shared by all their streams, which keeps them together.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublisherClock {
    /// Node time minus publisher time, at the least delay seen.
    offset_us: Option<i64>,
    last_report_us: i64,
    /// Counts restarts: a stream's report from before one is void.
    epoch: u32,
}

/// The last sender report of one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamClock {
    report: Option<Report>,
    /// Timestamp and arrival of the newest packet.
    newest: Option<(u32, i64)>,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    epoch: u32,
    publisher_us: i64,
    rtp: u32,
}

impl PublisherClock {
    /// A sender report of one of the publisher's streams: at `publisher_us` on their clock the
    /// stream's timestamp was `rtp`; it arrived at `arrival_us` on ours.
    pub fn report(&mut self, stream: &mut StreamClock, publisher_us: i64, rtp: u32, arrival_us: i64) {
        let seen = arrival_us.saturating_sub(publisher_us);
        self.offset_us = Some(match self.offset_us {
            Some(offset) if seen.saturating_sub(offset).saturating_abs() <= STEP_US => {
                let drift = arrival_us.saturating_sub(self.last_report_us).max(0) / DRIFT_DIVISOR;
                seen.min(offset.saturating_add(drift))
            }
            _ => {
                self.epoch = self.epoch.wrapping_add(1);
                seen
            }
        });
        self.last_report_us = arrival_us;
        stream.report = Some(Report { epoch: self.epoch, publisher_us, rtp });
    }

    /// When the packet with this timestamp was captured, on this node's clock: never later
    /// than its arrival, and its arrival while no report allows better.
    #[must_use]
    pub fn captured_us(&self, stream: &mut StreamClock, rtp: u32, clock_rate: u32, arrival_us: i64) -> i64 {
        stream.saw(rtp, clock_rate, arrival_us);
        let captured = self.offset_us.zip(stream.report).and_then(|(offset, report)| {
            (report.epoch == self.epoch).then_some(())?;
            report.publisher_us.checked_add(since(report.rtp, rtp, clock_rate))?.checked_add(offset)
        });
        match captured {
            Some(at) if at > arrival_us.saturating_sub(OLDEST_US) => at.min(arrival_us),
            _ => arrival_us,
        }
    }
}

impl StreamClock {
    /// Notes a packet. After a pause the last report no longer tells when anything was captured.
    fn saw(&mut self, rtp: u32, clock_rate: u32, arrival_us: i64) {
        if let Some((newest, at_us)) = self.newest {
            let passed = since(newest, rtp, clock_rate);
            if passed < 0 {
                return;
            }
            if arrival_us.saturating_sub(at_us).saturating_sub(passed) > PAUSE_US {
                self.report = None;
            }
        }
        self.newest = Some((rtp, arrival_us));
    }
}

/// Microseconds between two timestamps. In 32 bits, as on the wire: packets and reports may be extended from
/// different beginnings.
pub(crate) fn since(earlier: u32, later: u32, clock_rate: u32) -> i64 {
    i64::from(later.wrapping_sub(earlier).cast_signed()) * 1_000_000 / i64::from(clock_rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000;

    /// A publisher whose clock is an hour ahead of ours.
    const AHEAD: i64 = 3_600_000_000;

    #[test]
    fn sound_and_picture_captured_together_map_to_the_same_moment() {
        let mut publisher = PublisherClock::default();
        let (mut audio, mut video) = (StreamClock::default(), StreamClock::default());
        // Both captured at 1 s. Audio arrives 20 ms later, video 320 ms later.
        publisher.report(&mut audio, AHEAD + 1_000 * MS, 48_000, 1_020 * MS);
        publisher.report(&mut video, AHEAD + 1_000 * MS, 900_000, 1_320 * MS);
        let heard = publisher.captured_us(&mut audio, 96_000, 48_000, 2_020 * MS);
        let seen = publisher.captured_us(&mut video, 990_000, 90_000, 2_320 * MS);
        assert!((heard - seen).abs() <= MS, "heard {heard}, seen {seen}");
        assert!((heard - 2_020 * MS).abs() <= MS, "the least delay is what remains");
    }

    #[test]
    fn without_a_report_it_is_the_arrival() {
        let publisher = PublisherClock::default();
        assert_eq!(publisher.captured_us(&mut StreamClock::default(), 5, 90_000, 77), 77);
    }

    #[test]
    fn it_is_never_in_the_future_nor_absurdly_old() {
        let mut publisher = PublisherClock::default();
        let mut video = StreamClock::default();
        publisher.report(&mut video, 0, 0, 0);
        assert_eq!(publisher.captured_us(&mut video, 90_000, 90_000, 500 * MS), 500 * MS);
        assert_eq!(publisher.captured_us(&mut video, 0, 90_000, 60_000 * MS), 60_000 * MS);
    }

    #[test]
    fn a_stepped_clock_restarts_and_other_streams_wait_for_their_report() {
        let mut publisher = PublisherClock::default();
        let (mut audio, mut video) = (StreamClock::default(), StreamClock::default());
        publisher.report(&mut audio, 1_000 * MS, 0, 1_010 * MS);
        publisher.report(&mut video, AHEAD, 0, 2_000 * MS);
        assert_eq!(publisher.captured_us(&mut video, 9_000, 90_000, 2_150 * MS), 2_100 * MS);
        assert_eq!(publisher.captured_us(&mut audio, 48_000, 48_000, 2_200 * MS), 2_200 * MS);
    }

    #[test]
    fn after_a_pause_in_which_timestamps_stood_still_the_arrival_counts_until_the_next_report() {
        let mut publisher = PublisherClock::default();
        let mut audio = StreamClock::default();
        publisher.report(&mut audio, 1_000 * MS, 0, 1_010 * MS);
        assert_eq!(publisher.captured_us(&mut audio, 4_800, 48_000, 1_130 * MS), 1_110 * MS);
        // The network stood still: time went on in the timestamps.
        assert_eq!(publisher.captured_us(&mut audio, 4_800 + 96_000, 48_000, 3_130 * MS), 3_110 * MS);
        // Off for four seconds.
        assert_eq!(publisher.captured_us(&mut audio, 101_760, 48_000, 7_150 * MS), 7_150 * MS);
        assert_eq!(publisher.captured_us(&mut audio, 102_720, 48_000, 7_170 * MS), 7_170 * MS);
        publisher.report(&mut audio, 7_200 * MS, 104_640, 7_210 * MS);
        assert_eq!(publisher.captured_us(&mut audio, 105_600, 48_000, 7_240 * MS), 7_230 * MS);
        // One that comes late is no pause.
        assert_eq!(publisher.captured_us(&mut audio, 48_000, 48_000, 9_000 * MS), 6_030 * MS);
    }

    #[test]
    fn timestamps_wrap_between_a_report_and_a_packet() {
        let mut publisher = PublisherClock::default();
        let mut audio = StreamClock::default();
        publisher.report(&mut audio, 1_000 * MS, u32::MAX - 47, 1_010 * MS);
        assert_eq!(publisher.captured_us(&mut audio, 48_000 - 48, 48_000, 2_500 * MS), 2_010 * MS);
        publisher.report(&mut audio, 2_000 * MS, 48, 2_010 * MS);
        assert_eq!(publisher.captured_us(&mut audio, u32::MAX - 47, 48_000, 2_020 * MS), 2_008 * MS);
    }

    #[test]
    fn a_slow_clock_is_followed_without_a_jump() {
        let mut publisher = PublisherClock::default();
        let mut audio = StreamClock::default();
        for second in 0..3_600 {
            // 100 ppm slow.
            let ours = second * 1_000_000;
            publisher.report(&mut audio, ours - ours / 10_000, 0, ours + 10 * MS);
        }
        let at = publisher.captured_us(&mut audio, 0, 48_000, 3_600_000 * MS);
        assert!((at - 3_599_010 * MS).abs() < 2 * MS, "{at}");
    }

    proptest! {
        #[test]
        fn any_report_is_survived(
            reports in proptest::collection::vec((any::<i64>(), any::<u32>(), any::<i64>()), 0..20),
            rtp: u32,
            rate: u32,
            arrival: i64,
        ) {
            let mut publisher = PublisherClock::default();
            let mut stream = StreamClock::default();
            for (ntp, rtp, arrival) in reports {
                publisher.report(&mut stream, ntp, rtp, arrival);
            }
            let at = publisher.captured_us(&mut stream, rtp, rate, arrival);
            prop_assert!(at <= arrival);
        }
    }
}
