//! A server as a child process that can be killed, stopped, started again and robbed of its data.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsString,
    fs,
    future::Future,
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longest that a server may take to be ready. Far beyond what any takes: this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gap between looks at whether a condition holds.
const GLANCE: Duration = Duration::from_millis(10);

/// A server that was started here. Start it on the test's own thread: it dies with the thread that
/// started it, so that nothing is left over when a test is killed.
#[derive(Debug)]
pub struct Spawned {
    child: Option<Child>,
    program: PathBuf,
    arguments: Vec<OsString>,
    port: u16,
    dir: TempDir,
    ready: fn(u16) -> io::Result<bool>,
}

impl Spawned {
    /// Starts a program on a free port with a directory of its own, and waits until it is ready.
    ///
    /// # Panics
    /// It is not installed, or does not get ready.
    pub fn start(
        name: &str,
        arguments: impl Fn(&Path, u16) -> Vec<OsString>,
        ready: fn(u16) -> io::Result<bool>,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory for the server");
        let port = free_port();
        let arguments = arguments(dir.path(), port);
        let mut server = Self { child: None, program: program(name), arguments, port, dir, ready };
        server.restart();
        server
    }

    /// The port it listens on, of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// SIGKILL: no farewell, nothing flushed.
    ///
    /// # Panics
    /// It is not running.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }

    /// SIGSTOP: connections stay open, and nobody answers.
    pub fn pause(&self) {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.signal(Signal::STOP)));
        // The signal is on its way to each thread, and until it is there that thread answers.
        until("all of its threads stand still", || threads_are_stopped(&tasks).unwrap_or(false));
    }

    /// SIGCONT: goes on as if nothing had been.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts it again, on the same port and directory, killing it first if it runs. Waits until it is
    /// ready.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn restart(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        self.child = Some(self.spawn());
        until(&format!("{} is ready", self.program.display()), || self.is_ready());
    }

    /// Kills it, deletes what it has on disk, and starts it again.
    ///
    /// # Panics
    /// The files cannot be deleted, or it does not get ready.
    pub fn wipe(&mut self) {
        self.kill();
        empty(self.dir.path());
        self.restart();
    }

    /// Kills it and starts it as it was when `meanwhile` was called, as after a crash of a machine whose
    /// disk did not have everything yet.
    ///
    /// # Panics
    /// The files cannot be copied, or it does not get ready.
    pub async fn forget(&mut self, meanwhile: impl Future<Output = ()>) {
        let copy = tempfile::tempdir().expect("a directory for the copy");
        copy_all(self.dir.path(), copy.path());
        meanwhile.await;
        self.kill();
        empty(self.dir.path());
        copy_all(copy.path(), self.dir.path());
        self.restart();
    }

    fn spawn(&self) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("output.log"));
        let log = log.expect("the directory is ours");
        Command::new(program("setpriv"))
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(&self.arguments)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("the server starts")
    }

    fn is_ready(&mut self) -> bool {
        let ended = self.child.as_mut().and_then(|child| child.try_wait().expect("it is ours"));
        assert!(ended.is_none(), "{} ended: {}", self.program.display(), self.output());
        (self.ready)(self.port).unwrap_or(false)
    }

    fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("output.log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) -> i32 {
        let child = self.child.as_ref().expect("it runs");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, signal).expect("it is ours");
        pid.as_raw_nonzero().get()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; nobody is there to be told.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The third word of `stat` is the state, after the name in brackets; T is stopped.
fn threads_are_stopped(tasks: &Path) -> io::Result<bool> {
    for task in fs::read_dir(tasks)? {
        let stat = fs::read_to_string(task?.path().join("stat"))?;
        if !stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn empty(dir: &Path) {
    for entry in fs::read_dir(dir).expect("the directory is ours") {
        let path = entry.expect("the directory is ours").path();
        let deleted = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        deleted.expect("the files are ours");
    }
}

fn copy_all(from: &Path, to: &Path) {
    let mut everything = from.to_owned();
    everything.push(".");
    let copied = Command::new("cp").arg("-a").arg(everything).arg(to).status();
    assert!(copied.expect("cp starts").success(), "the files are copied");
}

/// Where a program is. Servers live in directories that not everybody searches.
///
/// # Panics
/// It is not installed.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let found =
        std::env::split_paths(&path).chain(usual).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: `make packages` installs what tests need"))
}

/// A port that was free a moment ago.
///
/// # Panics
/// There is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Waits for a condition, blocking the thread.
///
/// # Panics
/// It does not come about.
#[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(GLANCE);
    }
}
