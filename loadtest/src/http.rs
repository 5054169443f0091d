//! One request, one answer, one connection: all a synthetic client needs of HTTP.

use crate::net::Origin;
use anyhow::{Context as _, Result, ensure};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::{task::JoinSet, time::timeout};

/// Longest wait for an answer; a run in which something takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// Longest answer taken, bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// Longest line of text repeated in an error, bytes.
const LONGEST_SENTENCE: usize = 200;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The answer, if it is a success.
    ///
    /// # Errors
    /// It is not; in the server's own words, where it gives a title, a detail, or a sentence.
    pub fn good(self) -> Result<Self> {
        let problem: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let said = problem["detail"].as_str().or_else(|| problem["title"].as_str());
        let said = said.or_else(|| sentence(&self.body)).unwrap_or_default();
        ensure!(self.status.is_success(), "{}{}{said}", self.status, if said.is_empty() { "" } else { ": " });
        Ok(self)
    }
}

/// What somebody else's server says of an error, if that is a line of text.
fn sentence(body: &str) -> Option<&str> {
    let line = body.trim();
    let text = !line.is_empty() && line.len() <= LONGEST_SENTENCE && !line.contains(['<', '{', '\n']);
    text.then_some(line)
}

/// Posts JSON.
///
/// # Errors
/// The host cannot be reached, or answers something else than success with JSON.
pub async fn post(at: &Origin, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Value> {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    let answer = send(at, Method::POST, path, &all, body.to_string()).await?.good()?;
    serde_json::from_str(&answer.body).context("the answer is not JSON")
}

/// Gets JSON.
///
/// # Errors
/// As for [`post`].
pub async fn get(at: &Origin, path: &str) -> Result<Value> {
    let answer = send(at, Method::GET, path, &[], String::new()).await?.good()?;
    serde_json::from_str(&answer.body).context("the answer is not JSON")
}

/// Asks anything.
///
/// # Errors
/// The host cannot be reached, or what it answers is not HTTP, or not text, or endless.
pub async fn send(
    at: &Origin,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Answer> {
    let path = if path.is_empty() { "/" } else { path };
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, at.authority());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    timeout(PATIENCE, exchange(at, request.body(Full::from(body))?)).await.context("no answer")?
}

async fn exchange(at: &Origin, request: Request<Full<Bytes>>) -> Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(at.connect().await?)).await?;
    // Ends with this exchange.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    let body = String::from_utf8(body.into()).context("the answer is not text")?;
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_the_servers_words() {
        let told = |body: &str| {
            let (status, headers) = (StatusCode::FORBIDDEN, HeaderMap::new());
            Answer { status, headers, body: body.to_owned() }.good().unwrap_err().to_string()
        };
        assert_eq!(told(r#"{"title": "No", "detail": "Not you."}"#), "403 Forbidden: Not you.");
        assert_eq!(told("Endpoint ID already in use\n"), "403 Forbidden: Endpoint ID already in use");
        let longest = "x".repeat(LONGEST_SENTENCE);
        assert_eq!(told(&longest), format!("403 Forbidden: {longest}"));
        for nothing in ["", "<html>no</html>", "{}", "a\nb", &format!("{longest}x")] {
            assert_eq!(told(nothing), "403 Forbidden");
        }
    }
}
