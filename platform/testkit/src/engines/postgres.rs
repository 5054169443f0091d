//! A PostgreSQL of its own for a test.

use super::certificate::Certificate;
use super::process::{free_port, until};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// The user it runs as when the test is root, which it refuses to be.
const NOBODY: &str = "nobody";

/// A server in a directory of its own, on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct Postgres {
    child: Option<Child>,
    bin: PathBuf,
    dir: TempDir,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it. `durable` is for those who measure: otherwise the disk is not waited for, and
    /// what was committed survives the end of its processes, but not of the machine.
    ///
    /// # Panics
    /// It is not installed, or does not get ready.
    pub fn start(durable: bool) -> Self {
        let mut server = Self::stopped(&std::env::temp_dir());
        server.make_cluster(durable, None, "");
        server.restart();
        server
    }

    /// Its tables in a directory that is made in `tables`, its write-ahead log in one that is made in `log`: two disks.
    /// Both must let everybody make directories.
    ///
    /// # Panics
    /// It is not installed, or does not get ready.
    pub fn start_on(tables: &Path, log: &Path) -> Self {
        let mut server = Self::stopped(tables);
        server.make_cluster(true, Some(log), "");
        server.restart();
        server
    }

    /// With a certificate, and for nobody who comes without TLS.
    ///
    /// # Panics
    /// It is not installed, or does not get ready.
    pub fn start_tls(certificate: &Certificate) -> Self {
        let mut server = Self::stopped(&std::env::temp_dir());
        server.make_cluster(false, None, "ssl = on\nssl_cert_file = 'cert.pem'\nssl_key_file = 'key.pem'\n");
        let data = server.data();
        for (from, to) in
            [(certificate.cert(), data.join("cert.pem")), (certificate.key(), data.join("key.pem"))]
        {
            // As its own: it takes no key that others may read.
            run(Command::new("install").args(["--mode=600"]).args(owner()).arg(from).arg(to));
        }
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")
            .expect("the directory is ours");
        server.restart();
        server
    }

    /// Copies each piece of its write-ahead log into a directory as soon as it is full, as docs/postgresql.md says.
    ///
    /// # Panics
    /// It is not installed, or does not get ready.
    pub fn start_archiving(archive: &Path) -> Self {
        let mut server = Self::stopped(&std::env::temp_dir());
        give_to_nobody(archive);
        let copy = format!("test ! -f {0}/%f && cp %p {0}/%f", archive.display());
        server.make_cluster(false, None, &format!("archive_mode = on\narchive_command = '{copy}'\n"));
        server.restart();
        server
    }

    /// Copies all of it into an empty directory while it runs, without the log that is written meanwhile.
    ///
    /// # Panics
    /// It does not run, or the directory is not empty.
    pub fn base_backup(&self, into: &Path) {
        give_to_nobody(into);
        let mut backup = self.command("pg_basebackup");
        backup.args(["-h", "127.0.0.1", "-U", "postgres", "-p"]).arg(self.port.to_string());
        run(backup.args(["--wal-method=none", "--checkpoint=fast", "--no-sync", "-D"]).arg(into));
    }

    /// A new server from a base backup, brought forward by the archived log: to a point in time, or to its end.
    ///
    /// # Panics
    /// It does not get that far.
    pub fn restored(base: &Path, archive: &Path, moment: Option<&str>) -> Self {
        let mut server = Self::stopped(&std::env::temp_dir());
        give_to_nobody(server.dir.path());
        run(Command::new("cp").arg("-a").arg(base).arg(server.data()));
        // It starts on no directory that others may read.
        run(Command::new("chmod").arg("700").arg(server.data()));
        let target = moment.map_or_else(String::new, |moment| {
            format!("recovery_target_time = '{moment}'\nrecovery_target_action = promote\n")
        });
        let fetch = format!("restore_command = 'cp {}/%f %p'\n", archive.display());
        server.configure(false, &format!("{fetch}{target}"));
        fs::write(server.data().join("recovery.signal"), "").expect("the directory is ours");
        server.restart();
        until("it has recovered", || server.ask("SELECT NOT pg_is_in_recovery()") == "t");
        server
    }

    /// What `psql` answers to a statement.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn ask(&self, statement: &str) -> String {
        let output = self.client("psql").args(["-qtAc", statement, "postgres"]).output();
        String::from_utf8_lossy(&output.expect("it can be run").stdout).trim().to_owned()
    }

    fn stopped(place: &Path) -> Self {
        let dir = tempfile::tempdir_in(place).expect("a directory for the server");
        Self { child: None, bin: bin(), port: free_port(), dir }
    }

    /// How to connect.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// SIGKILL to all of it at once, as if the machine had lost power and its disk had not.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.take().expect("it runs").wait().expect("it is ours");
    }

    /// Whether it still runs: a server that cannot write its log ends by itself.
    ///
    /// # Panics
    /// It was killed.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().expect("it is ours").is_none()
    }

    /// SIGSTOP: connections stay open, and nobody answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT: goes on as if nothing had been.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Starts it, on the same port and directory, killing it first if it runs.
    ///
    /// # Panics
    /// It does not get ready.
    pub fn restart(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        let log = File::options().create(true).append(true).open(self.dir.path().join("output.log"));
        let log = log.expect("the directory is ours");
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the server starts"));
        self.until_ready();
    }

    /// What it has written into its log.
    pub fn output(&self) -> String {
        fs::read_to_string(self.dir.path().join("output.log")).unwrap_or_default()
    }

    /// What `pg_amcheck` finds wrong with the tables and indexes of a schema; nothing if they are whole. Each row is
    /// looked up in the indexes that should have it.
    ///
    /// # Panics
    /// It cannot be run.
    pub fn amcheck(&self, schema: &str) -> String {
        let mut check = self.client("pg_amcheck");
        check.args(["--install-missing", "--heapallindexed", "--schema", schema, "postgres"]);
        let output = check.output().expect("it can be run");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success() || !said.is_empty(), "pg_amcheck: {}", output.status);
        said
    }

    /// A client program of PostgreSQL's (`psql`, `pg_dump`), with what it takes to reach this server.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p"]).arg(self.port.to_string());
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn make_cluster(&self, durable: bool, log: Option<&Path>, further: &str) {
        let data = self.data();
        fs::create_dir(&data).expect("the directory is ours");
        for path in [self.dir.path(), &data] {
            give_to_nobody(path);
        }
        let mut initdb = self.command("initdb");
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "-D",
        ]);
        initdb.arg(&data);
        if let Some(log) = log {
            initdb.arg("--waldir").arg(log.join("wal"));
        }
        run(&mut initdb);
        self.configure(durable, further);
    }

    fn configure(&self, durable: bool, further: &str) {
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = {durable}\n\
             max_connections = 200\nshared_buffers = '128MB'\nmax_wal_size = '2GB'\nwal_compression = off\n{further}",
            self.port
        );
        fs::write(self.data().join("postgresql.auto.conf"), settings).expect("the directory is ours");
    }

    /// A program of the server, as a user that it takes, dying with this process.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        if is_root() {
            command.args(["--reuid", NOBODY, "--regid", "nogroup", "--clear-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(self.bin.join(program));
        command.current_dir(self.dir.path());
        command
    }

    fn until_ready(&mut self) {
        until("PostgreSQL is ready", || {
            let mut ask = Command::new(self.bin.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string());
            ask.status().is_ok_and(|status| status.success())
        });
    }

    /// To all its processes: each of them leads a process group of its own.
    fn signal(&self, signal: &str) {
        let main = self.child.as_ref().expect("it runs").id();
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).arg(main.to_string());
        // One that has ended in the meantime is no failure.
        let status = kill.args(children(main)).stderr(Stdio::null()).status();
        assert!(status.is_ok(), "{kill:?}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// A directory it is to write to.
fn give_to_nobody(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg(NOBODY).arg(path));
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("it can be run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<String> {
    let parent_of = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may hold anything but ends with the last parenthesis.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let entries = fs::read_dir("/proc").expect("there is one").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| parent_of(pid) == Some(parent)).collect()
}

/// Whose its files are, for `install`.
fn owner() -> &'static [&'static str] {
    if is_root() { &["--owner", NOBODY] } else { &[] }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Where its programs are: Debian keeps each version in a directory of its own.
fn bin() -> PathBuf {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = std::env::split_paths(&path).find(|dir| dir.join("initdb").is_file());
    let found = versions.pop().or(elsewhere);
    found.unwrap_or_else(|| panic!("PostgreSQL is not installed: `make packages` installs what tests need"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_programs_are_found() {
        assert!(bin().join("postgres").is_file());
    }
}
