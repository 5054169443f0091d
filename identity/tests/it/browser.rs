//! A browser: it keeps cookies, and the access token as the page would.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{Request, Response},
};
use identity::{Config, Deps, FirstAdministrator, Identity, codes::totp_code};
use model::{Phi, TenantId, Timestamp};
use platform::{clock::ManualClock, event_log::Store, keys::Keys};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use testkit::event_log::{Faulty, MemoryStore};
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(1));
pub(crate) const PASSWORD: &str = "correct horse battery";
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// A time step of an authenticator app.
pub(crate) const STEP: Duration = Duration::from_secs(30);

/// A healthcare unit with its server.
pub(crate) struct Unit {
    pub(crate) identity: Arc<Identity>,
    pub(crate) store: Arc<Faulty<MemoryStore>>,
    pub(crate) clock: Arc<ManualClock>,
    keys: Arc<Keys>,
    router: Router,
}

/// Somebody's browser, and what they know.
#[derive(Clone)]
pub(crate) struct Browser {
    router: Router,
    clock: Arc<ManualClock>,
    pub(crate) address: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) token: Option<String>,
    pub(crate) totp: Phi<String>,
    pub(crate) recovery: Vec<String>,
    pub(crate) email: String,
}

/// An answer's status and body.
pub(crate) type Answer = (u16, Value);

pub(crate) fn process(store: Arc<dyn Store>, clock: &Arc<ManualClock>, keys: &Arc<Keys>) -> Arc<Identity> {
    process_with(store, clock, keys, |_| ())
}

fn process_with(
    store: Arc<dyn Store>,
    clock: &Arc<ManualClock>,
    keys: &Arc<Keys>,
    change: impl FnOnce(&mut Config),
) -> Arc<Identity> {
    let mut config = Config {
        first_administrator: Some("Root@clinic.example".into()),
        password_memory_kib: 64,
        unit_name: "Riverside".into(),
        ..Config::default()
    };
    change(&mut config);
    let deps = Deps {
        store,
        keys: Arc::clone(keys),
        clock: clock.clone(),
        tenant: TENANT,
        public_url: "https://visits.example".into(),
    };
    Arc::new(Identity::new(&config, deps).unwrap())
}

/// A browser that asks one process.
pub(crate) fn browser(identity: &Arc<Identity>, clock: &Arc<ManualClock>) -> Browser {
    Browser {
        router: identity::router(Arc::clone(identity)),
        clock: Arc::clone(clock),
        address: "192.0.2.1:5000".parse().unwrap(),
        cookies: BTreeMap::new(),
        token: None,
        totp: Phi::default(),
        recovery: Vec::new(),
        email: String::new(),
    }
}

impl Unit {
    pub(crate) const START: Timestamp = START;

    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// What a service needs, where nothing is looked at again.
    pub(crate) fn deps(tenant: TenantId) -> Deps {
        Deps {
            store: Arc::new(MemoryStore::default()),
            keys: Arc::new(Keys::ephemeral()),
            clock: Arc::new(ManualClock::new(START)),
            tenant,
            public_url: "https://visits.example".into(),
        }
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (store, clock) =
            (Arc::new(Faulty::new(Arc::new(MemoryStore::default()))), Arc::new(ManualClock::new(START)));
        let keys = Arc::new(Keys::ephemeral());
        let identity = process_with(store.clone(), &clock, &keys, change);
        let router = identity::router(Arc::clone(&identity));
        Self { identity, store, clock, keys, router }
    }

    /// Another process on the same store.
    pub(crate) fn another(&self) -> Arc<Identity> {
        process(self.store.clone(), &self.clock, &self.keys)
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            clock: Arc::clone(&self.clock),
            address: "192.0.2.1:5000".parse().unwrap(),
            cookies: BTreeMap::new(),
            token: None,
            totp: Phi::default(),
            recovery: Vec::new(),
            email: String::new(),
        }
    }

    pub(crate) async fn first_link(&self) -> Option<String> {
        match self.identity.first_administrator().await.unwrap() {
            FirstAdministrator::Invited(link) => Some(link.into_exposed()),
            FirstAdministrator::Nobody => None,
        }
    }

    /// The first administrator, joined and signed in.
    pub(crate) async fn administrator(&self) -> Browser {
        let link = self.first_link().await.unwrap();
        let mut browser = self.browser();
        assert_eq!(browser.joins(&link).await.0, 200);
        browser
    }

    /// Somebody else, invited by an administrator, joined and signed in; and their id.
    pub(crate) async fn person(&self, by: &mut Browser, email: &str, roles: &[&str]) -> (Browser, String) {
        let (status, invited) = by.invites(email, roles).await;
        assert_eq!(status, 201, "{invited}");
        let mut browser = self.browser();
        assert_eq!(browser.joins(invited["invitation"].as_str().unwrap()).await.0, 200);
        (browser, invited["id"].as_str().unwrap().to_owned())
    }
}

