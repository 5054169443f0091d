//! Promises that the sources make about files, kept true.

use server::http::lanes::routes::ROUTES;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir()
            && !name.starts_with('.')
            && !["target", "node_modules", "web", "data"].contains(&name.as_str())
        {
            sources(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

/// Codes of `Kind::new("…"` in all of our Rust.
fn codes() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    // What processes ask of one another comes in elsewhere.
    files.retain(|path| !path.ends_with("signaling/src/inside.rs"));
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| {
            let calls = text.split("Kind::new(").skip(1);
            let code = |call: &str| Some(call.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
            calls.filter_map(code).collect::<Vec<_>>()
        })
        .filter(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        .collect()
}

#[test]
fn every_problem_code_has_a_page_and_every_page_a_code() {
    let codes = codes();
    assert!(codes.len() >= 10, "{codes:?}");
    let pages: BTreeSet<String> = fs::read_dir(root().join("docs/problems"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(codes, pages);
    for code in codes {
        let page = fs::read_to_string(root().join(format!("docs/problems/{code}.md"))).unwrap();
        assert!(
            page.starts_with("# ") && page.contains("## What to do") && page.contains(&format!("`{code}`")),
            "{code}"
        );
    }
}

#[test]
fn the_files_that_the_documents_name_exist() {
    for document in ["README.md", "docs/ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let mut named = 0;
        for quoted in text.split('`').skip(1).step_by(2) {
            let top = quoted.split('/').next().unwrap_or_default();
            let is_path = quoted.contains('/')
                && !quoted.contains([' ', '{', '*', '<', '…', '=', '$'])
                && root().join(top).exists()
                && !top.is_empty();
            // What a build makes is not there before it.
            if is_path && !quoted.starts_with("web/dist") {
                named += 1;
                assert!(root().join(quoted).exists(), "{document} names {quoted}");
            }
        }
        assert!(named > 0, "{document} names no file: has the way it names them changed?");
    }
}

#[test]
fn every_crate_forbids_unsafe_code_or_says_why_not() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    for path in files.iter().filter(|path| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")) {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]") || text.contains("unsafe"), "{}", path.display());
    }
}

/// Paths of `.route("…"` in what the public listener serves.
pub(crate) fn routes() -> BTreeSet<String> {
    let mut files = Vec::new();
    for part in
        ["portal-api/src", "identity/src", "webhooks/src", "signaling/src", "sfu/src", "platform/src/keys"]
    {
        sources(&root().join(part), &mut files);
    }
    // What processes ask of one another comes in elsewhere.
    files.retain(|path| !path.ends_with("signaling/src/inside.rs"));
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts
        .flat_map(|text| {
            let calls = text.split(".route(").skip(1);
            let path = |call: &str| Some(call.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
            calls.filter_map(path).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_route_is_in_a_lane_and_every_lane_s_route_exists() {
    let known: Vec<_> = ROUTES.iter().map(|(route, _)| (*route).to_owned()).collect();
    let all = routes();
    assert_eq!(known.len(), all.len(), "one stands there twice, or is missing");
    assert_eq!(known.into_iter().collect::<BTreeSet<_>>(), all);
}
