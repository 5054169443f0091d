//! How long reads through the API take at so many a second: signed in, judged by the policy, counted by the gateway, and
//! recorded for the auditor before anything is shown.
//!
//! A `telehealth` of its own on this machine, and in front of it people who are signed in with password and app. Open loop:
//! each request is due at a time that nothing delays, and counts from then. Of ten reads, six are of a person, two of a page
//! of ten people (both recorded for the auditor, on disk, before the answer), and two of one's own account. The last line is
//! one JSON object. RATE, SECONDS and PEOPLE change the workload.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod people;
mod wire;

use anyhow::{Context as _, Result, ensure};
use benches::env;
use loadtest::{
    deployment::{Deployment, Place},
    machine::Processor,
};
use people::Person;
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};
use wire::{Sample, Wire};

/// Connections, each with a thread and a person of its own.
const CONNECTIONS: usize = 40;

/// Milliseconds at the median and the 99th of 100.
const GATE: [f64; 2] = [20.0, 100.0];
const TARGET: [f64; 2] = [2.0, 20.0];

/// What is read in turns, so many of ten.
const READS: [&str; 10] = ["one", "one", "page", "one", "me", "one", "one", "page", "one", "me"];

fn main() -> Result<()> {
    let (rate, seconds): (f64, u64) = (env("RATE", 1_000.0)?, env("SECONDS", 20)?);
    let people: usize = env("PEOPLE", CONNECTIONS)?;
    ensure!(rate > 0.0 && seconds > 0 && people > 0, "RATE, SECONDS and PEOPLE are more than 0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(Deployment::start(1, Place::default()))?;
    let link = server.administrator.clone().context("the server names no administrator")?;
    let people = people::join(&link, people)?;
    println!("{} people have signed in", people.len());
    // What is first used is not measured.
    run(&people, rate / 2.0, Duration::from_secs(2))?;
    let before = (Processor::of(std::process::id())?, Processor::of(server.pid())?);
    let began = Instant::now();
    let mut samples = run(&people, rate, Duration::from_secs(seconds))?;
    let took = began.elapsed().as_secs_f64();
    let busy = |pid, before| -> Result<f64> {
        let used = Processor::of(pid)?.since(before);
        Ok(round((used.user + used.system).as_secs_f64() / took))
    };
    let busy = [busy(std::process::id(), before.0)?, busy(server.pid(), before.1)?];
    samples.sort_by(|one, other| one.ms.total_cmp(&other.ms));
    println!("{}", figures(&samples, rate, seconds, people.len(), busy));
    Ok(())
}

/// Everybody asks, each when it is their turn.
fn run(people: &[Person], rate: f64, long: Duration) -> Result<Vec<Sample>> {
    let begin = Instant::now() + Duration::from_millis(200);
    let count = (rate * long.as_secs_f64()) as usize;
    let every = Duration::from_secs_f64(1.0 / rate);
    thread::scope(|scope| {
        let asking: Vec<_> = people
            .iter()
            .enumerate()
            .map(|(n, person)| {
                scope.spawn(move || -> Result<Vec<Sample>> {
                    let mut wire = Wire::open(person)?;
                    let turns = (n..count).step_by(people.len());
                    turns
                        .map(|turn| {
                            let due = begin + every * u32::try_from(turn)?;
                            wire.ask_at(due, READS[(turn / people.len() + n) % READS.len()])
                        })
                        .collect()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(count);
        for one in asking {
            all.extend(one.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
        }
        Ok(all)
    })
}

fn figures(samples: &[Sample], rate: f64, seconds: u64, people: usize, busy: [f64; 2]) -> Value {
    let ms: Vec<f64> = samples.iter().map(|sample| sample.ms).collect();
    let of = |what: &str| {
        let ms: Vec<f64> =
            samples.iter().filter(|sample| sample.what == what).map(|sample| sample.ms).collect();
        json!({ "p50_ms": round(quantile(&ms, 0.5)), "p99_ms": round(quantile(&ms, 0.99)), "requests": ms.len() })
    };
    let (p50, p99) = (quantile(&ms, 0.5), quantile(&ms, 0.99));
    let wrong = samples.iter().filter(|sample| sample.status != 200).count();
    let done = samples.iter().map(|sample| sample.at_s).fold(seconds as f64, f64::max);
    let rps = samples.len() as f64 / done;
    let judged = |[most_p50, most_p99]: [f64; 2]| {
        let met = wrong == 0 && p50 <= most_p50 && p99 <= most_p99 && rps >= 0.98 * rate;
        json!({ "p50_ms": most_p50, "p99_ms": most_p99, "rps": rate, "met": met })
    };
    json!({
        "name": "api", "p50_ms": round(p50), "p99_ms": round(p99), "rps": round(rps),
        "p999_ms": round(quantile(&ms, 0.999)), "most_ms": round(quantile(&ms, 1.0)), "wrong_answers": wrong,
        "person": of("one"), "page_of_10": of("page"), "own_account": of("me"),
        "conditions": {
            "offered_per_s": rate, "seconds": seconds, "people": people, "connections": people,
            "reads": "6 of 10 a person, 2 a page of ten people, 2 one's own account",
            "on": "authentication by access token, policy, quotas of person and unit, audit on disk before the answer",
            "loop": "open; from when a request was due", "server": "one process, SQLite, HTTP/1.1 without TLS",
            "clients": "the same machine, loopback", "client_busy": busy[0], "server_busy": busy[1],
            "profile": "perf", "build": benches::build(),
        },
        "gate": judged(GATE), "target": judged(TARGET),
    })
}

/// Of a sorted list.
fn quantile(of: &[f64], share: f64) -> f64 {
    of.get(((of.len() as f64 * share).ceil() as usize).max(1) - 1).copied().unwrap_or(0.0)
}

fn round(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(slow: usize, ms: f64, status: u16) -> Value {
        let sample = |n| Sample {
            what: "one",
            status,
            ms: if n < 1_000 - slow { 1.0 } else { ms },
            at_s: n as f64 / 1_000.0,
        };
        figures(&(0..1_000).map(sample).collect::<Vec<_>>(), 1_000.0, 1, 40, [0.1, 0.5])
    }

    #[test]
    fn each_figure_is_judged_and_a_wrong_answer_is_not_fast() {
        let met = |line: &Value| (line["gate"]["met"].clone(), line["target"]["met"].clone());
        assert_eq!(met(&judge(0, 1.0, 200)), (true.into(), true.into()));
        assert_eq!(met(&judge(10, 500.0, 200)), (true.into(), true.into()), "1 of 100 may be slow");
        assert_eq!(met(&judge(11, 50.0, 200)), (true.into(), false.into()));
        assert_eq!(met(&judge(11, 101.0, 200)), (false.into(), false.into()));
        assert_eq!(met(&judge(501, 3.0, 200)), (true.into(), false.into()));
        assert_eq!(met(&judge(0, 1.0, 429)), (false.into(), false.into()));
        assert_eq!(judge(0, 1.0, 200)["rps"], 1_000.0);
    }
}
