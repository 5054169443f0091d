//! The hospital's own sign-in, against a provider in this process that says whatever a test wants.

use crate::browser::{Browser, PASSWORD, TENANT, Unit, problem};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64},
};
use identity::provider;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use model::Timestamp;
use parking_lot::Mutex;
use platform::clock::Clock as _;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::JoinSet;

struct Key {
    pkcs8: Vec<u8>,
    kid: String,
}

impl Key {
    fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pkcs8: pair.to_pkcs8v1().unwrap().as_ref().to_vec(), kid: kid.to_owned() }
    }

    fn jwk(&self) -> Value {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &self.pkcs8).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": B64.encode(x), "y": B64.encode(y) })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8)).unwrap()
    }
}

/// From the claims that are right to the token that is said.
type Tamper = Box<dyn Fn(&Key, Value) -> String + Send>;

/// What it answers next.
struct Saying {
    issuer: String,
    published: Vec<Value>,
    key: Arc<Key>,
    token: Tamper,
    groups: Value,
    sub: String,
    /// Answers nothing but 503.
    away: bool,
    asked_for_keys: usize,
    /// Nonce and challenge of each code.
    codes: HashMap<String, (String, String)>,
    now: Timestamp,
}

type Shared = Arc<Mutex<Saying>>;

struct Hospital {
    saying: Shared,
    issuer: String,
    _serves: JoinSet<()>,
}

const SECRET: &str = "a secret/with+signs";

impl Hospital {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}/realm", listener.local_addr().unwrap().port());
        let key = Arc::new(Key::new("one"));
        let saying: Shared = Arc::new(Mutex::new(Saying {
            issuer: issuer.clone(),
            published: vec![json!({ "kty": "unheard-of", "kid": "x" }), key.jwk()],
            key,
            token: Box::new(|key, claims| key.sign(&claims)),
            groups: json!(["doctors"]),
            sub: "4711".to_owned(),
            away: false,
            asked_for_keys: 0,
            codes: HashMap::new(),
            now: Timestamp::from_millis(0),
        }));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(describe))
            .route("/realm/keys", get(keys))
            .route("/realm/token", post(token))
            .with_state(Arc::clone(&saying));
        let mut serves = JoinSet::new();
        serves.spawn(async move { drop(axum::serve(listener, router).await) });
        Self { saying, issuer, _serves: serves }
    }

    fn says(&self, change: impl FnOnce(&mut Saying)) {
        change(&mut self.saying.lock());
    }

    fn config(&self, dir: &std::path::Path) -> provider::Config {
        let file = dir.join("client.secret");
        std::fs::write(&file, format!("{SECRET}\n")).unwrap();
        serde_json::from_value(json!({
            "name": "Riverside Hospital",
            "issuer": self.issuer,
            "client_id": "telehealth",
            "client_secret_file": file,
            "roles": [
                { "value": "doctors", "roles": ["clinician"] },
                { "value": "it", "roles": ["administrator", "sre"] },
            ],
        }))
        .unwrap()
    }
}

async fn describe(State(saying): State<Shared>) -> Result<Json<Value>, StatusCode> {
    let saying = saying.lock();
    if saying.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let base = saying.issuer.trim_end_matches("/evil").to_owned();
    Ok(Json(json!({
        "issuer": saying.issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
    })))
}

async fn keys(State(saying): State<Shared>) -> Json<Value> {
    let mut saying = saying.lock();
    saying.asked_for_keys += 1;
    Json(json!({ "keys": saying.published }))
}

async fn token(
    State(saying): State<Shared>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let form = |name: &str| query(&format!("?{body}"), name);
    let mut saying = saying.lock();
    if saying.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let basic = STANDARD.encode("telehealth:a%20secret%2Fwith%2Bsigns");
    assert_eq!(headers["authorization"], format!("Basic {basic}"));
    assert_eq!(form("redirect_uri"), "https://visits.example/api/v1/auth/provider/callback");
    // A code counts once, for whoever knows what its challenge was made of.
    let (nonce, challenge) = saying.codes.remove(&form("code")).ok_or(StatusCode::BAD_REQUEST)?;
    if B64.encode(digest(&SHA256, form("code_verifier").as_bytes())) != challenge {
        return Err(StatusCode::BAD_REQUEST);
    }
    let now = saying.now.as_millis() / 1_000;
    let claims = json!({
        "iss": saying.issuer, "sub": saying.sub, "aud": "telehealth", "exp": now + 300, "iat": now,
        "nonce": nonce, "name": "Dr Amara Lee", "email": "amara.lee@hospital.example", "groups": saying.groups,
    });
    let token = (saying.token)(&saying.key, claims);
    Ok(Json(json!({ "id_token": token, "access_token": "x", "token_type": "Bearer" })))
}

