//! One request of JSON, one answer of JSON, one connection: all a synthetic client needs of HTTP.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest answer taken, bytes.
const LONGEST: u64 = 1024 * 1024;

/// Posts JSON.
///
/// # Errors
/// The host cannot be reached, or answers something else than 200 with JSON.
pub async fn post(host: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Value> {
    let body = body.to_string();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    send(host, &request).await
}

/// Gets JSON.
///
/// # Errors
/// As for [`post`].
pub async fn get(host: &str, path: &str) -> Result<Value> {
    send(host, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await
}

async fn send(host: &str, request: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    timeout(PATIENCE, stream.take(LONGEST).read_to_string(&mut answer)).await.context("no answer")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("not HTTP")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{}", head.lines().next().unwrap_or_default());
    serde_json::from_str(body).context("not JSON")
}
