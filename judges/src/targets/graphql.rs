//! GraphQL: whole bodies to the route, by somebody who may read everything there is.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode, header},
};
use model::{TenantId, Timestamp};
use platform::{
    clock::ManualClock,
    event_log::StoreFuture,
    problem::{self, Problem},
};
use policy::{
    AccountId, Denied, Permit, SessionId, Staff, StaffRole, Subject,
    action::{ManageOwnAccount, ReadPeople, ReadRights},
};
use portal_api::{
    graphql::{Reads, router},
    limits::{MAX_GRAPHQL_COST, MAX_GRAPHQL_FIELDS},
};
use serde_json::{Value, json};
use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tenancy::Unit;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use uuid::Uuid;

/// Longest answer to 16 KiB of query: as many values as may be asked for, each under the longest names.
const MAX_ANSWER_BYTES: usize = 2 * 1_024 * 1_024;

const UNIT: TenantId = TenantId(Uuid::from_u128(1));
const OWN: AccountId = AccountId(Uuid::from_u128(2));

/// How often something was read, and of how many people.
static READS: AtomicUsize = AtomicUsize::new(0);
static PEOPLE: AtomicUsize = AtomicUsize::new(0);

/// A unit that has as many people as anybody asks for, all alike.
struct Alike;

fn person() -> Value {
    json!({ "id": OWN, "name": "Ada Quist", "email": "ada@clinic.example", "roles": ["auditor"], "duties": [], "state": "active" })
}

fn read(people: usize, answer: Value) -> StoreFuture<'static, Result<Value, Problem>> {
    READS.fetch_add(1, Ordering::Relaxed);
    PEOPLE.fetch_add(people, Ordering::Relaxed);
    Box::pin(std::future::ready(Ok(answer)))
}

impl Reads for Alike {
    fn in_unit(&self, _: &Unit) -> Arc<dyn Reads> {
        Arc::new(Self)
    }

    fn who<'a>(&'a self, _: &'a HeaderMap, _: Option<IpAddr>) -> StoreFuture<'a, Result<Subject, Problem>> {
        let staff = Staff {
            tenant: UNIT,
            account: OWN,
            session: SessionId(Uuid::from_u128(3)),
            roles: [StaffRole::Administrator, StaffRole::Auditor].into(),
            duties: [].into(),
            emergencies: [].into(),
            locked: false,
            confirmed_at: Timestamp::from_millis(0),
        };
        Box::pin(std::future::ready(Ok(Subject::Staff(staff))))
    }

    fn refusal(&self, _: Denied) -> Problem {
        problem::FORBIDDEN.into()
    }

    fn own_account(&self, _: Permit<ManageOwnAccount>, _: Staff) -> StoreFuture<'_, Result<Value, Problem>> {
        let ways = json!({ "password": true, "provider": false, "passkeys": true });
        let own = json!({ "person": person(), "sessions": [], "ways": ways, "recoveryCodesLeft": 7, "passkeys": [] });
        read(1, own)
    }

    fn people(
        &self,
        _: Permit<ReadPeople>,
        _: Option<AccountId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Value, Problem>> {
        if !(1..=50).contains(&limit) {
            return Box::pin(std::future::ready(Err(problem::BAD_REQUEST.into())));
        }
        read(limit, json!({ "people": vec![person(); limit], "next": OWN }))
    }

    fn person(&self, _: Permit<ReadPeople>, _: AccountId) -> StoreFuture<'_, Result<Value, Problem>> {
        read(1, person())
    }

    fn rights(&self, _: Permit<ReadRights>) -> StoreFuture<'_, Result<Value, Problem>> {
        read(1, json!({ "rights": [{ "action": "read-people", "allowed": true }] }))
    }
}

struct Portal {
    runtime: Runtime,
    router: Router,
}

static PORTAL: LazyLock<Portal> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    Portal { runtime, router: router(Arc::new(Alike), clock) }
});

/// A body. No query is answered with a fault of ours, reads more than its cost says, or is answered at greater length than
/// its own would explain.
pub(super) fn query(data: &[u8]) -> bool {
    let before = (READS.load(Ordering::Relaxed), PEOPLE.load(Ordering::Relaxed));
    let request = Request::post("/api/v1/graphql")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(data.to_vec()))
        .expect("a request");
    let (status, body) = PORTAL.runtime.block_on(async {
        let answer = PORTAL.router.clone().oneshot(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        (head.status, to_bytes(body, MAX_ANSWER_BYTES).await.expect("an answer that is not too long"))
    });
    assert!(status.is_success() || status.is_client_error(), "{status}");
    assert_ne!(status, StatusCode::REQUEST_TIMEOUT, "it took too long");
    let reads = READS.load(Ordering::Relaxed) - before.0;
    let people = PEOPLE.load(Ordering::Relaxed) - before.1;
    assert!(reads <= MAX_GRAPHQL_FIELDS && people <= MAX_GRAPHQL_COST, "{reads} reads of {people} people");
    let answer: Value = serde_json::from_slice(&body).expect("every answer is JSON");
    status.is_success() && !answer["data"].is_null()
}
