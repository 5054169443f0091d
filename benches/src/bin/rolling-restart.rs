//! A fleet on this machine (`deploy/local/fleet`) whose every process is restarted, one after the other, while people talk
//! and pages are asked for: no request may fail, no call may be lost.
//!
//! 20 calls by `loadtest`, 50 requests a second in an open loop, then SIGTERM to each role in turn. One JSON line at the end.
//! CALLS, REQUESTS and TALK_S change the workload; `FLEET_BINARY`, `FLEET_BASE`, `FLEET_PORT` and `FLEET_DATA` are the
//! script's. FLEET_SCRIPT is where that is.

use anyhow::{Context as _, Result, bail, ensure};
use benches::{build, env};
use hyper::Method;
use loadtest::{consult::now, deployment::links_of, http, net::Origin};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

/// In the order of the runbook, after the first start, in which signaling-1 makes the keys.
const ORDER: [&str; 6] = ["sfu-1", "sfu-2", "signaling-1", "signaling-2", "portal-1", "portal-2"];

/// As the script numbers them: ports of the n-th begin at ten times n.
const NUMBERED: [&str; 6] = ["signaling-1", "signaling-2", "sfu-1", "sfu-2", "portal-1", "portal-2"];

/// Longest wait for a process to end, or to be ready, or for calls to be there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// After each restart, so that what it did is over before the next: the edge looks four times a second.
const BETWEEN: Duration = Duration::from_secs(3);

/// Requests under way at a time; one more counts as failed.
const MOST_AT_ONCE: usize = 1_000;

struct Process(Child);

impl Process {
    fn end(&mut self) {
        // A program of every Debian; the standard library has only SIGKILL.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
    }

    async fn ended(&mut self) -> Result<()> {
        let latest = now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(now() < latest, "a process does not end");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.end();
            let _ = self.0.wait();
        }
    }
}

struct Fleet {
    script: PathBuf,
    data: PathBuf,
    base: u16,
    port: u16,
    calls: usize,
    roles: BTreeMap<&'static str, Process>,
    /// The last to be ended.
    _engines: Process,
}

impl Fleet {
    async fn start(calls: usize, data: &Path) -> Result<Self> {
        let script = PathBuf::from(env("FLEET_SCRIPT", "deploy/local/fleet".to_owned())?);
        let (base, port) = (env("FLEET_BASE", 23_000)?, env("FLEET_PORT", 23_090)?);
        let mut engines = run(&script, &["engines"], data, (base, port, calls), "engines")?;
        let said = data.join("engines.out");
        until("the engines", async || {
            ensure!(engines.0.try_wait()?.is_none(), "the engines ended; is a port taken? Set FLEET_BASE");
            Ok(fs::read_to_string(&said).is_ok_and(|said| said.contains("ready")))
        })
        .await?;
        let (data, roles) = (data.to_owned(), BTreeMap::new());
        let mut fleet = Self { script, data, base, port, calls, roles, _engines: engines };
        for role in NUMBERED {
            fleet.start_role(role).await?;
        }
        let url = fleet.url()?;
        until("the edge", async || Ok(page(&url, "/").await.is_ok())).await?;
        Ok(fleet)
    }

    fn url(&self) -> Result<Origin> {
        Ok(Origin::split(&format!("http://localhost:{}", self.port))?.0)
    }

    fn metrics_of(&self, role: &str) -> Result<Origin> {
        let n = NUMBERED.iter().position(|known| *known == role).context("a role")?;
        let port = usize::from(self.base) + (n + 1) * 10 + 1;
        Ok(Origin::split(&format!("http://127.0.0.1:{port}"))?.0)
    }

    fn ready_file(&self, role: &str) -> PathBuf {
        self.data.join(role).join("ready.json")
    }

    async fn start_role(&mut self, role: &'static str) -> Result<()> {
        let _ = fs::remove_file(self.ready_file(role));
        let settings = (self.base, self.port, self.calls);
        self.roles.insert(role, run(&self.script, &["role", role], &self.data, settings, role)?);
        let metrics = self.metrics_of(role)?;
        let file = self.ready_file(role);
        until(role, async || Ok(file.exists() && page(&metrics, "/readyz").await.is_ok())).await
    }

    /// How long it took to end, and to be ready again.
    async fn restart(&mut self, role: &'static str) -> Result<(Duration, Duration)> {
        let began = now();
        let mut process = self.roles.remove(role).context("a role")?;
        process.end();
        process.ended().await?;
        let ended = now();
        self.start_role(role).await?;
        Ok((ended - began, ended.elapsed()))
    }

    /// Media sessions on all nodes.
    async fn sessions(&self) -> Result<f64> {
        let mut sum = 0.0;
        for role in ["sfu-1", "sfu-2"] {
            let text = page(&self.metrics_of(role)?, "/metrics").await?;
            let lines = text.lines().filter(|line| line.starts_with("telehealth_sfu_sessions"));
            sum += lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>();
        }
        Ok(sum)
    }
}

