//! `GET /api/v1/status`: how the platform does, for whoever looks after a unit. Parts and numbers; no names of people, of
//! machines or of other units.
//!
//! It answers while the database does not, to whoever was known a few minutes ago: that is when it is asked.

use crate::{
    Staffed,
    here::{Here, identity_of},
    limits::CENSUS_WITHIN,
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use identity::{NOT_ALLOWED, SESSION_LOCKED, SIGNED_OUT, denied, oversight::TrailState};
use model::{TenantId, Timestamp};
use platform::{
    api::{Credential, Operation},
    clock::Clock,
    problem::{self, Problem},
};
use policy::{Permit, Place, action::ReadStatus};
use serde::Serialize;
use signaling_core::port::PortFuture;
use std::{sync::Arc, time::Duration};

/// When to ask again after nobody could say who asks.
const LATER: Duration = Duration::from_secs(2);

/// A part of the platform, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Where everything is recorded.
    Records,
    /// Waiting rooms, and the ways to them.
    WaitingRooms,
    /// Sound and picture.
    Media,
    /// How other services hear of visits.
    Messages,
    /// How the processes of a fleet hear of each other.
    Presence,
}

/// How a part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// As it should.
    Well,
    /// It does its job with less than it should have: some of its processes; the local journal in place of the database.
    Strained,
    /// It does not do its job.
    Away,
}

/// What is known of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "PartStatus")]
pub struct PartView {
    /// Which.
    pub part: Part,
    /// How it does.
    pub state: PartState,
    /// Since when, as far as this process has seen.
    pub since: Timestamp,
    /// How many processes do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working: Option<u32>,
    /// Of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u32>,
}

/// What a process knows of the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Each part there is here. None before it was looked for the first time.
    pub parts: Vec<PartView>,
    /// What was saved while the database was away is being recorded.
    pub catching_up: bool,
    /// What was saved of the unit and cannot be recorded: somebody has to look.
    pub parked: usize,
}

/// How the platform does.
pub trait Platform: Send + Sync + 'static {
    /// As a unit may know it.
    fn seen(&self, tenant: TenantId) -> PortFuture<'_, Seen>;
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::get("/api/v1/status", "See how the platform does")
        .details("Parts and numbers, of one's own unit. Answers while the database is away, to who was signed in before.")
        .of("unit")
        .needs(Credential::AccessToken)
        .answers::<View>(200, "As this process sees it.")
        .fails(SIGNED_OUT)
        .fails(SESSION_LOCKED)
        .fails(NOT_ALLOWED)
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VisitsNow")]
struct VisitsView {
    waiting: u32,
    in_call: u32,
    /// Seconds since the first of those who wait checked in.
    longest_wait_s: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SecondPlace")]
struct CopiesView {
    missing: u64,
    lag_s: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "TrailStatus")]
struct TrailView {
    state: TrailState,
    /// None where nothing is copied to a second place.
    copies: Option<CopiesView>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "EmergenciesStatus")]
struct EmergenciesView {
    open: usize,
    unreviewed: usize,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Status")]
struct View {
    at: Timestamp,
    /// None while it cannot be said of all of them.
    visits: Option<VisitsView>,
    parts: Vec<PartView>,
    /// What was saved while the database was away is being recorded.
    catching_up: bool,
    /// So much of the unit was saved then and cannot be recorded: an operator has to look.
    parked: usize,
    trail: TrailView,
    /// None while they cannot be read.
    emergencies: Option<EmergenciesView>,
}

struct Status {
    staff: Staffed,
    clock: Arc<dyn Clock>,
}

pub(crate) fn router(staff: Staffed, clock: Arc<dyn Clock>) -> Router {
    Router::new().route("/api/v1/status", get(status)).with_state(Arc::new(Status { staff, clock }))
}

async fn status(
    State(here): State<Arc<Status>>,
    unit: Here,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let identity = identity_of(&here.staff, unit);
    let who = identity.who_lately(&headers).await;
    let who = who.map_err(|_| Problem::new(problem::UNAVAILABLE).retry_after(LATER))?;
    let (tenant, now) = (identity.unit_id(), here.clock.now());
    let permit: Permit<ReadStatus> = policy::permit(&who, Place::unit(tenant), now).map_err(denied)?;
    let visits = async {
        let counted = tokio::time::timeout(CENSUS_WITHIN, here.staff.visits.as_ref()?.census(tenant)).await;
        let census = counted.ok()?.ok()?;
        Some(VisitsView {
            waiting: census.waiting,
            in_call: census.in_call,
            longest_wait_s: census.longest_wait.as_secs(),
        })
    };
    let (visits, seen, oversight) =
        tokio::join!(visits, here.staff.platform.seen(tenant), identity.oversight(&permit));
    let view = View {
        at: now,
        visits,
        parts: seen.parts,
        catching_up: seen.catching_up,
        parked: seen.parked,
        trail: TrailView {
            state: oversight.trail,
            copies: oversight
                .copies
                .map(|copies| CopiesView { missing: copies.missing, lag_s: copies.lag_s }),
        },
        emergencies: oversight
            .emergencies
            .map(|all| EmergenciesView { open: all.open, unreviewed: all.unreviewed }),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}
