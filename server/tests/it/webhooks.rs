//! What happens to a visit arrives at a partner's system: signed, in order, whatever is killed meanwhile.

use crate::{
    browser::Browser,
    http::get,
    matrix::{asks, joins},
    process::Server,
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};
use testkit::engines::{Postgres, RedisServer, until};

const WEBHOOKS: &str = "/api/v1/webhooks";

/// What came, and what is answered.
#[derive(Default)]
struct Hook {
    secret: String,
    /// What the next ones are answered; 204 after them. 0 ends the connection without an answer, with the event taken.
    answers: VecDeque<u16>,
    away: bool,
    asked: usize,
    accepted: Vec<Value>,
}

/// A partner's system: HTTPS on a free port.
#[derive(Clone)]
struct Receiver {
    port: u16,
    hook: Arc<Mutex<Hook>>,
}

impl Receiver {
    fn start(ca_file: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(ca_file, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (listener, config) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(config));
        let receiver = Self { port: listener.local_addr().unwrap().port(), hook: Arc::default() };
        let hook = Arc::clone(&receiver.hook);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Ok(tls)) = (stream, ServerConnection::new(Arc::clone(&config))) else {
                    continue;
                };
                let _ = take(&hook, StreamOwned::new(tls, stream));
            }
        });
        receiver
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/hook?of=visits", self.port)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Hook) -> T) -> T {
        look(&mut self.hook.lock().unwrap())
    }

    /// Types of what was accepted, with the visit.
    fn accepted(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.with(|hook| {
            hook.accepted.iter().map(|one| (text(&one["type"]), text(&one["data"]["visit"]))).collect()
        })
    }
}

