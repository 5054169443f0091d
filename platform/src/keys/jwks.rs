//! `GET /.well-known/jwks.json`: what verifies our tokens, for whoever was given one.

use super::Keys;
use crate::{clock::Clock, limits::JWKS_MAX_AGE};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    response::IntoResponse,
    routing::get,
};
use std::sync::Arc;

type Deps = (Arc<Keys>, Arc<dyn Clock>);

/// The route. Public keys only, for anybody.
pub fn router(keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Router {
    Router::new().route("/.well-known/jwks.json", get(show)).with_state((keys, clock))
}

async fn show(State((keys, clock)): State<Deps>) -> impl IntoResponse {
    let cached = HeaderValue::try_from(format!("public, max-age={}", JWKS_MAX_AGE.as_secs()));
    let cached = cached.unwrap_or(HeaderValue::from_static("no-store"));
    let kind = HeaderValue::from_static("application/jwk-set+json");
    let mut answer = Json(keys.public(clock.now())).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, cached);
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
