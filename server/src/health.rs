//! `/metrics`, `/healthz`, `/readyz`, on a listener of their own.

pub(crate) mod board;
pub(crate) mod probe;
mod readiness;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::problem::{self, Problem};
use probe::Findings;
use prometheus::{Registry, TextEncoder};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What readiness is judged by.
pub(crate) struct Checks {
    pub(crate) findings: Arc<Findings>,
    /// Whether another process that does the same is well.
    pub(crate) others_are_well: Box<dyn Fn() -> bool + Send + Sync>,
    /// Whether this process has begun, and does not go down.
    pub(crate) is_accepting: Box<dyn Fn() -> bool + Send + Sync>,
}

pub(crate) fn router(registry: Registry, checks: Checks) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        // Alive: it answers. What it cannot do right now is readiness.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(|| async { Problem::new(problem::NOT_FOUND) })
        .with_state(Arc::new(Health { registry, checks }))
}

struct Health {
    registry: Registry,
    checks: Checks,
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    match TextEncoder::new().encode_to_string(&health.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => Problem::new(problem::INTERNAL).because(error).into_response(),
    }
}

/// 200 or 503, and what was found of each part. A 200 with something that is not ready: nobody else is better.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    let Checks { findings, others_are_well, is_accepting } = &health.checks;
    let (takes_part, found) = findings.look(others_are_well());
    let accepting = is_accepting();
    let word = |is_ready: bool| Value::from(if is_ready { "ready" } else { "not ready" });
    let mut parts: Map<_, _> =
        found.into_iter().map(|(name, is_ready)| (name.to_owned(), word(is_ready))).collect();
    parts.insert("accepting".to_owned(), word(accepting));
    let status = if takes_part && accepting { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Value::Object(parts))).into_response()
}