/// One request; nothing that is not signed is accepted.
fn take(hook: &Mutex<Hook>, mut stream: StreamOwned<ServerConnection, TcpStream>) -> std::io::Result<()> {
    let (mut text, mut piece) = (Vec::new(), [0; 4_096]);
    let (head, body) = loop {
        let read = stream.read(&mut piece)?;
        text.extend_from_slice(&piece[..read]);
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length: usize = header(head, "content-length").parse().unwrap();
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
        assert!(read > 0, "it ended early");
    };
    let mut hook = hook.lock().unwrap();
    hook.asked += 1;
    if hook.away {
        return Ok(());
    }
    assert!(head.starts_with("POST /hook?of=visits HTTP/1.1"), "{head}");
    let (id, sent) = (header(&head, "webhook-id"), header(&head, "webhook-timestamp"));
    let key = STANDARD.decode(hook.secret.strip_prefix("whsec_").unwrap()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{sent}.{body}").as_bytes());
    let good = format!("v1,{}", STANDARD.encode(tag));
    let signed = header(&head, "webhook-signature").split(' ').any(|one| one == good);
    let status = if signed { hook.answers.pop_front().unwrap_or(204) } else { 401 };
    if status == 0 || status == 204 {
        let event: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(event["id"], id);
        hook.accepted.push(event);
    }
    if status == 0 {
        return Ok(());
    }
    stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// A visit from the door to the end; its id.
async fn visit(server: &Server, clinician: &mut Browser, name: &str) -> String {
    let (visit, secret) = clinician.invite(name, "Shoulder").await;
    let mut patient = Browser::open_link(server, &secret).await;
    patient.check_in().await;
    clinician.until(|me| me.waiting().contains(&visit)).await;
    clinician.admit(visit).await;
    clinician.end(visit).await;
    visit.to_string()
}

fn whole(visit: &str) -> [(String, String); 3] {
    ["visit.checked-in", "visit.admitted", "visit.ended"].map(|kind| (kind.to_owned(), visit.to_owned()))
}

/// Each for the first time.
fn firsts(all: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|one| seen.insert(one.clone())).collect()
}

struct Stage {
    server: Server,
    receiver: Receiver,
    administrator: String,
    environment: Vec<(&'static str, String)>,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        let receiver = Receiver::start(&ca_file);
        let environment = vec![
            ("TELEHEALTH__IDENTITY__PASSWORD_MEMORY_KIB", "64".to_owned()),
            ("TELEHEALTH__WEBHOOKS__ALLOW_PRIVATE", "true".to_owned()),
            ("TELEHEALTH__WEBHOOKS__PORTS", format!("443, {}", receiver.port)),
            ("TELEHEALTH__WEBHOOKS__CA_FILE", ca_file.to_str().unwrap().to_owned()),
        ];
        let server = Server::start_with(&["--demo"], &borrowed(&environment));
        let administrator = joins(&server, server.administrator());
        Self { server, receiver, administrator, environment, _dir: dir }
    }

    fn asks(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = asks(&self.server, method, path, Some(&self.administrator), body);
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer.status, body)
    }

    /// Adds the receiver's; the id.
    fn adds(&self) -> String {
        let body = json!({ "url": self.receiver.url(), "events": ["visit.checked-in", "visit.admitted", "visit.ended"] });
        let (status, answer) = self.asks("POST", WEBHOOKS, &body);
        assert_eq!(status, 201, "{answer}");
        self.receiver.with(|hook| hook.secret = answer["secret"].as_str().unwrap().to_owned());
        answer["webhook"]["id"].as_str().unwrap().to_owned()
    }

    fn kill_and_restart(&mut self) {
        self.server.kill();
        self.server = self.server.start_again(&["--demo"], &borrowed(&self.environment));
    }
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_signed_and_in_order_whatever_is_killed_and_again_when_asked_for() {
    let mut stage = Stage::start();
    let id = stage.adds();
    let receiver = stage.receiver.clone();
    // The first is refused twice; the next is taken, and nobody hears of that.
    receiver.with(|hook| hook.answers = VecDeque::from([500, 302, 204, 0]));
    let mut clinician = Browser::open_link(&stage.server, stage.server.secret("clinic")).await;
    let first = visit(&stage.server, &mut clinician, "Ana Torres").await;
    until("the first visit has arrived", || firsts(receiver.accepted()) == whole(&first));

    // The receiver is away while a visit happens, and the server is killed.
    receiver.with(|hook| hook.away = true);
    let second = visit(&stage.server, &mut clinician, "Ben Osei").await;
    let asked = receiver.with(|hook| hook.asked);
    until("somebody has tried", || receiver.with(|hook| hook.asked > asked));
    stage.kill_and_restart();
    receiver.with(|hook| hook.away = false);
    let mut clinician = Browser::connect(&stage.server, &clinician.resume_token).await;
    let third = visit(&stage.server, &mut clinician, "Cleo Wirth").await;
    let all: Vec<_> = [&first, &second, &third].into_iter().flat_map(|visit| whole(visit)).collect();
    until("all have arrived", || firsts(receiver.accepted()).len() == all.len());
    assert_eq!(firsts(receiver.accepted()), all, "in their order, none left out");
    let everything = receiver.with(|hook| format!("{:?}", hook.accepted));
    assert!(!everything.contains("Torres") && !everything.contains("Shoulder"), "no patient's data");

    // Again, from the second visit on, with the ids they had.
    let ids = |receiver: &Receiver| {
        receiver.with(|hook| {
            hook.accepted.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        })
    };
    let before = ids(&receiver);
    let from = receiver.with(|hook| {
        let of = |one: &&Value| one["data"]["visit"] == second.as_str();
        hook.accepted.iter().find(of).unwrap()["id"].as_str().unwrap().to_owned()
    });
    receiver.with(|hook| hook.accepted.clear());
    let replayed = stage.asks("POST", &format!("{WEBHOOKS}/{id}/replay"), &json!({ "fromEvent": from }));
    assert_eq!(replayed, (200, json!({ "events": 6 })));
    until("they have arrived again", || receiver.accepted().len() == 6);
    assert_eq!(receiver.accepted(), all[3..]);
    assert!(ids(&receiver).iter().all(|id| before.contains(id)));
    receiver.with(|hook| hook.accepted.clear());
    let (status, _) = stage.asks("POST", &format!("{WEBHOOKS}/{id}/replay"), &json!({ "fromTime": 0 }));
    assert_eq!(status, 200);
    until("all has arrived again", || receiver.accepted() == all);

    // What went wrong is there to be read.
    let (_, sent) = stage.asks("GET", &format!("{WEBHOOKS}/{id}/deliveries"), &Value::Null);
    let said: Vec<_> =
        sent["deliveries"].as_array().unwrap().iter().map(|one| one["said"].as_str().unwrap()).collect();
    assert!(
        said.iter().any(|said| said.contains("answered 500")) && said[0].contains("accepted"),
        "{said:?}"
    );
    let log = stage.server.log();
    assert!(!log.contains("whsec_") && !log.contains("of=visits") && !log.contains("Torres"));
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_day_either_secret_verifies_and_who_is_gone_is_switched_off() {
    let stage = Stage::start();
    let id = stage.adds();
    let receiver = stage.receiver.clone();
    let (status, rotated) = stage.asks("POST", &format!("{WEBHOOKS}/{id}/secret"), &json!({}));
    assert_eq!(status, 200, "{rotated}");
    let mut clinician = Browser::open_link(&stage.server, stage.server.secret("clinic")).await;
    let first = visit(&stage.server, &mut clinician, "Ana Torres").await;
    until("with the old secret", || receiver.accepted() == whole(&first));
    receiver.with(|hook| hook.secret = rotated["secret"].as_str().unwrap().to_owned());
    receiver.with(|hook| hook.answers = VecDeque::from([204, 204, 204, 410]));
    let second = visit(&stage.server, &mut clinician, "Ben Osei").await;
    until("with the new one", || receiver.accepted()[3..] == whole(&second));

    visit(&stage.server, &mut clinician, "Cleo Wirth").await;
    let state = || stage.asks("GET", WEBHOOKS, &Value::Null).1["webhooks"][0].clone();
    until("it is switched off", || state()["state"] == "off");
    assert_eq!((&state()["offBecause"], &state()["behind"]), (&json!("gone"), &json!(3)));
    assert_eq!(stage.asks("POST", &format!("{WEBHOOKS}/{id}/on"), &json!({})).0, 204);
    until("it goes on where it stopped", || receiver.accepted().len() == 9);

    assert_eq!(stage.asks("DELETE", &format!("{WEBHOOKS}/{id}"), &json!({})).0, 204);
    for (method, path) in [("DELETE", ""), ("POST", "/secret"), ("POST", "/on"), ("GET", "/deliveries")] {
        assert_eq!(
            stage.asks(method, &format!("{WEBHOOKS}/{id}{path}"), &json!({})).0,
            404,
            "{method} {path}"
        );
    }
}

/// Two processes on one PostgreSQL: one sends, and when it is killed the other goes on where it was.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_fleet_one_process_sends_and_another_takes_over() {
    let (postgres, redis) = (Postgres::start(false), RedisServer::start());
    let (database, presence) = (postgres.url(), redis.url());
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    let receiver = Receiver::start(&ca_file);
    let ports = format!("443, {}", receiver.port);
    let start = |name: &str, demo: &[&str]| {
        let environment = [
            ("TELEHEALTH__HTTP__PUBLIC_URL", "http://visits.example"),
            ("TELEHEALTH__FLEET__LISTEN", "127.0.0.1:0"),
            ("TELEHEALTH__FLEET__NAME", name),
            ("TELEHEALTH__FLEET__KEYS_DIR", dir.path().to_str().unwrap()),
            ("TELEHEALTH__STORE__POSTGRES", &database),
            ("TELEHEALTH__PRESENCE__REDIS", &presence),
            ("TELEHEALTH__IDENTITY__PASSWORD_MEMORY_KIB", "64"),
            ("TELEHEALTH__WEBHOOKS__ALLOW_PRIVATE", "true"),
            ("TELEHEALTH__WEBHOOKS__PORTS", &ports),
            ("TELEHEALTH__WEBHOOKS__CA_FILE", ca_file.to_str().unwrap()),
        ];
        Server::start_with(&[&["--roles", "portal,signaling"], demo].concat(), &environment)
    };
    let first = start("first", &["--demo"]);
    let second = start("second", &[]);
    let administrator = joins(&first, first.administrator());
    let body =
        json!({ "url": receiver.url(), "events": ["visit.checked-in", "visit.admitted", "visit.ended"] });
    let added = asks(&second, "POST", WEBHOOKS, Some(&administrator), &body);
    assert_eq!(added.status, 201, "{}", added.body);
    receiver.with(|hook| hook.secret = added.json()["secret"].as_str().unwrap().to_owned());

    let mut clinician = Browser::open_link(&first, first.secret("clinic")).await;
    let before = visit(&first, &mut clinician, "Ana Torres").await;
    until("it has arrived, from whoever has the turn", || firsts(receiver.accepted()) == whole(&before));
    receiver.with(|hook| hook.away = true);
    let meanwhile = visit(&first, &mut clinician, "Ben Osei").await;
    let secret = first.secret("clinic").to_owned();
    let sends =
        |server: &Server| get(server.metrics(), "/metrics").body.contains("\ntelehealth_webhooks_sends 1\n");
    // Whoever has lost the turn finds out at its next look.
    until("one of them sends", || sends(&first) != sends(&second));
    let (mut sender, other) = if sends(&first) { (first, second) } else { (second, first) };
    sender.kill();
    receiver.with(|hook| hook.away = false);
    let mut clinician = Browser::open_link(&other, &secret).await;
    let after = visit(&other, &mut clinician, "Cleo Wirth").await;
    let all: Vec<_> = [&before, &meanwhile, &after].into_iter().flat_map(|visit| whole(visit)).collect();
    until("all have arrived", || firsts(receiver.accepted()).len() == all.len());
    assert_eq!(firsts(receiver.accepted()), all, "in their order, none left out");
    assert!(sends(&other));
}

#[test]
fn what_may_not_be_sent_to_is_refused_where_it_is_typed() {
    let server = Server::start_unhurried(&["--demo"]);
    let administrator = joins(&server, server.administrator());
    let add = |url: &str| {
        let body = json!({ "url": url, "events": ["visit.ended"] });
        let answer = asks(&server, "POST", WEBHOOKS, Some(&administrator), &body);
        (answer.status, answer.json()["field"].clone())
    };
    for url in [
        "http://his.example/",
        "http://localhost/",
        "https://his.example:8443/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://user@his.example/",
        "his.example",
    ] {
        assert_eq!(add(url), (422, json!("url")), "{url}");
    }
    for n in 0..10 {
        assert_eq!(add(&format!("https://his.example/{n}")).0, 201);
    }
    assert_eq!(add("https://his.example/11").0, 409);
}
