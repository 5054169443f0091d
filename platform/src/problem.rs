//! HTTP errors by RFC 9457, all of one shape:
//! `{type, title, status, code, detail?, trace_id, …}`.
//!
//! `type` is `/problems/<code>`, which the portal answers with `docs/problems/<code>.md`. Each crate
//! names its own kinds as constants: `const LINK_OVER: Kind = Kind::new("link-over", 410, "…")`; a test
//! of the server looks for `Kind::new` in the sources and demands a page for each.

use crate::ids;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// One kind of problem: a stable code, its status, and a sentence for the person who meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    code: &'static str,
    status: u16,
    title: &'static str,
}

impl Kind {
    /// Names a kind. The code is `[a-z-]+` and never changes its meaning.
    pub const fn new(code: &'static str, status: u16, title: &'static str) -> Self {
        assert!(status >= 400 && status < 600, "a problem is a 4xx or 5xx");
        Self { code, status, title }
    }

    /// Its stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Its sentence.
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The request cannot be understood.
pub const BAD_REQUEST: Kind = Kind::new("bad-request", 400, "The request cannot be understood.");
/// No valid credential.
pub const UNAUTHORIZED: Kind = Kind::new("unauthorized", 401, "This needs a valid token.");
/// From a page that may not ask this.
pub const FORBIDDEN: Kind = Kind::new("forbidden", 403, "This is not allowed from here.");
/// No such thing, or none that the asker may know of.
pub const NOT_FOUND: Kind = Kind::new("not-found", 404, "There is nothing here.");
/// The wrong method.
pub const METHOD_NOT_ALLOWED: Kind =
    Kind::new("method-not-allowed", 405, "This cannot be asked in that way.");
/// It clashes with what is there.
pub const CONFLICT: Kind = Kind::new("conflict", 409, "This clashes with what is there now.");
/// Over a size limit; nothing of it was looked at.
pub const TOO_LARGE: Kind = Kind::new("too-large", 413, "The request is too large.");
/// The wrong content type.
pub const UNSUPPORTED_MEDIA_TYPE: Kind =
    Kind::new("unsupported-media-type", 415, "The request's content type is not supported.");
/// Too often.
pub const TOO_MANY_REQUESTS: Kind = Kind::new("too-many-requests", 429, "Too many attempts. Wait a moment.");
/// Our fault; the log knows more under the trace id.
pub const INTERNAL: Kind = Kind::new("internal", 500, "Something went wrong on our side.");
/// Not now.
pub const UNAVAILABLE: Kind =
    Kind::new("unavailable", 503, "Not available right now. Try again in a moment.");

/// A problem about to be answered.
pub struct Problem {
    kind: Kind,
    detail: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    extensions: Map<String, Value>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// Of one kind.
    pub fn new(kind: Kind) -> Self {
        Self { kind, detail: None, retry_after: None, extensions: Map::new(), cause: None }
    }

    /// What it is about this time, for the person who asked. No PHI.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// When to try again, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A further member of the body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// What really happened: for the log only. It is never part of the answer.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Of which kind it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem").field("code", &self.kind.code).finish_non_exhaustive()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let trace_id = ids::fresh().simple().to_string();
        let status = self.kind.status();
        if let Some(cause) = &self.cause {
            tracing::error!(error.code = self.kind.code, trace.id = trace_id, cause = %cause, "A request failed");
        }
        let mut body = self.extensions;
        body.insert("type".into(), json!(format!("/problems/{}", self.kind.code)));
        body.insert("title".into(), json!(self.kind.title));
        body.insert("status".into(), json!(status.as_u16()));
        body.insert("code".into(), json!(self.kind.code));
        body.insert("trace_id".into(), json!(trace_id));
        if let Some(detail) = self.detail {
            body.insert("detail".into(), json!(detail));
        }
        let mut response = (status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn says_what_how_and_where_to_read_more_and_not_why_inside() {
        let problem = Problem::new(UNAVAILABLE)
            .detail("The queue is full.")
            .retry_after(Duration::from_millis(10))
            .with("clinic", json!({"phone": "555-0100"}))
            .because("disk /dev/sda1 is full");
        let response = problem.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["retry-after"], "1");
        let body = body(response).await;
        assert_eq!(body["type"], "/problems/unavailable");
        assert_eq!(body["status"], 503);
        assert_eq!(body["code"], "unavailable");
        assert_eq!(body["detail"], "The queue is full.");
        assert_eq!(body["clinic"]["phone"], "555-0100");
        assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
        assert!(!body.to_string().contains("sda1"));
    }

    #[test]
    fn a_refused_token_is_told_which_scheme_is_expected() {
        assert_eq!(Problem::new(UNAUTHORIZED).into_response().headers()["www-authenticate"], "Bearer");
    }
}
