//! Waiting rooms on one machine: what a connection costs the server, how soon a clinician's queue shows who came, and how
//! long thousands take to come back at once.
//!
//! `loadtest run --journey waiting` against a server of its own, its figures as one JSON line. Arguments go to `loadtest`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{fs, process::Command};

/// What `loadtest` ends with when every SLO was met, and when one was missed.
const JUDGED: [i32; 2] = [0, 3];

fn main() -> Result<()> {
    let here = std::env::current_exe()?;
    let dir = tempfile::tempdir()?;
    let out = dir.path().join("waiting.json");
    let status = Command::new(here.with_file_name("loadtest"))
        .args(["run", "--journey", "waiting", "--start"])
        .arg(std::env::var_os("TELEHEALTH_BIN").unwrap_or_else(|| here.with_file_name("telehealth").into()))
        .arg("--out")
        .arg(&out)
        .args(std::env::args_os().skip(1))
        .status()
        .context("start loadtest")?;
    let text = fs::read_to_string(&out).context("loadtest left no report")?;
    let report: Value = serde_json::from_str(&text)?;
    println!("{}", figures(&report));
    let judged = status.code().is_some_and(|code| JUDGED.contains(&code));
    ensure!(judged, "void, or it could not begin: see above");
    ensure!(report["people"]["failed"] == 0, "{} people failed", report["people"]["failed"]);
    Ok(())
}

fn figures(report: &Value) -> Value {
    let figures = &report["figures"];
    let shows = &report["stages"]["queue_shows"];
    let met = |kib: f64, p99_ms: f64, back_s: f64| {
        let within = |value: &Value, most: f64| value.as_f64().is_some_and(|value| value <= most);
        report["verdict"] != "void"
            && within(&figures["kib_per_connection"], kib)
            && within(&shows["p99_ms"], p99_ms)
            && within(&figures["back_at_once_s"], back_s)
    };
    json!({
        "name": "waiting", "void": report["verdict"] == "void",
        "connections": figures["connections"],
        "kib_per_connection": figures["kib_per_connection"],
        "kib_per_connection_all_in": figures["kib_per_connection_all_in"],
        "queue_shows_p50_ms": shows["p50_ms"], "queue_shows_p99_ms": shows["p99_ms"],
        "reconnected_at_once": figures["reconnected_at_once"], "back_at_once_s": figures["back_at_once_s"],
        "conditions": {
            "clinicians": report["workload"]["clinicians"], "arrivals_per_minute": report["workload"]["arrivals"]["per_minute"],
            "arrivals": figures["arrivals"], "cores": report["machine"]["cores"],
            "clients": "same machine, loopback", "notes": report["notes"],
        },
        "gate": { "kib_per_connection": 40, "queue_shows_p99_ms": 100, "back_at_once_s": 10, "met": met(40.0, 100.0, 10.0) },
        "target": { "kib_per_connection": 10, "queue_shows_p99_ms": 100, "back_at_once_s": 10, "met": met(10.0, 100.0, 10.0) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_and_target_are_judged_apart() {
        let report = json!({
            "verdict": "met", "stages": { "queue_shows": { "p50_ms": 3.0, "p99_ms": 50.0 } },
            "figures": { "kib_per_connection": 12.0, "back_at_once_s": 4.0 },
        });
        let line = figures(&report);
        assert_eq!((&line["gate"]["met"], &line["target"]["met"]), (&true.into(), &false.into()));
        assert_eq!(figures(&json!({}))["gate"]["met"], false, "nothing was measured");
    }
}
