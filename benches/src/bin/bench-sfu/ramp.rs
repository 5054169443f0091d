//! How many consults a server carries and everybody is well.

use crate::measure::{Conditions, Sample, Server, measure};
use anyhow::{Result, bail};
use loadtest::search::Search;
use serde_json::json;
use std::time::Duration;

/// Where the search begins and ends, and how fine it looks.
const FIRST: usize = 80;
const MOST: usize = 320;
const STEP: usize = 5;

/// What well means.
const LOSS: f64 = 0.001;
const P99: Duration = Duration::from_millis(20);

pub(crate) async fn run(conditions: Conditions) -> Result<()> {
    let ours = highest(Server::Telehealth, conditions).await?;
    let theirs = if conditions.janus { Some(highest(Server::Janus, conditions).await?) } else { None };
    let figures = json!({
        "name": "sfu-ramp",
        "healthy_consults": ours, "healthy_consults_janus": theirs,
        "conditions": {
            "healthy": "no failed join, loss <= 0.1 %, p99 <= 20 ms", "resolution": STEP,
            "media": "1.0 Mbit/s VP8 + Opus each way", "warm_s": conditions.warm.as_secs(),
            "steady_s": conditions.steady.as_secs(), "server": "one core", "clients": "one core",
            "profile": "perf", "srtp": "AEAD_AES_256_GCM",
        },
        "gate": { "healthy_consults": 150, "met": ours >= 150 },
        "target": { "healthy_consults": 300, "met": ours >= 300 },
    });
    println!("{figures}");
    Ok(())
}

async fn highest(server: Server, conditions: Conditions) -> Result<usize> {
    let mut search = Search::new(FIRST, MOST, STEP);
    while let Some(consults) = search.next() {
        let verdict = match measure(server, &Conditions { consults, ..conditions }).await {
            Ok(sample) => judge(&sample)?,
            Err(error) => Some(format!("{error:#}")),
        };
        println!("{server:?} {consults:>4}  {}", verdict.as_deref().unwrap_or("healthy"));
        search.tell(consults, verdict.is_none());
    }
    Ok(search.healthy())
}

/// What is wrong; an error if it cannot be told.
pub(crate) fn judge(sample: &Sample) -> Result<Option<String>> {
    let load = &sample.load;
    let loss = sample.loss();
    let ill = loss > LOSS || load.latency.p99 > P99 || sample.drops > 0;
    if load.busy > 0.9 {
        bail!("void: the clients were {:.0} % busy", load.busy * 100.0);
    }
    Ok(ill.then(|| {
        format!(
            "loss {:.2} %, p99 {:?}, {} datagrams without room",
            loss * 100.0,
            load.latency.p99,
            sample.drops
        )
    }))
}
