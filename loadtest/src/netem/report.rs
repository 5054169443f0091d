//! What happened: for a person on stderr, for a program as JSON.

use super::router::{Refused, Tally};
use serde::Serialize;
use std::fmt;

/// Of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    /// From the start of the clients' commands.
    pub(super) seconds: f64,
    pub(super) clients: Vec<ClientReport>,
    pub(super) refused: Refused,
    pub(super) router: Cost,
}

/// Of one client.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClientReport {
    pub(super) name: String,
    /// The command's, or 128 and the signal that ended it.
    pub(super) exit_code: Option<i32>,
    pub(super) up: Tally,
    pub(super) down: Tally,
    pub(super) readdressed: u64,
}

/// Of the router itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    /// Taken in.
    pub(super) packets: u64,
    /// Processor time of the router's thread for each, µs.
    pub(super) cpu_us_per_packet: f64,
    /// How much later than due packets were handed over, µs.
    pub(super) late_us_p50: u64,
    pub(super) late_us_p99: u64,
    pub(super) late_us_max: u64,
    /// Packets the kernel dropped because the router did not fetch them in time.
    pub(super) overruns: u64,
    /// Packets the kernel did not take back.
    pub(super) undelivered: u64,
}

/// Later than this at p99, the router's own doing shows beside what was asked for.
const LATE_US: u64 = 5_000;

impl Report {
    /// Why what was measured through the router may not be the script's doing.
    pub(super) fn void(&self) -> Option<String> {
        if self.router.overruns > 0 {
            return Some(format!("the router did not fetch {} packets in time", self.router.overruns));
        }
        if self.refused.overfull > 0 {
            return Some(format!("{} packets were more than the router can hold", self.refused.overfull));
        }
        let late = self.router.late_us_p99;
        (late > LATE_US).then(|| format!("the router was {} ms late at p99", late / 1_000))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "netem: seed {}, {:.1} s", self.seed, self.seconds)?;
        for client in &self.clients {
            for (way, tally) in [("up", &client.up), ("down", &client.down)] {
                let Tally { packets, passed, lost, queue_full, cut, .. } = tally;
                writeln!(
                    f,
                    "  {:12} {way:5}{packets:>9} packets, {passed} passed, {lost} lost, {queue_full} queue full, {cut} cut",
                    client.name,
                )?;
            }
            if client.readdressed > 0 {
                writeln!(f, "  {:12} readdressed {} times", client.name, client.readdressed)?;
            }
        }
        let Refused { outside, stale, malformed, .. } = self.refused;
        if outside + stale + malformed > 0 {
            writeln!(
                f,
                "  refused      {outside} outside, {stale} to an old address, {malformed} malformed"
            )?;
        }
        let Cost { cpu_us_per_packet, late_us_p99, .. } = self.router;
        writeln!(f, "  router       {cpu_us_per_packet:.1} µs a packet, late by {late_us_p99} µs at p99")?;
        match self.void() {
            Some(why) => writeln!(f, "  VOID         {why}"),
            None => Ok(()),
        }
    }
}
