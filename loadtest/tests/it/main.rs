//! The program as an SRE uses it, against a real `telehealth`: what it writes, what it says, what it ends with.
#![expect(clippy::unwrap_used, reason = "a test")]

mod clock;

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Beside this program, unless `TELEHEALTH_BIN` says otherwise.
fn telehealth() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_loadtest")).with_file_name("telehealth");
    let path = std::env::var_os("TELEHEALTH_BIN").map_or(beside, PathBuf::from);
    assert!(path.exists(), "{}: build it (cargo build -p server), or set TELEHEALTH_BIN", path.display());
    path
}

fn loadtest(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadtest")).args(args).current_dir(dir).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn report(dir: &TempDir) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.path().join("loadtest-report.json")).unwrap()).unwrap()
}

/// What the verdict makes the program end with; a machine that is too busy makes any run void.
fn ends_with(output: &Output, report: &Value, expected: &str) {
    let verdict = report["verdict"].as_str().unwrap();
    let code = match verdict {
        "met" => 0,
        "missed" => 3,
        "void" => 4,
        other => panic!("{other}"),
    };
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(verdict == expected || verdict == "void", "{verdict}: {}", said(output));
}

/// A journey of three seconds.
fn short(dir: &TempDir, slo: &str) -> String {
    let journey = format!(
        "about = 'short'\nclinicians = 2\n[arrivals]\nprocess = 'constant'\nper_minute = 60\nover_s = 3\n\
         [visit]\ntalk_s = 1\nscreen_share = 0.5\nreconnect = 0.5\nsound_only = 0.3\nsimulcast = true\n[slo]\nfailed = 0\n{slo}"
    );
    fs::write(dir.path().join("short.toml"), journey).unwrap();
    "short.toml".to_owned()
}