impl Browser {
    pub(crate) async fn asks(&mut self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !self.cookies.is_empty() {
            let all: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", all.join("; "));
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let mut request =
            request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.address));
        self.sends(request).await
    }

    pub(crate) async fn sends(&mut self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        self.keep_cookies(&response);
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 100_000).await.unwrap();
        let body: Value =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        if let Some(token) = body["accessToken"].as_str() {
            self.token = Some(token.to_owned());
        }
        (status, body)
    }

    /// As the address bar does: no body, no token.
    pub(crate) async fn navigates(&mut self, mut request: Request<Body>) -> Response<Body> {
        request.extensions_mut().insert(ConnectInfo(self.address));
        let response = self.router.clone().oneshot(request).await.unwrap();
        self.keep_cookies(&response);
        response
    }

    /// As it comes, headers and all; nothing is kept.
    pub(crate) async fn answers(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn keep_cookies(&mut self, response: &Response<Body>) {
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            // A browser comes back from the hospital's own sign-in from another site.
            let from =
                if cookie.starts_with("__Host-provider=") { "SameSite=Lax" } else { "SameSite=Strict" };
            for demanded in ["Secure", "HttpOnly", from, "Path=/"] {
                assert!(cookie.contains(demanded), "{cookie}");
            }
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"));
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    pub(crate) async fn posts(&mut self, path: &str, body: Value) -> Answer {
        self.asks("POST", path, Some(body)).await
    }

    pub(crate) async fn gets(&mut self, path: &str) -> Answer {
        self.asks("GET", path, None).await
    }

    /// Opens an invitation's link and sets password and app.
    pub(crate) async fn joins(&mut self, link: &str) -> Answer {
        let secret = link.split_once("#i=").unwrap().1;
        let (status, expected) = self.posts("/api/v1/auth/invitation", json!({ "secret": secret })).await;
        if status != 200 {
            return (status, expected);
        }
        self.totp = expected["authenticator"]["secret"].as_str().unwrap().into();
        self.email = expected["person"]["email"].as_str().unwrap().to_owned();
        let body = json!({ "ticket": expected["ticket"], "password": PASSWORD, "code": self.code() });
        let answer = self.posts("/api/v1/auth/join", body).await;
        if let Some(codes) = answer.1["recoveryCodes"].as_array() {
            self.recovery = codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        }
        answer
    }

    /// What the app shows now.
    pub(crate) fn code(&self) -> String {
        totp_code(&self.totp, platform::clock::Clock::now(&*self.clock)).unwrap()
    }

    /// What the app shows when it shows something new.
    pub(crate) fn next_code(&self) -> String {
        self.clock.advance(STEP);
        self.code()
    }

    pub(crate) async fn says_password(&mut self, password: &str) -> Answer {
        let body = json!({ "email": self.email, "password": password });
        self.posts("/api/v1/auth/sign-in", body).await
    }

    /// Both factors, with a code that was not used yet.
    pub(crate) async fn signs_in(&mut self) -> Answer {
        let (status, answer) = self.says_password(PASSWORD).await;
        if status != 200 {
            return (status, answer);
        }
        let body = json!({ "ticket": answer["ticket"], "code": self.next_code() });
        self.posts("/api/v1/auth/second", body).await
    }

    pub(crate) async fn renews(&mut self) -> Answer {
        self.posts("/api/v1/auth/renew", json!({ "idleS": 0 })).await
    }

    pub(crate) async fn invites(&mut self, email: &str, roles: &[&str]) -> Answer {
        self.posts("/api/v1/people", json!({ "email": email, "name": "Ana Díaz", "roles": roles })).await
    }
}

/// The code of a problem.
pub(crate) fn problem(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}
