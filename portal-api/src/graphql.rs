//! `POST /api/v1/graphql`: flexible reads. The same policy, the same permits and the same repositories as the other routes:
//! what is shown here is what they would answer, and is recorded for the auditor as there.
//!
//! Only for who is signed in and for partners' keys, introspection included. Depth, cost, aliases and size are limited before anything is read;
//! there are no mutations, no subscriptions, no batches and no GET.

mod model;
mod query;
mod weight;

use crate::limits::{
    GRAPHQL_TIMEOUT, MAX_GRAPHQL_BYTES, MAX_GRAPHQL_COST, MAX_GRAPHQL_DEPTH, MAX_GRAPHQL_DIRECTIVES,
};
use ::model::Phi;
use async_graphql::{EmptyMutation, EmptySubscription, Request, Schema, Variables};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use platform::{
    api::{Credential, Operation},
    body::json,
    clock::Clock,
    event_log::StoreFuture,
    problem::{self, Kind, Problem},
};
use policy::{
    AccountId, Denied, Permit, Staff, Subject,
    action::{ManageOwnAccount, ReadPeople, ReadRights},
};
use query::{Asking, Query};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tenancy::Unit;
use tower_http::timeout::TimeoutLayer;

/// The query cannot be carried out as it stands.
pub(crate) const TOO_COSTLY: Kind =
    Kind::new("query-too-costly", 422, "This query asks for too much at once.");

/// What can be read. Each answers what the route of the same thing answers, as JSON.
pub trait Reads: Send + Sync + 'static {
    /// The same in a healthcare unit.
    fn in_unit(&self, unit: &Unit) -> Arc<dyn Reads>;
    /// Who asks, from where: partners' keys may count from some addresses only.
    fn who<'a>(
        &'a self,
        headers: &'a HeaderMap,
        from: Option<IpAddr>,
    ) -> StoreFuture<'a, Result<Subject, Problem>>;
    /// How a refusal of the policy is answered.
    fn refusal(&self, why: Denied) -> Problem;
    /// `GET /api/v1/me`.
    fn own_account(
        &self,
        permit: Permit<ManageOwnAccount>,
        staff: Staff,
    ) -> StoreFuture<'_, Result<Value, Problem>>;
    /// `GET /api/v1/people`.
    fn people(
        &self,
        permit: Permit<ReadPeople>,
        after: Option<AccountId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Value, Problem>>;
    /// `GET /api/v1/people/{id}`.
    fn person(&self, permit: Permit<ReadPeople>, id: AccountId) -> StoreFuture<'_, Result<Value, Problem>>;
    /// `GET /api/v1/people/{id}/rights`, of the account that the permit is for.
    fn rights(&self, permit: Permit<ReadRights>) -> StoreFuture<'_, Result<Value, Problem>>;
}

struct GraphQl {
    schema: Schema<Query, EmptyMutation, EmptySubscription>,
    reads: Arc<dyn Reads>,
    clock: Arc<dyn Clock>,
}

/// The route.
pub fn router(reads: Arc<dyn Reads>, clock: Arc<dyn Clock>) -> Router {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
        .limit_depth(MAX_GRAPHQL_DEPTH)
        .limit_recursive_depth(MAX_GRAPHQL_DEPTH * 2)
        .limit_complexity(MAX_GRAPHQL_COST)
        .limit_directives(MAX_GRAPHQL_DIRECTIVES)
        .disable_suggestions()
        .finish();
    Router::new()
        .route("/api/v1/graphql", post(answer))
        .method_not_allowed_fallback(|| async { Problem::new(problem::METHOD_NOT_ALLOWED) })
        .layer(DefaultBodyLimit::max(MAX_GRAPHQL_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, GRAPHQL_TIMEOUT))
        .with_state(Arc::new(GraphQl { schema, reads, clock }))
}

/// The schema in GraphQL's own language, for tests and documents.
#[must_use]
pub fn sdl() -> String {
    Schema::build(Query, EmptyMutation, EmptySubscription).finish().sdl()
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::post("/api/v1/graphql", "Read with GraphQL")
        .details("Reads only, with the rights of whoever asks. What is refused is null, with a problem's code in `errors`.")
        .of("graphql")
        .needs(Credential::AccessTokenOrKey)
        .takes::<Ask>(MAX_GRAPHQL_BYTES)
        .answers::<Answer>(200, "Data, and what went wrong with parts of it.")
        .fails(problem::UNAUTHORIZED)
        .fails(TOO_COSTLY)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "GraphqlQuery")]
struct Ask {
    query: Phi<String>,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default)]
    operation_name: Option<String>,
}

/// As GraphQL says it (October 2021, 7.1).
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "GraphqlAnswer")]
struct Answer {
    data: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Value>,
}

async fn answer(
    State(graphql): State<Arc<GraphQl>>,
    unit: Option<Extension<Arc<Unit>>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let reads = unit.map_or_else(|| Arc::clone(&graphql.reads), |unit| graphql.reads.in_unit(&unit));
    let who = reads.who(&headers, peer.map(|peer| peer.0.0.ip())).await?;
    let tenant = match &who {
        Subject::Staff(staff) => staff.tenant,
        Subject::Partner(partner) => partner.tenant,
        _ => return Err(reads.refusal(Denied::Unknown)),
    };
    let Ask { query, variables, operation_name } = json(&headers, body)?;
    weight::check(query.expose())?;
    let asking = Asking { who, tenant, now: graphql.clock.now(), reads };
    let mut request = Request::new(query.into_exposed()).data(asking);
    if let Some(variables) = variables {
        request = request.variables(Variables::from_json(Value::Object(variables)));
    }
    if let Some(name) = operation_name {
        request = request.operation_name(name);
    }
    let response = graphql.schema.execute(request).await;
    let data = match response.data.into_json() {
        Ok(Value::Object(data)) => Some(data),
        _ => None,
    };
    let errors = response.errors.iter().filter_map(|error| serde_json::to_value(error).ok()).collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Answer { data, errors })).into_response())
}

#[cfg(test)]
mod tests;
