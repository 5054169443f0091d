//! What the interface says of itself is true, and all of it.

use crate::{guards::root, http::get, matrix, process::Server};
use std::{collections::BTreeSet, fs};

#[test]
fn every_route_is_described_and_what_is_described_is_there() {
    let described: BTreeSet<_> =
        server::api::operations().iter().map(|one| (one.method(), one.path().to_owned())).collect();
    assert_eq!(described, matrix::asked(), "each method of each route under /api has a description");
    let document = server::api::openapi().unwrap();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let of = format!("{method} {path}");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{of} has a summary");
            assert!(tags.contains(&&operation["tags"][0]), "{of}: its tag is described");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with(['2', '3'])), "{of} says what comes back");
            let closed = operation["security"] != serde_json::json!([]);
            assert!(!closed || answers.contains_key("401"), "{of} says that it needs a credential");
        }
    }
}

#[test]
fn the_committed_description_is_the_generated_one() {
    let path = root().join("docs/openapi.json");
    let text = serde_json::to_string_pretty(&server::api::openapi().unwrap()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/openapi.json is not current: `make generate`");
}

#[test]
fn the_description_is_served_to_programs_and_to_people() {
    let server = Server::start();
    let answer = get(server.http(), "/api/v1/openapi.json");
    assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/json"));
    assert_eq!(answer.json(), server::api::openapi().unwrap());
    let tag = answer.headers["etag"].clone();
    let again = crate::http::ask(
        server.http(),
        "GET",
        "/api/v1/openapi.json",
        &[("if-none-match", tag.as_str())],
        "",
    );
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let page = get(server.http(), "/api");
    assert_eq!(page.status, 200);
    for path in answer.json()["paths"].as_object().map(serde_json::Map::keys).unwrap() {
        assert!(page.body.contains(path.as_str()), "{path}");
    }
    assert!(!page.body.contains("<script"));
}

#[test]
fn every_answer_has_the_security_headers() {
    let server = Server::start();
    for (path, status) in [
        ("/", 200),
        ("/api", 200),
        ("/api/v1/openapi.json", 200),
        ("/api/v1/me", 401),
        ("/api/v1/history", 401),
        ("/api/v1/none-such", 404),
        ("/api/v1/auth/lock", 405),
        ("/ws", 400),
        ("/whip/x", 405),
        ("/none-such", 404),
        ("/problems/link-over", 200),
    ] {
        let answer = get(server.http(), path);
        assert_eq!(answer.status, status, "{path}");
        let csp = &answer.headers["content-security-policy"];
        assert!(
            csp.starts_with("default-src 'none'") && csp.contains("frame-ancestors 'none'"),
            "{path}: {csp}"
        );
        assert!(!csp.contains("unsafe"), "{path}: {csp}");
        if path.starts_with("/api/") {
            assert!(csp.contains("sandbox") && !csp.contains("'self'"), "{path}: {csp}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers.get(name).map(String::as_str), Some(value), "{path}: {name}");
        }
        if status == 405 {
            assert!(answer.headers.get("allow").is_some_and(|allow| !allow.is_empty()), "{path}");
        }
    }
}
