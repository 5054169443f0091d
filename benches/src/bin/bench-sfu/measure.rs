//! One server, so many consults, one figure of everything.

use crate::{janus::Janus, runs::Runs};
use anyhow::{Context as _, Result, ensure};
use benches::env;
use loadtest::{
    consult::{Pair, now},
    deployment::{Deployment, Place},
    machine::{self, Processor},
    media::{Client, Fleet, Load, Options, Tag},
};
use std::{net::IpAddr, time::Duration};
use tokio::task::JoinSet;

/// How late the 99th of 100 frames may be sent.
pub(crate) const LATEST: Duration = Duration::from_millis(5);

/// The clients' core and the server's: the server's own thread takes the last one.
pub(crate) const CLIENTS: usize = 0;
pub(crate) const SERVER: usize = 1;

/// Whom to measure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    Telehealth,
    Janus,
}

impl Server {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Telehealth => "telehealth",
            Self::Janus => "janus",
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) consults: usize,
    pub(crate) warm: Duration,
    pub(crate) steady: Duration,
    pub(crate) repeats: usize,
    pub(crate) ip: IpAddr,
    pub(crate) janus: bool,
}

impl Conditions {
    pub(crate) fn from_env() -> Result<Self> {
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

/// What was measured of one server in one run.
pub(crate) struct Sample {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    /// All of the server, as a share of its core.
    pub(crate) core_percent: f64,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) kib_per_participant: f64,
    pub(crate) join_p95: Duration,
    pub(crate) load: Load,
    pub(crate) drops: u64,
    /// Only ours says.
    pub(crate) runs: Option<Runs>,
}

impl Sample {
    pub(crate) fn cpu_us(&self) -> f64 {
        self.user_us + self.system_us
    }

    pub(crate) fn loss(&self) -> f64 {
        self.lost as f64 / (self.packets + self.lost) as f64
    }

    pub(crate) fn void(&self) -> Option<String> {
        if self.load.saturated(LATEST) {
            return Some(format!("the clients were too slow: {:?}", self.load));
        }
        (self.drops > 0).then(|| format!("sockets had no room for {} datagrams", self.drops))
    }
}

/// A run that counts: a void one is made again while there is one to spare, and then stands as it is. `told` hears of
/// each.
pub(crate) async fn valid(
    server: Server,
    conditions: &Conditions,
    spare: &mut usize,
    told: impl Fn(&Sample),
) -> Result<Sample> {
    loop {
        let sample = measure(server, conditions).await?;
        told(&sample);
        if *spare == 0 || sample.void().is_none() {
            return Ok(sample);
        }
        *spare -= 1;
    }
}

/// Starts a server, fills it, lets it settle, measures, ends it.
pub(crate) async fn measure(server: Server, conditions: &Conditions) -> Result<Sample> {
    match server {
        Server::Telehealth => measure_ours(conditions).await,
        Server::Janus => measure_janus(conditions).await.context("janus"),
    }
}

async fn measure_ours(conditions: &Conditions) -> Result<Sample> {
    let fleet = Fleet::start(Some(CLIENTS))?;
    let server = Deployment::start(conditions.consults, Place { core: Some(SERVER) }).await?;
    let empty = machine::resident_kib(server.pid())?;
    let mut background = JoinSet::new();
    let options = Options { ip: conditions.ip, ..Options::default() };
    let (mut clients, mut joins, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (tag, link) in (1..).zip(&server.clinicians) {
        let began = now();
        let pair = Pair::begin(&fleet, options, link, tag, &mut background).await?;
        joins.push(began.elapsed());
        clients.extend(pair.media.map(|client| (client, Tag(tag))));
        calls.push(pair.call);
    }
    let process = Process { pid: server.pid(), empty_kib: empty, metrics: server.metrics.as_deref() };
    let sample = steady(conditions, &fleet, &clients, process, joins).await;
    drop(calls);
    sample
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
    let process = Process { pid: server.pid(), empty_kib: empty, metrics: None };
    steady(conditions, &fleet, &clients, process, joins).await
}

/// What is measured of a server.
#[derive(Clone, Copy)]
struct Process<'a> {
    pid: u32,
    /// Its memory before anybody came.
    empty_kib: u64,
    /// Where it says how long its runs are.
    metrics: Option<&'a str>,
}

impl Process<'_> {
    async fn runs(self) -> Result<Option<Runs>> {
        match self.metrics {
            Some(url) => Runs::read(url).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Everybody talks: lets it settle, then measures.
async fn steady(
    conditions: &Conditions,
    fleet: &Fleet,
    clients: &[(Client, Tag)],
    process: Process<'_>,
    mut joins: Vec<Duration>,
) -> Result<Sample> {
    tokio::time::sleep(conditions.warm).await;
    fleet.load().await?;
    let (packets, lost) = totals(clients).await?;
    // Asking for runs costs the server something: outside of what is measured.
    let runs = process.runs().await?;
    let pid = process.pid;
    let (processor, drops) = (Processor::of(pid)?, machine::socket_drops()?);
    tokio::time::sleep(conditions.steady).await;
    let used = Processor::of(pid)?.since(processor);
    let drops = machine::socket_drops()? - drops;
    let runs = process.runs().await?.zip(runs).map(|(now, then)| now.since(&then));
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
        core_percent: 100.0 * (used.user + used.system).as_secs_f64() / conditions.steady.as_secs_f64(),
        packets,
        lost: lost - lost_then,
        kib_per_participant: resident.saturating_sub(process.empty_kib) as f64
            / (2 * conditions.consults) as f64,
        join_p95: joins.get(joins.len() * 95 / 100).copied().unwrap_or_default(),
        load,
        drops,
        runs,
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
