//! `/api/v1/webhooks`: where a unit's events are sent.

use crate::{
    Config,
    book::Book,
    limits::{MAX_BODY_BYTES, REQUEST_TIMEOUT},
    problems::{TOO_MANY_WEBHOOKS, invalid, later, of},
    records::Records,
    signature,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        ConnectInfo, DefaultBodyLimit, FromRequestParts, Path,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post},
};
use identity::{CONFIRM_FIRST, INVALID, Identity, NOT_ALLOWED, SESSION_LOCKED, SIGNED_OUT, denied};
use model::{Phi, TenantId, Timestamp, VisitId};
use platform::{
    api::{Credential, Operation},
    body::json,
    clock::Clock,
    event_log::{NewAudit, Store},
    ids,
    outbound::{Reach, Url, may_reach},
    problem::{self, Problem},
};
use policy::{
    AccountId, Action, Permit, Place, Subject,
    action::{ManageWebhooks, SeeWebhooks},
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tenancy::Unit;
use tower_http::timeout::TimeoutLayer;
use webhooks_core::{Because, EventId, Kind, Webhook, WebhookId, webhook::Command};

/// The routes, and what they need.
#[derive(Clone)]
pub struct Routes {
    identity: Arc<Identity>,
    records: Records,
    book: Book,
    ports: Arc<[u16]>,
    reach: Reach,
    home: TenantId,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Routes {
    /// In all units; `home` is that of requests whose unit nobody has found. None if the ports of the configuration are none.
    #[must_use]
    pub fn new(
        config: &Config,
        identity: Arc<Identity>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        home: TenantId,
    ) -> Option<Self> {
        let (ports, reach) = (config.ports()?.into(), config.reach());
        let book = Book(Arc::clone(&store));
        Some(Self { identity, records: Records { store, clock }, book, ports, reach, home })
    }

    /// As a router.
    pub fn router(self) -> Router {
        Router::new()
            .route("/api/v1/webhooks", get(list).post(add))
            .route("/api/v1/webhooks/{id}", delete(remove))
            .route("/api/v1/webhooks/{id}/secret", post(rotate))
            .route("/api/v1/webhooks/{id}/on", post(switch_on))
            .route("/api/v1/webhooks/{id}/replay", post(replay))
            .route("/api/v1/webhooks/{id}/deliveries", get(deliveries))
            .method_not_allowed_fallback(|| async { Problem::new(problem::METHOD_NOT_ALLOWED) })
            .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
            .with_state(self)
    }

    /// An address that may be sent to. What a name leads to is judged whenever something is sent.
    fn judge(&self, url: &str) -> Result<Phi<String>, Problem> {
        let wrong = |why: String| invalid("url", why);
        let read = Url::parse(url.trim()).filter(Url::is_secure);
        let Some(read) = read else {
            return Err(wrong("Write an address that begins with https://.".to_owned()));
        };
        if !self.ports.contains(&read.port()) {
            return Err(wrong(format!("Port {} is not sent to.", read.port())));
        }
        let address = read.host().parse::<IpAddr>();
        if address.is_ok_and(|address| !may_reach(address, self.reach)) {
            return Err(wrong("This address is in a private network, which is not sent to.".to_owned()));
        }
        Ok(url.trim().to_owned().into())
    }
}

/// The routes, in the healthcare unit that a request is for.
struct Here {
    all: Routes,
    identity: Identity,
    tenant: TenantId,
}

impl FromRequestParts<Routes> for Here {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, all: &Routes) -> Result<Self, Infallible> {
        let unit = parts.extensions.get::<Arc<Unit>>();
        let identity = unit.map_or_else(|| Identity::clone(&all.identity), |unit| all.identity.in_unit(unit));
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let tenant = unit.map_or(all.home, |unit| unit.id);
        Ok(Self { all: all.clone(), identity: identity.asked_from(from), tenant })
    }
}

impl Here {
    async fn permit<A: Action>(&self, headers: &HeaderMap) -> Result<(Permit<A>, AccountId), Problem> {
        let who = self.identity.who(headers).await.map_err(|_| later())?;
        let now = self.all.records.clock.now();
        let permit = policy::permit(&who, Place::unit(self.tenant), now).map_err(denied)?;
        match who {
            Subject::Staff(staff) => Ok((permit, staff.account)),
            // Nobody else has an access token.
            _ => Err(denied(policy::Denied::Unknown)),
        }
    }

    async fn view(&self, tenant: TenantId, id: WebhookId, webhook: &Webhook) -> Result<View, Problem> {
        let now = self.all.records.clock.now();
        let course = self.all.book.course(tenant, id).await.map_err(|_| later())?;
        let failing = course.as_ref().and_then(|course| course.failing);
        let state = match (webhook.off, failing) {
            (Some(_), _) => State::Off,
            // What was ordered since then has begun it anew.
            (None, Some(_)) if course.as_ref().is_some_and(|course| course.ordered == webhook.ordered()) => {
                State::Failing
            }
            (None, _) => State::On,
        };
        let ends = self.all.book.ends(tenant).await.map_err(|_| later())?;
        let name = self.identity.name_of(tenant, webhook.by).await.map_err(|_| later())?;
        Ok(View {
            id,
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            note: webhook.note.clone(),
            state,
            added_at: webhook.added_at,
            added_by: webhook.by,
            added_by_name: name.map(Phi::into_exposed),
            old_secret_until: webhook
                .old_secret
                .as_ref()
                .map(|(_, until)| *until)
                .filter(|until| now < *until),
            failing_since: failing.filter(|_| state == State::Failing).map(|failing| failing.since),
            off_since: webhook.off.map(|off| off.at),
            off_because: webhook.off.map(|off| off.because),
            behind: course.map_or(0, |course| (ends.next - 1).saturating_sub(course.cursor)),
        })
    }

    /// Carries out what somebody ordered of a webhook.
    async fn change(
        &self,
        permit: &Permit<ManageWebhooks>,
        by: AccountId,
        (action, id, about): (&'static str, WebhookId, serde_json::Value),
        command: Command,
    ) -> Result<Webhook, Problem> {
        let audit =
            NewAudit { action, actor: Some(by.0), subject: Some(id.0), body: about.to_string(), phi: None };
        let (all, _) = self.all.records.change(permit.tenant(), audit, command).await.map_err(of)?;
        all.get(id).cloned().ok_or_else(|| problem::NOT_FOUND.into())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "WebhookState")]
enum State {
    On,
    Failing,
    Off,
}

/// A webhook, without its secret.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Webhook")]
struct View {
    id: WebhookId,
    #[serde(serialize_with = "model::phi::expose")]
    url: Phi<String>,
    events: BTreeSet<Kind>,
    #[serde(serialize_with = "model::phi::expose")]
    note: Phi<String>,
    state: State,
    added_at: Timestamp,
    added_by: AccountId,
    added_by_name: Option<String>,
    /// Until when the secret of before signs too.
    old_secret_until: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    off_since: Option<Timestamp>,
    off_because: Option<Because>,
    /// Events of the unit that it has not had, of whatever kind.
    behind: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Webhooks")]
struct List {
    /// The newest first.
    webhooks: Vec<View>,
}

fn private(answer: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

async fn list(here: Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, _) = here.permit::<SeeWebhooks>(&headers).await?;
    let tenant = permit.tenant();
    let (all, _) = here.all.records.load(tenant).await.map_err(|_| later())?;
    let mut webhooks = Vec::new();
    for (id, webhook) in all.all().rev() {
        webhooks.push(here.view(tenant, id, webhook).await?);
    }
    Ok(private(List { webhooks }))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewWebhook")]
struct Add {
    /// `https://host[:port]/path`.
    url: Phi<String>,
    events: BTreeSet<Kind>,
    #[serde(default)]
    note: Phi<String>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookWithSecret")]
struct WithSecret {
    /// Shown this once.
    #[serde(serialize_with = "model::phi::expose")]
    secret: Phi<String>,
    webhook: View,
}

/// One more, whose secret is shown this once.
async fn add(
    here: Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (permit, by) = here.permit::<ManageWebhooks>(&headers).await?;
    let Add { url, events, note } = json(&headers, body)?;
    let url = here.all.judge(url.expose())?;
    let (id, secret) = (WebhookId(ids::fresh()), signature::secret());
    let about = value!({ "events": events });
    let command = Command::Add { id, by, url, events, note, secret: secret.clone() };
    let webhook = here.change(&permit, by, ("webhook.add", id, about), command).await?;
    let webhook = here.view(permit.tenant(), id, &webhook).await?;
    Ok((StatusCode::CREATED, private(WithSecret { secret, webhook })).into_response())
}

type Which = Result<Path<WebhookId>, PathRejection>;

fn which(id: Which) -> Result<WebhookId, Problem> {
    id.map(|Path(id)| id).map_err(|_| problem::NOT_FOUND.into())
}

/// Nothing is sent there any more, from within a second on.
async fn remove(here: Here, headers: HeaderMap, id: Which) -> Result<StatusCode, Problem> {
    let (permit, by) = here.permit::<ManageWebhooks>(&headers).await?;
    let id = which(id)?;
    let audit = NewAudit {
        action: "webhook.remove",
        actor: Some(by.0),
        subject: Some(id.0),
        body: "{}".to_owned(),
        phi: None,
    };
    here.all.records.change(permit.tenant(), audit, Command::Remove { id, by }).await.map_err(of)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another secret, which is shown this once.
async fn rotate(here: Here, headers: HeaderMap, id: Which) -> Result<Response, Problem> {
    let (permit, by) = here.permit::<ManageWebhooks>(&headers).await?;
    let (id, secret) = (which(id)?, signature::secret());
    let command = Command::Rotate { id, by, secret: secret.clone() };
    let webhook = here.change(&permit, by, ("webhook.rotate", id, value!({})), command).await?;
    let webhook = here.view(permit.tenant(), id, &webhook).await?;
    Ok(private(WithSecret { secret, webhook }))
}

/// It goes on where it stopped.
async fn switch_on(here: Here, headers: HeaderMap, id: Which) -> Result<StatusCode, Problem> {
    let (permit, by) = here.permit::<ManageWebhooks>(&headers).await?;
    let id = which(id)?;
    here.change(&permit, by, ("webhook.on", id, value!({})), Command::SwitchOn { id, by }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "WebhookReplay")]
struct Replay {
    /// From this event on.
    #[serde(default)]
    from_event: Option<String>,
    /// From the first event on that was noted then or later.
    #[serde(default)]
    from_time: Option<Timestamp>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WebhookReplayed")]
struct Replayed {
    /// Events of the unit that it goes back, of whatever kind.
    events: u64,
}

/// What was sent is sent again, with the ids it had.
async fn replay(
    here: Here,
    headers: HeaderMap,
    id: Which,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (permit, by) = here.permit::<ManageWebhooks>(&headers).await?;
    let (id, tenant) = (which(id)?, permit.tenant());
    let Replay { from_event, from_time } = json(&headers, body)?;
    let (all, _) = here.all.records.load(tenant).await.map_err(|_| later())?;
    all.get(id).ok_or(problem::NOT_FOUND)?;
    let from = match (from_event, from_time) {
        (Some(event), None) => {
            let unknown = || invalid("fromEvent", "There is no such event, or it is not kept any more.");
            let event: EventId = event.parse().map_err(|_| unknown())?;
            let notice = here.all.book.notice(tenant, event.place()).await.map_err(|_| later())?;
            notice.filter(|notice| notice.id(tenant, event.place()) == event).ok_or_else(unknown)?;
            event.place()
        }
        (None, Some(time)) => here.all.book.since(tenant, time).await.map_err(|_| later())?,
        _ => return Err(invalid("fromEvent", "Say from which event, or from which time.")),
    };
    let events = here.all.book.ends(tenant).await.map_err(|_| later())?.next.saturating_sub(from);
    if events > 0 {
        let about = value!({ "events": events });
        here.change(&permit, by, ("webhook.replay", id, about), Command::Replay { id, by, from }).await?;
    }
    Ok(private(Replayed { events }))
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookDelivery")]
struct DeliveryView {
    /// Its `webhook-id`.
    event: String,
    #[serde(rename = "type")]
    kind: Kind,
    visit: VisitId,
    at: Timestamp,
    took_ms: u64,
    accepted: bool,
    /// What came of it, in words.
    said: String,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WebhookDeliveries")]
struct Deliveries {
    /// The newest first, at most 100.
    deliveries: Vec<DeliveryView>,
}

async fn deliveries(here: Here, headers: HeaderMap, id: Which) -> Result<Response, Problem> {
    let (permit, _) = here.permit::<SeeWebhooks>(&headers).await?;
    let (id, tenant) = (which(id)?, permit.tenant());
    let (all, _) = here.all.records.load(tenant).await.map_err(|_| later())?;
    all.get(id).ok_or(problem::NOT_FOUND)?;
    let sent = here.all.book.deliveries(tenant, id).await.map_err(|_| later())?;
    let view = |sent: crate::book::Delivery| DeliveryView {
        accepted: sent.answer.is_accepted(),
        said: sent.answer.words(),
        event: sent.event,
        kind: sent.kind,
        visit: sent.visit,
        at: sent.at,
        took_ms: sent.took_ms,
    };
    Ok(private(Deliveries { deliveries: sent.into_iter().map(view).collect() }))
}

/// What the routes say of themselves.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let of = |operation: Operation| {
        operation
            .of("webhooks")
            .needs(Credential::AccessToken)
            .fails(SIGNED_OUT)
            .fails(NOT_ALLOWED)
            .fails(SESSION_LOCKED)
    };
    let fresh = |operation: Operation| of(operation).fails(CONFIRM_FIRST);
    let one = |operation: Operation| operation.path_part::<WebhookId>("id", "Which.");
    vec![
        of(Operation::get("/api/v1/webhooks", "List webhooks"))
            .details("With the state of each, without secrets. For administrators and auditors.")
            .answers::<List>(200, "The newest first."),
        fresh(Operation::post("/api/v1/webhooks", "Add a webhook"))
            .details(
                "For administrators, with a fresh factor. What comes after it is sent there, signed by the Standard Webhooks \
                 specification.",
            )
            .takes::<Add>(MAX_BODY_BYTES)
            .answers::<WithSecret>(201, "The secret, shown this once.")
            .fails(INVALID)
            .fails(TOO_MANY_WEBHOOKS),
        one(fresh(Operation::delete("/api/v1/webhooks/{id}", "Remove a webhook")))
            .details("For administrators, with a fresh factor.")
            .answers_nothing(204, "Nothing is sent there any more."),
        one(fresh(Operation::post("/api/v1/webhooks/{id}/secret", "Change a webhook's secret")))
            .details("For administrators, with a fresh factor. The secret of before signs too, for a day.")
            .answers::<WithSecret>(200, "The secret, shown this once."),
        one(fresh(Operation::post("/api/v1/webhooks/{id}/on", "Switch a webhook on")))
            .details("For administrators, with a fresh factor. It goes on where it stopped.")
            .answers_nothing(204, "It is on."),
        one(fresh(Operation::post("/api/v1/webhooks/{id}/replay", "Send events again")))
            .details("For administrators, with a fresh factor. With the ids they had, in the order they had.")
            .takes::<Replay>(MAX_BODY_BYTES)
            .answers::<Replayed>(200, "How far it goes back.")
            .fails(INVALID),
        one(of(Operation::get("/api/v1/webhooks/{id}/deliveries", "See what became of events")))
            .details("For administrators and auditors.")
            .answers::<Deliveries>(200, "The newest first."),
    ]
}
