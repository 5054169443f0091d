//! This test binary again, as a process of its own that something happens to.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// Runs a test of this binary on a small tmpfs in a mount namespace of its own; `variable` says where it is. It has to
/// say `healed`. Skipped where nobody may make such a namespace.
pub(crate) fn on_a_small_disk(test: &str, variable: &str) {
    let dir = tempfile::tempdir().unwrap();
    let may_mount =
        Command::new("unshare").args(["--mount", "--map-root-user", "true"]).stderr(Stdio::null()).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        println!("skipped: this machine lets nobody make a mount namespace");
        return;
    }
    let script = r#"mount -t tmpfs -o size=2m tmpfs "$1" && exec env "$3=$1" "$2" --exact "$4" --nocapture"#;
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args([variable, test])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("healed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a test of this binary, which says `ack <stream> <version> .` of each append, and kills it with signal 9 after so
/// many of them. What it said is noted as acknowledged.
pub(crate) fn run_and_kill(
    test: &str,
    variable: &str,
    dir: &Path,
    after: usize,
    acknowledged: &mut BTreeMap<u128, u64>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(variable, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut note = |line: String| {
        let mut words = line.strip_prefix("ack ")?.split(' ').map(|word| word.parse::<u64>());
        let (Some(Ok(stream)), Some(Ok(version))) = (words.next(), words.next()) else { return None };
        acknowledged.insert(stream.into(), version);
        Some(())
    };
    let seen = lines.by_ref().filter_map(|line| note(line.unwrap())).take(after).count();
    assert_eq!(seen, after, "the child ended by itself");
    child.kill().unwrap();
    // What it had said before it died counts too; a line cut short does not parse as acknowledged.
    lines.map_while(Result::ok).filter(|line| line.ends_with('.')).for_each(|line| {
        note(line);
    });
    child.wait().unwrap();
}