/// What a browser is sent to, with its cookies kept.
async fn navigates(browser: &mut Browser, path: &str) -> (u16, String) {
    let mut request = Request::builder().uri(path);
    if !browser.cookies.is_empty() {
        let all: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("cookie", all.join("; "));
    }
    let response = browser.navigates(request.body(axum::body::Body::empty()).unwrap()).await;
    let location = response.headers().get("location").map_or("", |to| to.to_str().unwrap());
    (response.status().as_u16(), location.to_owned())
}

fn query(address: &str, name: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or_default();
    let mut text = Vec::new();
    let mut bytes = found.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex: String = [bytes.next().unwrap(), bytes.next().unwrap()].map(char::from).iter().collect();
            text.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            text.push(byte);
        }
    }
    String::from_utf8(text).unwrap()
}

struct World {
    unit: Unit,
    hospital: Hospital,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let (hospital, dir) = (Hospital::start().await, tempfile::tempdir().unwrap());
        let config = hospital.config(dir.path());
        let unit = Unit::with(|identity| identity.provider = Some(config));
        Self { unit, hospital, _dir: dir }
    }

    /// From the button to the provider; the person has signed in there. The way back.
    async fn goes(&self, browser: &mut Browser) -> String {
        let (status, address) =
            navigates(browser, "/api/v1/auth/provider?surroundings=shared&to=%2Fadmin").await;
        assert_eq!(status, 303, "{address}");
        assert!(
            address.starts_with(&format!("{}/authorize?response_type=code&", self.hospital.issuer)),
            "{address}"
        );
        assert_eq!(query(&address, "code_challenge_method"), "S256");
        assert_eq!(query(&address, "scope"), "openid profile email");
        let code = format!("code-{}", self.hospital.saying.lock().codes.len());
        let known = (query(&address, "nonce"), query(&address, "code_challenge"));
        self.hospital.says(|saying| {
            saying.codes.insert(code.clone(), known);
            saying.now = self.unit.clock.now();
        });
        format!("/api/v1/auth/provider/callback?code={code}&state={}", query(&address, "state"))
    }

    async fn signs_in(&self, browser: &mut Browser) -> String {
        let back = self.goes(browser).await;
        let (status, to) = navigates(browser, &back).await;
        assert_eq!(status, 303);
        assert!(!browser.cookies.contains_key("__Host-provider"), "it has done its work");
        to
    }
}

const DONE: &str = "/sign-in?provider=done&to=%2Fadmin";

#[tokio::test]
async fn the_hospital_s_own_sign_in_lets_in_whom_it_has_given_a_role_that_means_something_here() {
    let world = World::new().await;
    let mut browser = world.unit.browser();
    let (_, ways) = browser.gets("/api/v1/auth/ways").await;
    assert_eq!(ways, json!({ "passkeys": true, "provider": "Riverside Hospital" }));
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    let (status, answer) = browser.renews().await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["person"]["name"], "Dr Amara Lee");
    assert_eq!(answer["person"]["email"], "amara.lee@hospital.example");
    assert_eq!(answer["person"]["roles"], json!(["clinician"]));
    assert_eq!(answer["session"]["surroundings"], "shared");
    assert_eq!(answer["ways"], json!({ "password": false, "passkey": false, "provider": true }));
    let id = answer["person"]["id"].clone();
    // The same person each time, and what they are is read anew.
    world.hospital.says(|saying| saying.groups = json!(["visitors", "it"]));
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    let (_, again) = browser.renews().await;
    assert_eq!((&again["person"]["id"], &again["person"]["roles"]), (&id, &json!(["administrator", "sre"])));
    // Somebody else there is somebody else here, whatever their address.
    world.hospital.says(|saying| saying.sub = "4712".to_owned());
    let mut other = world.unit.browser();
    assert_eq!(world.signs_in(&mut other).await, DONE);
    assert_ne!(other.renews().await.1["person"]["id"], id);
}

#[tokio::test]
async fn who_has_no_role_here_gets_in_nowhere_and_neither_does_who_is_let_in_no_more() {
    let world = World::new().await;
    let mut root = world.unit.administrator().await;
    let mut browser = world.unit.browser();
    for none in [
        json!(["visitors"]),
        json!([]),
        json!(null),
        json!({ "doctors": true }),
        json!([["doctors"]]),
        json!("doctor"),
    ] {
        world.hospital.says(|saying| saying.groups = none.clone());
        assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=no-role-here", "{none}");
        assert_eq!(problem(&browser.renews().await), (401, "signed-out"));
    }
    world.hospital.says(|saying| saying.groups = json!("doctors"));
    assert_eq!(world.signs_in(&mut browser).await, DONE, "one text is a list of one");
    let id = browser.renews().await.1["person"]["id"].as_str().unwrap().to_owned();
    // Nobody had an account of those who had no role.
    assert_eq!(root.gets("/api/v1/people").await.1["people"].as_array().unwrap().len(), 2);
    let out = root.asks("PATCH", &format!("/api/v1/people/{id}"), Some(json!({ "disabled": true }))).await;
    assert_eq!(out.0, 200);
    assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=not-let-in");
}

