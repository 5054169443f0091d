//! The registry of healthcare units, on the command line and in servers that run.

use crate::{
    http::{Answer, ask},
    process::Server,
};
use std::time::{Duration, Instant};
use testkit::engines::Postgres;

/// Within which a change is served by every process.
const SERVED_WITHIN: Duration = Duration::from_secs(5);

fn at(server: &Server, host: &str, path: &str, accept: &str) -> Answer {
    ask(server.http(), "GET", path, &[("host", host), ("accept", accept)], "")
}

fn unit(server: &Server, host: &str) -> (u16, String) {
    let answer = at(server, host, "/api/v1/unit", "*/*");
    (answer.status, answer.json()["name"].as_str().unwrap_or_default().to_owned())
}

/// Until a host is a unit's.
fn until(server: &Server, host: &str, name: &str) {
    let begun = Instant::now();
    while unit(server, host) != (200, name.to_owned()) {
        assert!(begun.elapsed() < SERVED_WITHIN, "{host}: {:?}", unit(server, host));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn said(server: &Server, args: &[&str], environment: &[(&str, &str)]) -> String {
    let output = server.runs(args, environment);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const ADD: [&str; 12] = [
    "units",
    "add",
    "--name",
    "Lakeside",
    "--slug",
    "lakeside",
    "--host",
    "Lakeside.example",
    "--language",
    "es",
    "--administrator",
    "root@lakeside.example",
];

#[test]
fn a_unit_is_added_while_the_server_runs_and_is_there_after_a_restart() {
    let mut server = Server::start();
    assert_eq!(unit(&server, "whatever.example").1, "Riverside Family Clinic", "there is one unit");
    let answer = said(&server, &ADD, &[]);
    assert!(answer.contains("http://lakeside.example") && answer.contains("/join#i="), "{answer}");
    until(&server, "LAKESIDE.example.:80", "Lakeside");
    assert_eq!(at(&server, "lakeside.example", "/api/v1/unit", "*/*").json()["language"], "es");
    assert_eq!(unit(&server, "localhost").1, "Riverside Family Clinic");

    // Now a name that is nobody's leads nowhere.
    let nowhere = at(&server, "whatever.example", "/sign-in", "text/html,*/*");
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.body.contains("<h1>There is nothing here</h1>"));
    assert_eq!(at(&server, "whatever.example", "/api/v1/unit", "*/*").code(), "not-found");

    // Nobody else gets its name, and it can be found elsewhere.
    let refused = server.runs(&[&ADD[..4], &["--slug", "other"], &ADD[6..]].concat(), &[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("lakeside.example is another unit's host name")
    );
    said(&server, &["units", "hosts", "lakeside", "lake.example"], &[]);
    until(&server, "lake.example", "Lakeside");
    assert_eq!(unit(&server, "lakeside.example").0, 404);
    said(&server, &["units", "change", "lakeside", "--name", "Lake"], &[]);

    server.terminate();
    let listed = said(&server, &["units", "list"], &[]);
    assert!(listed.lines().count() == 2 && listed.contains("  lakeside  Lake  "), "{listed}");
    let server = server.start_again(&["--demo"], &[]);
    until(&server, "lake.example", "Lake");
    let again = said(&server, &["units", "administrator", "lakeside", "root@lakeside.example"], &[]);
    assert!(again.contains("http://lake.example"), "{again}");
}

#[test]
fn every_process_on_a_database_serves_a_change() {
    let postgres = Postgres::start(false);
    let database = postgres.url();
    let keys = tempfile::tempdir().unwrap();
    let environment = [
        ("TELEHEALTH__STORE__POSTGRES", database.as_str()),
        ("TELEHEALTH__FLEET__KEYS_DIR", keys.path().to_str().unwrap()),
    ];
    let servers = [(); 2].map(|()| Server::start_with(&[], &environment));
    let answer = said(&servers[0], &ADD, &environment);
    assert!(answer.contains("/join#i="), "{answer}");
    for server in &servers {
        until(server, "lakeside.example", "Lakeside");
        assert_eq!(unit(server, "whatever.example").0, 404);
    }
}

#[test]
fn an_administrator_changes_what_their_own_unit_is_called_and_nobody_elses() {
    const SETTINGS: &str = "/api/v1/unit/settings";
    let unit = crate::matrix::Unit::start();
    let (server, token) = (&unit.server, Some(unit.administrator.as_str()));
    let changes = |tag: &str, body: &serde_json::Value| {
        let authorization = format!("Bearer {}", unit.administrator);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
            ("if-match", tag),
        ];
        crate::http::ask(server.http(), "PATCH", SETTINGS, &headers, &body.to_string())
    };
    let seen = crate::matrix::asks(server, "GET", SETTINGS, token, &serde_json::Value::Null);
    assert_eq!((seen.status, &seen.json()["language"]), (200, &serde_json::json!("en")), "{}", seen.body);
    let tag = seen.headers["etag"].clone();
    let body =
        serde_json::json!({ "name": "  Lakeside Hospital ", "language": "es", "zone": "America/New_York" });
    let changed = changes(&tag, &body);
    assert_eq!((changed.status, &changed.json()["name"]), (200, &serde_json::json!("Lakeside Hospital")));
    let public = crate::http::get(server.http(), "/api/v1/unit");
    assert_eq!(public.json(), serde_json::json!({ "name": "Lakeside Hospital", "language": "es" }));
    // Who has seen what is no longer so changes nothing; nor does nonsense.
    let late = changes(&tag, &serde_json::json!({ "name": "Other" }));
    assert_eq!((late.status, late.code()), (412, "changed-meanwhile".to_owned()));
    for (body, field) in [
        (serde_json::json!({ "name": "x".repeat(101) }), "name"),
        (serde_json::json!({ "zone": "Mars/Olympus" }), "zone"),
    ] {
        let refused = changes(&changed.headers["etag"], &body);
        assert_eq!((refused.status, refused.code()), (422, "invalid".to_owned()));
        assert_eq!(refused.json()["field"], field);
    }
    let own_hosts = changes(&changed.headers["etag"], &serde_json::json!({ "hosts": ["b.example"] }));
    assert_eq!(own_hosts.status, 400, "where a unit is found is the operator's to say");
    let trail = server.data().join("trail.audit");
    let exported = server.runs(&["audit", "export", "--out", trail.to_str().unwrap()], &[]);
    assert!(exported.status.success());
    let shown =
        String::from_utf8(crate::process::run(&["audit", "show", trail.to_str().unwrap()], &[]).stdout)
            .unwrap();
    let rows: Vec<_> = shown.lines().filter(|row| row.contains("\"unit.change\"")).collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].contains("\"name\"") && !rows[0].contains("Lakeside"), "{}", rows[0]);
}
