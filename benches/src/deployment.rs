//! The server under test: a process of its own, on free ports, with a data directory that goes with it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running server. Dropping it ends the process.
pub(crate) struct Deployment {
    child: Child,
    _dir: tempfile::TempDir,
    /// One clinician's link per waiting room.
    pub(crate) clinicians: Vec<String>,
}

impl Deployment {
    pub(crate) async fn start(rooms: usize) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let ready = dir.path().join("ready.json");
        let child = Command::new(binary()?)
            .args(["serve", "--demo", "--listen", "localhost:0", "--metrics-listen", "localhost:0"])
            .args(["--media-port", "0", "--demo-rooms", &rooms.to_string()])
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .context("start telehealth")?;
        let mut started = Self { child, _dir: dir, clinicians: Vec::new() };
        let ready: Value = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break serde_json::from_str(&text)?;
            }
            ensure!(started.child.try_wait()?.is_none(), "telehealth ended before it was ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let links = ready["clinicians"].as_array().context("the ready file names no clinicians")?;
        started.clinicians = links.iter().filter_map(|link| link.as_str().map(str::to_owned)).collect();
        Ok(started)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // Its data goes with it: there is nothing to drain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside this program, unless `TELEHEALTH_BIN` says otherwise.
fn binary() -> Result<PathBuf> {
    match std::env::var_os("TELEHEALTH_BIN") {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?.with_file_name("telehealth")),
    }
}
