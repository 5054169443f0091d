//! What the clients of one thread saw together.

use super::Observation;
use hdrhistogram::Histogram;
use std::{io, time::Duration};

/// Longest time told apart, µs.
const LONGEST_US: u64 = 60_000_000;

#[derive(Debug)]
pub(super) struct Observed {
    /// How late frames were sent, µs.
    late: Histogram<u64>,
    /// From just before a packet was sent to its arrival in the kernel at the far end, µs.
    latency: Histogram<u64>,
}

impl Observed {
    pub(super) fn new() -> io::Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_US, 3).map_err(io::Error::other);
        Ok(Self { late: histogram()?, latency: histogram()? })
    }

    pub(super) fn late(&mut self, by: Duration) {
        self.late.saturating_record(u64::try_from(by.as_micros()).unwrap_or(LONGEST_US));
    }

    /// A packet that said when it was sent, and when the kernel had it; both nanoseconds since 1970.
    pub(super) fn arrived(&mut self, sent_ns: u64, received_ns: u64) {
        if sent_ns > 0 {
            self.latency.saturating_record(received_ns.saturating_sub(sent_ns) / 1_000);
        }
    }

    /// What was seen since the last time.
    pub(super) fn take(&mut self, (packets, lost): (u64, u64), busy: f64) -> Observation {
        let seen =
            Observation { late: self.late.clone(), latency: self.latency.clone(), packets, lost, busy };
        self.late.reset();
        self.latency.reset();
        seen
    }
}
