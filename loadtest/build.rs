//! Which source this was built from, for reports.

use std::{env, process::Command};

fn main() {
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--tags"]).output();
    let git =
        described.ok().filter(|out| out.status.success()).and_then(|out| String::from_utf8(out.stdout).ok());
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let build = git.map_or_else(|| version.clone(), |git| format!("{version} ({})", git.trim()));
    println!("cargo::rustc-env=LOADTEST_BUILD={build}");
    // A new commit moves the log of HEAD, in a work tree as well.
    let log = Command::new("git").args(["rev-parse", "--git-path", "logs/HEAD"]).output();
    if let Some(path) = log.ok().and_then(|out| String::from_utf8(out.stdout).ok()) {
        println!("cargo::rerun-if-changed={}", path.trim());
    }
}
