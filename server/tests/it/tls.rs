//! TLS on the listener: judged by a scanner that is not ours, and renewed without a restart.

use crate::{http::Answer, process::Server};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

struct Certificate {
    dir: tempfile::TempDir,
}

impl Certificate {
    fn new() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        made.renew();
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Another certificate and key under the same names; what it looks like on the wire.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (name, text) in [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
            fs::write(self.path("new"), text).unwrap();
            fs::rename(self.path("new"), self.path(name)).unwrap();
        }
        made.cert.der().clone()
    }

    fn server(&self) -> Server {
        let text = |name| self.path(name).to_str().unwrap().to_owned();
        Server::start_with(
            &["--demo"],
            &[
                ("TELEHEALTH__HTTP__TLS_CERTIFICATE", text("cert.pem").as_str()),
                ("TELEHEALTH__HTTP__TLS_KEY", text("key.pem").as_str()),
            ],
        )
    }
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection whose certificate is this one; an error for another.
fn connect(to: SocketAddr, certificate: &CertificateDer<'static>) -> std::io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        TcpStream::connect(to).unwrap(),
    );
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// One request on a connection that stays open; its status.
fn ask(stream: &mut Stream) -> u16 {
    stream.write_all(b"GET /problems/link-over HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 16_384]);
    loop {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "it was closed");
        text.extend_from_slice(&piece[..read]);
        let all = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let answer = Answer::parse(head);
            if answer.headers["content-length"].parse::<usize>().unwrap() <= body.len() {
                return answer.status;
            }
        }
    }
}

fn eventually(so: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

#[test]
fn a_certificate_is_renewed_without_a_restart_and_running_connections_go_on() {
    let files = Certificate::new();
    let old = files.renew();
    let server = files.server();
    let mut running = connect(server.http(), &old).unwrap();
    assert_eq!(ask(&mut running), 200);

    let new = files.renew();
    assert!(eventually(|| connect(server.http(), &new).is_ok()), "the new certificate is not used");
    assert!(connect(server.http(), &old).is_err(), "the old one still is");
    assert_eq!(ask(&mut running), 200, "a running connection goes on");

    fs::write(files.path("cert.pem"), "hello").unwrap();
    let refusals = || server.log().matches("cannot be used").count();
    assert!(eventually(|| refusals() == 1));
    assert_eq!(ask(&mut connect(server.http(), &new).unwrap()), 200, "the last good one stays");
    let newest = files.renew();
    assert!(eventually(|| connect(server.http(), &newest).is_ok()));
    assert_eq!(refusals(), 1, "said once: {}", server.log());
    assert_eq!(ask(&mut running), 200);
}

/// sslyze, where `make sslyze` puts it. `None` only where that said that it cannot.
fn sslyze() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let path = cache.join("telehealth/tools/sslyze/bin/sslyze");
    let skipped = std::env::var_os("WITHOUT_SSLYZE").is_some_and(|value| !value.is_empty());
    assert!(path.is_file() || skipped, "sslyze is missing: `make sslyze`, or WITHOUT_SSLYZE=1 to go without");
    path.is_file().then_some(path)
}

#[test]
fn sslyze_finds_tls_1_3_alone_and_nothing_weak() {
    let Some(sslyze) = sslyze() else {
        return println!("SKIPPED: sslyze is not installed");
    };
    let files = Certificate::new();
    let server = files.server();
    let report = files.path("report.json");
    let scan = scan(&sslyze, server.http().port(), &report);
    let result = |name: &str| {
        let attempt = &scan[name];
        assert_eq!(attempt["status"], "COMPLETED", "{name}: {attempt}");
        attempt["result"].clone()
    };
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2"] {
        let accepted = result(&format!("{old}_cipher_suites"))["accepted_cipher_suites"].clone();
        assert_eq!(accepted.as_array().map(Vec::len), Some(0), "{old} is accepted: {accepted}");
    }
    let suites = result("tls_1_3_cipher_suites")["accepted_cipher_suites"].clone();
    let mut suites: Vec<_> = suites
        .as_array()
        .unwrap()
        .iter()
        .map(|suite| suite["cipher_suite"]["name"].as_str().unwrap())
        .collect();
    suites.sort_unstable();
    assert_eq!(suites, ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]);
    let curves = result("elliptic_curves")["supported_curves"].clone();
    let curves: Vec<_> =
        curves.as_array().unwrap().iter().map(|curve| curve["name"].as_str().unwrap()).collect();
    assert!(!curves.is_empty());
    for curve in curves {
        assert!(["X25519", "prime256v1", "secp256r1", "secp384r1"].contains(&curve), "{curve}");
    }
    assert_eq!(result("heartbleed")["is_vulnerable_to_heartbleed"], false);
    assert_eq!(result("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"], false);
    assert_eq!(result("tls_compression")["supports_compression"], false);
    assert_eq!(result("tls_1_3_early_data")["supports_early_data"], false);
    assert_eq!(result("session_renegotiation")["is_vulnerable_to_client_renegotiation_dos"], false);
}

/// What sslyze says of a port on loopback. It only looks; whether that is good is decided above.
fn scan(sslyze: &Path, port: u16, report: &Path) -> serde_json::Value {
    let output = Command::new(sslyze)
        .arg(format!("--json_out={}", report.display()))
        .args([
            "--mozilla_config=disable",
            "--sslv2",
            "--sslv3",
            "--tlsv1",
            "--tlsv1_1",
            "--tlsv1_2",
            "--tlsv1_3",
        ])
        .args([
            "--heartbleed",
            "--openssl_ccs",
            "--compression",
            "--early_data",
            "--reneg",
            "--elliptic_curves",
        ])
        .arg(format!("localhost:{port}"))
        .output()
        .unwrap();
    let text = fs::read_to_string(report).unwrap_or_default();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let target = &report["server_scan_results"][0];
    assert_eq!(target["scan_status"], "COMPLETED", "{target}");
    target["scan_result"].clone()
}
