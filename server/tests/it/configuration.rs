//! What cannot be used is one line that names it, and exit code 2.

use crate::process::{Server, refusal, run};
use std::net::{TcpListener, UdpSocket};

#[track_caller]
fn refused(args: &[&str], environment: &[(&str, &str)], names: &str) {
    let quiet = ["--metrics-listen", "localhost:0", "--media-port", "0"];
    let mut all = vec!["serve"];
    all.extend(args);
    all.extend(quiet.chunks(2).filter(|pair| !args.contains(&pair[0])).flatten());
    if !args.contains(&"--listen") {
        all.extend(["--listen", "localhost:0"]);
    }
    let (said, code) = refusal(&all, environment);
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("telehealth: ")).collect();
    assert_eq!(code, Some(2), "{said}");
    assert!(lines.len() == 1 && lines[0].contains(names), "{names}: {said}");
}

#[test]
fn an_unknown_key_or_a_bad_value_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = dir.path().join("telehealth.toml");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    refused(&["--config", &file("[sfu]\nudp_prot = 1")], &[], "udp_prot");
    refused(&["--config", &file("[signaling]\ndrain_timeout_ms = 99")], &[], "signaling.drain_timeout_ms");
    refused(&["--config", &file("[http")], &[], "telehealth.toml");
    refused(&["--config", "/nowhere/telehealth.toml"], &[], "/nowhere/telehealth.toml");
    refused(&[], &[("TELEHEALTH__SFU__SHARDS", "lots")], "sfu.shards");
    refused(&[], &[("TELEHEALTH__SFU__SHADRS", "1")], "shadrs");
    refused(&[], &[("TELEHEALTH__TELEMETRY__FILTER", "sfu=loud")], "telemetry.filter");
    refused(&[], &[("TELEHEALTH__TELEMETRY__OTLP_ENDPOINT", "https://c")], "telemetry.otlp_endpoint");
    refused(&[], &[("TELEHEALTH__TELEMETRY__SAMPLE", "1.5")], "telemetry.sample");
    refused(&["--listen", "example.org:80"], &[], "http.listen");
    refused(&["--data-dir", "/proc/nowhere"], &[], "data_dir");
}

#[test]
fn an_address_that_others_can_reach_is_refused_without_tls() {
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        refused(&["--listen", open], &[], "TLS");
    }
    refused(&[], &[("TELEHEALTH__HTTP__TLS_CERTIFICATE", "/tmp/none.pem")], "http.tls_key");
}

#[test]
fn a_port_in_use_is_named() {
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = http.local_addr().unwrap();
    refused(&["--listen", &taken.to_string()], &[], &format!("http.listen: {taken} is in use"));
    refused(&["--metrics-listen", &taken.to_string()], &[], &format!("metrics.listen: {taken} is in use"));
    let media = UdpSocket::bind("[::]:0").unwrap();
    let port = media.local_addr().unwrap().port().to_string();
    refused(&["--media-port", &port], &[], &port);
}

#[test]
fn a_data_directory_in_use_is_named() {
    let server = Server::start();
    let data = server.data();
    refused(&["--data-dir", data.to_str().unwrap()], &[], "in use by another process");
}

#[test]
fn an_unknown_flag_ends_with_2_too() {
    assert_eq!(run(&["serve", "--colour"], &[]).status.code(), Some(2));
    assert_eq!(run(&["token", "--ttl", "1y"], &[]).status.code(), Some(2));
    assert_eq!(run(&["token", "--rooms", "10001"], &[]).status.code(), Some(2));
}

#[test]
fn the_doctor_names_what_to_mend_and_leaves_nothing_behind() {
    let doctor = |args: &[&str]| {
        let mut all = vec!["doctor", "--metrics-listen", "localhost:0"];
        all.extend(args);
        let output = run(&all, &[]);
        (String::from_utf8(output.stdout).unwrap(), output.status.code())
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (said, code) = doctor(&["--listen", &address, "--media-port", "0"]);
    assert!(
        said.contains(&format!("FAIL  http.listen: TCP {address} is in use by another program")),
        "{said}"
    );
    assert_eq!(code, Some(1));

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (said, code) =
        doctor(&["--listen", "localhost:0", "--media-port", "0", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "configuration",
        "data directory",
        "keys",
        "http.listen",
        "metrics.listen",
        "sfu.udp_port",
        "addresses",
    ] {
        assert!(said.lines().any(|line| line.contains(part)), "{part}: {said}");
    }
    assert!(!data.exists());

    let (said, code) = doctor(&["--listen", "0.0.0.0:8080"]);
    assert!(said.contains("FAIL") && said.contains("TLS") && code == Some(1), "{said}");
}
