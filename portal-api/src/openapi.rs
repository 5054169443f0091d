//! `GET /api/v1/openapi.json`: what there is to ask, for programs; `GET /api`: the same for people.

mod page;

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, header},
    response::{Html, IntoResponse as _, Response},
    routing::get,
};
use platform::{api::Operation, conditional::Tagged, problem::Problem};
use serde_json::{Map, Value};

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::get("/api/v1/openapi.json", "Read this description")
        .of("description")
        .header("If-None-Match", "The `ETag` of an answer: 304 if it is still that.")
        .answers::<Map<String, Value>>(200, "OpenAPI 3.1.")
        .with_header("ETag")
        .answers_nothing(304, "As it was.")
        .with_header("ETag")
}

/// Serves an OpenAPI document.
///
/// # Errors
/// It cannot be written as JSON.
pub fn router(document: &Value) -> Result<Router, Problem> {
    let tagged = Tagged::new(document)?;
    let page = Bytes::from(page::render(document));
    let json = move |headers: HeaderMap| {
        let tagged = tagged.clone();
        async move { public(tagged.answer(&headers)) }
    };
    let html = move || async move { public(Html(page).into_response()) };
    Ok(Router::new()
        .route("/api/v1/openapi.json", get(json))
        .route("/api", get(html))
        .method_not_allowed_fallback(|| async { Problem::new(platform::problem::METHOD_NOT_ALLOWED) }))
}

/// There is nothing of anybody in it, and another build has another.
fn public(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    response
}
