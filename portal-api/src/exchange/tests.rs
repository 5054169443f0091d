use super::*;
use axum::{body::Body, http::Request};
use platform::clock::ManualClock;
use proptest::prelude::*;
use serde_json::{Value, json};
use signaling_core::port::PortFuture;
use tower::ServiceExt as _;

/// Knows a few links.
struct Book;

fn clinic() -> ClinicView {
    serde_json::from_value(json!({"name": "Riverside Family Clinic", "phone": "555-0100"})).unwrap()
}

impl Links for Book {
    fn exchange(&self, _: TenantId, secret: Phi<String>) -> PortFuture<'_, Result<LinkGrant, LinkError>> {
        Box::pin(async move {
            match secret.expose().as_str() {
                "good" => Ok(LinkGrant {
                    join_token: "token".into(),
                    role: Role::Patient,
                    clinic: clinic(),
                    practitioner: "Dr Lee".into(),
                    name: "Marisol Vega".into(),
                    scheduled_at: Some(Timestamp::from_millis(7)),
                }),
                "over" => Err(LinkError::Over { clinic: clinic() }),
                "busy" => Err(LinkError::Busy),
                _ => Err(LinkError::Unknown),
            }
        })
    }
}

fn portal() -> (Router, Arc<ManualClock>, Registry) {
    let (clock, registry) = (Arc::new(ManualClock::default()), Registry::new());
    let config = Config { wrong_links_per_minute: 3, ..Config::default() };
    let base = tenancy::Base {
        id: TenantId(uuid::Uuid::from_u128(1)),
        name: "Riverside".into(),
        url: "https://visits.example".into(),
        origins: Vec::new(),
        hosts: Vec::new(),
    };
    let units = UnitsHere(Arc::new(tenancy::Directory::of_one(base)));
    let router = router(&config, Arc::new(Book), units, clock.clone(), Tracer::off(), &registry).unwrap();
    (router, clock, registry)
}

fn ask(body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/api/v1/links/exchange").header("content-type", "application/json");
    request.body(body.into()).unwrap()
}

async fn answer(router: &Router, request: Request<Body>) -> (u16, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers().get("cache-control").unwrap(), "no-store");
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn check(body: &str, status: u16, code: &str) {
    let (got, body) = answer(&portal().0, ask(body.to_owned())).await;
    assert_eq!((got, body["code"].as_str().unwrap()), (status, code));
}

#[tokio::test]
async fn a_good_link_gives_a_token_and_a_greeting() {
    let (status, body) = answer(&portal().0, ask(r#"{"secret":"good"}"#)).await;
    assert_eq!(status, 200);
    let expected = json!({
        "joinToken": "token",
        "role": "patient",
        "clinic": {"name": "Riverside Family Clinic", "phone": "555-0100"},
        "practitioner": "Dr Lee",
        "name": "Marisol Vega",
        "scheduledAt": 7,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    check(r#"{"secret":"wrong"}"#, 401, "link-unknown").await;
    check(r#"{"secret":""}"#, 401, "link-unknown").await;
    check(r#"{"secret":"over"}"#, 410, "link-over").await;
    check(r#"{"secret":"busy"}"#, 503, "unavailable").await;
    for malformed in
        ["", "{}", "[]", "null", r#"{"secret":7}"#, r#"{"secret":"good","more":1}"#, "{\"secret\":"]
    {
        check(malformed, 400, "bad-request").await;
    }
}

#[tokio::test]
async fn a_link_that_is_over_says_whom_to_call() {
    let (_, body) = answer(&portal().0, ask(r#"{"secret":"over"}"#)).await;
    assert_eq!(body["clinic"], json!({"name": "Riverside Family Clinic", "phone": "555-0100"}));
}

#[tokio::test]
async fn the_body_is_taken_up_to_its_limit_and_not_a_byte_further() {
    let padded = |bytes: usize| format!("{{\"secret\":\"{}\"}}", "x".repeat(bytes - 13));
    check(&padded(MAX_EXCHANGE_BYTES), 401, "link-unknown").await;
    check(&padded(MAX_EXCHANGE_BYTES + 1), 413, "too-large").await;
}

#[tokio::test]
async fn another_content_type_and_another_site_are_refused() {
    let request = Request::post("/api/v1/links/exchange").body(Body::from(r#"{"secret":"good"}"#)).unwrap();
    assert_eq!(answer(&portal().0, request).await.0, 415);
    let mut request = ask(r#"{"secret":"good"}"#);
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(answer(&portal().0, request).await.0, 403);
}

#[tokio::test]
async fn who_guesses_must_wait_and_who_does_not_need_not() {
    let (router, clock, registry) = portal();
    let from = |ip: [u8; 4], body: &'static str| {
        let mut request = ask(body);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((ip, 1))));
        request
    };
    const WRONG: &str = r#"{"secret":"wrong"}"#;
    const GOOD: &str = r#"{"secret":"good"}"#;
    for _ in 0..3 {
        assert_eq!(answer(&router, from([192, 0, 2, 1], WRONG)).await.0, 401);
        assert_eq!(answer(&router, from([192, 0, 2, 9], GOOD)).await.0, 200);
    }
    assert_eq!(answer(&router, from([192, 0, 2, 1], GOOD)).await.0, 429);
    assert_eq!(answer(&router, from([192, 0, 2, 9], GOOD)).await.0, 200);
    clock.advance(Duration::from_secs(20));
    assert_eq!(answer(&router, from([192, 0, 2, 1], GOOD)).await.0, 200);
    let metrics = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(
        metrics.contains(r#"telehealth_portal_link_exchanges_total{outcome="too-many-requests"} 1"#),
        "{metrics}"
    );
    assert!(!metrics.contains("Marisol"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_answered_with_a_4xx(bytes in prop::collection::vec(any::<u8>(), 0..1_100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, _) = runtime.block_on(answer(&portal().0, ask(bytes)));
        prop_assert!((400..500).contains(&status));
    }
}
