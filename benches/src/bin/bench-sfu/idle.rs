//! What people cost who are connected and silent: in their visit, muted, with a pulse.

use crate::{
    measure::{CLIENTS, Conditions, SERVER},
    round, write_out,
};
use anyhow::{Context as _, Result};
use benches::env;
use loadtest::{
    consult::Pair,
    deployment::{Deployment, Place},
    machine::{self, Processor},
    media::{Fleet, Options},
};
use serde_json::json;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Pairs that join at a time.
const AT_ONCE: usize = 8;

/// Times that are measured while people come.
const POINTS: usize = 5;

/// Share of a core, in percent.
const GATE_PERCENT: f64 = 10.0;

/// What so many people cost.
#[derive(Clone, Copy)]
struct Point {
    people: usize,
    user: f64,
    system: f64,
    kib: f64,
}

impl Point {
    fn core(self) -> f64 {
        round(self.user + self.system)
    }
}

pub(crate) async fn run(conditions: Conditions) -> Result<()> {
    let muted: usize = env("MUTED", 5_000)?;
    let pairs = muted.div_ceil(2);
    let fleet = Arc::new(Fleet::start(Some(CLIENTS))?);
    let server = Deployment::start(pairs, Place { core: Some(SERVER) }).await?;
    let empty = machine::resident_kib(server.pid())?;
    let options = Options { ip: conditions.ip, ..Options::default() };
    let mut waiting: VecDeque<_> = server.clinicians.clone().into();
    let mut connected = Vec::new();
    let mut points = Vec::new();
    for n in 1..=POINTS {
        let goal = pairs * n / POINTS;
        let mut joining = JoinSet::new();
        while connected.len() < goal {
            while joining.len() < AT_ONCE.min(goal - connected.len())
                && let Some(link) = waiting.pop_front()
            {
                let fleet = Arc::clone(&fleet);
                joining.spawn(async move {
                    let mut background = JoinSet::new();
                    Pair::meet(&fleet, options, &link, &mut background).await.map(|pair| (pair, background))
                });
            }
            connected.push(joining.join_next().await.context("nobody joins")??.context("join")?);
        }
        points.push(measure(&conditions, &server, 2 * connected.len(), empty).await?);
    }
    let last = points.last().copied().context("nobody came")?;
    let drawn: Vec<_> =
        points.iter().map(|point| json!({ "muted": point.people, "core_percent": point.core() })).collect();
    let figures = json!({
        "name": "sfu-idle", "muted": last.people, "core_percent": last.core(), "user_percent": last.user,
        "system_percent": last.system, "kib_per_participant": last.kib,
        "series": [{ "name": "telehealth", "points": drawn }],
        "conditions": {
            "steady_s": conditions.steady.as_secs(), "server": "one core, the whole process", "profile": "perf",
            "sign_of_life": "reports at most 3 s apart, one with every answer to a check",
        },
        "gate": { "core_percent": GATE_PERCENT, "met": last.core() <= GATE_PERCENT },
        "target": { "kib_per_participant": 64, "met": last.kib <= 64.0 },
    });
    println!("{figures}");
    write_out(&figures)
}

async fn measure(conditions: &Conditions, server: &Deployment, people: usize, empty: u64) -> Result<Point> {
    tokio::time::sleep(conditions.warm).await;
    let before = Processor::of(server.pid())?;
    tokio::time::sleep(conditions.steady).await;
    let used = Processor::of(server.pid())?.since(before);
    let resident = machine::resident_kib(server.pid())?;
    let percent = |time: Duration| round(100.0 * time.as_secs_f64() / conditions.steady.as_secs_f64());
    let kib = round(resident.saturating_sub(empty) as f64 / people as f64);
    let point = Point { people, user: percent(used.user), system: percent(used.system), kib };
    println!(
        "{people} muted: {} % of a core ({} user, {} system), {kib:.0} KiB each",
        point.core(),
        point.user,
        point.system
    );
    Ok(point)
}
