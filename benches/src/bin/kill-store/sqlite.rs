//! SQLite: a process that writes is killed.

use crate::{
    Chance, STREAMS,
    ledger::{Ledger, key},
    wal::Log,
};
use anyhow::{Context as _, Result, ensure};
use platform::event_log::{EventStore as _, sqlite::SqliteStore};
use prometheus::Registry;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use testkit::event_log::{command, stream};
use tokio::{runtime::Runtime, task::JoinSet};

fn open(dir: &Path) -> Result<SqliteStore> {
    Ok(SqliteStore::open(&dir.join("events.sqlite"), &Registry::new())?)
}

/// The process that is killed: writes as fast as it can and says what was acknowledged.
pub(crate) fn write(dir: &Path, heads: &str) -> Result<()> {
    let heads: Vec<u64> = heads.split(',').map(str::parse).collect::<Result<_, _>>()?;
    Runtime::new()?.block_on(async {
        let store = Arc::new(open(dir)?);
        let mut tasks = JoinSet::<Result<()>>::new();
        for (n, mut head) in heads.into_iter().enumerate() {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                loop {
                    head = store.append(command(stream(n as u128), head, key(n, head + 1))).await?.version.0;
                    // One write: a line is there or it is not.
                    std::io::stdout().lock().write_all(format!("{n} {head} .\n").as_bytes())?;
                }
            });
        }
        tasks.join_next().await.context("there are streams")??
    })
}

/// Kills `kills` writers.
pub(crate) fn run(runtime: &Runtime, dir: &Path, kills: usize) -> Result<Value> {
    let database = dir.join("events.sqlite");
    drop(open(dir)?);
    let (mut ledger, mut chance) = (Ledger::default(), Chance(1));
    let (mut hot, mut torn, mut unannounced, mut mid_commit, mut in_checkpoint) = (0, 0, 0, 0, 0);
    for round in 0..kills {
        write_and_kill(dir, &mut ledger, chance.life(round)).with_context(|| format!("round {round}"))?;
        let log = Log::of(&database);
        // A look without our store, which is what recovers the log.
        check(&database, "quick_check").with_context(|| format!("round {round}"))?;
        let store = open(dir)?;
        let aftermath = runtime.block_on(ledger.look(&store)).with_context(|| format!("round {round}"))?;
        hot += usize::from(log.committed > 0);
        torn += usize::from(log.torn > 0);
        unannounced += usize::from(aftermath.unannounced > 0);
        mid_commit += usize::from(log.torn > 0 || aftermath.unannounced > 0);
        in_checkpoint += usize::from(log.in_checkpoint);
        if (round + 1) % 100 == 0 {
            println!("sqlite: {} kills, {} events, {mid_commit} in mid-commit", round + 1, ledger.total());
        }
    }
    runtime.block_on(ledger.look_through(&open(dir)?))?;
    check(&database, "integrity_check")?;
    Ok(json!({
        "kills": kills, "acknowledged": ledger.total(), "mid_commit": mid_commit, "hot_log": hot,
        "torn_transaction": torn, "unannounced_commit": unannounced, "in_checkpoint": in_checkpoint,
        "integrity_check": "ok",
    }))
}

fn write_and_kill(dir: &Path, ledger: &mut Ledger, life: std::time::Duration) -> Result<()> {
    let heads: Vec<_> = ledger.found.iter().map(u64::to_string).collect();
    let mut child = Command::new(std::env::current_exe()?)
        .arg(dir)
        .arg(heads.join(","))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(child.stdout.take().context("it is piped")?);
    let mut first = String::new();
    said.read_line(&mut first)?;
    note(ledger, &first)?;
    // Meanwhile what it says is read: a full pipe would hold it up.
    let lines = std::thread::scope(|scope| {
        let lines = scope.spawn(|| said.lines().map_while(Result::ok).collect::<Vec<_>>());
        std::thread::sleep(life);
        let ended = child.try_wait()?;
        child.kill()?;
        let lines = lines.join();
        ensure!(ended.is_none(), "the writer ended by itself");
        lines.map_err(|_| anyhow::anyhow!("what it said cannot be read"))
    })?;
    child.wait()?;
    lines.iter().try_for_each(|line| note(ledger, line))
}

fn note(ledger: &mut Ledger, line: &str) -> Result<()> {
    let words: Vec<_> = line.split_whitespace().collect();
    // A line cut short says nothing.
    let [n, version, "."] = words[..] else { return Ok(()) };
    let n: usize = n.parse()?;
    ensure!(n < STREAMS, "there is no stream {n}");
    ledger.note(n, version.parse()?)
}

fn check(database: &Path, pragma: &str) -> Result<()> {
    let connection = rusqlite::Connection::open(database)?;
    let said: String = connection.query_row(&format!("PRAGMA {pragma}"), (), |row| row.get(0))?;
    ensure!(said == "ok", "{pragma}: {said}");
    Ok(())
}
