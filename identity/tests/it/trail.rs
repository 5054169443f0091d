//! The audit trail as auditors search it.

use crate::browser::{Browser, Unit};
use serde_json::{Value, json};

async fn find(browser: &mut Browser, query: &str) -> Value {
    let (status, found) = browser.asks("GET", &format!("/api/v1/audit{query}"), None).await;
    assert_eq!(status, 200, "{query}: {found}");
    found
}

fn actions(found: &Value) -> Vec<&str> {
    found["rows"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_auditor_finds_what_was_done_by_whom_and_their_search_is_in_the_trail() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut auditor, id) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    assert_eq!(root.asks("GET", "/api/v1/audit", None).await.0, 403, "an administrator does not");
    let joined = find(&mut auditor, "?action=person.join").await;
    assert_eq!(actions(&joined), ["person.join", "person.join"]);
    assert_eq!(joined["rows"][0]["actor"], json!(id));
    assert_eq!(joined["rows"][0]["name"], "Ana Díaz", "people of the unit have their names");
    let own = find(&mut auditor, &format!("?person={id}")).await;
    assert_eq!(actions(&own), ["audit.read", "person.join"]);
    assert_eq!(own["rows"][0]["body"]["action"], "person.join", "{own}");
    let to_me = find(&mut auditor, &format!("?visit={id}&action=person")).await;
    assert_eq!(actions(&to_me), ["person.join", "person.invite"]);
    assert_eq!(actions(&find(&mut auditor, "?action=pers").await), Vec::<&str>::new(), "whole words");
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_times_are_bounds() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut auditor, _) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    let now = find(&mut auditor, "?limit=1").await["rows"][0]["at"].as_i64().unwrap();
    let all = find(&mut auditor, &format!("?to={now}&action=person")).await;
    let all = actions(&all);
    assert_eq!((all.len(), &all[..1]), (4, &["person.join"][..]), "{all:?}");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = find(&mut auditor, &format!("?to={now}&action=person&limit=1{after}")).await;
        seen.extend(actions(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, all);
    assert!(actions(&find(&mut auditor, &format!("?from={}", now + 3_600_000)).await).is_empty());
    for bad in ["?limit=0", "?limit=101", "?after=1.2", "?action=DROP", "?person=x", "?what=1"] {
        assert_eq!(auditor.asks("GET", &format!("/api/v1/audit{bad}"), None).await.0, 400, "{bad}");
    }
    assert_eq!(auditor.asks("GET", "/api/v1/audit?limit=100", None).await.0, 200);
    // Nobody looks after the chains in this process.
    assert_eq!(auditor.asks("GET", "/api/v1/audit/chain", None).await.1["state"], "unknown");
}
