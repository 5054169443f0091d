//! What the clients of one thread saw, and how hard the thread had to work.

use hdrhistogram::Histogram;
use std::time::Duration;

/// What the clients of one thread saw together since they were last asked.
#[derive(Clone, Debug)]
pub struct Observation {
    /// How late frames were sent, µs.
    pub late: Histogram<u64>,
    /// From just before a packet was sent to its arrival in the kernel at the far end, µs. Repairs do not count.
    pub latency: Histogram<u64>,
    /// Packets that came on media lines, each counted once.
    pub packets: u64,
    /// Packets given up.
    pub lost: u64,
    /// Processor time of the thread ÷ wall time.
    pub busy: f64,
}

impl Observation {
    /// The same in few figures.
    #[must_use]
    pub fn load(&self) -> Load {
        let us = |of: &Histogram<u64>, quantile| Duration::from_micros(of.value_at_quantile(quantile));
        Load {
            frames: self.late.len(),
            late_p50: us(&self.late, 0.50),
            late_p99: us(&self.late, 0.99),
            busy: self.busy,
            latency: Latency {
                packets: self.latency.len(),
                p50: us(&self.latency, 0.50),
                p99: us(&self.latency, 0.99),
                p999: us(&self.latency, 0.999),
            },
        }
    }
}

/// How hard the clients' own thread had to work.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Frames sent.
    pub frames: u64,
    /// How late they were sent.
    pub late_p50: Duration,
    /// How late they were sent.
    pub late_p99: Duration,
    /// Processor time of the thread ÷ wall time.
    pub busy: f64,
    /// From client to client, through the server.
    pub latency: Latency,
}

/// How long packets took: from just before they were sent to their arrival in the kernel at the far end. Repairs do
/// not count.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Packets that were measured.
    pub packets: u64,
    /// Half of them took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// 999 of 1,000 took no longer.
    pub p999: Duration,
}

impl Load {
    /// Whether what was measured meanwhile tells of the clients rather than of the server: they sent later
    /// than may be, or had hardly any time left.
    #[must_use]
    pub fn saturated(&self, latest_p99: Duration) -> bool {
        self.late_p99 > latest_p99 || self.busy > 0.9
    }
}
