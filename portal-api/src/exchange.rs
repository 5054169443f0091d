//! `POST /api/v1/links/exchange`: a link's secret for the right to connect.
//!
//! The secret stands in the link's fragment, which browsers send to nobody; the page posts it here. A
//! GET never does anything with a link, so that mail scanners and previews cannot use it up.

use crate::{
    Config,
    limits::{EXCHANGE_TIMEOUT, MAX_EXCHANGE_BYTES},
    unit::UnitsHere,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use model::{Phi, Role, TenantId, Timestamp};
use parking_lot::Mutex;
use platform::{
    api::Operation,
    body::{json, own_site},
    clock::Clock,
    problem::{self, Kind, Problem},
    throttle::{Source, Throttle},
    trace::{self, Tracer},
};
use prometheus::{IntCounterVec, Opts, Registry};
use serde::{Deserialize, Serialize};
use signaling_core::port::{LinkError, LinkGrant, Links};
use signaling_protocol::view::ClinicView;
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tenancy::Unit;
use tower_http::timeout::TimeoutLayer;

const LINK_UNKNOWN: Kind =
    Kind::new("link-unknown", 401, "This link does not work. Check that it is complete.");
const LINK_OVER: Kind = Kind::new("link-over", 410, "This visit is over.");

pub(crate) fn router(
    config: &Config,
    links: Arc<dyn Links>,
    units: UnitsHere,
    clock: Arc<dyn Clock>,
    tracer: Tracer,
    registry: &Registry,
) -> Result<Router, prometheus::Error> {
    let outcomes = IntCounterVec::new(
        Opts::new("telehealth_portal_link_exchanges_total", "Links exchanged, by outcome"),
        &["outcome"],
    )?;
    registry.register(Box::new(outcomes.clone()))?;
    let throttle = Mutex::new(Throttle::new(config.wrong_links_per_minute, Duration::from_secs(60)));
    Ok(Router::new()
        .route("/api/v1/links/exchange", post(exchange))
        .layer(DefaultBodyLimit::max(MAX_EXCHANGE_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, EXCHANGE_TIMEOUT))
        .with_state(Arc::new(Exchange { links, units, clock, throttle, outcomes, tracer })))
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::post("/api/v1/links/exchange", "Exchange a link's secret for the right to connect")
        .details("A link is not used up by it.")
        .of("visits")
        .takes::<Ask>(MAX_EXCHANGE_BYTES)
        .answers::<Answer>(200, "The token to connect with, and what the page shows before.")
        .fails(LINK_UNKNOWN)
        .fails(LINK_OVER)
        .fails(problem::FORBIDDEN)
        .fails(problem::TOO_MANY_REQUESTS)
}

struct Exchange {
    links: Arc<dyn Links>,
    units: UnitsHere,
    clock: Arc<dyn Clock>,
    throttle: Mutex<Throttle<Source>>,
    outcomes: IntCounterVec,
    tracer: Tracer,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LinkSecret")]
struct Ask {
    secret: Phi<String>,
}

/// What the page learns before it connects.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LinkGrant")]
pub(crate) struct Answer {
    join_token: String,
    role: Role,
    clinic: ClinicView,
    #[serde(serialize_with = "model::phi::expose")]
    practitioner: Phi<String>,
    #[serde(serialize_with = "model::phi::expose")]
    name: Phi<String>,
    scheduled_at: Option<Timestamp>,
}

async fn exchange(
    State(state): State<Arc<Exchange>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    unit: Option<Extension<Arc<Unit>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let source = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.0.ip()).into();
    let mut span = state.tracer.edge("exchange", trace::of_request(&headers));
    let tenant = state.units.of_request(unit).id;
    let judged = trace::scope(span.context(), judge(&state, tenant, source, &headers, body)).await;
    let (outcome, response) = match judged {
        Ok(grant) => ("granted", granted(grant)),
        Err(problem) => {
            let code = problem.kind().code();
            span.fail(code);
            (code, problem.into_response())
        }
    };
    span.end();
    state.outcomes.with_label_values(&[outcome]).inc();
    response
}

async fn judge(
    state: &Exchange,
    tenant: TenantId,
    source: Source,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<LinkGrant, Problem> {
    let wait = state.throttle.lock().must_wait(source, state.clock.now());
    if let Some(wait) = wait {
        return Err(Problem::new(problem::TOO_MANY_REQUESTS).retry_after(wait));
    }
    own_site(headers)?;
    let ask: Ask = json(headers, body)?;
    match state.links.exchange(tenant, ask.secret).await {
        Ok(grant) => Ok(grant),
        Err(LinkError::Unknown) => {
            state.throttle.lock().failed(source, state.clock.now());
            Err(LINK_UNKNOWN.into())
        }
        Err(LinkError::Over { clinic }) => {
            let clinic = serde_json::to_value(clinic).unwrap_or_default();
            Err(Problem::new(LINK_OVER).with("clinic", clinic))
        }
        Err(LinkError::Busy) => Err(Problem::new(problem::UNAVAILABLE).retry_after(Duration::from_secs(1))),
    }
}

pub(crate) fn granted(grant: LinkGrant) -> Response {
    let LinkGrant { join_token, role, clinic, practitioner, name, scheduled_at } = grant;
    let answer = Answer { join_token, role, clinic, practitioner, name, scheduled_at };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

#[cfg(test)]
mod tests;
