//! PostgreSQL on disks that are really full: small ones, in a mount namespace of the test's own. A disk full of tables
//! is an error of one statement. A disk full of log is the end of all of the server's processes, which come back by
//! themselves if the log has room for the end of their recovery, and otherwise when they are started again.

use crate::postgres::config;
use platform::event_log::{
    Append, AppendError, EventStore as _, Moment, Refusal, Version, postgres::PostgresStore,
};
use prometheus::Registry;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use testkit::{
    engines::Postgres,
    event_log::{append, stream},
};

const DIR: &str = "POSTGRES_FULL_DIR";

/// Runs a test of this file, which is given a disk of `megabytes`. PostgreSQL runs for nobody who calls himself root,
/// so whoever may mount only in a user namespace runs it in a further one, under another name.
fn on_a_disk_of(megabytes: u32, test: &str) {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let as_root: &[&str] = if is_root { &["--mount"] } else { &["--mount", "--map-root-user"] };
    let back = if is_root { "" } else { "unshare --map-user=1000" };
    let may = Command::new("unshare")
        .args(as_root)
        .args(["sh", "-c", &format!("exec {back} true")])
        .stderr(Stdio::null())
        .status();
    if !may.is_ok_and(|status| status.success()) {
        println!("skipped: this machine lets nobody make a mount namespace");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={megabytes}m,mode=1777 tmpfs \"$1\" && \
         {DIR}=\"$1\" exec {back} \"$2\" --exact postgres_disk_full::{test} --nocapture"
    );
    let output = Command::new("unshare")
        .args(as_root)
        .args(["sh", "-c", &script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("healed"), "{said}{errors}");
    println!("{said}");
}

#[test]
fn a_disk_full_of_tables_is_said_clearly_lets_reads_go_on_and_heals() {
    on_a_disk_of(96, "tables_on_the_small_disk");
}

#[test]
fn a_disk_full_of_log_is_said_clearly_loses_nothing_and_heals() {
    on_a_disk_of(80, "log_on_the_small_disk");
}

/// 20 kB that do not compress.
fn big(head: u64) -> Append {
    let mut big = append(stream(1), head, Some(u128::from(head)), 1);
    let mut state = head;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + ((state >> 33) % 26) as u8)
    };
    big.events[0].body = (0..20_000).map(|_| letter()).collect();
    big
}

async fn open(server: &Postgres) -> PostgresStore {
    PostgresStore::open(&config(server, "events"), &Registry::new()).await.unwrap()
}

/// Fills the disk up to `left` bytes.
fn ballast(disk: &Path, left: u64) -> std::path::PathBuf {
    let said = Command::new("stat").args(["-f", "-c", "%a %S"]).arg(disk).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let numbers: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![7; (numbers[0] * numbers[1]).saturating_sub(left) as usize]).unwrap();
    ballast
}

/// Appends until it is refused. Answers how many are recorded, and why there are no more.
async fn fill(store: &PostgresStore) -> (u64, AppendError) {
    let mut head = 0;
    loop {
        match store.append(big(head)).await {
            Ok(appended) => head = appended.version.0,
            Err(error) => return (head, error),
        }
        assert!(head < 5_000, "the disk never filled");
    }
}

async fn recorded(store: &PostgresStore) -> Vec<u64> {
    let mut versions: Vec<u64> = Vec::new();
    loop {
        let after = Version(versions.last().copied().unwrap_or(0));
        let page = store.read(stream(1), after, 100, Moment::NOW).await.unwrap();
        if page.is_empty() {
            return versions;
        }
        versions.extend(page.iter().map(|event| event.version.0));
    }
}

/// Tries an append until it is recorded, as its caller would.
async fn until_recorded(store: &PostgresStore, head: u64) -> u64 {
    let again = async {
        loop {
            match store.append(big(head)).await {
                Ok(appended) => return appended.version.0,
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => panic!("somebody else wrote"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("it heals")
}

/// Not a test of its own: runs inside the namespace.
#[tokio::test]
async fn tables_on_the_small_disk() {
    let Ok(disk) = std::env::var(DIR) else { return };
    let log = tempfile::tempdir().unwrap();
    fs::set_permissions(log.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let server = Postgres::start_on(Path::new(&disk), log.path());
    let store = open(&server).await;
    let ballast = ballast(Path::new(&disk), 4 * 1_024 * 1_024);
    let (head, error) = fill(&store).await;
    assert_eq!(error, AppendError::Rejected(Refusal::Unavailable));
    assert!(server.output().contains("No space left on device"), "{}", server.output());
    assert!(head > 0 && !store.is_writable());
    assert_eq!(recorded(&store).await, (1..=head).collect::<Vec<_>>());
    fs::remove_file(ballast).unwrap();
    assert_eq!(store.append(big(head)).await.unwrap().version.0, head + 1);
    assert!(store.is_writable());
    println!("healed after {head} events");
}

/// Not a test of its own: runs inside the namespace.
#[tokio::test]
async fn log_on_the_small_disk() {
    let Ok(disk) = std::env::var(DIR) else { return };
    let tables = tempfile::tempdir().unwrap();
    let mut server = Postgres::start_on(tables.path(), Path::new(&disk));
    let store = open(&server).await;
    // Less than one segment of 16 MiB.
    let ballast = ballast(Path::new(&disk), 8 * 1_024 * 1_024);
    let (head, error) = fill(&store).await;
    let clear = [AppendError::Unknown, AppendError::Rejected(Refusal::Unavailable)];
    assert!(clear.contains(&error), "{error:?}");
    let output = server.output();
    assert!(output.contains("PANIC") && output.contains("No space left on device"), "{output}");
    assert!(head > 0 && !store.is_writable());
    fs::remove_file(ballast).unwrap();
    // What whoever watches over the server does.
    let came_back = server.is_running();
    if !came_back {
        server.restart();
    }
    assert_eq!(until_recorded(&store, head).await, head + 1);
    assert!(store.is_writable());
    assert_eq!(recorded(&store).await, (1..=head + 1).collect::<Vec<_>>());
    println!(
        "healed after {head} events, the server {}",
        if came_back { "by itself" } else { "started again" }
    );
}
