//! A stranger reads the description of the API and tries out everything that it says, and much that it forbids: no 5xx, no
//! answer that is not described, nothing let through without a credential.

use crate::{matrix::accepts, process::Server};
use policy::Scope;
use serde_json::json;
use std::{path::PathBuf, process::Command};

/// schemathesis, where `make schemathesis` puts it. `None` only where that said that it cannot.
fn schemathesis() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let path = cache.join("telehealth/tools/schemathesis/bin/schemathesis");
    let skipped = std::env::var_os("WITHOUT_SCHEMATHESIS").is_some_and(|value| !value.is_empty());
    assert!(
        path.is_file() || skipped,
        "schemathesis is missing: `make schemathesis`, or WITHOUT_SCHEMATHESIS=1 to go without"
    );
    path.is_file().then_some(path)
}

/// What ends the session or locks it: asked with somebody else's, last.
const ENDS: &str = "^/api/v1/auth/(lock|unlock|sign-out|renew)$";

/// Tries it out; panics with what was found. Deterministic: the same build is tried in the same way.
fn judge(program: &PathBuf, server: &Server, token: Option<&str>, args: &[&str]) {
    let url = format!("{}/api/v1/openapi.json", server.url());
    let mut command = Command::new(program);
    command
        .args(["run", &url, "--seed", "20261123", "--workers", "1", "--no-color", "--request-timeout", "20"])
        .args(["--generation-database", "none", "--suppress-health-check", "all", "--max-failures", "20"])
        // Whether what fits the description is also true (a code of somebody's app, a free address) it cannot say.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(args)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_COLOR", "1")
        .current_dir(server.data());
    if let Some(token) = token {
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("generated") || said.contains("passed"), "it tried nothing: {said}");
}

#[test]
fn a_stranger_who_tries_out_the_whole_api_finds_nothing() {
    let Some(program) = schemathesis() else {
        return println!("SKIPPED: schemathesis is not installed");
    };
    let server = Server::start_unhurried(&["--demo"]);
    let administrator = accepts(&server, server.administrator()).token;
    let quick = ["--max-examples", "15", "--phases", "examples,coverage,fuzzing"];
    let but = ["--exclude-path-regex", ENDS];
    judge(&program, &server, Some(&administrator), &[&quick[..], &but].concat());

    let seat = crate::http::join_token(server.http(), server.secret("clinic"));
    judge(&program, &server, Some(&seat), &[&quick[..], &["--include-path", "/api/v1/history"]].concat());

    let somebody = json!({ "email": "somebody@riverside.example", "name": "Somebody", "roles": ["auditor"] });
    let invited = crate::matrix::asks(&server, "POST", "/api/v1/people", Some(&administrator), &somebody);
    let auditor = accepts(&server, invited.json()["invitation"].as_str().unwrap()).token;
    judge(&program, &server, Some(&auditor), &[&quick[..], &["--include-path-regex", ENDS]].concat());

    let key = json!({ "name": "Billing", "scopes": Scope::ALL, "days": 1 });
    let made =
        crate::matrix::asks(&server, "POST", "/api/v1/partner-keys", Some(&administrator), &key).json();
    let opens = ["--include-path-regex", "^/api/v1/(graphql|history|people|waiting-rooms)"];
    judge(&program, &server, made["key"].as_str(), &[&quick[..], &opens].concat());

    judge(&program, &server, None, &quick);
    let log = server.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}