struct Server {
    child: Child,
    dir: TempDir,
    ready: Value,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() -> Server {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let child = Command::new(telehealth())
        .args([
            "serve",
            "--demo",
            "--demo-rooms",
            "2",
            "--listen",
            "localhost:0",
            "--metrics-listen",
            "localhost:0",
        ])
        .args(["--media-port", "0", "--data-dir", "data", "--ready-file", "ready.json"])
        .current_dir(dir.path())
        .env("RUST_LOG", "error")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut server = Server { child, dir, ready: Value::Null };
    #[expect(clippy::disallowed_methods, reason = "a test waits for a process")]
    let started = Instant::now();
    while !ready.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.ready = serde_json::from_str(&fs::read_to_string(ready).unwrap()).unwrap();
    server
}

#[test]
fn a_journey_is_played_against_a_server_of_its_own_and_leaves_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let (journey, program) = (short(&dir, "first_frame_p95_ms = 5000"), telehealth());
    let args = ["run", "--journey", &journey, "--start", program.to_str().unwrap()];
    let output = loadtest(dir.path(), &args);
    let report = report(&dir);
    ends_with(&output, &report, "met");
    assert_eq!(report["schema"], "telehealth-loadtest/1");
    assert_eq!(
        (&report["people"]["came"], &report["people"]["failed"]),
        (&3.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(report["stages"]["first_frame"]["count"], 6, "both sides of each");
    assert!(report["stages"]["reconnect"]["count"].as_u64() > Some(0), "{report:#}");
    assert!(
        report["media"]["packets"].as_u64() > Some(100)
            && report["figures"]["server_cpu_s"].as_f64() > Some(0.0)
    );
    assert_eq!(report["command"], format!("loadtest {}", args.join(" ")));
    assert!(report["target"]["build"].is_string() && report["machine"]["cores"].as_u64() > Some(0));
    assert!(said(&output).contains("Admitted to first picture"), "{}", said(&output));

    let html = fs::read_to_string(dir.path().join("loadtest-report.html")).unwrap();
    for outside in ["<script", "src=", "<link", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("<svg") && html.contains("How long did joining take?"));
    let compared =
        loadtest(dir.path(), &["report", "loadtest-report.json", "--against", "loadtest-report.json"]);
    assert!(compared.status.success() && said(&compared).contains("before"), "{}", said(&compared));
}

#[test]
fn who_is_on_a_slow_network_takes_longer_and_arrives() {
    let program = telehealth();
    let figures = |networks: &str| {
        let dir = tempfile::tempdir().unwrap();
        let journey = format!(
            "about = 'far'\nclinicians = 2\n[arrivals]\nprocess = 'constant'\nper_minute = 60\nover_s = 2\n\
             [visit]\ntalk_s = 3\n[devices]\nold-phone = 1.0\n{networks}[slo]\nfailed = 0\n"
        );
        fs::write(dir.path().join("far.toml"), journey).unwrap();
        let output =
            loadtest(dir.path(), &["run", "--journey", "far.toml", "--start", program.to_str().unwrap()]);
        let report = report(&dir);
        ends_with(&output, &report, "met");
        let figure = |of: &Value| of.as_f64().unwrap_or_else(|| panic!("{report:#}"));
        (figure(&report["stages"]["connected"]["p95_ms"]), figure(&report["media"]["forward"]["p50_ms"]))
    };
    let (near, far) = (figures(""), figures("[networks]\nsatellite = 1.0\n"));
    // A quarter of a second each way, and several ways to connect.
    assert!(far.0 > near.0 + 1_000.0, "connected: {near:?}, {far:?}");
    assert!(far.1 > near.1 + 200.0, "half of all packets: {near:?}, {far:?}");
    let wrong = tempfile::tempdir().unwrap();
    let journey = "about = 'x'\nclinicians = 1\n[arrivals]\nprocess = 'constant'\nper_minute = 60\nover_s = 2\n\
                   [networks]\npigeon = 1.0\n";
    fs::write(wrong.path().join("wrong.toml"), journey).unwrap();
    let output = loadtest(wrong.path(), &["run", "--journey", "wrong.toml", "--start", "x"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("no profile `pigeon`"), "{}", said(&output));
}

#[test]
fn a_deployment_and_its_sfu_are_loaded_with_a_credential_and_a_missed_slo_is_3() {
    let server = serve();
    let dir = tempfile::tempdir().unwrap();
    let journey = short(&dir, "first_frame_p95_ms = 0.001");
    let url = server.ready["url"].as_str().unwrap();
    let links = server.dir.path().join("ready.json");
    let metrics = format!("http://{}/metrics", server.ready["metrics"][0].as_str().unwrap());
    let args = [
        "run",
        "--journey",
        &journey,
        "--target",
        url,
        "--links",
        links.to_str().unwrap(),
        "--metrics",
        &metrics,
    ];
    let output = loadtest(dir.path(), &args);
    let of_deployment = report(&dir);
    ends_with(&output, &of_deployment, "missed");
    assert_eq!(of_deployment["people"]["done"], 3, "{of_deployment:#}");
    assert!(
        !fs::read_to_string(dir.path().join("loadtest-report.json")).unwrap().contains("#k="),
        "a secret"
    );

    let tokens = Command::new(telehealth())
        .args(["token", "--data-dir", "data", "--url", url, "--rooms", "2", "--participants", "2"])
        .current_dir(server.dir.path())
        .output()
        .unwrap();
    fs::write(dir.path().join("tokens"), tokens.stdout).unwrap();
    let output = loadtest(dir.path(), &["run", "--journey", &journey, "--tokens", "tokens"]);
    let of_sfu = report(&dir);
    ends_with(&output, &of_sfu, "missed");
    assert_eq!(of_sfu["people"]["done"], 3, "{of_sfu:#}");
    assert_eq!(of_sfu["stages"]["connected"]["count"], 12, "two publish, two subscribe, three times");

    // An SFU without WHEP: what it reports on what is published is all there is.
    let tokens = fs::read_to_string(dir.path().join("tokens")).unwrap();
    let alone = tokens.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["subscribe"] = Value::Array(Vec::new());
        format!("{line}\n")
    });
    fs::write(dir.path().join("publish-only"), alone.collect::<String>()).unwrap();
    let output = loadtest(dir.path(), &["run", "--journey", &journey, "--tokens", "publish-only"]);
    let published = report(&dir);
    assert_eq!(
        (&published["people"]["done"], &published["media"]["lost"]),
        (&3.into(), &0.into()),
        "{published:#}"
    );
    assert!(published["media"]["packets"].as_u64() > Some(100), "{published:#}");
    assert_eq!(published["stages"]["connected"]["count"], 6, "two publish, three times");
    assert!(said(&output).contains("Nobody subscribed"), "{}", said(&output));
}

#[test]
fn a_waiting_room_shows_who_comes_and_who_is_cut_off_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let program = telehealth();
    let args = ["run", "--journey", "waiting", "--start", program.to_str().unwrap()];
    let fewer = [
        "--connections",
        "60",
        "--clinicians",
        "4",
        "--reconnect",
        "20",
        "--per-minute",
        "300",
        "--over-s",
        "2",
    ];
    let output = loadtest(dir.path(), &[&args[..], &fewer].concat());
    let report = report(&dir);
    let figure = |name: &str| report["figures"][name].as_f64().unwrap();
    assert_eq!(report["people"]["failed"], 0, "{}", said(&output));
    assert_eq!((figure("connections"), figure("reconnected_at_once")), (60.0, 20.0));
    assert_eq!(report["stages"]["queue_shows"]["count"].as_f64(), Some(figure("arrivals")));
    assert!(matches!(output.status.code(), Some(0 | 3 | 4)));
}

