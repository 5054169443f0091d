//! What a probe measured: packets sent fast one after the other, and how fast they arrived (libwebrtc's
//! `ProbeBitrateEstimator`, whose constants these are).

use super::Probe;
use super::sent::Sent;

/// Share of a probe's packets and bytes that must have arrived, of those that the path does not lose anyway.
const ARRIVED: f64 = 0.8;

/// Longest time between the first and the last packet, sent or arrived.
const LONGEST_US: i64 = 1_000_000;

/// Packets cannot arrive faster than this many times as they were sent, or it is the clocks.
const FASTEST: f64 = 2.0;

/// Arriving slower than this share of how they were sent, they met the path's limit.
const UNHINDERED: f64 = 0.9;

/// Share of a limit so met that may be used.
const USABLE: f64 = 0.95;

/// One probe on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    probe: Probe,
    sent: Side,
    arrived: Side,
    /// When its packets were sent that arrived.
    sent_of_arrived: Side,
}

/// The packets of a cluster at one end.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    packets: u32,
    bytes: u32,
    first: (i64, u16),
    last: (i64, u16),
}

impl Side {
    fn add(&mut self, at_us: i64, bytes: u16) {
        if self.packets == 0 || at_us < self.first.0 {
            self.first = (at_us, bytes);
        }
        if self.packets == 0 || at_us >= self.last.0 {
            self.last = (at_us, bytes);
        }
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u32::from(bytes));
    }

    /// Bits a second over the time from the first to the last packet, which one of the two is not part of.
    fn bps(&self, outside: u16) -> Option<f64> {
        let span_us = self.last.0.saturating_sub(self.first.0);
        if !(1..=LONGEST_US).contains(&span_us) {
            return None;
        }
        Some(f64::from(self.bytes.saturating_sub(u32::from(outside))) * 8e6 / span_us as f64)
    }
}

impl Cluster {
    pub(super) fn new(probe: Probe) -> Self {
        let none = Side::default();
        Self { probe, sent: none, arrived: none, sent_of_arrived: none }
    }

    pub(super) const fn id(&self) -> u32 {
        self.probe.id
    }

    /// Whether all of it was sent.
    pub(super) const fn is_sent(&self) -> bool {
        self.sent.packets >= self.probe.packets && self.sent.bytes >= self.probe.bytes
    }

    /// A packet of it goes out.
    pub(super) fn sent(&mut self, bytes: usize, now_us: i64) {
        self.sent.add(now_us, u16::try_from(bytes).unwrap_or(u16::MAX));
    }

    /// A packet of it arrived.
    pub(super) fn arrived(&mut self, packet: Sent, at_us: i64) {
        self.sent_of_arrived.add(packet.at_us, packet.bytes);
        self.arrived.add(at_us, packet.bytes);
    }

    /// What it measured, once enough of it arrived. `loss` is the path's.
    pub(super) fn result(&self, loss: f64) -> Option<u64> {
        let share = ARRIVED * (1.0 - loss);
        let enough = |arrived: u32, sent: u32| f64::from(arrived) >= share * f64::from(sent);
        if !self.is_sent()
            || !enough(self.arrived.packets, self.sent.packets)
            || !enough(self.arrived.bytes, self.sent.bytes)
        {
            return None;
        }
        // The last packet's sending takes place after it, the first one's arrival before it.
        let sent = self.sent_of_arrived.bps(self.sent_of_arrived.last.1)?;
        let arrived = self.arrived.bps(self.arrived.first.1)?;
        if arrived > FASTEST * sent {
            return None;
        }
        let bps = if arrived < UNHINDERED * sent { USABLE * arrived } else { arrived.min(sent) };
        Some(bps as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::sent::{History, News};

    /// Six packets of 1,000 bytes, sent so many and arriving so many microseconds apart.
    fn check(sent_gap: i64, arrived_gap: i64, lost: usize, expect_kbps: Option<u64>) {
        let mut cluster = Cluster::new(Probe { id: 1, bps: 4_000_000, bytes: 5_000, packets: 5 });
        let mut history = History::default();
        for n in 0..6 {
            assert!(cluster.result(0.0).is_none());
            history.push(1_000, 1, n * sent_gap);
            cluster.sent(1_000, n * sent_gap);
        }
        for n in 0..6 - lost {
            let (packet, news) = history.heard(n as u16, true).unwrap();
            assert_eq!(news, News::Arrived);
            cluster.arrived(packet, 500 + n as i64 * arrived_gap);
        }
        assert_eq!(cluster.result(0.0).map(|bps| bps / 1_000), expect_kbps);
    }

    #[test]
    fn an_unhindered_probe_measures_how_fast_it_was_sent() {
        check(2_000, 2_000, 0, Some(4_000));
        check(2_000, 1_900, 0, Some(4_000));
        check(2_000, 2_100, 0, Some(3_809));
    }

    #[test]
    fn a_hindered_one_measures_the_limit_and_leaves_some_of_it() {
        check(2_000, 8_000, 0, Some(950));
    }

    #[test]
    fn one_of_six_may_be_lost_and_no_more() {
        check(2_000, 2_000, 1, Some(4_000));
        check(2_000, 2_000, 2, None);
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        check(2_000, 900, 0, None);
        check(2_000, 0, 0, None);
        check(0, 2_000, 0, None);
        check(300_000, 300_000, 0, None);
        check(2_000, -2_000, 0, Some(4_000));
    }
}