fn run(
    script: &Path,
    args: &[&str],
    data: &Path,
    (base, port, rooms): (u16, u16, usize),
    log: &str,
) -> Result<Process> {
    let here = std::env::current_exe()?;
    let binary = std::env::var_os("FLEET_BINARY").unwrap_or_else(|| here.with_file_name("telehealth").into());
    let child = Command::new(script)
        .args(args)
        .env("FLEET_BINARY", binary)
        .env("FLEET_DATA", data)
        .env("FLEET_BASE", base.to_string())
        .env("FLEET_PORT", port.to_string())
        .env("FLEET_DEMO_ROOMS", rooms.to_string())
        .stdin(Stdio::null())
        .stdout(File::create(data.join(format!("{log}.out")))?)
        .stderr(File::options().create(true).append(true).open(data.join(format!("{log}.err")))?)
        .spawn()
        .with_context(|| format!("start {}", script.display()))?;
    Ok(Process(child))
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let latest = now() + PATIENCE;
    while !condition().await? {
        ensure!(now() < latest, "{what}: not within {} s", PATIENCE.as_secs());
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn page(at: &Origin, path: &str) -> Result<String> {
    Ok(http::send(at, Method::GET, path, &[], String::new()).await?.good()?.body)
}

/// What became of the requests.
#[derive(Debug, Default)]
struct Asked {
    took_ms: Vec<f64>,
    failed: BTreeMap<String, u64>,
}

/// A page, and the exchange of a link, in turns, so many a second whatever the answers do; until it is told to stop.
async fn ask(at: Origin, secret: String, per_second: u32, mut stop: oneshot::Receiver<()>) -> Asked {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let room = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut due = interval(Duration::from_secs(1) / per_second);
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut under_way = JoinSet::new();
    for n in 0_u64.. {
        let intended = tokio::select! {
            at = due.tick() => Instant::from(at),
            _ = &mut stop => break,
        };
        let note = Arc::clone(&asked);
        let (at, body, permit) =
            (at.clone(), json!({ "secret": secret }).to_string(), Arc::clone(&room).try_acquire_owned());
        under_way.spawn(async move {
            let result = match (&permit, n % 2) {
                (Err(_), _) => Err(anyhow::anyhow!("too many under way")),
                (Ok(_), 0) => http::send(&at, Method::GET, "/", &[], String::new()).await,
                (Ok(_), _) => {
                    let (origin, path) = (at.to_string(), "/api/v1/links/exchange");
                    let headers = [("content-type", "application/json"), ("origin", origin.as_str())];
                    http::send(&at, Method::POST, path, &headers, body).await
                }
            };
            let result = result.and_then(http::Answer::good);
            let mut asked = note.lock().unwrap_or_else(PoisonError::into_inner);
            asked.took_ms.push(now().saturating_duration_since(intended).as_secs_f64() * 1e3);
            if let Err(error) = result {
                let what = if n % 2 == 0 { "page" } else { "exchange" };
                *asked.failed.entry(format!("{what}: {error:#}")).or_default() += 1;
            }
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *asked)
}

fn quantiles(mut of: Vec<f64>) -> Value {
    of.sort_by(f64::total_cmp);
    let at = |share: f64| of.get(((of.len() as f64 * share).ceil() as usize).max(1) - 1).map(|ms| tenth(*ms));
    json!({ "p50": at(0.5), "p95": at(0.95), "max": at(1.0) })
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Calls that all begin within ten seconds and last equally long.
fn journey(calls: usize, talk_s: u64) -> String {
    format!(
        "about = 'Calls while everything is restarted'\nclinicians = {calls}\n[arrivals]\nprocess = 'constant'\n\
         per_minute = {}\nover_s = 10\n[visit]\ntalk_s = {talk_s}\ntalk_even = true\n[devices]\nold-phone = 1.0\n\
         [slo]\nfailed = 0\n",
        calls * 6
    )
}

fn loadtest(dir: &Path, links: &Path) -> Result<Process> {
    let program = std::env::current_exe()?.with_file_name("loadtest");
    let child = Command::new(&program)
        .args(["run", "--quiet", "--journey", "rolling.toml", "--out", "report.json", "--links"])
        .arg(links)
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    Ok(Process(child))
}

fn figures(report: &Value, asked: &Asked, conditions: Value) -> Value {
    let of = |stage: &str| {
        let stage = &report["stages"][stage];
        json!({ "p50": stage["p50_ms"], "p95": stage["p95_ms"], "max": stage["max_ms"], "count": stage["count"] })
    };
    let failed: u64 = asked.failed.values().sum();
    let (people, went_wrong) = (&report["people"], report["failures"].as_array().map(Vec::len));
    // Whoever did not get through lost their call, whatever the reason.
    let lost =
        people["lost_calls"].as_u64().zip(people["failed"].as_u64()).map(|(lost, failed)| lost.max(failed));
    let met = failed == 0 && !asked.took_ms.is_empty() && lost == Some(0) && went_wrong == Some(0);
    json!({
        "name": "rolling-restart",
        "requests": asked.took_ms.len(), "failed_requests": failed, "request_ms": quantiles(asked.took_ms.clone()),
        "calls": people["came"], "lost_calls": lost,
        "media_gap_ms": of("media_again"), "resume_ms": of("resumed"),
        "failures": report["failures"], "requests_failed_by": asked.failed,
        "conditions": conditions,
        "gate": { "failed_requests": 0, "lost_calls": 0, "met": met },
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let (calls, per_second, talk_s) = (env("CALLS", 20)?, env("REQUESTS", 50)?, env("TALK_S", 90)?);
    let temporary = tempfile::tempdir()?;
    let data = match std::env::var_os("FLEET_DATA") {
        Some(dir) => PathBuf::from(dir),
        None => temporary.path().to_owned(),
    };
    fs::create_dir_all(&data)?;
    let mut fleet = Fleet::start(calls, &data).await?;
    // Copied: signaling-1 writes it anew when it is restarted.
    let ready: Value = serde_json::from_str(&fs::read_to_string(fleet.ready_file("signaling-1"))?)?;
    ensure!(links_of(&ready)?.len() == calls, "a waiting room for each call");
    let links = data.join("links.json");
    fs::write(&links, ready.to_string())?;
    fs::write(data.join("rolling.toml"), journey(calls, talk_s))?;
    // Of the patient, whose visit nobody ends.
    let secret =
        ready["patient"].as_str().and_then(|link| link.split_once("#k=")).context("a link")?.1.to_owned();

    let mut people = loadtest(&data, &links)?;
    let whole = (2 * calls) as f64;
    until("every call to be there", async || Ok(fleet.sessions().await? >= whole)).await?;
    let (stop, stopped) = oneshot::channel();
    let mut asking = JoinSet::new();
    asking.spawn(ask(fleet.url()?, secret, per_second, stopped));
    sleep(BETWEEN).await;
    let began = now();
    let mut restarts = Vec::new();
    for role in ORDER {
        let (end, start) = fleet.restart(role).await?;
        eprintln!("{role}: ended in {:.1} s, ready after {:.1} s", end.as_secs_f64(), start.as_secs_f64());
        restarts.push(json!({ "role": role, "ended_s": tenth(end.as_secs_f64()), "ready_s": tenth(start.as_secs_f64()) }));
        sleep(BETWEEN).await;
    }
    let took = began.elapsed();
    let still_talking = people.0.try_wait()?.is_none();
    let sessions = fleet.sessions().await?;
    if stop.send(()).is_err() {
        bail!("nobody asked");
    }
    let asked = asking.join_next().await.context("nobody asked")??;
    people.0.wait()?;
    let report: Value = serde_json::from_str(&fs::read_to_string(data.join("report.json"))?)?;
    let conditions = json!({
        "restarts": restarts, "restarts_took_s": tenth(took.as_secs_f64()), "requests_per_s": per_second,
        "talk_s": talk_s, "media_sessions_after": sessions, "clients_late_p99_ms": report["generator"]["late_p99_ms"],
        "cores": report["machine"]["cores"], "clients": "same machine, loopback", "build": build(),
    });
    let line = figures(&report, &asked, conditions);
    println!("{line}");
    ensure!(
        still_talking && sessions >= whole,
        "the calls were over before the restarts: TALK_S is too short"
    );
    ensure!(line["gate"]["met"] == true, "a request failed or a call was lost");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_request_or_lost_call_is_too_many() {
        let report = |lost: u64| {
            json!({ "people": { "came": 20, "failed": 0, "lost_calls": lost }, "failures": [],
                    "stages": { "media_again": { "p50_ms": 3.0 } } })
        };
        let well = || Asked { took_ms: vec![1.0, 3.0, 2.0], failed: BTreeMap::new() };
        let met = |report: &Value, asked: &Asked| figures(report, asked, Value::Null)["gate"]["met"] == true;
        assert!(met(&report(0), &well()));
        assert!(!met(&report(1), &well()));
        assert!(!met(&json!({}), &well()), "nothing was measured");
        assert!(!met(&report(0), &Asked::default()), "nothing was asked");
        let failed = Asked { failed: BTreeMap::from([("page: 503".to_owned(), 1)]), ..well() };
        assert!(!met(&report(0), &failed));
        assert_eq!(quantiles(well().took_ms), json!({ "p50": 2.0, "p95": 3.0, "max": 3.0 }));
    }
}
