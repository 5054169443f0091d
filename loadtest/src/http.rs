//! One request of JSON, one answer of JSON, one connection: all a synthetic client needs of HTTP.

use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// Longest answer taken, bytes.
const LONGEST: usize = 1024 * 1024;

/// Posts JSON.
///
/// # Errors
/// The host cannot be reached, or answers something else than 200 with JSON.
pub async fn post(host: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Value> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(host, request.header(header::HOST, host).body(Full::from(body.to_string()))?).await
}

/// Gets JSON.
///
/// # Errors
/// As for [`post`].
pub async fn get(host: &str, path: &str) -> Result<Value> {
    send(host, Request::get(path).header(header::HOST, host).body(Full::default())?).await
}

async fn send(host: &str, request: Request<Full<Bytes>>) -> Result<Value> {
    timeout(PATIENCE, exchange(host, request)).await.context("no answer")?
}

async fn exchange(host: &str, request: Request<Full<Bytes>>) -> Result<Value> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this exchange.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let answer = sender.send_request(request).await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    serde_json::from_slice(&body).context("not JSON")
}