#[tokio::test]
async fn a_token_that_is_not_the_provider_s_for_us_now_and_this_browser_is_refused() {
    let world = World::new().await;
    let mut browser = world.unit.browser();
    let other = Key::new("one");
    let unsigned = |claims: &Value, header: Value| {
        format!("{}.{}.", B64.encode(header.to_string()), B64.encode(claims.to_string()))
    };
    let public = B64.decode(world.hospital.saying.lock().key.jwk()["x"].as_str().unwrap()).unwrap();
    let with = |name: &'static str, value: Value| -> Tamper {
        Box::new(move |key, mut claims| {
            claims[name] = value.clone();
            key.sign(&claims)
        })
    };
    let shifted = |name: &'static str, by: i64| -> Tamper {
        Box::new(move |key, mut claims| {
            claims[name] = json!(claims[name].as_i64().unwrap() + by);
            key.sign(&claims)
        })
    };
    let cases: Vec<(&str, Tamper)> = vec![
        ("another nonce", with("nonce", json!("x"))),
        ("no nonce", with("nonce", json!(null))),
        ("another audience", with("aud", json!("somebody-else"))),
        ("made for another of several", with("aud", json!(["telehealth", "somebody-else"]))),
        ("another party", with("azp", json!("somebody-else"))),
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("no subject", with("sub", json!(""))),
        ("expired", shifted("exp", -300 - 61)),
        ("of the future", shifted("iat", 62)),
        ("another key of the same name", Box::new(move |_, claims| other.sign(&claims))),
        ("alg none", Box::new(move |_, claims| unsigned(&claims, json!({ "alg": "none" })))),
        (
            "alg none with a key's name",
            Box::new(move |_, claims| unsigned(&claims, json!({ "alg": "none", "kid": "one" }))),
        ),
        (
            "signed with what is public",
            Box::new(move |_, claims| {
                let header = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
                encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap()
            }),
        ),
        (
            "altered",
            Box::new(|key, claims| {
                let token = key.sign(&claims);
                let parts: Vec<_> = token.split('.').collect();
                let mut bent = claims;
                bent["groups"] = json!(["it"]);
                format!("{}.{}.{}", parts[0], B64.encode(bent.to_string()), parts[2])
            }),
        ),
        ("nothing", Box::new(|_, _| String::new())),
        (
            "too long",
            Box::new(|key, mut claims| {
                claims["pad"] = json!("x".repeat(64 * 1_024));
                key.sign(&claims)
            }),
        ),
    ];
    for (what, token) in cases {
        world.hospital.says(|saying| saying.token = token);
        assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=provider-refused", "{what}");
        assert_eq!(problem(&browser.renews().await), (401, "signed-out"), "{what}");
    }
    // Clocks may differ by a minute.
    for (name, by) in [("exp", -300 - 59), ("iat", 59)] {
        world.hospital.says(|saying| saying.token = shifted(name, by));
        assert_eq!(world.signs_in(&mut browser).await, DONE, "{name}");
    }
}

#[tokio::test]
async fn the_way_back_counts_for_the_browser_that_began_and_once() {
    let world = World::new().await;
    let (mut ana, mut evil) = (world.unit.browser(), world.unit.browser());
    // Somebody else's way back, in a browser that never began, and in one that began another.
    let theirs = world.goes(&mut evil).await;
    assert_eq!(navigates(&mut ana, &theirs).await.1, "/sign-in?problem=begin-again");
    world.goes(&mut ana).await;
    assert_eq!(navigates(&mut ana, &theirs).await.1, "/sign-in?problem=begin-again");
    let back = world.goes(&mut ana).await;
    let cookie = ana.cookies.clone();
    assert_eq!(navigates(&mut ana, &back).await.1, DONE);
    assert_eq!(navigates(&mut ana, &back).await.1, "/sign-in?problem=begin-again");
    // With its cookie, the provider takes the code no second time.
    ana.cookies = cookie;
    assert_eq!(navigates(&mut ana, &back).await.1, "/sign-in?problem=provider-refused");
    let late = world.goes(&mut ana).await;
    world.unit.clock.advance(Duration::from_secs(10 * 60));
    assert_eq!(navigates(&mut ana, &late).await.1, "/sign-in?problem=begin-again");
    for odd in ["", "?state=x", "?code=x", "?error=access_denied&state=x"] {
        let to = navigates(&mut ana, &format!("/api/v1/auth/provider/callback{odd}")).await.1;
        assert_eq!(to, "/sign-in?problem=begin-again", "{odd}");
    }
    // Another issuer's answer, and the person's own no.
    let mixed = format!("{}&iss=https%3A%2F%2Fevil.example", world.goes(&mut ana).await);
    assert_eq!(navigates(&mut ana, &mixed).await.1, "/sign-in?problem=provider-refused");
    let denied = world.goes(&mut ana).await.replace("code=", "error=access_denied&x=");
    assert_eq!(navigates(&mut ana, &denied).await.1, "/sign-in?problem=provider-refused");
}

