//! What a browser meets before there is a call: the pages, their assets, and the exchange of a link's
//! secret for the right to connect. And the pages that explain problems.
//!
//! What it deliberately is not: a place with state. It asks signaling through the
//! [`Links`](signaling_core::port::Links) port; everything else it serves is files.
//!
//! Reading order: [`exchange`], [`unit`], [`status`], [`pages`], [`assets`], [`headers`], [`limits`].

#![forbid(unsafe_code)]

mod assets;
mod config;
mod exchange;
pub mod gateway;
pub mod graphql;
mod headers;
mod here;
pub mod limits;
mod openapi;
mod pages;
mod problems;
pub mod status;
mod unit;
mod unit_settings;
mod waiting_rooms;

pub use assets::{Assets, KeepError};
pub use config::Config;
pub use headers::{Hsts, secure};
pub use openapi::router as described;

use axum::{Router, routing};
use identity::Identity;
use platform::{
    clock::{Clock, SteadyClock},
    problem::{self, Problem},
    trace::Tracer,
};
use signaling_core::port::{Links, Visits, WaitingRooms};
use std::sync::Arc;
use tenancy::Directory;

/// What the portal needs from the others.
pub struct Deps {
    /// Who knows the links.
    pub links: Arc<dyn Links>,
    /// Who works here, and the rooms they work in. Without: nobody signs in at this process.
    pub staff: Option<Staffed>,
    /// The healthcare units.
    pub units: Arc<Directory>,
    /// The pages.
    pub assets: Arc<Assets>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Records traces.
    pub tracer: Tracer,
}

/// What those need who work at a clinic.
#[derive(Clone)]
pub struct Staffed {
    /// Who asks.
    pub identity: Arc<Identity>,
    /// Where they work.
    pub rooms: Arc<dyn WaitingRooms>,
    /// How many visits go on; none where nobody can count them.
    pub visits: Option<Arc<dyn Visits>>,
    /// How the platform does.
    pub platform: Arc<dyn status::Platform>,
}

impl std::fmt::Debug for Staffed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staffed").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// Every route of the portal.
///
/// # Errors
/// Its metrics are registered already.
pub fn router(
    config: &Config,
    deps: Deps,
    registry: &prometheus::Registry,
) -> Result<Router, prometheus::Error> {
    let units = unit::UnitsHere(deps.units);
    let staffed = deps.staff.map(|staff| {
        waiting_rooms::router(staff.clone(), Arc::clone(&deps.clock))
            .merge(unit_settings::router(staff.clone(), units.clone(), Arc::clone(&deps.clock)))
            .merge(status::router(staff, Arc::clone(&deps.clock)))
    });
    // Who guessed wrongly waits for as long as was said, even if the machine's clock is set back meanwhile.
    let clock = Arc::new(SteadyClock::new(deps.clock));
    let exchange = exchange::router(config, deps.links, units.clone(), clock, deps.tracer, registry)?;
    Ok(Router::new()
        .merge(exchange)
        .merge(staffed.unwrap_or_default())
        .merge(unit::router(units))
        .merge(pages::router(deps.assets))
        .merge(problems::router())
        .method_not_allowed_fallback(|| async { Problem::new(problem::METHOD_NOT_ALLOWED) }))
}

/// What the routes under `/api` say of themselves.
#[must_use]
pub fn operations() -> Vec<platform::api::Operation> {
    let mut all = vec![exchange::operation(), unit::operation(), openapi::operation(), graphql::operation()];
    all.push(status::operation());
    all.extend(unit_settings::operations());
    all.extend(waiting_rooms::operations());
    all
}

/// What a path nobody serves answers; the server puts it behind all routers.
pub fn not_found() -> routing::MethodRouter {
    routing::any(|| async { Problem::new(problem::NOT_FOUND) })
}
