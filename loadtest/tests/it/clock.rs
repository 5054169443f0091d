//! The machine's clock is set while people talk and wait: by an hour forward, by two back, and right again.

use crate::{free_port, metric, report, telehealth, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Debian's `faketime`. `make packages` installs it.
fn libfaketime() -> Option<PathBuf> {
    let roots = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok).map(|entry| entry.path());
    roots.map(|root| root.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

/// A server whose wall clock says what a file says. Its monotonic clock is the machine's.
fn serve(dir: &Path, library: &Path, metrics: u16) -> Child {
    let child = Command::new(telehealth())
        .args(["serve", "--demo", "--demo-rooms", "3", "--media-port", "0", "--data-dir", "data"])
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", &format!("127.0.0.1:{metrics}")])
        .args(["--ready-file", "ready.json"])
        .current_dir(dir)
        .env("RUST_LOG", "warn")
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", dir.join("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::null())
        .stderr(fs::File::create(dir.join("said")).unwrap())
        .spawn()
        .unwrap();
    until("the server", || dir.join("ready.json").exists());
    child
}

/// Sets it, as a whole: a reader sees the one or the other.
fn set(dir: &Path, offset: &str) {
    fs::write(dir.join("clock.new"), offset).unwrap();
    fs::rename(dir.join("clock.new"), dir.join("clock")).unwrap();
}

#[test]
fn calls_and_waits_go_on_when_the_clock_is_set() {
    let Some(library) = libfaketime() else {
        println!("skipped: there is no libfaketime here; `make packages` installs it");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path();
    set(there, "+0");
    let metrics = free_port();
    let mut server = serve(there, &library, metrics);
    // More come than are seen at once, so that some wait whenever the clock is set.
    let journey = "about = 'x'\nclinicians = 3\n[arrivals]\nprocess = 'constant'\nper_minute = 120\nover_s = 6\n\
                   [visit]\ntalk_s = 3\ntalk_even = true\n[slo]\nfailed = 0\n";
    fs::write(there.join("set.toml"), journey).unwrap();
    let mut people = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "--quiet", "--journey", "set.toml", "--links", "ready.json"])
        .current_dir(there)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut longest = 0.0_f64;
    let mut wait = || {
        let age = metric(metrics, "telehealth_signaling_waiting_age_max_seconds ");
        longest = longest.max(age.unwrap_or(0.0));
    };
    for (talking, offset) in [(4.0, "+3600"), (8.0, "-3600"), (14.0, "+0")] {
        until("the moment", || {
            wait();
            metric(metrics, "telehealth_sfu_joins_total{stage=\"first-packet-out\"} ") >= Some(talking)
        });
        set(there, offset);
    }
    until("all is over", || {
        wait();
        people.try_wait().unwrap().is_some()
    });
    let ended = people.wait().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let (report, said) = (report(&dir), fs::read_to_string(there.join("said")).unwrap());
    assert!(ended.code().is_some_and(|code| [0, 4].contains(&code)), "{report:#}\n{said}");
    let people = &report["people"];
    assert_eq!(
        (&people["done"], &people["failed"], &people["lost_calls"]),
        (&12.into(), &0.into(), &0.into()),
        "{report:#}\n{said}"
    );
    assert_eq!(report["failures"], serde_json::Value::Array(Vec::new()), "{said}");
    assert!((0.1..60.0).contains(&longest), "somebody is said to have waited {longest} s");
    // Or nothing was set, and this proves nothing.
    assert!(said.matches("clock was set").count() >= 2, "{said}");
    assert!(!said.contains("has waited long"), "the desk is told of nobody: {said}");
}
