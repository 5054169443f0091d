//! A trace collector: takes OTLP/HTTP with JSON on a free port, checks its form, and remembers every span.

use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

/// Longest that a condition may take. Far beyond what any takes: this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest request that is taken, bytes.
const MAX_BODY: usize = 4 * 1_024 * 1_024;

/// How a collector behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mood {
    /// Takes everything.
    Takes,
    /// Answers with this status.
    Says(u16),
    /// Takes the request and says that so many of its spans were no good.
    Rejects(u64),
    /// Accepts connections and says nothing.
    Silent,
}

/// A span as it came.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// Thirty-two hexadecimal digits.
    pub trace: String,
    /// Sixteen.
    pub id: String,
    /// Sixteen; none, if it is the first of its trace.
    pub parent: Option<String>,
    /// What was done.
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub begun: u64,
    /// The same.
    pub ended: u64,
    /// What it was done to.
    pub attributes: BTreeMap<String, String>,
    /// Another trace that has to do with it.
    pub link: Option<String>,
    /// Why it went wrong, if it did.
    pub failed: Option<String>,
    /// The process it is of.
    pub process: String,
    /// The process's name in its fleet.
    pub node: String,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    bodies: Vec<String>,
    requests: usize,
    mood: Option<Mood>,
    /// Connections of a silent collector, kept open.
    held: Vec<TcpStream>,
}

/// A collector that runs until the test ends.
#[derive(Clone)]
pub struct Collector {
    address: SocketAddr,
    taken: Arc<(Mutex<Taken>, Condvar)>,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collector").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    /// There is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let collector = Self { address: listener.local_addr().expect("an address"), taken: Arc::default() };
        let serving = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let collector = serving.clone();
                std::thread::spawn(move || collector.serve(stream));
            }
        });
        collector
    }

    /// For `telemetry.otlp_endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves otherwise from now on.
    pub fn be(&self, mood: Mood) {
        self.taken.0.lock().mood = Some(mood);
    }

    /// Every span so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.taken.0.lock().spans.clone()
    }

    /// Everything that was ever sent, as it was sent.
    #[must_use]
    pub fn everything(&self) -> String {
        self.taken.0.lock().bodies.join("\n")
    }

    /// Requests that came.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.taken.0.lock().requests
    }

    /// Waits until the spans are as wanted; whether they are.
    #[must_use]
    pub fn wait(&self, mut wanted: impl FnMut(&[Span]) -> bool) -> bool {
        self.until(|taken| wanted(&taken.spans))
    }

    /// Waits until so many requests have come; whether they have.
    #[must_use]
    pub fn wait_for_requests(&self, count: usize) -> bool {
        self.until(|taken| taken.requests >= count)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's patience is measured")]
    fn until(&self, mut holds: impl FnMut(&Taken) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let (taken, changed) = &*self.taken;
        let mut taken = taken.lock();
        while !holds(&taken) {
            if changed.wait_until(&mut taken, deadline).timed_out() {
                return holds(&taken);
            }
        }
        true
    }

    fn serve(&self, mut stream: TcpStream) {
        let Some(body) = read(&stream) else { return };
        let (taken, changed) = &*self.taken;
        let mut taken = taken.lock();
        taken.requests += 1;
        let mood = taken.mood.unwrap_or(Mood::Takes);
        let (status, answer) = match mood {
            Mood::Takes => {
                taken.spans.extend(spans(&body));
                taken.bodies.push(body);
                (200, "{}".to_owned())
            }
            Mood::Says(status) => (status, String::new()),
            Mood::Rejects(count) => (200, format!(r#"{{"partialSuccess":{{"rejectedSpans":"{count}"}}}}"#)),
            Mood::Silent => {
                taken.held.push(stream);
                changed.notify_all();
                return;
            }
        };
        changed.notify_all();
        drop(taken);
        let length = answer.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}"
        );
    }
}

/// The body of the one request of a connection.
fn read(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
    let (mut length, mut json) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().expect("a length"),
            "content-type" => json = value == "application/json",
            _ => {}
        }
    }
    assert!(json && length <= MAX_BODY, "JSON of at most {MAX_BODY} bytes, not {length}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(String::from_utf8(body).expect("text"))
}

fn spans(body: &str) -> Vec<Span> {
    let request: Value = serde_json::from_str(body).expect("JSON");
    let mut spans = Vec::new();
    for resource in list(&request["resourceSpans"]) {
        let about = attributes(&resource["resource"]["attributes"]);
        assert_eq!(about["service.name"], "telehealth");
        for scope in list(&resource["scopeSpans"]) {
            spans.extend(list(&scope["spans"]).iter().map(|json| span(json, &about)));
        }
    }
    spans
}

fn span(json: &Value, about: &BTreeMap<String, String>) -> Span {
    let nanos = |key: &str| text(&json[key]).parse::<u64>().expect("nanoseconds as text");
    let parent = json.get("parentSpanId").map(|id| hex(id, 16));
    let link = json.get("links").map(|links| hex(&links[0]["traceId"], 32));
    let status = json.get("status").map(|status| {
        assert_eq!(status["code"], 2);
        text(&status["message"])
    });
    let span = Span {
        trace: hex(&json["traceId"], 32),
        id: hex(&json["spanId"], 16),
        parent,
        name: text(&json["name"]),
        kind: json["kind"].as_u64().expect("a kind"),
        begun: nanos("startTimeUnixNano"),
        ended: nanos("endTimeUnixNano"),
        attributes: attributes(&json["attributes"]),
        link,
        failed: status,
        process: about["service.instance.id"].clone(),
        node: about["telehealth.node"].clone(),
    };
    assert!(span.begun <= span.ended && (1..=3).contains(&span.kind), "{span:?}");
    span
}

fn attributes(json: &Value) -> BTreeMap<String, String> {
    let value = |value: &Value| match value.get("intValue") {
        Some(number) => text(number),
        None => text(&value["stringValue"]),
    };
    list(json).iter().map(|entry| (text(&entry["key"]), value(&entry["value"]))).collect()
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("text, not {json}")).to_owned()
}

fn hex(json: &Value, digits: usize) -> String {
    let id = text(json);
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    assert!(id.len() == digits && id.bytes().all(lower) && id.bytes().any(|b| b != b'0'), "{id}");
    id
}