#[tokio::test]
async fn keys_are_changed_at_the_provider_and_not_asked_for_without_end() {
    let world = World::new().await;
    let mut browser = world.unit.browser();
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    assert_eq!(world.hospital.saying.lock().asked_for_keys, 1);
    world.unit.clock.advance(Duration::from_secs(10));
    let next = Arc::new(Key::new("two"));
    world.hospital.says(|saying| {
        saying.published.push(next.jwk());
        saying.key = Arc::clone(&next);
    });
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    assert_eq!(world.hospital.saying.lock().asked_for_keys, 2);
    // A key that is published nowhere is looked for no more than every ten seconds.
    world.hospital.says(|saying| saying.key = Arc::new(Key::new("three")));
    for _ in 0..3 {
        assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=provider-refused");
    }
    assert_eq!(world.hospital.saying.lock().asked_for_keys, 2);
    world.unit.clock.advance(Duration::from_secs(10));
    assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=provider-refused");
    assert_eq!(world.hospital.saying.lock().asked_for_keys, 3);
    // What was taken away counts no more, an hour later at the latest.
    world.hospital.says(|saying| saying.published = vec![next.jwk()]);
    world.unit.clock.advance(Duration::from_secs(60 * 60));
    world.hospital.says(|saying| saying.key = Arc::new(Key::new("one")));
    assert_eq!(world.signs_in(&mut browser).await, "/sign-in?problem=provider-refused");
}

#[tokio::test]
async fn without_the_provider_everybody_else_signs_in_as_ever() {
    let world = World::new().await;
    let mut root = world.unit.administrator().await;
    let mut browser = world.unit.browser();
    let back = world.goes(&mut browser).await;
    world.hospital.says(|saying| saying.away = true);
    assert_eq!(navigates(&mut browser, &back).await.1, "/sign-in?problem=provider-away");
    world.unit.clock.advance(Duration::from_secs(60 * 60));
    let away = navigates(&mut browser, "/api/v1/auth/provider").await;
    assert_eq!(away, (303, "/sign-in?problem=provider-away".to_owned()));
    assert_eq!(root.signs_in().await.0, 200);
    assert_eq!(root.says_password(PASSWORD).await.0, 200);
    // Back again, and somebody else in its place.
    world.hospital.says(|saying| saying.away = false);
    world.unit.clock.advance(Duration::from_secs(5));
    assert_eq!(world.signs_in(&mut browser).await, DONE);
    world.unit.clock.advance(Duration::from_secs(2 * 60 * 60));
    world.hospital.says(|saying| saying.issuer.push_str("/evil"));
    let (_, to) = navigates(&mut browser, "/api/v1/auth/provider").await;
    assert_eq!(to, "/sign-in?problem=provider-away");
}

#[tokio::test]
async fn a_unit_without_one_has_none_and_one_that_cannot_be_used_is_said_at_the_start() {
    let unit = Unit::new();
    let mut browser = unit.browser();
    assert_eq!(browser.gets("/api/v1/auth/ways").await.1["provider"], Value::Null);
    for path in ["/api/v1/auth/provider", "/api/v1/auth/provider/callback"] {
        assert_eq!(problem(&browser.gets(path).await), (404, "not-found"));
    }
    let good = json!({ "name": "H", "issuer": "https://login.example", "client_id": "t" });
    let with = |name: &str, value: Value| {
        let mut config = good.clone();
        config[name] = value;
        let provider = serde_json::from_value(config).unwrap();
        let config = identity::Config { provider: Some(provider), ..identity::Config::default() };
        identity::Identity::new(&config, Unit::deps(TENANT)).map(drop).map_err(|unfit| unfit.to_string())
    };
    assert_eq!(with("name", json!("Hospital")), Ok(()));
    for (name, value, word) in [
        ("issuer", json!("http://login.example"), "https"),
        ("client_secret_file", json!("/nonexistent"), "secret"),
        ("client_secret_env", json!("NO_SUCH_VARIABLE_HERE"), "secret"),
        ("ca_file", json!("/nonexistent"), "ca_file"),
        ("scopes", json!(["profile"]), "openid"),
        ("client_id", json!(""), "client_id"),
    ] {
        let error = with(name, value).unwrap_err();
        assert!(error.starts_with("identity.provider: ") && error.contains(word), "{error}");
    }
}