/// A free port, for a server that is to be found again where it was.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn serve_at(dir: &Path, http: u16, metrics: u16) -> Child {
    let _ = fs::remove_file(dir.join("ready.json"));
    let child = Command::new(telehealth())
        .args(["serve", "--demo", "--demo-rooms", "2", "--media-port", "0", "--data-dir", "data"])
        .args(["--listen", &format!("127.0.0.1:{http}"), "--metrics-listen", &format!("127.0.0.1:{metrics}")])
        .args(["--ready-file", "ready.json"])
        .current_dir(dir)
        .env("RUST_LOG", "error")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the server", || dir.join("ready.json").exists());
    child
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "a test waits for a process")]
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Value of a metric without labels.
fn metric(port: u16, name: &str) -> Option<f64> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Two calls whose server is killed, and started again where it was, as soon as a metric of it has a value; what is
/// reported of them.
fn killed_when(name: &str, value: f64) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let (http, metrics) = (free_port(), free_port());
    let mut server = serve_at(dir.path(), http, metrics);
    let journey = "about = 'x'\nclinicians = 2\n[arrivals]\nprocess = 'constant'\nper_minute = 120\nover_s = 1\n\
                   [visit]\ntalk_s = 8\ntalk_even = true\n[slo]\nfailed = 0\n";
    fs::write(dir.path().join("long.toml"), journey).unwrap();
    fs::copy(dir.path().join("ready.json"), dir.path().join("links.json")).unwrap();
    let mut people = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "--quiet", "--journey", "long.toml", "--links", "links.json"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the moment", || metric(metrics, name) >= Some(value));
    server.kill().unwrap();
    server.wait().unwrap();
    server = serve_at(dir.path(), http, metrics);
    let ended = people.wait();
    server.kill().unwrap();
    server.wait().unwrap();
    let report = report(&dir);
    assert!(ended.unwrap().code().is_some_and(|code| [0, 4].contains(&code)), "{report:#}");
    assert_eq!(
        (&report["people"]["done"], &report["people"]["failed"], &report["people"]["lost_calls"]),
        (&2.into(), &0.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(report["failures"], Value::Array(Vec::new()));
    report
}

#[test]
fn calls_go_on_when_the_server_is_killed_and_started_again() {
    let report = killed_when("telehealth_sfu_joins_total{stage=\"first-packet-out\"} ", 4.0);
    assert_eq!(report["stages"]["resumed"]["count"], 4, "{report:#}");
    assert!(report["stages"]["media_again"]["count"].as_u64() >= Some(4), "{report:#}");
}

#[test]
fn who_was_about_to_connect_when_the_server_is_killed_connects_to_the_next() {
    killed_when("telehealth_sfu_joins_total{stage=\"answered\"} ", 3.0);
}

#[test]
fn what_is_wrong_is_said_in_words_and_ends_with_2() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.toml"), "about = 'x'\nclinicians = 1\n[arrivals]\nproces = 'poisson'\n")
        .unwrap();
    for (args, says) in [
        (&["run"][..], "whom to load?"),
        (&["run", "--journey", "nope", "--start", "x"], "no journey is called `nope`"),
        (&["run", "--journey", "bad.toml", "--start", "x"], "bad.toml, line 4: unknown field `proces`"),
        (&["run", "--links", "none"], "cannot read none"),
        (&["journeys", "show", "nope"], "no journey is called `nope`"),
    ] {
        let output = loadtest(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
    }
    let output = loadtest(dir.path(), &["run", "--start", "/nonexistent/telehealth"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("start /nonexistent/telehealth"), "{}", said(&output));
    let listed = loadtest(dir.path(), &["journeys"]);
    assert!(listed.status.success() && said(&listed).lines().count() >= 8);
    let shown = loadtest(dir.path(), &["journeys", "show", "smoke"]);
    assert!(said(&shown).contains("[arrivals]"));
}
