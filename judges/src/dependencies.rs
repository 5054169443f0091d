//! Which dependencies may come in: bans, licences and sources as `deny.toml` says, and `judges/advisories.toml`, which is
//! kept by hand. The same rules as `cargo deny check bans licenses sources` for what those files use of them, where that
//! program is not there; and nothing of them that this does not know is passed over in silence.

use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::BTreeSet;

mod licence;

/// What `deny.toml` says. A key that stands there and not here fails: it would not be kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    licenses: Licences,
    bans: Bans,
    #[serde(rename = "sources")]
    _sources: Sources,
    #[serde(rename = "graph")]
    _graph: Graph,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Graph {
    #[serde(rename = "all-features")]
    _all_features: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Licences {
    allow: BTreeSet<String>,
    private: Private,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Private {
    ignore: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Allowed,
    #[serde(rename = "wildcards")]
    _wildcards: Denied,
    #[serde(rename = "allow-wildcard-paths")]
    _allow_wildcard_paths: bool,
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Allowed {
    Allow,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Denied {
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Denied,
    #[serde(rename = "unknown-git")]
    _unknown_git: Denied,
}

/// Known faults of dependencies, kept by hand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    advisory: Vec<Advisory>,
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// Its number in the RustSec database, or a CVE.
    pub id: String,
    /// When it was published, or else found.
    pub date: String,
    /// Of which crate.
    #[serde(rename = "crate")]
    pub name: String,
    /// Ranges of versions that do not have it; every other one has.
    pub patched: Vec<VersionReq>,
    /// Ranges that never had it.
    #[serde(default)]
    pub unaffected: Vec<VersionReq>,
    /// What it is.
    pub why: String,
}

/// `cargo metadata`, as far as it matters.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: Version,
    source: Option<String>,
    license: Option<String>,
    /// `Some` of nothing: published nowhere.
    publish: Option<Vec<String>>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    req: String,
    path: Option<String>,
}

/// The lock file: every package of every platform and feature, used or not.
#[derive(Debug, Deserialize)]
pub struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: Version,
    source: Option<String>,
}

/// The one place that dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What is built: a name and a version each.
pub type Built = BTreeSet<(String, Version)>;

/// Reads the lines of `cargo tree --prefix none`, which knows better than `cargo metadata` what is built: there, a
/// dependency that a feature would only configure counts as used.
///
/// # Panics
/// A line is something else.
#[must_use]
pub fn built(tree: &str) -> Built {
    let lines = tree.lines().filter(|line| !line.is_empty());
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        Some((name.to_owned(), rest.split(' ').next()?.parse().ok()?))
    };
    lines.map(|line| package(line).unwrap_or_else(|| panic!("not a package: {line}"))).collect()
}

/// What is wrong, a line each. Bans and licences are of what is built, sources and advisories of everything in the
/// lock files.
#[must_use]
pub fn judge(
    policy: &Policy,
    advisories: &Advisories,
    (metadata, built): (&Metadata, &Built),
    locks: &[Lock],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_built = |package: &&Package| built.contains(&(package.name.clone(), package.version.clone()));
    for package in metadata.packages.iter().filter(is_built) {
        let Package { name, version, license, .. } = package;
        for ban in policy.bans.deny.iter().filter(|ban| ban.hits(name, version)) {
            wrong.push(format!("{name} {version} is banned: {}", ban.reason));
        }
        let private = policy.licenses.private.ignore && package.publish.as_ref().is_some_and(Vec::is_empty);
        let allowed = |licence: &str| policy.licenses.allow.contains(licence);
        match license {
            _ if private => {}
            Some(expression) if licence::permits(expression, &allowed) => {}
            Some(expression) => {
                wrong.push(format!("{name} {version}: the licence {expression} is not allowed"))
            }
            None => wrong.push(format!("{name} {version} says no licence")),
        }
        if package.source.is_none() {
            let open = package.dependencies.iter().filter(|asked| asked.req == "*" && asked.path.is_none());
            wrong.extend(open.map(|asked| format!("{name} takes any version of {}", asked.name)));
        }
    }
    for Locked { name, version, source } in locks.iter().flat_map(|lock| &lock.package) {
        if let Some(source) = source.as_deref().filter(|source| *source != REGISTRY) {
            wrong.push(format!("{name} {version} comes from {source}"));
        }
        // Our own crates may be called like somebody else's.
        for known in advisories.advisory.iter().filter(|known| source.is_some() && known.hits(name, version))
        {
            wrong.push(format!("{name} {version}: {} of {}: {}", known.id, known.date, known.why));
        }
    }
    wrong.sort();
    wrong.dedup();
    wrong
}

impl Ban {
    /// `name`, or `name:requirement`.
    fn hits(&self, name: &str, version: &Version) -> bool {
        let (banned, range) = self.name.split_once(':').unwrap_or((&self.name, "*"));
        // A requirement that cannot be read bans everything of that name, so that it is seen.
        banned == name && VersionReq::parse(range).map_or(true, |range| range.matches(version))
    }
}

impl Advisory {
    fn hits(&self, name: &str, version: &Version) -> bool {
        self.name == name && !self.patched.iter().chain(&self.unaffected).any(|range| range.matches(version))
    }
}
