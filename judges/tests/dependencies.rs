//! The dependencies of this repository, by the rules of `deny.toml` and `judges/advisories.toml`; and the rules by what
//! they must refuse.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use judges::dependencies::{Advisories, Built, Lock, Metadata, Policy, built, judge};
use std::{fs, path::Path, process::Command};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

fn policy() -> Policy {
    toml::from_str(&read("deny.toml")).unwrap()
}

fn advisories() -> Advisories {
    toml::from_str(&read("judges/advisories.toml")).unwrap()
}

/// What cargo says of the platform that we ship for, with every feature of our crates: `graph.all-features`. Without
/// `--offline`: crates that only some feature needs may not have been fetched by any build yet.
fn cargo(args: &[&str], platform: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(args)
        .args(["--locked", "--all-features", platform, "x86_64-unknown-linux-gnu"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn ours() -> (Metadata, Built) {
    let metadata = cargo(&["metadata", "--format-version", "1"], "--filter-platform");
    let tree = cargo(&["tree", "--workspace", "--prefix", "none", "--no-dedupe"], "--target");
    let built = built(&tree);
    assert!(built.len() > 300, "only {} packages are built", built.len());
    (serde_json::from_str(&metadata).unwrap(), built)
}

#[test]
fn no_dependency_is_banned_unlicensed_from_elsewhere_or_known_to_be_broken() {
    let locks = ["Cargo.lock", "fuzz/Cargo.lock"].map(|path| toml::from_str::<Lock>(&read(path)).unwrap());
    let (metadata, built) = ours();
    let wrong = judge(&policy(), &advisories(), (&metadata, &built), &locks);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One package that nothing is wrong with, as `cargo metadata` and a lock file tell of it.
const SOUND: [(&str, &str); 4] = [
    ("name", "sound"),
    ("version", "1.2.3"),
    ("license", "MIT"),
    ("source", "registry+https://github.com/rust-lang/crates.io-index"),
];

/// The sound package with some things changed; what is found wrong with it.
fn with(changes: &[(&str, &str)]) -> Vec<String> {
    let of = |key| {
        let last = SOUND.iter().chain(changes).rfind(|(name, _)| *name == key);
        last.map(|(_, value)| *value).filter(|value| !value.is_empty())
    };
    let dependency = serde_json::json!({ "name": "open", "req": of("asks").unwrap_or("1"), "path": null });
    let metadata = serde_json::json!({
        "packages": [{
            "name": of("name"), "version": of("version"), "source": of("source"), "license": of("license"),
            "publish": of("publish").map(|_| Vec::<String>::new()), "dependencies": [dependency],
        }],
    });
    let source = of("source").map(|source| format!("source = {source:?}\n")).unwrap_or_default();
    let lock = format!(
        "[[package]]\nname = {:?}\nversion = {:?}\n{source}",
        of("name").unwrap(),
        of("version").unwrap()
    );
    let (metadata, lock) = (serde_json::from_value(metadata).unwrap(), toml::from_str(&lock).unwrap());
    let tree =
        format!("{} v{} (proc-macro)\n", of("built").or_else(|| of("name")).unwrap(), of("version").unwrap());
    judge(&policy(), &advisories(), (&metadata, &built(&tree)), &[lock])
}

#[test]
fn each_rule_refuses_what_it_is_for_and_nothing_else() {
    let check = |changes: &[(&str, &str)], says: &str| {
        let wrong = with(changes);
        assert!(wrong.len() == 1 && wrong[0].contains(says), "{changes:?}: {wrong:?}");
    };
    assert_eq!(with(&[]), Vec::<String>::new());
    check(&[("name", "openssl-sys")], "crypto is aws-lc-rs");
    check(&[("license", "AGPL-3.0-only")], "the licence AGPL-3.0-only is not allowed");
    check(&[("license", "")], "says no licence");
    check(&[("source", "git+https://example.org/sound")], "comes from git+https://example.org/sound");
    check(
        &[("source", "registry+https://example.org/index")],
        "comes from registry+https://example.org/index",
    );
    check(&[("source", ""), ("asks", "*")], "takes any version of open");
    // What is locked and not built is judged by where it is from and what is known of it.
    check(&[("name", "time"), ("version", "0.3.46"), ("built", "another")], "RUSTSEC-2026-0009");
    assert_eq!(with(&[("name", "time"), ("version", "0.3.47")]), Vec::<String>::new());
    // Never affected.
    assert_eq!(with(&[("name", "bytes"), ("version", "1.2.0")]), Vec::<String>::new());
    // Ours: no source, no licence to check, and a name that somebody else's had.
    assert_eq!(
        with(&[("name", "time"), ("version", "0.3.1"), ("source", ""), ("license", ""), ("publish", "no")]),
        Vec::<String>::new()
    );
}

#[test]
fn what_must_not_come_in_is_refused_one_version_before_and_not_from_then_on() {
    for (name, before, from) in [
        ("str0m", "0.24.9", "0.25.0"),
        ("jsonwebtoken", "10.2.0", "10.3.0"),
        ("libsqlite3-sys", "0.36.0", "0.37.0"),
        ("h2", "0.4.15", "0.4.16"),
        ("rustls-webpki", "0.103.12", "0.103.13"),
    ] {
        // By deny.toml (where cargo-deny judges) and by the list.
        let wrong = with(&[("name", name), ("version", before)]);
        assert!(wrong.iter().any(|line| line.contains("is banned")), "{wrong:?}");
        assert!(wrong.iter().any(|line| !line.contains("is banned")), "{wrong:?}");
        assert_eq!(with(&[("name", name), ("version", from)]), Vec::<String>::new());
    }
}

#[test]
fn a_rule_that_is_not_kept_here_is_not_passed_over() {
    let with = |line: &str| toml::from_str::<Policy>(&format!("{}\n{line}\n", read("deny.toml")));
    assert!(with("").is_ok());
    assert!(with("[advisories]\nignore = []").is_err());
    assert!(with("allow-git = [\"https://example.org\"]").is_err());
}
