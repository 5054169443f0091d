//! Legal holds, as auditors place them and as whoever prunes hears of them.

use crate::browser::{Browser, TENANT, Unit, problem};
use model::TenantId;
use platform::{
    audit::prune::Held,
    event_log::{EventStore as _, Records as _},
};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::event_log::Fault;
use uuid::Uuid;

const HOLDS: &str = "/api/v1/audit/holds";
const VISIT: Uuid = Uuid::from_u128(0x5151);

fn over_visit() -> Value {
    json!({ "over": { "what": "visit", "id": VISIT }, "reason": "Canary against the clinic" })
}

async fn placed(auditor: &mut Browser, body: Value) -> String {
    let (status, hold) = auditor.posts(HOLDS, body).await;
    assert_eq!(status, 201, "{hold}");
    hold["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_an_auditor_holds_is_held_at_once_until_they_lift_it_and_all_of_it_is_in_the_trail() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut auditor, me) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    let asked = unit.another().holds();
    let held = async || asked.held(TENANT).await.unwrap();
    assert!(held().await.is_empty());
    let id = placed(&mut auditor, over_visit()).await;
    assert_eq!(held().await, [Held::Of(VISIT)], "in another process, at once");
    let whole = placed(&mut auditor, json!({ "over": { "what": "unit" }, "reason": "An enquiry" })).await;
    let person = json!({ "over": { "what": "person", "id": me }, "reason": "A complaint" });
    let person = placed(&mut auditor, person).await;
    assert_eq!(held().await, [Held::Of(VISIT), Held::Everything, Held::Of(me.parse().unwrap())]);
    assert!(asked.held(TenantId(Uuid::from_u128(2))).await.unwrap().is_empty(), "another unit's are others");

    let (status, list) = root.gets(HOLDS).await;
    assert_eq!(status, 200, "an administrator sees why nothing goes");
    assert_eq!(list["holds"][2]["over"], json!({ "what": "visit", "id": VISIT }));
    assert_eq!(list["holds"][2]["reason"], "Canary against the clinic");
    assert_eq!(list["holds"][2]["placedBy"]["name"], "Ana Díaz");
    for of in [&whole, &id, &id, &person] {
        assert_eq!(auditor.asks("DELETE", &format!("{HOLDS}/{of}"), None).await.0, 204, "once is enough");
    }
    assert!(held().await.is_empty());
    let (_, list) = auditor.gets(HOLDS).await;
    assert!(
        list["holds"][2]["liftedAt"].is_i64() && list["holds"][2]["liftedBy"]["id"] == json!(me),
        "{list}"
    );

    let mut rows = Vec::new();
    for partition in unit.store.partitions() {
        rows.extend(unit.store.audit(TENANT, partition, 0, 1_000).await.unwrap());
    }
    let of = |action: &str| rows.iter().filter(|row| row.action == action).collect::<Vec<_>>();
    assert_eq!((of("hold.place").len(), of("hold.lift").len(), of("hold.list").len()), (3, 3, 2));
    let place = of("hold.place")[0];
    assert_eq!((place.actor, place.subject), (me.parse().ok(), id.parse().ok()));
    assert!(place.body.contains(&VISIT.to_string()), "{}", place.body);
    assert!(
        !format!("{rows:?} {:?}", rows.iter().map(|row| &row.body).collect::<Vec<_>>()).contains("Canary")
    );
}

#[tokio::test]
async fn only_auditors_with_a_fresh_factor_place_and_lift_and_what_cannot_be_held_is_refused() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut auditor, _) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    let (mut clinician, _) = unit.person(&mut root, "doc@clinic.example", &["clinician"]).await;
    let id = placed(&mut auditor, over_visit()).await;
    let one = format!("{HOLDS}/{id}");
    for who in [&mut root, &mut clinician] {
        assert_eq!(problem(&who.posts(HOLDS, over_visit()).await), (403, "not-allowed"));
        assert_eq!(problem(&who.asks("DELETE", &one, None).await), (403, "not-allowed"));
    }
    assert_eq!(problem(&clinician.gets(HOLDS).await), (403, "not-allowed"));
    assert_eq!(problem(&unit.browser().gets(HOLDS).await), (401, "signed-out"));
    for reason in ["", "too short", &"x".repeat(501)] {
        let answer = auditor.posts(HOLDS, json!({ "over": { "what": "unit" }, "reason": reason })).await;
        assert_eq!((problem(&answer), answer.1["field"].as_str()), ((422, "invalid"), Some("reason")));
    }
    for over in
        [json!({ "what": "everything" }), json!({ "what": "visit" }), json!({ "what": "person", "id": "x" })]
    {
        let answer = auditor.posts(HOLDS, json!({ "over": over, "reason": "An enquiry" })).await;
        assert_eq!(answer.0, 400, "{over}");
    }
    for id in ["00000000-0000-7000-8000-000000000099", "nonsense"] {
        assert_eq!(
            problem(&auditor.asks("DELETE", &format!("{HOLDS}/{id}"), None).await),
            (404, "not-found")
        );
    }
    for _ in 1..100 {
        placed(&mut auditor, over_visit()).await;
    }
    assert_eq!(problem(&auditor.posts(HOLDS, over_visit()).await), (409, "too-many-holds"));
    unit.clock.advance(Duration::from_secs(11 * 60));
    auditor.renews().await;
    assert_eq!(problem(&auditor.posts(HOLDS, over_visit()).await), (403, "confirm-first"));
    assert_eq!(problem(&auditor.asks("DELETE", &one, None).await), (403, "confirm-first"));
    unit.store.set(Fault::ReadOnly);
    assert_eq!(auditor.gets(HOLDS).await.0, 503, "what cannot be recorded is not shown");
    unit.store.set(Fault::Away);
    assert!(unit.identity.holds().held(TENANT).await.is_err(), "who cannot know does not guess");
}
