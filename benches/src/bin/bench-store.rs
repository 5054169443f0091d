//! What the event log takes, durably: bare events, and whole commands (event, message, audit row, key and answer), on
//! SQLite and on a PostgreSQL of its own, beside what the disk itself takes for one fsync.
//!
//! Each figure is the median of REPEATS; engines and kinds take turns, so that a slow minute hits all of them.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use anyhow::{Context as _, Result};
use model::{CommandId, TenantId, Timestamp};
use platform::{
    event_log::{
        Append, Category, NewAudit, NewEvent, NewMessage, Store, StreamId, Version,
        postgres::{Config, PostgresStore},
        sqlite::SqliteStore,
    },
    lane::Lane,
};
use prometheus::Registry;
use serde_json::json;
use std::{
    collections::VecDeque,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use testkit::engines::Postgres;
use tokio::{
    runtime::Handle,
    task::{JoinSet, block_in_place},
};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Appends that wait at a time, each for its own answer, as so many callers would.
const CALLERS: usize = 4_000;

/// Streams of the latency part.
const STREAMS: usize = 8_000;

/// Events and whole commands a second. Latency is looked at with half of the commands.
const GATES: [(&str, u32, u32); 2] = [("sqlite", 100_000, 40_000), ("postgres", 50_000, 20_000)];

const VISIT: Category = Category { name: "visit", lane: Lane::Critical };

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Event,
    Command,
}

struct Conditions {
    repeats: usize,
    measure: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let seconds = |name, default| std::env::var(name).ok().and_then(|s| s.parse().ok()).unwrap_or(default);
    let conditions = Conditions {
        repeats: seconds("REPEATS", 3) as usize,
        measure: Duration::from_secs(seconds("MEASURE_S", 5)),
    };
    let dir = tempfile::tempdir_in(std::env::var_os("DIR").unwrap_or_else(|| "/var/tmp".into()))?;
    let only = std::env::var("ONLY").unwrap_or_default();
    let fsync = fsync(dir.path())?;
    println!("fsync of 4 KiB: p50 {:?}, p99 {:?}", fsync.0, fsync.1);
    let sqlite = if only == "postgres" { None } else { Some(sqlite(dir.path())?) };
    let server = if only == "sqlite" { None } else { Some(Postgres::start(true)) };
    let postgres = match &server {
        Some(server) => {
            let config =
                Config { url: server.url().into(), schema: "events".to_owned(), owner: None, ca_file: None };
            Some(Arc::new(PostgresStore::open(&config, &Registry::new()).await?) as Arc<dyn Store>)
        }
        None => None,
    };
    let engines = [("sqlite", sqlite), ("postgres", postgres)];
    let engines: Vec<_> = engines.into_iter().filter_map(|(name, store)| Some((name, store?))).collect();
    let mut figures = json!({
        "name": "store", "fsync_p50_ms": ms(fsync.0), "fsync_p99_ms": ms(fsync.1),
        "conditions": {
            "callers": CALLERS, "body_bytes": 250, "tenants": 32, "streams": CALLERS, "measure_s": conditions.measure.as_secs(),
            "repeats": conditions.repeats, "sqlite": "WAL, synchronous=FULL",
            "postgres": "15, synchronous_commit=on, fsync=on, on the same two cores", "profile": "perf",
        },
        "gate": {
            "sqlite_events_per_s": GATES[0].1, "sqlite_commands_per_s": GATES[0].2,
            "postgres_events_per_s": GATES[1].1, "postgres_commands_per_s": GATES[1].2,
            "append_p99_ms": "3 x fsync_p99_ms, at half of the commands",
        },
        "target": { "events_per_s": 200_000, "commands_per_s": 60_000 },
    });
    let mut rates = std::collections::BTreeMap::<String, Vec<f64>>::new();
    for _ in 0..conditions.repeats {
        for (name, store) in &engines {
            for kind in [Kind::Event, Kind::Command] {
                let rate = throughput(store, kind, conditions.measure).await?;
                let what = format!("{name}_{}s_per_s", format!("{kind:?}").to_lowercase());
                println!("{what}: {rate:.0}");
                rates.entry(what).or_default().push(rate);
            }
        }
    }
    let mut worst = Duration::ZERO;
    for (what, rates) in &mut rates {
        rates.sort_by(f64::total_cmp);
        figures[what] = json!(rates[rates.len() / 2].round());
    }
    for (name, store) in &engines {
        let single = single(store).await?;
        println!("{name}, one caller alone: p50 {:?}, p99 {:?}", single.0, single.1);
        figures[format!("{name}_single_p99_ms")] = json!(ms(single.1));
        let half = GATES.iter().find(|gate| gate.0 == *name).map_or(1_000, |gate| gate.2 / 2);
        let (p50, p99) = block_in_place(|| at_rate(store, half, conditions.measure))?;
        println!("{name}, whole commands at {half}/s: p50 {p50:?}, p99 {p99:?}");
        figures[format!("{name}_append_p50_ms")] = json!(ms(p50));
        figures[format!("{name}_append_p99_ms")] = json!(ms(p99));
        worst = worst.max(p99);
    }
    let after = self::fsync(dir.path())?;
    figures["fsync_p99_after_ms"] = json!(ms(after.1));
    figures["append_p99_ms"] = json!(ms(worst));
    println!("{figures}");
    Ok(())
}

