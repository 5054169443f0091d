//! PostgreSQL: all of the server is killed, and whoever writes goes on when it is back.

use crate::{
    Chance, STREAMS,
    ledger::{Ledger, key},
};
use anyhow::{Context as _, Result, ensure};
use platform::event_log::{
    AppendError, EventStore as _, Refusal,
    postgres::{Config, PostgresStore},
};
use prometheus::Registry;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testkit::{
    engines::Postgres,
    event_log::{command, stream},
};
use tokio::{runtime::Runtime, sync::Notify, task::JoinSet};

/// Longest that the store may take to find its way back to a server that answers.
const HEALING: Duration = Duration::from_secs(20);

/// How the appends of a round ended, when the server was killed.
struct Ended {
    n: usize,
    head: u64,
    error: AppendError,
}

/// Kills the server `kills` times.
pub(crate) fn run(runtime: &Runtime, kills: usize) -> Result<Value> {
    let mut server = Postgres::start(true);
    let config = Config { url: server.url().into(), schema: "events".to_owned(), owner: None, ca_file: None };
    let store = Arc::new(runtime.block_on(PostgresStore::open(&config, &Registry::new()))?);
    let (mut ledger, mut chance) = (Ledger::default(), Chance(2));
    let (mut unknown, mut unannounced) = (0, 0);
    for round in 0..kills {
        let context = || format!("round {round}");
        let writers = runtime.block_on(writers(&store, &ledger)).with_context(context)?;
        std::thread::sleep(chance.life(round));
        server.kill();
        let ended = runtime.block_on(writers.join_all());
        unknown += usize::from(ended.iter().any(|ended| ended.error == AppendError::Unknown));
        for Ended { n, head, error } in &ended {
            ledger.acknowledged[*n] = *head;
            let clear = [AppendError::Unknown, AppendError::Rejected(Refusal::Unavailable)];
            ensure!(clear.contains(error), "stream {n} ended with {error}");
        }
        server.restart();
        runtime.block_on(healed(&store, &ledger)).with_context(context)?;
        let aftermath = runtime.block_on(ledger.look(&*store)).with_context(context)?;
        unannounced += usize::from(aftermath.unannounced > 0);
        // What was refused is not there: only what is unknown may be.
        for Ended { n, head, error } in ended {
            let there = ledger.found[n] > head;
            ensure!(!there || error == AppendError::Unknown, "stream {n}: refused and recorded ({error})");
        }
        if (round + 1) % 20 == 0 {
            println!("postgres: {} kills, {} events, {unknown} in mid-commit", round + 1, ledger.total());
        }
    }
    runtime.block_on(ledger.look_through(&*store))?;
    let problems = server.amcheck("events");
    ensure!(problems.is_empty(), "pg_amcheck: {problems}");
    Ok(json!({
        "kills": kills, "acknowledged": ledger.total(), "mid_commit": unknown, "unannounced_commit": unannounced,
        "pg_amcheck": "clean",
    }))
}

/// One writer a stream, each until its first error. Returns when something was acknowledged.
async fn writers(store: &Arc<PostgresStore>, ledger: &Ledger) -> Result<JoinSet<Ended>> {
    let (mut tasks, first) = (JoinSet::new(), Arc::new(Notify::new()));
    for n in 0..STREAMS {
        let (store, mut head, first) = (Arc::clone(store), ledger.found[n], Arc::clone(&first));
        tasks.spawn(async move {
            loop {
                match store.append(command(stream(n as u128), head, key(n, head + 1))).await {
                    Ok(appended) => head = appended.version.0,
                    Err(error) => return Ended { n, head, error },
                }
                first.notify_one();
            }
        });
    }
    tokio::time::timeout(HEALING, first.notified()).await.context("nothing was acknowledged")?;
    Ok(tasks)
}

/// Until it writes again: the newest command of a stream is known there, and not carried out again.
async fn healed(store: &PostgresStore, ledger: &Ledger) -> Result<()> {
    let newest = ledger.acknowledged.iter().enumerate().find(|(_, version)| **version > 0);
    let (n, version) = newest.context("nothing was acknowledged")?;
    let again = async {
        let probe = || command(stream(n as u128), version - 1, key(n, *version));
        while store.append(probe()).await.is_err() {}
    };
    tokio::time::timeout(HEALING, again).await.context("it does not heal")
}
