//! How many datagrams pass the kernel in one piece, received (GRO) and sent (GSO): what the server itself counts.

use anyhow::{Context as _, Result};
use hyper::Method;
use loadtest::{http, net::Origin};
use serde_json::{Map, Value, json};
use std::fmt;

/// Both directions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    pub(crate) received: Lengths,
    pub(crate) sent: Lengths,
}

/// Runs by their length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// Longest run of each bucket, as the page writes it, and how many runs are in it.
    buckets: Vec<(String, u64)>,
    datagrams: u64,
}

impl Runs {
    /// Reads the server's page of metrics.
    pub(crate) async fn read(url: &str) -> Result<Self> {
        let (origin, path) = Origin::split(url)?;
        let page = http::send(&origin, Method::GET, path, &[], String::new()).await?.good()?.body;
        let of = |direction| Lengths::parse(&page, direction).context("no run lengths among the metrics");
        Ok(Self { received: of("in")?, sent: of("out")? })
    }

    pub(crate) fn since(&self, then: &Self) -> Self {
        Self { received: self.received.since(&then.received), sent: self.sent.since(&then.sent) }
    }

    /// Those of several repeats together.
    pub(crate) fn sum<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Self> {
        all.cloned()
            .reduce(|a, b| Self { received: a.received.plus(&b.received), sent: a.sent.plus(&b.sent) })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "received": self.received.json(), "sent": self.sent.json() })
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "received {}; sent {}", self.received, self.sent)
    }
}

impl Lengths {
    fn parse(page: &str, direction: &str) -> Option<Self> {
        let bucket = format!("telehealth_sfu_run_length_bucket{{direction=\"{direction}\",le=\"");
        let mut below = 0;
        let mut buckets = Vec::new();
        for line in page.lines() {
            let Some((bound, count)) = line.strip_prefix(&bucket).and_then(|rest| rest.split_once("\"} "))
            else {
                continue;
            };
            let cumulative: u64 = count.parse().ok()?;
            buckets.push((bound.to_owned(), cumulative.checked_sub(below)?));
            below = cumulative;
        }
        let sum = format!("telehealth_sfu_run_length_sum{{direction=\"{direction}\"}} ");
        let datagrams = page.lines().find_map(|line| line.strip_prefix(&sum))?.parse().ok()?;
        (!buckets.is_empty()).then_some(Self { buckets, datagrams })
    }

    fn since(&self, then: &Self) -> Self {
        self.with(then, u64::saturating_sub)
    }

    fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, change: fn(u64, u64) -> u64) -> Self {
        let pairs = self.buckets.iter().zip(&other.buckets);
        Self {
            buckets: pairs.map(|((bound, a), (_, b))| (bound.clone(), change(*a, *b))).collect(),
            datagrams: change(self.datagrams, other.datagrams),
        }
    }

    /// Datagrams in a run, on average.
    fn mean(&self) -> f64 {
        let runs: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        self.datagrams as f64 / runs.max(1) as f64
    }

    /// Lengths and the share of runs that have them; those that none has are left out.
    fn shares(&self) -> impl Iterator<Item = (String, f64)> {
        let runs: u64 = self.buckets.iter().map(|(_, count)| count).sum();
        let mut longer_than = 0;
        self.buckets.iter().filter_map(move |(bound, count)| {
            let from = longer_than + 1;
            let name = match bound.parse::<u64>() {
                Ok(to) => {
                    longer_than = to;
                    if from == to { bound.clone() } else { format!("{from}–{to}") }
                }
                Err(_) => format!("over {longer_than}"),
            };
            (*count > 0).then(|| (name, *count as f64 / runs as f64))
        })
    }

    fn json(&self) -> Value {
        let thousandths = |share: f64| (share * 1_000.0).round() / 1_000.0;
        let shares: Map<_, _> =
            self.shares().map(|(name, share)| (name, thousandths(share).into())).collect();
        json!({ "datagrams_per_run": crate::round(self.mean()), "share_of_runs": shares })
    }
}

impl fmt::Display for Lengths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} a run (", self.mean())?;
        for (n, (name, share)) in self.shares().enumerate() {
            write!(f, "{}{name}: {:.0} %", if n > 0 { ", " } else { "" }, share * 100.0)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE telehealth_sfu_run_length histogram\n\
        telehealth_sfu_run_length_bucket{direction=\"in\",le=\"1\"} 6\n\
        telehealth_sfu_run_length_bucket{direction=\"in\",le=\"2\"} 6\n\
        telehealth_sfu_run_length_bucket{direction=\"in\",le=\"4\"} 9\n\
        telehealth_sfu_run_length_bucket{direction=\"in\",le=\"+Inf\"} 10\n\
        telehealth_sfu_run_length_sum{direction=\"in\"} 25\n\
        telehealth_sfu_run_length_count{direction=\"in\"} 10\n\
        telehealth_sfu_run_length_bucket{direction=\"out\",le=\"1\"} 1\n";

    #[test]
    fn runs_are_read_subtracted_and_named() {
        let all = Lengths::parse(PAGE, "in").unwrap();
        assert_eq!(all.to_string(), "2.50 a run (1: 60 %, 3–4: 30 %, over 4: 10 %)");
        assert_eq!(all.json()["share_of_runs"]["3–4"], 0.3);
        assert_eq!(all.since(&all).to_string(), "0.00 a run ()");
        assert_eq!(all.plus(&all).mean(), 2.5);
        assert_eq!(Lengths::parse(PAGE, "out"), None, "without its sum it is not whole");
        assert_eq!(Lengths::parse("", "in"), None);
    }
}
