//! A server of our own to test: a process, on free ports, with a demonstration clinic and a data directory that goes
//! with it.

use crate::participant::Link;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Where a server runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The core all of it is kept on.
    pub core: Option<usize>,
}

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Deployment {
    child: Child,
    _dir: tempfile::TempDir,
    /// One clinician's link per waiting room.
    pub clinicians: Vec<Link>,
    /// Where its figures can be scraped.
    pub metrics: Option<String>,
    /// The link of whoever becomes the administrator.
    pub administrator: Option<String>,
}

impl Deployment {
    /// Starts one with so many waiting rooms.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(rooms: usize, place: Place) -> Result<Self> {
        Self::run(&binary()?, rooms, place).await
    }

    /// The same, with this program.
    ///
    /// # Errors
    /// As for [`Deployment::start`].
    pub async fn run(program: &Path, rooms: usize, place: Place) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let ready = dir.path().join("ready.json");
        let child = place
            .command(program)
            .args(["serve", "--demo", "--listen", "localhost:0", "--metrics-listen", "localhost:0"])
            .args(["--media-port", "0", "--demo-rooms", &rooms.to_string()])
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .env("RUST_LOG", "warn")
            .env("TELEHEALTH__SFU__MAX_SESSIONS", "20000")
            .env("TELEHEALTH__SFU__MAX_ROOMS", "10000")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut started =
            Self { child, _dir: dir, clinicians: Vec::new(), metrics: None, administrator: None };
        let ready: Value = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break serde_json::from_str(&text)?;
            }
            ensure!(started.child.try_wait()?.is_none(), "telehealth ended before it was ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        started.clinicians = links_of(&ready)?;
        started.metrics = ready["metrics"][0].as_str().map(|addr| format!("http://{addr}/metrics"));
        started.administrator = ready["administrator"].as_str().map(str::to_owned);
        Ok(started)
    }
}

impl Deployment {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Place {
    /// A command whose process is kept here.
    #[must_use]
    pub fn command(self, program: &Path) -> Command {
        match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("--cpu-list").arg(core.to_string()).arg(program);
                command
            }
            None => Command::new(program),
        }
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        // Its data goes with it: there is nothing to drain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The clinicians' links in a ready file.
///
/// # Errors
/// It holds none.
pub fn links_of(ready: &Value) -> Result<Vec<Link>> {
    let links = ready["clinicians"].as_array().context("the ready file names no clinicians")?;
    links.iter().map(|link| link.as_str().context("a link")?.parse()).collect()
}

/// Beside this program, unless `TELEHEALTH_BIN` says otherwise.
fn binary() -> Result<PathBuf> {
    match std::env::var_os("TELEHEALTH_BIN") {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?.with_file_name("telehealth")),
    }
}
