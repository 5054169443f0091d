use super::*;
use ::model::{TenantId, Timestamp};
use axum::{body::Body, http};
use platform::clock::ManualClock;
use policy::{SessionId, Staff, StaffRole};
use serde_json::json;
use tower::ServiceExt as _;
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const OWN: AccountId = AccountId(Uuid::from_u128(7));

/// A unit of one person. Who asks is the role in `authorization`.
struct One;

fn person() -> Value {
    json!({ "id": OWN, "name": "Ada Quist", "email": "ada@clinic.example", "roles": ["auditor"], "duties": [], "state": "active" })
}

fn ready<T: Send + 'static>(value: T) -> StoreFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

impl Reads for One {
    fn who<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _: Option<IpAddr>,
    ) -> StoreFuture<'a, Result<Subject, Problem>> {
        let role = headers.get("authorization").map(|role| match role.as_bytes() {
            b"auditor" => StaffRole::Auditor,
            _ => StaffRole::Scheduler,
        });
        let staff = |role| Staff {
            tenant: TENANT,
            account: OWN,
            session: SessionId(Uuid::from_u128(3)),
            roles: [role].into(),
            duties: [].into(),
            emergencies: [].into(),
            locked: false,
            confirmed_at: Timestamp::from_millis(0),
        };
        ready(Ok(role.map_or(Subject::Stranger, |role| Subject::Staff(staff(role)))))
    }

    fn in_unit(&self, _: &Unit) -> Arc<dyn Reads> {
        Arc::new(One)
    }

    fn refusal(&self, why: Denied) -> Problem {
        match why {
            Denied::Unknown => problem::UNAUTHORIZED.into(),
            _ => problem::FORBIDDEN.into(),
        }
    }

    fn own_account(&self, _: Permit<ManageOwnAccount>, _: Staff) -> StoreFuture<'_, Result<Value, Problem>> {
        ready(Ok(json!({
            "person": person(),
            "sessions": [],
            "ways": { "password": true, "provider": false, "passkeys": true },
            "recoveryCodesLeft": 10,
            "passkeys": [],
        })))
    }

    fn people(
        &self,
        _: Permit<ReadPeople>,
        _: Option<AccountId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Value, Problem>> {
        ready(Ok(json!({ "people": vec![person(); limit], "next": OWN })))
    }

    fn person(&self, _: Permit<ReadPeople>, id: AccountId) -> StoreFuture<'_, Result<Value, Problem>> {
        ready(if id == OWN { Ok(person()) } else { Err(problem::NOT_FOUND.into()) })
    }

    fn rights(&self, _: Permit<ReadRights>) -> StoreFuture<'_, Result<Value, Problem>> {
        ready(Ok(json!({ "rights": [{ "action": "read-people", "allowed": false }] })))
    }
}

async fn send(request: http::request::Builder, body: String) -> (u16, Value) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let request = request.body(Body::from(body)).unwrap();
    let response = router(Arc::new(One), clock).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 10_000_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn ask(role: &str, query: &str) -> (u16, Value) {
    let request = http::Request::post("/api/v1/graphql")
        .header("content-type", "application/json")
        .header("authorization", role);
    send(request, json!({ "query": query }).to_string()).await
}

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn what_one_may_read_is_shown_and_what_not_is_null_with_a_code() {
    let (status, seen) =
        ask("auditor", "{ me { person { name } } people(limit: 2) { people { email } next } }").await;
    assert_eq!(status, 200);
    assert_eq!(seen["data"]["me"]["person"]["name"], "Ada Quist");
    assert_eq!(seen["data"]["people"]["people"].as_array().unwrap().len(), 2);
    let (status, refused) = ask("scheduler", "{ me { recoveryCodesLeft } people { next } }").await;
    assert_eq!(
        (status, &refused["data"]["people"], code(&refused)),
        (200, &Value::Null, &json!("forbidden"))
    );
    assert_eq!(refused["data"]["me"]["recoveryCodesLeft"], 10);
    for id in ["01900000-0000-7000-8000-000000000009", "x"] {
        let (_, nobody) = ask("auditor", &format!("{{ person(id: \"{id}\") {{ name }} }}")).await;
        assert_eq!(code(&nobody), "not-found");
    }
}

#[tokio::test]
async fn a_stranger_is_answered_nothing_not_even_the_schema() {
    let request = || http::Request::post("/api/v1/graphql").header("content-type", "application/json");
    for query in ["{ me { recoveryCodesLeft } }", "{ __schema { types { name } } }", "{ __typename }"] {
        let (status, answer) = send(request(), json!({ "query": query }).to_string()).await;
        assert_eq!((status, &answer["data"]), (401, &Value::Null), "{query}");
        let (status, answer) = ask("scheduler", query).await;
        assert_eq!((status, answer["data"].is_object()), (200, true), "{query}: {answer}");
    }
}

#[tokio::test]
async fn there_is_no_get_no_batch_no_form_and_no_mutation() {
    let get = http::Request::get("/api/v1/graphql?query=%7B__typename%7D").header("authorization", "auditor");
    assert_eq!(send(get, String::new()).await.0, 405);
    let post = |kind| {
        http::Request::post("/api/v1/graphql").header("content-type", kind).header("authorization", "auditor")
    };
    assert_eq!(send(post("application/json"), "[{\"query\":\"{ __typename }\"}]".into()).await.0, 400);
    assert_eq!(send(post("application/graphql"), "{ __typename }".into()).await.0, 415);
    assert_eq!(send(post("application/x-www-form-urlencoded"), "query={__typename}".into()).await.0, 415);
    let (status, answer) = ask("auditor", "mutation { me { recoveryCodesLeft } }").await;
    assert_eq!((status, &answer["data"], answer["errors"].is_array()), (200, &Value::Null, true));
}

#[tokio::test]
async fn depth_cost_and_size_are_limited_on_both_sides() {
    // A field costs one; a page as many times what a person does.
    let cost = |pages: usize, limit: usize| {
        let page = |n| format!("a{n}: people(limit: {limit}) {{ people {{ id name email roles }} }} ");
        format!("{{ {} }}", (0..pages).map(page).collect::<String>())
    };
    let (_, cheap) = ask("auditor", &cost(4, 50)).await;
    assert_eq!(cheap["errors"], Value::Null, "{cheap}");
    let (_, dear) = ask("auditor", &cost(5, 50)).await;
    assert_eq!((&dear["data"], dear["errors"].is_array()), (&Value::Null, true), "{dear}");
    let (_, lied) = ask("auditor", &cost(5, 5_000_000)).await;
    assert!(lied["errors"].is_array(), "{lied}");

    let deep = |n: usize| {
        format!("{{ __schema {{ types {{ {} name {} }} }} }}", "ofType { ".repeat(n), "}".repeat(n))
    };
    let (_, shallow) = ask("auditor", &deep(MAX_GRAPHQL_DEPTH - 3)).await;
    assert_eq!(shallow["errors"], Value::Null, "{shallow}");
    let (_, deeper) = ask("auditor", &deep(MAX_GRAPHQL_DEPTH - 2)).await;
    assert_eq!((&deeper["data"], deeper["errors"].is_array()), (&Value::Null, true), "{deeper}");

    let request = || {
        http::Request::post("/api/v1/graphql")
            .header("content-type", "application/json")
            .header("authorization", "auditor")
    };
    let of = |bytes: usize| {
        let body = json!({ "query": "{ __typename }" }).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert_eq!(send(request(), of(MAX_GRAPHQL_BYTES)).await.0, 200);
    assert_eq!(send(request(), of(MAX_GRAPHQL_BYTES + 1)).await.0, 413);
}
