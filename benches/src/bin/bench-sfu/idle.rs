//! What people cost who are connected and silent: in their visit, muted, with a pulse.

use crate::{
    measure::{CLIENTS, Conditions, SERVER},
    round,
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

/// Share of a core, in percent.
const GATE_PERCENT: f64 = 10.0;

pub(crate) async fn run(conditions: Conditions) -> Result<()> {
    let muted: usize = env("MUTED", 5_000)?;
    let pairs = muted.div_ceil(2);
    let fleet = Arc::new(Fleet::start(Some(CLIENTS))?);
    let server = Deployment::start(pairs, Place { core: Some(SERVER) }).await?;
    let empty = machine::resident_kib(server.pid())?;
    let options = Options { ip: conditions.ip, ..Options::default() };
    let mut waiting: VecDeque<_> = server.clinicians.clone().into();
    let mut joining = JoinSet::new();
    let mut connected = Vec::new();
    loop {
        while joining.len() < AT_ONCE
            && let Some(link) = waiting.pop_front()
        {
            let fleet = Arc::clone(&fleet);
            joining.spawn(async move {
                let mut background = JoinSet::new();
                Pair::meet(&fleet, options, &link, &mut background).await.map(|pair| (pair, background))
            });
        }
        let Some(joined) = joining.join_next().await else { break };
        connected.push(joined?.context("join")?);
        if connected.len() % 250 == 0 {
            println!("{} of {muted} are connected", 2 * connected.len());
        }
    }
    tokio::time::sleep(conditions.warm).await;
    let before = Processor::of(server.pid())?;
    tokio::time::sleep(conditions.steady).await;
    let used = Processor::of(server.pid())?.since(before);
    let resident = machine::resident_kib(server.pid())?;
    let percent = |time: Duration| round(100.0 * time.as_secs_f64() / conditions.steady.as_secs_f64());
    let people = 2 * connected.len();
    let (share, kib) =
        (percent(used.user + used.system), resident.saturating_sub(empty) as f64 / people as f64);
    println!(
        "{people} muted: {share} % of a core ({} user, {} system), {kib:.0} KiB each",
        percent(used.user),
        percent(used.system)
    );
    let figures = json!({
        "name": "sfu-idle", "muted": people, "core_percent": share, "user_percent": percent(used.user),
        "system_percent": percent(used.system), "kib_per_participant": round(kib),
        "conditions": {
            "steady_s": conditions.steady.as_secs(), "server": "one core, the whole process", "profile": "perf",
            "sign_of_life": "reports at most 3 s apart, one with every answer to a check",
        },
        "gate": { "core_percent": GATE_PERCENT, "met": share <= GATE_PERCENT },
        "target": { "kib_per_participant": 64, "met": kib <= 64.0 },
    });
    println!("{figures}");
    Ok(())
}
