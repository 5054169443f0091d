//! The pages and their files: `/`, `/visit`, `/clinic`, `/sign-in`, `/join`, `/rooms`, `/admin`, `/account`, `/assets/…` and
//! what lies beside them.
//!
//! Files whose name holds a hash never change and are cached for ever; pages are asked for each time
//! and answered 304 while they are the same. Compressed variants come with the build, so that nothing
//! is compressed while people wait.

use crate::Assets;
use aws_lc_rs::digest;
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use platform::problem::{self, Problem};
use std::{borrow::Cow, sync::Arc};

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Pages not built</title>\
    <h1>The pages are not built yet</h1><p>The server runs, but it has no pages to show. Run \
    <code>make web</code> in the checkout and reload.</p></html>\n";

pub(crate) fn router(assets: Arc<Assets>) -> Router {
    Router::new()
        .route("/", get(|state, headers| page(state, headers, "index.html")))
        .route("/visit", get(|state, headers| page(state, headers, "visit.html")))
        .route("/clinic", get(|state, headers| page(state, headers, "clinic.html")))
        .route("/sign-in", get(|state, headers| page(state, headers, "sign-in.html")))
        .route("/join", get(|state, headers| page(state, headers, "join.html")))
        .route("/rooms", get(|state, headers| page(state, headers, "rooms.html")))
        .route("/admin", get(|state, headers| page(state, headers, "admin.html")))
        .route("/account", get(|state, headers| page(state, headers, "account.html")))
        .route("/assets/{*path}", get(hashed))
        .route("/{file}", get(beside))
        .with_state(assets)
}

type Files = State<Arc<Assets>>;

async fn page(State(assets): Files, headers: HeaderMap, name: &'static str) -> Response {
    match answer(&assets, name, &headers, ASK_EACH_TIME) {
        Some(response) => response,
        None => (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")], Html(NOT_BUILT))
            .into_response(),
    }
}

async fn hashed(State(assets): Files, Path(path): Path<String>, headers: HeaderMap) -> Response {
    let found = answer(&assets, &format!("assets/{path}"), &headers, FOR_EVER);
    found.unwrap_or_else(|| Problem::new(problem::NOT_FOUND).into_response())
}

/// Icons, the web manifest, `robots.txt`. Pages have their own paths without `.html`.
async fn beside(State(assets): Files, Path(file): Path<String>, headers: HeaderMap) -> Response {
    let found = (!file.ends_with(".html")).then(|| answer(&assets, &file, &headers, ASK_EACH_TIME)).flatten();
    found.unwrap_or_else(|| Problem::new(problem::NOT_FOUND).into_response())
}

fn answer(assets: &Assets, name: &str, headers: &HeaderMap, cache: &'static str) -> Option<Response> {
    // The plain file must exist: compressed variants are not names of their own.
    let plain = (!name.ends_with(".br") && !name.ends_with(".gz")).then(|| assets.get(name))??;
    let (encoding, bytes) = smallest(assets, name, plain, headers);
    let tag = etag(&bytes);
    let mut response = if headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        bytes.into_owned().into_response()
    };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    fields.insert(header::ETAG, tag);
    if let Some(encoding) = encoding {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
}

type Bytes = Cow<'static, [u8]>;

fn smallest(assets: &Assets, name: &str, plain: Bytes, headers: &HeaderMap) -> (Option<&'static str>, Bytes) {
    let accepted =
        headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (encoding, suffix) in [("br", "br"), ("gzip", "gz")] {
        if accepts(accepted, encoding)
            && let Some(bytes) = assets.get(&format!("{name}.{suffix}"))
        {
            return (Some(encoding), bytes);
        }
    }
    (None, plain)
}

/// RFC 9110 §12.5.3, as far as browsers use it: a weight of zero refuses.
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn etag(bytes: &[u8]) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, bytes);
    let text: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::try_from(format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
