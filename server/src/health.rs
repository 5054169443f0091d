//! `/metrics`, `/healthz`, `/readyz`, on a listener of their own.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::problem::{self, Problem};
use prometheus::{Registry, TextEncoder};
use serde_json::{Map, Value};
use std::sync::Arc;

/// One thing that must be well for the process to do its job.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

pub(crate) fn router(registry: Registry, checks: Vec<Check>) -> Router {
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
    checks: Vec<Check>,
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    match TextEncoder::new().encode_to_string(&health.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => Problem::new(problem::INTERNAL).because(error).into_response(),
    }
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let mut parts = Map::new();
    let mut all = true;
    for check in &health.checks {
        let is_ready = (check.is_ready)();
        all &= is_ready;
        parts.insert(check.name.to_owned(), Value::from(if is_ready { "ready" } else { "not ready" }));
    }
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Value::Object(parts))).into_response()
}
