//! `GET /api/v1/unit`: whose pages these are, for somebody who is not known yet.

use axum::{
    Extension, Json, Router,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
    routing::get,
};
use platform::api::Operation;
use serde::Serialize;
use std::sync::Arc;
use tenancy::{Directory, Language, Unit};

/// The healthcare units, for requests.
#[derive(Clone)]
pub(crate) struct UnitsHere(pub(crate) Arc<Directory>);

impl UnitsHere {
    /// The one that a request is for: whoever listens has found it by its host.
    pub(crate) fn of_request(&self, found: Option<Extension<Arc<Unit>>>) -> Arc<Unit> {
        found.map_or_else(|| Arc::clone(self.0.now().home()), |Extension(unit)| unit)
    }
}

/// What anybody may know of a unit.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Unit")]
struct Answer<'a> {
    name: &'a str,
    language: Language,
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::get("/api/v1/unit", "See whose pages these are")
        .of("visits")
        .answers::<Answer<'static>>(200, "The healthcare unit that this host name is of.")
}

pub(crate) fn router(units: UnitsHere) -> Router {
    Router::new().route("/api/v1/unit", get(unit)).with_state(units)
}

/// The same address is another unit's under another host, and an operator may rename one: asked each time.
async fn unit(State(units): State<UnitsHere>, found: Option<Extension<Arc<Unit>>>) -> Response {
    let unit = units.of_request(found);
    let answer = Answer { name: &unit.described.name, language: unit.described.language };
    ([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "host")], Json(answer)).into_response()
}
