//! What forwarding costs, beside a peer under the same clients.
//!
//! Consults of two, 1.0 Mbit/s VP8 and Opus each way, on one core of server and one core of clients. Every repeat
//! measures each server in turn. **Processor µs per packet** is the user and system time of the server ÷ the media
//! packets that clients received: no repairs, padding or reports, both directions. Latency is from just before a
//! client sends to the arrival in the kernel at the other client.
//!
//! A run is void, and says so, if the clients were late or busy, or a socket had no room. The last line is one JSON
//! object.

mod janus;

use anyhow::{Context as _, Result, ensure};
use benches::{
    clients::now,
    deployment::{Deployment, Place},
    machine::{self, Processor},
    pair::Pair,
};
use janus::Janus;
use loadtest::media::{Client, Fleet, Load, Options, Tag};
use serde_json::{Value, json};
use std::{net::IpAddr, str::FromStr, time::Duration};
use tokio::task::JoinSet;

/// How late the 99th of 100 frames may be sent.
const LATEST: Duration = Duration::from_millis(5);

/// The clients' core and the server's: the server's own thread takes the last one.
const CLIENTS: usize = 0;
const SERVER: usize = 1;

struct Conditions {
    consults: usize,
    warm: Duration,
    steady: Duration,
    repeats: usize,
    ip: IpAddr,
    janus: bool,
}

impl Conditions {
    fn from_env() -> Result<Self> {
        Ok(Self {
            consults: env("CONSULTS", 50)?,
            warm: Duration::from_secs(env("WARM_S", 5)?),
            steady: Duration::from_secs(env("STEADY_S", 20)?),
            repeats: env("REPEATS", 3)?,
            ip: env("CLIENT_IP", IpAddr::from([127, 0, 0, 1]))?,
            janus: env("JANUS", 1)? == 1,
        })
    }
}

fn env<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}

/// What was measured of one server in one run.
struct Sample {
    user_us: f64,
    system_us: f64,
    packets: u64,
    lost: u64,
    kib_per_participant: f64,
    join_p95: Duration,
    load: Load,
    drops: u64,
}

impl Sample {
    fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }

    fn void(&self) -> Option<String> {
        if self.load.saturated(LATEST) {
            return Some(format!("the clients were too slow: {:?}", self.load));
        }
        (self.drops > 0).then(|| format!("sockets had no room for {} datagrams", self.drops))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let conditions = Conditions::from_env()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for repeat in 1..=conditions.repeats {
        ours.push(report(repeat, "telehealth", measure_ours(&conditions).await?));
        if conditions.janus {
            theirs.push(report(repeat, "janus", measure_janus(&conditions).await.context("janus")?));
        }
    }
    let void = ours.iter().chain(&theirs).any(|sample| sample.void().is_some());
    println!("{}", figures(&conditions, &ours, &theirs, void));
    ensure!(!void, "void: see above");
    Ok(())
}

fn report(repeat: usize, name: &str, sample: Sample) -> Sample {
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
    sample
}

async fn measure_ours(conditions: &Conditions) -> Result<Sample> {
    let fleet = Fleet::start(Some(CLIENTS))?;
    let server = Deployment::start(conditions.consults, Place { core: Some(SERVER) }).await?;
    let empty = machine::resident_kib(server.pid())?;
    let mut background = JoinSet::new();
    let options = Options { ip: conditions.ip, ..Options::default() };
    let (mut clients, mut joins) = (Vec::new(), Vec::new());
    for (tag, link) in (1..).zip(&server.clinicians) {
        let began = now();
        let pair = Pair::begin(&fleet, options, link, tag, &mut background).await?;
        joins.push(began.elapsed());
        clients.extend(pair.media.map(|client| (client, Tag(tag))));
    }
    steady(conditions, &fleet, &clients, server.pid(), empty, joins).await
}

async fn measure_janus(conditions: &Conditions) -> Result<Sample> {
    let fleet = Fleet::start(Some(CLIENTS))?;
    let server = Janus::start(conditions.consults, Place { core: Some(SERVER) }).await?;
    let empty = machine::resident_kib(server.pid())?;
    let (mut clients, mut joins) = (Vec::new(), Vec::new());
    for n in 1..=conditions.consults as u32 {
        let began = now();
        let pair = server.consult(&fleet, conditions.ip, n).await?;
        joins.push(began.elapsed());
        clients.extend(pair.into_iter().map(|client| (client, Tag(n))));
    }
    steady(conditions, &fleet, &clients, server.pid(), empty, joins).await
}

/// Everybody talks: lets it settle, then measures.
async fn steady(
    conditions: &Conditions,
    fleet: &Fleet,
    clients: &[(Client, Tag)],
    pid: u32,
    empty_kib: u64,
    mut joins: Vec<Duration>,
) -> Result<Sample> {
    tokio::time::sleep(conditions.warm).await;
    fleet.load().await?;
    let (packets, lost) = totals(clients).await?;
    let (processor, drops) = (Processor::of(pid)?, machine::socket_drops()?);
    tokio::time::sleep(conditions.steady).await;
    let used = Processor::of(pid)?.since(processor);
    let drops = machine::socket_drops()? - drops;
    let (packets_then, lost_then) = (packets, lost);
    let (packets, lost) = totals(clients).await?;
    let load = fleet.load().await?;
    let packets = packets - packets_then;
    ensure!(packets > 0, "nothing was forwarded");
    let per_packet = |time: Duration| time.as_secs_f64() * 1e6 / packets as f64;
    let resident = machine::resident_kib(pid)?;
    joins.sort_unstable();
    Ok(Sample {
        user_us: per_packet(used.user),
        system_us: per_packet(used.system),
        packets,
        lost: lost - lost_then,
        kib_per_participant: resident.saturating_sub(empty_kib) as f64 / (2 * conditions.consults) as f64,
        join_p95: joins.get(joins.len() * 95 / 100).copied().unwrap_or_default(),
        load,
        drops,
    })
}

/// Packets received and lost so far; and nobody receives anybody but their partner.
async fn totals(clients: &[(Client, Tag)]) -> Result<(u64, u64)> {
    let (mut packets, mut lost) = (0, 0);
    for (client, own) in clients {
        for (sink, line) in client.counters().await? {
            packets += line.packets;
            lost += line.lost;
            ensure!(line.tag.is_none_or(|tag| tag == *own), "{sink:?} of {own:?} brings {:?}", line.tag);
        }
    }
    Ok((packets, lost))
}

fn figures(conditions: &Conditions, ours: &[Sample], theirs: &[Sample], void: bool) -> Value {
    let median = |of: &[Sample], figure: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = of.iter().map(figure).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).map(|value| (value * 100.0).round() / 100.0)
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
        "loss": median(ours, |s| s.lost as f64 / (s.packets + s.lost) as f64),
        "janus": {
            "cpu_us_per_packet": cpu_of_janus, "p50_ms": median(theirs, |s| ms(s.load.latency.p50)),
            "p99_ms": median(theirs, |s| ms(s.load.latency.p99)),
            "kib_per_participant": median(theirs, |s| s.kib_per_participant),
        },
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

fn ms(of: Duration) -> f64 {
    of.as_secs_f64() * 1_000.0
}
