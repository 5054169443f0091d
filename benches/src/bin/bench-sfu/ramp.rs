//! How many consults a server carries and everybody is well.

use crate::measure::{Conditions, LATEST, Sample, Server, measure};
use anyhow::Result;
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

/// How often a number is tried that the clients, and perhaps the machine below them, leave in doubt.
const TRIES: usize = 3;

/// How far a server was taken.
struct Reached {
    healthy: usize,
    /// Why no more: the server was not well, the clients could do no more, or the search went no higher.
    limit: &'static str,
}

pub(crate) async fn run(conditions: Conditions) -> Result<()> {
    let ours = highest(Server::Telehealth, conditions).await?;
    let theirs = if conditions.janus { Some(highest(Server::Janus, conditions).await?) } else { None };
    let figures = json!({
        "name": "sfu-ramp",
        "healthy_consults": ours.healthy, "healthy_consults_janus": theirs.as_ref().map(|theirs| theirs.healthy),
        "limit": ours.limit, "limit_janus": theirs.as_ref().map(|theirs| theirs.limit),
        "conditions": {
            "healthy": "no failed join, loss <= 0.1 %, p99 <= 20 ms", "resolution": STEP,
            "media": "1.0 Mbit/s VP8 + Opus each way", "warm_s": conditions.warm.as_secs(),
            "steady_s": conditions.steady.as_secs(), "server": "one core", "clients": "one core",
            "profile": "perf", "srtp": "AEAD_AES_256_GCM",
        },
        "gate": { "healthy_consults": 150, "met": ours.healthy >= 150 },
        "target": { "healthy_consults": 300, "met": ours.healthy >= 300 },
    });
    println!("{figures}");
    Ok(())
}

async fn highest(server: Server, conditions: Conditions) -> Result<Reached> {
    let mut search = Search::new(FIRST, MOST, STEP);
    let mut in_doubt = None;
    while let Some(consults) = search.next() {
        let verdict = tried(server, &Conditions { consults, ..conditions }).await;
        if matches!(verdict, Verdict::Void(_)) {
            in_doubt = Some(consults);
        }
        search.tell(consults, matches!(verdict, Verdict::Healthy));
    }
    let limit = if !search.found_the_limit() {
        "the search"
    } else if in_doubt == Some(search.healthy() + STEP) {
        // The lowest number that was not healthy is the one just above.
        "the clients"
    } else {
        "the server"
    };
    Ok(Reached { healthy: search.healthy(), limit })
}

/// What is found of a number, after another try if it is in doubt: for both servers alike.
async fn tried(server: Server, conditions: &Conditions) -> Verdict {
    let mut verdict = tried_once(server, conditions).await;
    for _ in 1..TRIES {
        if !matches!(verdict, Verdict::Void(_)) {
            break;
        }
        verdict = tried_once(server, conditions).await;
    }
    verdict
}

async fn tried_once(server: Server, conditions: &Conditions) -> Verdict {
    let verdict = match measure(server, conditions).await {
        Ok(sample) => {
            print!(
                "{server:?} {:>4}  {:5.1} % of the core, clients {:3.0} %  ",
                conditions.consults,
                sample.core_percent,
                sample.load.busy * 100.0
            );
            judge(&sample)
        }
        Err(error) => Verdict::Ill(format!("{error:#}")),
    };
    println!("{verdict}");
    verdict
}

/// How a server was.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Healthy,
    Ill(String),
    /// It was not well, and its clients were not either: it cannot be told whose doing that was.
    Void(String),
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Ill(why) => write!(f, "not well: {why}"),
            Self::Void(why) => write!(f, "void: {why}"),
        }
    }
}

/// How it was. A server that was well in spite of late clients, who send in bursts, was well; only clients without a
/// moment to spare leave that in doubt, as they may have sent too little.
pub(crate) fn judge(sample: &Sample) -> Verdict {
    let load = &sample.load;
    let loss = sample.loss();
    let ill = loss > LOSS || load.latency.p99 > P99 || sample.drops > 0;
    let what = format!(
        "loss {:.2} %, p99 {:?}, {} datagrams without room",
        loss * 100.0,
        load.latency.p99,
        sample.drops
    );
    if load.busy > 0.9 || ill && load.late_p99 > LATEST {
        return Verdict::Void(format!(
            "the clients were {:.0} % busy and late by {:?} at p99; {what}",
            load.busy * 100.0,
            load.late_p99
        ));
    }
    if ill { Verdict::Ill(what) } else { Verdict::Healthy }
}
