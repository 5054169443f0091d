//! A small HTTP client: one request, one connection.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Reads an answer off a connection that the server closes.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or("0").parse().unwrap();
        let field = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in lines.filter_map(field) {
            // Of a field that comes more than once (RFC 9110, 5.3); cookies cannot be joined (RFC 6265, 3).
            let between = if name == "set-cookie" { "\n" } else { ", " };
            headers.entry(name).and_modify(|all| *all += &format!("{between}{value}")).or_insert(value);
        }
        Self { status, headers, body: body.to_owned() }
    }
}

pub(crate) fn ask(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if headers.iter().all(|(name, _)| *name != "host") {
        head += &format!("host: {to}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // A server that refuses by length may stop reading.
    let _ = stream.write_all(body.as_bytes());
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    Answer::parse(&String::from_utf8_lossy(&text))
}

pub(crate) fn get(to: SocketAddr, path: &str) -> Answer {
    ask(to, "GET", path, &[], "")
}

/// Exchanges a link's secret.
pub(crate) fn exchange(to: SocketAddr, secret: &str) -> Answer {
    let body = serde_json::json!({ "secret": secret }).to_string();
    ask(to, "POST", "/api/v1/links/exchange", &[("content-type", "application/json")], &body)
}

/// A join token from a link's secret.
pub(crate) fn join_token(to: SocketAddr, secret: &str) -> String {
    let answer = exchange(to, secret);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["joinToken"].as_str().unwrap().to_owned()
}
