//! `/api/v1/unit/settings`: how a healthcare unit is set up, for those who look after it, and what of it they may change.
//! Where it is found (host names) and what operators call it are theirs: `telehealth units`.

use crate::{
    Staffed,
    here::{Here, identity_of},
    limits::{MAX_SETTINGS_BYTES, SETTINGS_TIMEOUT},
    unit::UnitsHere,
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::get,
};
use identity::{CONFIRM_FIRST, INVALID, Identity, NOT_ALLOWED, SESSION_LOCKED, SIGNED_OUT, denied};
use platform::{
    api::{Credential, Operation},
    body::json,
    clock::Clock,
    conditional::{CHANGED_MEANWHILE, Tagged},
    problem::{self, Problem},
};
use policy::{
    Action, Permit, Place,
    action::{ChangeUnit, SeeUnit},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tenancy::{ChangeError, Command, Language, Rejection, Unit, unit::Undescribed};
use tower_http::timeout::TimeoutLayer;

/// When to ask again after the registry could not be asked.
const LATER: Duration = Duration::from_secs(2);

/// How a unit is set up.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "UnitSettings")]
struct View {
    name: String,
    language: Language,
    /// IANA: `America/New_York`.
    zone: String,
    /// What its links begin with.
    address: String,
    /// All names it is found under; the operator chooses them.
    hosts: Vec<String>,
}

impl View {
    fn of(unit: &Unit) -> Self {
        let described = unit.described.clone();
        Self {
            name: described.name,
            language: described.language,
            zone: described.zone,
            address: unit.url.clone(),
            hosts: described.hosts.into_iter().map(String::from).collect(),
        }
    }
}

/// What is to be otherwise.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UnitChange")]
struct Change {
    /// 1 to 100 characters.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    language: Option<Language>,
    /// IANA: `America/New_York`.
    #[serde(default)]
    zone: Option<String>,
}

/// What the routes say of themselves.
pub(crate) fn operations() -> [Operation; 2] {
    let of = |operation: Operation| {
        operation
            .of("unit")
            .needs(Credential::AccessToken)
            .with_header("ETag")
            .fails(SIGNED_OUT)
            .fails(SESSION_LOCKED)
            .fails(NOT_ALLOWED)
    };
    [
        of(Operation::get("/api/v1/unit/settings", "See how the unit is set up"))
            .answers::<View>(200, "One's own unit."),
        of(Operation::patch("/api/v1/unit/settings", "Change how the unit is set up"))
            .details("Its name, language and time zone. Everywhere within five seconds.")
            .takes::<Change>(MAX_SETTINGS_BYTES)
            .answers::<View>(200, "As it is now.")
            .fails(problem::FORBIDDEN)
            .fails(CONFIRM_FIRST)
            .fails(CHANGED_MEANWHILE)
            .fails(INVALID),
    ]
}

struct Settings {
    staff: Staffed,
    units: UnitsHere,
    clock: Arc<dyn Clock>,
}

pub(crate) fn router(staff: Staffed, units: UnitsHere, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/api/v1/unit/settings", get(see).patch(change))
        .layer(DefaultBodyLimit::max(MAX_SETTINGS_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, SETTINGS_TIMEOUT))
        .with_state(Arc::new(Settings { staff, units, clock }))
}

impl Settings {
    async fn leave<A: Action>(
        &self,
        unit: Here,
        headers: &HeaderMap,
    ) -> Result<(Identity, Permit<A>), Problem> {
        let identity = identity_of(&self.staff, unit);
        let who = identity.who(headers).await.map_err(|_| later())?;
        let place = Place::unit(identity.unit_id());
        Ok((identity, policy::permit(&who, place, self.clock.now()).map_err(denied)?))
    }

    /// As it is recorded now, whichever process has changed it.
    async fn unit(&self, identity: &Identity) -> Result<Arc<Unit>, Problem> {
        self.units.0.refresh().await.map_err(|_| later())?;
        let units = self.units.0.now();
        units.get(identity.unit_id()).cloned().ok_or_else(|| problem::NOT_FOUND.into())
    }
}

async fn see(State(here): State<Arc<Settings>>, unit: Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (identity, _) = here.leave::<SeeUnit>(unit, &headers).await?;
    Ok(Tagged::new(&View::of(&*here.unit(&identity).await?))?.answer(&headers))
}

async fn change(
    State(here): State<Arc<Settings>>,
    unit: Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (identity, permit) = here.leave::<ChangeUnit>(unit, &headers).await?;
    let Change { name, language, zone } = json(&headers, body)?;
    let now = here.unit(&identity).await?;
    Tagged::new(&View::of(&now))?.must_match(&headers)?;
    let mut described = now.described.clone();
    described.name = name.clone().unwrap_or(described.name);
    described.zone = zone.clone().unwrap_or(described.zone);
    described.checked().map_err(invalid)?;
    let asked = [("name", name.is_some()), ("language", language.is_some()), ("zone", zone.is_some())];
    let fields: Vec<_> = asked.iter().filter(|(_, is)| *is).map(|(field, _)| *field).collect();
    if fields.is_empty() {
        return Ok(Tagged::new(&View::of(&now))?.answer(&HeaderMap::new()));
    }
    identity.note_unit_change(&permit, &fields).await?;
    let command = Command::Change { unit: permit.tenant(), name, slug: None, zone, language };
    let changed = here.units.0.change(command).await.map_err(|error| match error {
        ChangeError::Rejected(Rejection::Undescribed(what)) => invalid(what),
        ChangeError::Rejected(_) | ChangeError::Later | ChangeError::None => later(),
    })?;
    Ok(Tagged::new(&View::of(&changed))?.answer(&HeaderMap::new()))
}

fn invalid(what: Undescribed) -> Problem {
    let field = match what {
        Undescribed::Name => "name",
        Undescribed::Zone => "zone",
        Undescribed::Language => "language",
        Undescribed::Slug => "slug",
    };
    Problem::new(INVALID).detail(what.to_string()).with("field", field)
}

fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(LATER)
}
