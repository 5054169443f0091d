//! What forwarding costs, beside a peer under the same clients.
//!
//! Consults of two, 1.0 Mbit/s VP8 and Opus each way, on one core of server and one core of clients. Every repeat
//! measures each server in turn. **Processor µs per packet** is the user and system time of the server ÷ the media
//! packets that clients received: no repairs, padding or reports, both directions. Latency is from just before a
//! client sends to the arrival in the kernel at the other client.
//!
//! Beside them the floor: what receiving, opening, sealing and sending cost on the same core without any SFU.
//!
//! `bench-sfu ramp` looks for the highest healthy number of consults instead: nobody fails to join, loss ≤ 0.1 %, p99
//! ≤ 20 ms.
//!
//! `bench-sfu idle` says what people cost who are connected and muted, 5,000 of them unless `MUTED` says otherwise;
//! `bench-sfu line` measures at several numbers of consults (`POINTS`) and fits a straight line to the processor time.
//! Both write what `plots` draws to the file `OUT`.
//!
//! A run is void, and says so, if the clients were late or busy, or a socket had no room. The last line is one JSON
//! object.

mod floor;
mod idle;
mod janus;
mod line;
mod measure;
mod ramp;
mod runs;

use anyhow::{Context as _, Result, ensure};
use measure::{Conditions, Sample, Server, valid};
use runs::Runs;
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let conditions = Conditions::from_env()?;
    if conditions.janus {
        janus::Janus::installed()?;
    }
    match std::env::args().nth(1).as_deref() {
        Some("ramp") => return ramp::run(conditions).await,
        Some("idle") => return idle::run(conditions).await,
        Some("line") => return line::run(conditions).await,
        _ => {}
    }
    let (mut ours, mut theirs, mut spare) = (Vec::new(), Vec::new(), conditions.repeats);
    for repeat in 1..=conditions.repeats {
        for (server, samples) in [(Server::Telehealth, &mut ours), (Server::Janus, &mut theirs)] {
            if server == Server::Telehealth || conditions.janus {
                let told = |sample: &Sample| report(repeat, server, sample);
                samples.push(valid(server, &conditions, &mut spare, told).await?);
            }
        }
    }
    let mut floors = Map::new();
    for way in floor::WAYS {
        let us = round(floor::measure(way, conditions.ip, Duration::from_secs(3))?);
        println!("floor      {us:6.2} µs/packet  {}", way.name);
        floors.insert(way.name.into(), json!(us));
    }
    let void = ours.iter().chain(&theirs).any(|sample| sample.void().is_some());
    let mut figures = figures(&conditions, &ours, &theirs, floors, void);
    figures["conditions"]["void_runs"] = json!(conditions.repeats - spare);
    println!("{figures}");
    ensure!(!void, "void: see above");
    Ok(())
}

fn report(repeat: usize, server: Server, sample: &Sample) {
    let name = server.name();
    println!(
        "{repeat} {name:<10} {:6.2} µs/packet ({:.2} user, {:.2} system)  p50 {:?} p99 {:?} p99.9 {:?}  \
         {:.0} KiB/participant  {} packets, {} lost  join p95 {:?}  clients {:.0} % busy, p99 {:?} late{}",
        sample.cpu_us(),
        sample.user_us,
        sample.system_us,
        sample.load.latency.p50,
        sample.load.latency.p99,
        sample.load.latency.p999,
        sample.kib_per_participant,
        sample.packets,
        sample.lost,
        sample.join_p95,
        sample.load.busy * 100.0,
        sample.load.late_p99,
        sample.void().map(|why| format!("  VOID: {why}")).unwrap_or_default(),
    );
    if let Some(runs) = &sample.runs {
        println!("             runs {runs}");
    }
}

/// To the file that `OUT` names, if it does: what `plots` draws.
fn write_out(figures: &Value) -> Result<()> {
    let Some(out) = std::env::var_os("OUT").map(PathBuf::from) else { return Ok(()) };
    fs::create_dir_all(out.parent().unwrap_or_else(|| Path::new(".")))?;
    fs::write(&out, format!("{figures:#}\n")).with_context(|| format!("OUT={}", out.display()))
}

fn figures(
    conditions: &Conditions,
    ours: &[Sample],
    theirs: &[Sample],
    floors: Map<String, Value>,
    void: bool,
) -> Value {
    let median = |of: &[Sample], figure: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = of.iter().map(figure).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().map(round)
    };
    let n = conditions.consults;
    let (cpu, p99) = (median(ours, Sample::cpu_us), median(ours, |s| ms(s.load.latency.p99)));
    let memory = median(ours, |s| s.kib_per_participant);
    let cpu_of_janus = median(theirs, Sample::cpu_us);
    let ratio = cpu.zip(cpu_of_janus).map(|(ours, theirs)| (ours / theirs * 1_000.0).round() / 1_000.0);
    let met = |cpu_us: f64, ratio_most: f64, p99_ms: f64, kib: f64| {
        let within = |value: Option<f64>, most: f64| value.is_some_and(|value| value <= most);
        !void
            && within(cpu, cpu_us)
            && within(ratio, ratio_most)
            && within(p99, p99_ms)
            && within(memory, kib)
    };
    let mut figures = json!({
        "name": "sfu", "void": void,
        "user_us_per_packet": median(ours, |s| s.user_us), "system_us_per_packet": median(ours, |s| s.system_us),
        "p50_ms": median(ours, |s| ms(s.load.latency.p50)), "p999_ms": median(ours, |s| ms(s.load.latency.p999)),
        "loss": median(ours, Sample::loss),
        "janus": {
            "cpu_us_per_packet": cpu_of_janus, "p50_ms": median(theirs, |s| ms(s.load.latency.p50)),
            "p99_ms": median(theirs, |s| ms(s.load.latency.p99)),
            "kib_per_participant": median(theirs, |s| s.kib_per_participant),
        },
        "floor_us_per_packet": floors,
        "runs": Runs::sum(ours.iter().filter_map(|sample| sample.runs.as_ref())).map(|runs| runs.json()),
        "conditions": {
            "consults": n, "media": "1.0 Mbit/s VP8 + Opus each way", "steady_s": conditions.steady.as_secs(),
            "repeats": conditions.repeats, "statistic": "median", "server": "one core", "clients": "one core",
            "profile": "perf", "srtp": "AEAD_AES_256_GCM",
        },
        "gate": { "cpu_us_per_packet": 20, "ratio_vs_janus": 0.4, "p99_ms": 3, "kib_per_participant": 400, "met": met(20.0, 0.4, 3.0, 400.0) },
        "target": { "cpu_us_per_packet": 8, "ratio_vs_janus": 0.15, "p99_ms": 1, "kib_per_participant": 250, "met": met(8.0, 0.15, 1.0, 250.0) },
    });
    for (name, value) in [
        ("cpu_us_per_packet", cpu),
        ("ratio_vs_janus", ratio),
        ("p99_ms", p99),
        ("kib_per_participant", memory),
    ] {
        figures[format!("{name}_{n}")] = json!(value);
    }
    figures
}

/// To hundredths.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn ms(of: Duration) -> f64 {
    of.as_secs_f64() * 1_000.0
}
