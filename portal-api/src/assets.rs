//! The files of the web apps: those of this build, and the hashed ones of the build before.

use crate::limits::{KEPT_BUILDS, MAX_ASSETS};
use aws_lc_rs::digest;
use rust_embed::RustEmbed;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

/// Built by `make web`. A debug build reads them from the checkout, a release build holds them.
#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Built;

/// The files the portal can serve.
#[derive(Debug)]
pub struct Assets {
    current: Current,
    /// Hashed files of earlier builds, by their path in the build.
    kept: HashMap<String, PathBuf>,
}

#[derive(Debug)]
enum Current {
    BuiltIn,
    Directory(PathBuf),
}

/// Why the previous build's files cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the web assets in {}: {source}", path.display())]
pub struct KeepError {
    path: PathBuf,
    source: io::Error,
}

impl Assets {
    /// Those built in, or those of a directory.
    pub fn new(directory: Option<PathBuf>) -> Self {
        let current = directory.map_or(Current::BuiltIn, Current::Directory);
        Self { current, kept: HashMap::new() }
    }

    /// Copies this build's hashed files into a directory of its own under `dir`, forgets all but the
    /// newest few builds, and from now on serves those too.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn keep_builds(mut self, dir: &Path) -> Result<Self, KeepError> {
        let failed = |source| KeepError { path: dir.to_owned(), source };
        let names = self.current.hashed();
        if !names.is_empty() && names.len() <= MAX_ASSETS {
            self.keep_this_build(dir, &names).map_err(failed)?;
        }
        let builds = builds(dir).map_err(failed)?;
        for old in builds.values().rev().skip(KEPT_BUILDS) {
            fs::remove_dir_all(old).map_err(failed)?;
        }
        for build in builds.values().rev().take(KEPT_BUILDS) {
            for entry in fs::read_dir(build).map_err(failed)?.take(MAX_ASSETS) {
                let entry = entry.map_err(failed)?;
                let name = format!("assets/{}", entry.file_name().to_string_lossy());
                self.kept.entry(name).or_insert_with(|| entry.path());
            }
        }
        Ok(self)
    }

    fn keep_this_build(&self, dir: &Path, names: &[String]) -> io::Result<()> {
        let id = build_id(names);
        let before = builds(dir)?;
        let next = before.keys().next_back().map_or(1, |number| number + 1);
        let target = dir.join(format!("{next:06}-{id}"));
        let same = before.iter().find(|(_, path)| path.to_string_lossy().ends_with(&id));
        match same {
            Some((number, _)) if number + 1 == next => Ok(()),
            // Rolled back to: the newest again.
            Some((_, path)) => fs::rename(path, target),
            None => {
                let new = dir.join(".new");
                if new.exists() {
                    fs::remove_dir_all(&new)?;
                }
                fs::create_dir_all(&new)?;
                for name in names {
                    let Some(bytes) = self.current.read(name) else { continue };
                    fs::write(new.join(name.trim_start_matches("assets/")), bytes)?;
                }
                fs::rename(new, target)
            }
        }
    }

    /// A file by its path in the build, `assets/app-1a2b.js` for example. `None` for anything that is not
    /// a plain path of a build.
    pub(crate) fn get(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        if !is_plain(path) {
            return None;
        }
        self.current.read(path).or_else(|| fs::read(self.kept.get(path)?).ok().map(Cow::Owned))
    }

    /// Names this build: differs whenever a hashed file does.
    pub fn build(&self) -> String {
        build_id(&self.current.hashed())
    }

    /// Whether there are pages at all.
    pub fn are_missing(&self) -> bool {
        self.get("index.html").is_none()
    }
}

impl Current {
    fn read(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        match self {
            Self::BuiltIn => Built::get(path).map(|file| file.data),
            Self::Directory(dir) => fs::read(dir.join(path)).ok().map(Cow::Owned),
        }
    }

    /// Paths whose content never changes: their name holds a hash of it.
    fn hashed(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::BuiltIn => {
                Built::iter().filter(|name| name.starts_with("assets/")).map(Cow::into_owned).collect()
            }
            Self::Directory(dir) => fs::read_dir(dir.join("assets"))
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(format!("assets/{}", entry.ok()?.file_name().to_str()?)))
                .collect(),
        };
        names.retain(|name| is_plain(name) && name.matches('/').count() == 1);
        names.sort();
        names
    }
}

/// No `..`, no hidden files, no empty segment: what a build of ours holds.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    path.len() <= 200
        && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

/// Builds under a directory, by their number.
fn builds(dir: &Path) -> io::Result<BTreeMap<u32, PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
        Ok(entries) => Ok(entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number = entry.file_name().to_str()?.split_once('-')?.0.parse().ok()?;
                Some((number, entry.path()))
            })
            .collect()),
    }
}

fn build_id(names: &[String]) -> String {
    let hash = digest::digest(&digest::SHA256, names.join("\n").as_bytes());
    hash.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(root: &Path, name: &str) -> Assets {
        let dist = root.join(format!("dist-{name}"));
        fs::create_dir_all(dist.join("assets")).unwrap();
        fs::write(dist.join("index.html"), name).unwrap();
        fs::write(dist.join(format!("assets/app-{name}.js")), name).unwrap();
        Assets::new(Some(dist)).keep_builds(&root.join("kept")).unwrap()
    }

    fn has(assets: &Assets, name: &str) -> bool {
        assets.get(&format!("assets/app-{name}.js")).is_some_and(|bytes| *bytes == *name.as_bytes())
    }

    #[test]
    fn the_previous_builds_code_is_served_and_the_one_before_is_not() {
        let root = tempfile::tempdir().unwrap();
        let (_, _, third) =
            (build(root.path(), "one"), build(root.path(), "two"), build(root.path(), "three"));
        assert!(has(&third, "three") && has(&third, "two") && !has(&third, "one"));
        assert_eq!(fs::read_dir(root.path().join("kept")).unwrap().count(), KEPT_BUILDS);
    }

    #[test]
    fn starting_the_same_build_again_forgets_nothing() {
        let root = tempfile::tempdir().unwrap();
        build(root.path(), "one");
        for _ in 0..4 {
            let two = build(root.path(), "two");
            assert!(has(&two, "one") && has(&two, "two"));
        }
    }

    #[test]
    fn a_build_that_is_rolled_back_to_is_the_newest_again() {
        let root = tempfile::tempdir().unwrap();
        build(root.path(), "one");
        build(root.path(), "two");
        build(root.path(), "one");
        let three = build(root.path(), "three");
        assert!(has(&three, "one") && has(&three, "three") && !has(&three, "two"));
    }

    #[test]
    fn pages_are_of_this_build_only_and_paths_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("secret.txt"), "no").unwrap();
        let two = build(root.path(), "two");
        assert_eq!(*two.get("index.html").unwrap(), *b"two");
        for path in [
            "../secret.txt",
            "assets/../../secret.txt",
            "/etc/passwd",
            "",
            "assets/",
            ".env",
            "a//b",
            "a\\b",
            "%2e%2e/secret.txt",
        ] {
            assert!(two.get(path).is_none(), "{path}");
        }
        assert!(!two.are_missing());
        assert!(Assets::new(Some(root.path().join("nowhere"))).are_missing());
    }
}