fn sqlite(dir: &Path) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(SqliteStore::open(&dir.join("events.sqlite"), &Registry::new())?))
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// What the disk takes to make 4 KiB durable.
fn fsync(dir: &Path) -> Result<(Duration, Duration)> {
    let mut file = File::create(dir.join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..500 {
        file.write_all(&[7; 4_096])?;
        let begun = Instant::now();
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(quantiles(times))
}

fn quantiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn stream(caller: usize) -> StreamId {
    StreamId { tenant: TenantId(Uuid::from_u128(caller as u128 % 32)), category: VISIT, id: fresh() }
}

#[expect(clippy::disallowed_methods, reason = "ids as the platform makes them")]
fn fresh() -> Uuid {
    Uuid::now_v7()
}

fn append(stream: StreamId, version: u64, kind: Kind) -> Append {
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(239));
    let event = NewEvent { kind: "noted", schema: 1, body, phi: None, effective: None };
    let bare = Append::new(stream, Version(version), vec![event], Timestamp::from_millis(1_800_000_000_000));
    if kind == Kind::Event {
        return bare;
    }
    Append {
        key: Some(CommandId(fresh())),
        answer: Some("{\"ok\":true}".to_owned()),
        outbox: vec![NewMessage {
            subject: "visit.noted".to_owned(),
            body: format!("{{\"visit\":\"{}\",\"version\":{version}}}", stream.id),
        }],
        audit: vec![NewAudit {
            action: "visit.note",
            actor: Some(stream.id),
            subject: Some(stream.id),
            body: format!("{{\"version\":{version}}}"),
            phi: None,
        }],
        ..bare
    }
}

/// As much as goes through.
async fn throughput(store: &Arc<dyn Store>, kind: Kind, measure: Duration) -> Result<f64> {
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    let until = begun + measure;
    for caller in 0..CALLERS {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let stream = stream(caller);
            let mut version = 0;
            while Instant::now() < until {
                version = store.append(append(stream, version, kind)).await?.version.0;
            }
            anyhow::Ok(version)
        });
    }
    let mut recorded = 0;
    while let Some(done) = tasks.join_next().await {
        recorded += done??;
    }
    Ok(recorded as f64 / begun.elapsed().as_secs_f64())
}

/// One caller who waits for each answer.
async fn single(store: &Arc<dyn Store>) -> Result<(Duration, Duration)> {
    let (stream, mut times) = (stream(0), Vec::new());
    for version in 0..300 {
        let begun = Instant::now();
        store.append(append(stream, version, Kind::Command)).await?;
        times.push(begun.elapsed());
    }
    Ok(quantiles(times))
}

/// How long each append takes at a rate, counted from when it was due: every millisecond some are, each on a stream that
/// has none under way. A thread of its own says when: the runtime's timer comes up to a millisecond late.
fn at_rate(store: &Arc<dyn Store>, rate: u32, measure: Duration) -> Result<(Duration, Duration)> {
    let mut free: VecDeque<_> = (0..STREAMS).map(|n| (stream(n), 0)).collect();
    let (done, finished) = mpsc::channel();
    let (runtime, begun, mut times) = (Handle::current(), Instant::now(), Vec::new());
    for ms in 0..measure.as_millis() as u32 {
        let due = begun + Duration::from_millis(ms.into());
        thread::sleep(due.saturating_duration_since(Instant::now()));
        for _ in 0..rate / 1_000 {
            let (stream, version) = free.pop_front().context("all streams are busy: it is far behind")?;
            let (store, done) = (Arc::clone(store), done.clone());
            runtime.spawn(async move {
                let appended = store.append(append(stream, version, Kind::Command)).await;
                let _ = done.send(appended.map(|appended| (stream, appended.version.0, due.elapsed())));
            });
        }
        while let Ok(one) = finished.try_recv() {
            let (stream, version, took) = one?;
            free.push_back((stream, version));
            // The first second fills caches and plans.
            if ms >= 1_000 {
                times.push(took);
            }
        }
    }
    anyhow::ensure!(!times.is_empty(), "nothing was appended");
    Ok(quantiles(times))
}
