//! The server as a process.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const BINARY: &str = env!("CARGO_BIN_EXE_telehealth");

/// Runs a command to its end.
pub(crate) fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.current_dir(dir.path()).args(args).envs(environment.iter().copied());
    command.output().unwrap()
}

/// What a refused start said, in one line, and its exit code.
pub(crate) fn refusal(args: &[&str], environment: &[(&str, &str)]) -> (String, Option<i32>) {
    let output = run(args, environment);
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

/// A running server with a data directory of its own. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    dir: Arc<tempfile::TempDir>,
    ready: Value,
    /// From its start until it said that it is ready.
    pub(crate) took: Duration,
    said: BufReader<std::process::ChildStdout>,
    first_lines: String,
}

impl Server {
    /// `serve --demo` on free ports.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--demo"], &[])
    }

    /// With people in it who ask as often as they like.
    pub(crate) fn start_unhurried(args: &[&str]) -> Self {
        let often = "1000000";
        let environment = [
            ("TELEHEALTH__IDENTITY__PASSWORD_MEMORY_KIB", "64"),
            ("TELEHEALTH__IDENTITY__WRONG_FACTORS_PER_HOUR", often),
            ("TELEHEALTH__IDENTITY__WRONG_FACTORS_PER_HOUR_AND_NETWORK", often),
            ("TELEHEALTH__PORTAL__WRONG_LINKS_PER_MINUTE", often),
            ("TELEHEALTH__PORTAL__REQUESTS_PER_SECOND_AND_PERSON", often),
            ("TELEHEALTH__PORTAL__REQUESTS_PER_SECOND_AND_PARTNER", often),
            ("TELEHEALTH__PORTAL__REQUESTS_PER_SECOND_AND_UNIT", often),
        ];
        Self::start_with(args, &environment)
    }

    pub(crate) fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch(Arc::new(tempfile::tempdir().unwrap()), args, environment)
    }

    /// `serve --demo` on what stands in `data` of a directory.
    pub(crate) fn start_in(dir: tempfile::TempDir) -> Self {
        Self::launch(Arc::new(dir), &["--demo"], &[])
    }

    fn launch(dir: Arc<tempfile::TempDir>, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let ready = dir.path().join("ready.json");
        let _ = fs::remove_file(&ready);
        let log = fs::OpenOptions::new().create(true).append(true).open(dir.path().join("log.txt")).unwrap();
        let started = Instant::now();
        let mut child = Command::new(BINARY)
            .arg("serve")
            .args(["--media-port", "0", "--metrics-listen", "localhost:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .args(if args.contains(&"--listen") { &[][..] } else { &["--listen", "localhost:0"] })
            .args(args)
            .envs(environment.iter().copied())
            .current_dir(dir.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut first_lines = String::new();
        while !first_lines.contains("Telehealth is ready") {
            let more = said.read_line(&mut first_lines).unwrap();
            assert!(more > 0, "it ended: {}", fs::read_to_string(dir.path().join("log.txt")).unwrap());
        }
        let took = started.elapsed();
        let ready = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
        Self { child, dir, ready, took, said, first_lines }
    }

    /// As `kill -9` ends it, and started again on the same data.
    pub(crate) fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::launch(Arc::clone(&self.dir), &["--demo"], &[])
    }

    /// Started again on the same data, after it has ended.
    pub(crate) fn start_again(&self, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::launch(Arc::clone(&self.dir), args, environment)
    }

    /// As `kill -9` ends it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; returns the exit code and how long it took.
    pub(crate) fn terminate(&mut self) -> (Option<i32>, Duration) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed())
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn http(&self) -> SocketAddr {
        address(&self.ready["http"])
    }

    pub(crate) fn metrics(&self) -> SocketAddr {
        address(&self.ready["metrics"])
    }

    /// Where it takes media.
    pub(crate) fn media(&self) -> SocketAddr {
        address(&self.ready["media"])
    }

    /// What browsers call it.
    pub(crate) fn url(&self) -> &str {
        self.ready["url"].as_str().unwrap()
    }

    /// The secret of a demonstration link: `clinic` or `patient`.
    pub(crate) fn secret(&self, of: &str) -> &str {
        self.ready[of].as_str().unwrap().split_once("#k=").unwrap().1
    }

    /// The link of whoever becomes the demonstration's administrator.
    pub(crate) fn administrator(&self) -> &str {
        self.ready["administrator"].as_str().unwrap()
    }

    /// Another healthcare unit of the demonstration: `id`, `host`, and links as of the first.
    pub(crate) fn other_unit(&self) -> &Value {
        &self.ready["units"][0]
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log.txt")).unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Everything it wrote to standard output; ends it.
    pub(crate) fn everything_said(mut self) -> String {
        self.terminate();
        let mut rest = std::mem::take(&mut self.first_lines);
        self.said.read_to_string(&mut rest).unwrap();
        rest
    }

    /// Resident memory, bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
    }

    /// What another command of the program prints about this server's data.
    pub(crate) fn runs(&self, args: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(args).envs(environment.iter().copied()).arg("--data-dir").arg(self.data());
        command.output().unwrap()
    }

    /// What `telehealth token` prints for this server.
    pub(crate) fn tokens(&self, args: &[&str]) -> Vec<Value> {
        self.tokens_with(args, &[])
    }

    /// The same, where its keys are somewhere else.
    pub(crate) fn tokens_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Vec<Value> {
        let output = Command::new(BINARY)
            .arg("token")
            .envs(environment.iter().copied())
            .args(args)
            .args(["--url", self.url(), "--data-dir"])
            .arg(self.data())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.dir.path().join("log.txt")).unwrap_or_default());
        }
    }
}

fn address(list: &Value) -> SocketAddr {
    list[0].as_str().unwrap().parse().unwrap()
}
