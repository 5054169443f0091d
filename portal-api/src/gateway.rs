//! Who asks how often: middleware around every route.
//!
//! Each person, each healthcare unit and each partner's key has so many requests a second. Answers say how many are left.
//! Who is not known is not counted here: what strangers may try is limited where they try it, and by the lanes at the door.
//! What is critical is not counted either: a visit, and an emergency, wait for nobody's office work.

use crate::Config;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use model::TenantId;
use parking_lot::Mutex;
use platform::{
    clock::Clock,
    event_log::StoreFuture,
    lane::{Lane, task},
    problem::{self, Problem},
    rate::{Left, Rates, say},
};
use policy::AccountId;
use prometheus::{IntCounterVec, Opts, Registry};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tenancy::Unit;
use uuid::Uuid;

const SECOND: Duration = Duration::from_secs(1);

/// Whom a request is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody that is known.
    Stranger,
    /// Somebody who is signed in.
    Person(TenantId, AccountId),
    /// A partner's system, by the id of its key.
    Partner(TenantId, Uuid),
}

/// Who knows who asks. Whether they may is asked again behind: this only counts.
pub trait Callers: Send + Sync + 'static {
    /// By the credential of a request, the unit it is for, and where it comes from. A store that does not answer makes
    /// strangers of all.
    fn caller<'a>(
        &'a self,
        headers: &'a HeaderMap,
        unit: Option<&'a Unit>,
        from: Option<IpAddr>,
    ) -> StoreFuture<'a, Caller>;
}

/// Counts.
pub struct Gateway {
    callers: Arc<dyn Callers>,
    people: Mutex<Rates<AccountId>>,
    units: Mutex<Rates<TenantId>>,
    partners: Mutex<Rates<Uuid>>,
    clock: Arc<dyn Clock>,
    throttled: IntCounterVec,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Nobody has asked yet.
    ///
    /// # Errors
    /// Its metrics are registered already.
    pub fn new(
        config: &Config,
        callers: Arc<dyn Callers>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Arc<Self>, prometheus::Error> {
        let throttled = IntCounterVec::new(
            Opts::new(
                "telehealth_portal_throttled_requests_total",
                "Requests refused with 429, by whose quota",
            ),
            &["quota"],
        )?;
        registry.register(Box::new(throttled.clone()))?;
        Ok(Arc::new(Self {
            callers,
            people: Mutex::new(Rates::new("person", config.requests_per_second_and_person, SECOND)),
            units: Mutex::new(Rates::new("unit", config.requests_per_second_and_unit, SECOND)),
            partners: Mutex::new(Rates::new("partner", config.requests_per_second_and_partner, SECOND)),
            clock,
            throttled,
        }))
    }

    /// Middleware: lets through whoever has requests left.
    pub async fn admit(State(gateway): State<Arc<Self>>, request: Request, next: Next) -> Response {
        if task::lane_for(Lane::Critical) == Lane::Critical {
            return next.run(request).await;
        }
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let unit = request.extensions().get::<Arc<Unit>>().map(Arc::as_ref);
        let caller = gateway.callers.caller(request.headers(), unit, from).await;
        let left = gateway.take(caller);
        let refused = left.iter().find_map(|(of, left)| Some((*of, left.wait?)));
        let mut response = match refused {
            Some((of, wait)) => {
                gateway.throttled.with_label_values(&[of]).inc();
                Problem::new(problem::TOO_MANY_REQUESTS).retry_after(wait).into_response()
            }
            None => next.run(request).await,
        };
        if !left.is_empty() {
            let left: Vec<Left> = left.into_iter().map(|(_, left)| left).collect();
            say(response.headers_mut(), &left);
        }
        response
    }

    /// First of one's own: what is refused there is not taken from the unit's.
    fn take(&self, caller: Caller) -> Vec<(&'static str, Left)> {
        let now = self.clock.now();
        let (tenant, own) = match caller {
            Caller::Stranger => return Vec::new(),
            Caller::Person(tenant, account) => (tenant, ("person", self.people.lock().take(account, now))),
            Caller::Partner(tenant, key) => (tenant, ("partner", self.partners.lock().take(key, now))),
        };
        if own.1.wait.is_some() {
            return vec![own];
        }
        vec![own, ("unit", self.units.lock().take(tenant, now))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, middleware, routing::get};
    use platform::clock::ManualClock;
    use tower::ServiceExt as _;

    /// Knows everybody by the number in `authorization`: below 100 a person, else a partner.
    struct Numbered;

    impl Callers for Numbered {
        fn caller<'a>(
            &'a self,
            headers: &'a HeaderMap,
            _: Option<&'a Unit>,
            _: Option<IpAddr>,
        ) -> StoreFuture<'a, Caller> {
            let number =
                headers.get("authorization").and_then(|text| text.to_str().ok()?.parse::<u128>().ok());
            let unit = |n: u128| TenantId(Uuid::from_u128(n % 10));
            let caller = match number {
                None => Caller::Stranger,
                Some(n) if n < 100 => Caller::Person(unit(n), AccountId(Uuid::from_u128(n))),
                Some(n) => Caller::Partner(unit(n), Uuid::from_u128(n)),
            };
            Box::pin(std::future::ready(caller))
        }
    }

    struct Door {
        router: Router,
        clock: Arc<ManualClock>,
        lane: Lane,
    }

    impl Door {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(model::Timestamp::from_millis(1_000_000)));
            let config = Config {
                requests_per_second_and_person: 3,
                requests_per_second_and_unit: 5,
                requests_per_second_and_partner: 2,
                ..Config::default()
            };
            let gateway = Gateway::new(&config, Arc::new(Numbered), clock.clone(), &Registry::new()).unwrap();
            let router = Router::new()
                .route("/", get(|| async { "hello" }))
                .layer(middleware::from_fn_with_state(gateway, Gateway::admit));
            Self { router, clock, lane: Lane::Standard }
        }

        async fn asks(&self, who: Option<u32>) -> Response {
            let mut request = axum::http::Request::get("/");
            if let Some(who) = who {
                request = request.header("authorization", who.to_string());
            }
            let request = request.body(Body::empty()).unwrap();
            task::scope(self.lane, self.router.clone().oneshot(request)).await.unwrap()
        }

        async fn all(&self, who: u32, times: usize) -> Vec<u16> {
            let mut answers = Vec::new();
            for _ in 0..times {
                answers.push(self.asks(Some(who)).await.status().as_u16());
            }
            answers
        }
    }

    #[tokio::test]
    async fn each_person_and_partner_has_so_many_and_all_of_a_unit_together_have_so_many() {
        let door = Door::new();
        assert_eq!(door.all(1, 4).await, [200, 200, 200, 429]);
        assert_eq!(door.all(101, 2).await, [200, 200], "a partner of the same unit");
        assert_eq!(door.all(11, 1).await, [429], "a colleague: the unit's are used up");
        assert_eq!(door.all(2, 3).await, [200, 200, 200], "another unit has its own");
        assert_eq!(door.all(102, 3).await, [200, 200, 429]);
        door.clock.advance(SECOND);
        assert_eq!(door.all(11, 3).await, [200, 200, 200]);
    }

    #[tokio::test]
    async fn what_is_critical_is_let_through_whatever_was_asked_before() {
        let mut door = Door::new();
        assert_eq!(door.all(1, 4).await, [200, 200, 200, 429]);
        door.lane = Lane::Critical;
        assert_eq!(door.all(1, 10).await, [200; 10]);
    }

    #[tokio::test]
    async fn an_answer_says_what_is_left_and_a_refusal_when_to_come_again() {
        let door = Door::new();
        let answer = door.asks(Some(1)).await;
        assert_eq!(answer.headers()["ratelimit"], "\"person\";r=2;t=1, \"unit\";r=4;t=1");
        assert_eq!(answer.headers()["ratelimit-policy"], "\"person\";q=3;w=1, \"unit\";q=5;w=1");
        door.all(1, 2).await;
        let refused = door.asks(Some(1)).await;
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()),
            (429, "1")
        );
        assert_eq!(refused.headers()["ratelimit"], "\"person\";r=0;t=1");
        for _ in 0..20 {
            let stranger = door.asks(None).await;
            assert_eq!((stranger.status().as_u16(), stranger.headers().get("ratelimit")), (200, None));
        }
    }
}
