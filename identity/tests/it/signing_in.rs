use crate::browser::{Browser, PASSWORD, STEP, Unit, problem};
use axum::{body::Body, http::Request};
use serde_json::json;
use std::time::Duration;
use testkit::event_log::Fault;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn both_factors_let_in_and_one_alone_does_not() {
    let unit = Unit::new();
    let administrator = unit.administrator().await;
    let mut browser = unit.browser();
    (browser.email, browser.totp) = (administrator.email.clone(), administrator.totp.clone());
    assert_eq!(problem(&browser.gets("/api/v1/me").await), (401, "signed-out"));
    let (status, ticket) = browser.says_password(PASSWORD).await;
    assert_eq!(status, 200);
    // What is between the factors is no access token.
    browser.token = ticket["ticket"].as_str().map(str::to_owned);
    assert_eq!(problem(&browser.gets("/api/v1/me").await), (401, "signed-out"));
    browser.token = None;
    assert_eq!(browser.signs_in().await.0, 200);
    let (status, me) = browser.gets("/api/v1/me").await;
    assert_eq!((status, me["person"]["name"].as_str()), (200, Some("Administrator")));
    assert_eq!(me["recoveryCodesLeft"], 10);
}

#[tokio::test]
async fn an_address_nobody_has_is_answered_as_a_wrong_password_is() {
    let unit = Unit::new();
    let mut browser = unit.administrator().await;
    let mut wrong = browser.says_password("something else").await;
    browser.email = "nobody@clinic.example".into();
    let mut unknown = browser.says_password(PASSWORD).await;
    assert_eq!(problem(&unknown), (401, "sign-in-failed"));
    for answer in [&mut wrong, &mut unknown] {
        answer.1.as_object_mut().unwrap().remove("trace_id");
    }
    assert_eq!(wrong, unknown);
}

#[tokio::test]
async fn a_recovery_code_lets_in_once() {
    let unit = Unit::new();
    let mut browser = unit.administrator().await;
    let code = browser.recovery[3].to_lowercase();
    for expected in [(200, ""), (401, "wrong-code")] {
        let (_, ticket) = browser.says_password(PASSWORD).await;
        let body = json!({ "ticket": ticket["ticket"], "recoveryCode": code });
        assert_eq!(problem(&browser.posts("/api/v1/auth/second", body).await), expected);
    }
    assert_eq!(browser.gets("/api/v1/me").await.1["recoveryCodesLeft"], 9);
    let (status, made) = browser.posts("/api/v1/me/recovery-codes", json!({})).await;
    assert_eq!((status, made["recoveryCodes"].as_array().unwrap().len()), (200, 10));
    unit.clock.advance(11 * MINUTE);
    browser.renews().await;
    assert_eq!(problem(&browser.posts("/api/v1/me/recovery-codes", json!({})).await), (403, "confirm-first"));
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_who_signed_in_there_before_is_not() {
    let unit = Unit::new();
    let mut known = unit.administrator().await;
    let mut stranger = unit.browser();
    stranger.email.clone_from(&known.email);
    for n in 0..10 {
        // From everywhere at once.
        stranger.address = format!("198.51.100.{n}:1").parse().unwrap();
        assert_eq!(problem(&stranger.says_password("guess guess").await), (401, "sign-in-failed"), "{n}");
    }
    stranger.address = "203.0.113.9:1".parse().unwrap();
    assert_eq!(problem(&stranger.says_password(PASSWORD).await), (429, "too-many-requests"));
    assert_eq!(known.signs_in().await.0, 200);
    // Somebody else's browser is known for another address only.
    let mut other = unit.browser();
    other.cookies.clone_from(&known.cookies);
    other.email = "else@clinic.example".into();
    for _ in 0..10 {
        other.address = "192.0.2.77:1".parse().unwrap();
        other.says_password("guess guess").await;
    }
    assert_eq!(other.says_password("guess guess").await.0, 429);
    assert_eq!(known.signs_in().await.0, 200);
}

#[tokio::test]
async fn codes_cannot_be_tried_through_and_a_ticket_gets_too_old() {
    let unit = Unit::new();
    let known = unit.administrator().await;
    let mut browser = unit.browser();
    (browser.email, browser.totp) = (known.email.clone(), known.totp.clone());
    let (_, ticket) = browser.says_password(PASSWORD).await;
    let second = |code: &str| json!({ "ticket": ticket["ticket"], "code": code });
    for n in 0..10 {
        let answer = browser.posts("/api/v1/auth/second", second("12345")).await;
        assert_eq!(problem(&answer), (401, "wrong-code"), "{n}");
    }
    let code = browser.next_code();
    assert_eq!(browser.posts("/api/v1/auth/second", second(&code)).await.0, 429);
    unit.clock.advance(10 * MINUTE);
    assert_eq!(problem(&browser.posts("/api/v1/auth/second", second(&code)).await), (401, "begin-again"));
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_session_for_both() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    let mut thief = person.clone();
    unit.clock.advance(4 * MINUTE);
    assert_eq!(person.renews().await.0, 200);
    unit.clock.advance(MINUTE);
    let caught = thief.renews().await;
    assert_eq!((problem(&caught), caught.1["ending"].as_str()), ((401, "signed-out"), Some("theft")));
    assert!(!thief.cookies.contains_key("__Host-session"));
    assert_eq!(problem(&person.renews().await), (401, "signed-out"));
    assert_eq!(problem(&person.gets("/api/v1/me").await), (401, "signed-out"));
}

#[tokio::test]
async fn an_access_token_lasts_five_minutes_and_a_session_half_a_day() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    unit.clock.advance(5 * MINUTE);
    assert_eq!(problem(&person.gets("/api/v1/me").await), (401, "signed-out"));
    assert_eq!(person.renews().await.0, 200);
    assert_eq!(person.gets("/api/v1/me").await.0, 200);
    unit.clock.advance(12 * 60 * MINUTE - 5 * MINUTE);
    let over = person.renews().await;
    assert_eq!((problem(&over), over.1["ending"].as_str()), ((401, "signed-out"), Some("expired")));
}

#[tokio::test]
async fn a_screen_nobody_touches_is_locked_and_unlocked_with_password_or_code() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    unit.clock.advance(4 * MINUTE);
    let (_, answer) = person.posts("/api/v1/auth/renew", json!({ "idleS": 15 * 60 })).await;
    assert_eq!(answer["session"]["locked"], true);
    assert_eq!(problem(&person.gets("/api/v1/people").await), (403, "session-locked"));
    let unlock = |body| ("/api/v1/auth/unlock", body);
    for (path, body) in [unlock(json!({ "password": "wrong wrong" })), unlock(json!({ "code": "000" }))] {
        assert_eq!(problem(&person.posts(path, body).await), (401, "wrong-code"));
    }
    assert_eq!(person.posts("/api/v1/auth/unlock", json!({ "password": PASSWORD })).await.0, 204);
    assert_eq!(person.gets("/api/v1/people").await.0, 200);
    assert_eq!(person.posts("/api/v1/auth/lock", json!({})).await.0, 204);
    assert_eq!(problem(&person.gets("/api/v1/people").await), (403, "session-locked"));
    let code = person.next_code();
    assert_eq!(person.posts("/api/v1/auth/unlock", json!({ "code": code })).await.0, 204);
    person.posts("/api/v1/auth/lock", json!({})).await;
    for _ in 0..4 {
        person.posts("/api/v1/auth/unlock", json!({ "code": code })).await;
    }
    let last = person.posts("/api/v1/auth/unlock", json!({ "password": "wrong wrong" })).await;
    assert_eq!((problem(&last), last.1["ending"].as_str()), ((401, "signed-out"), Some("wrong-factors")));
}

#[tokio::test]
async fn who_signs_out_is_out_at_once() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    let mut other = person.clone();
    assert_eq!(person.posts("/api/v1/auth/sign-out", json!({})).await.0, 204);
    assert!(!person.cookies.contains_key("__Host-session"));
    for answer in [person.gets("/api/v1/me").await, other.gets("/api/v1/me").await, other.renews().await] {
        assert_eq!(problem(&answer), (401, "signed-out"));
    }
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing_with_the_cookie() {
    let unit = Unit::new();
    let person = unit.administrator().await;
    let cookie = format!("__Host-session={}", person.cookies["__Host-session"]);
    let forged = |kind: &str, site: &str| {
        let request = Request::post("/api/v1/auth/renew").header("cookie", &cookie);
        let request = request.header("content-type", kind).header("sec-fetch-site", site);
        request.body(Body::from(r#"{"idleS":0}"#)).unwrap()
    };
    for (kind, site, status) in [
        ("application/json", "cross-site", 403),
        ("application/json", "same-site", 403),
        ("text/plain", "none", 415),
        ("application/json", "same-origin", 200),
    ] {
        assert_eq!(person.clone().sends(forged(kind, site)).await.0, status, "{kind} {site}");
    }
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_the_old_one() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    let change = |old: &str, new: &str| json!({ "old": old, "new": new });
    let wrong = person.posts("/api/v1/me/password", change("not this one", "another horse")).await;
    assert_eq!(problem(&wrong), (401, "sign-in-failed"));
    let short = person.posts("/api/v1/me/password", change(PASSWORD, "short")).await;
    assert_eq!((problem(&short), short.1["field"].as_str()), ((422, "invalid"), Some("new")));
    assert_eq!(person.posts("/api/v1/me/password", change(PASSWORD, "another horse")).await.0, 204);
    assert_eq!(person.says_password(PASSWORD).await.0, 401);
    assert_eq!(person.says_password("another horse").await.0, 200);
}

#[tokio::test]
async fn with_a_new_password_whoever_is_signed_in_elsewhere_can_be_signed_out() {
    let unit = Unit::new();
    let mut here = unit.administrator().await;
    let sessions =
        async |of: &mut Browser| of.gets("/api/v1/me").await.1["sessions"].as_array().map(Vec::len);
    unit.clock.advance(STEP);
    let mut elsewhere = here.clone();
    assert_eq!(elsewhere.signs_in().await.0, 200);
    let change = |old: &str, new: &str, end: bool| json!({ "old": old, "new": new, "endOthers": end });
    let kept = here.posts("/api/v1/me/password", change(PASSWORD, "another horse", false)).await;
    assert_eq!((kept.0, sessions(&mut here).await), (204, Some(2)));
    let wrong = here.posts("/api/v1/me/password", change(PASSWORD, "a third horse", true)).await;
    assert_eq!((problem(&wrong), sessions(&mut elsewhere).await), ((401, "sign-in-failed"), Some(2)));
    let ended = here.posts("/api/v1/me/password", change("another horse", "a third horse", true)).await;
    assert_eq!((ended.0, sessions(&mut here).await), (204, Some(1)));
    assert_eq!(problem(&elsewhere.gets("/api/v1/me").await), (401, "signed-out"));
    assert_eq!(elsewhere.renews().await.1["ending"], json!("revoked"));
}

#[tokio::test]
async fn when_the_store_does_not_answer_nobody_is_let_in_and_everybody_is_told_to_come_again() {
    let unit = Unit::new();
    let mut person = unit.administrator().await;
    for fault in [Fault::Away, Fault::ReadOnly, Fault::Unsure, Fault::Forgetful] {
        unit.clock.advance(STEP);
        unit.store.set(fault);
        let answer = person.signs_in().await;
        assert_eq!(problem(&answer), (503, "unavailable"), "{fault:?}");
        assert_eq!(problem(&person.renews().await), (503, "unavailable"), "{fault:?}");
        unit.store.set(Fault::None);
        assert_eq!(person.renews().await.0, 200, "{fault:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_without_a_word_of_it() {
    let unit = Unit::new();
    let mut browser = unit.administrator().await;
    for path in ["sign-in", "second", "renew", "unlock", "confirm", "invitation", "join"] {
        let path = format!("/api/v1/auth/{path}");
        for body in [json!(null), json!([]), json!({ "canary": "x" }), json!("canary")] {
            let (status, answer) = browser.posts(&path, body).await;
            assert_eq!(status, 400, "{path}");
            assert!(!answer.to_string().contains("canary"));
        }
        let long = json!({ "password": "x".repeat(17_000) });
        assert_eq!(browser.posts(&path, long).await.0, 413, "{path}");
    }
}

#[tokio::test]
async fn a_network_that_guesses_is_slowed_down_and_who_signed_in_from_there_before_is_not() {
    let unit = Unit::new();
    let mut known = unit.administrator().await;
    let mut guesser = unit.browser();
    guesser.address = known.address;
    for n in 0..300 {
        guesser.email = format!("p{n}@clinic.example");
        assert_eq!(guesser.says_password("guess guess").await.0, 401, "{n}");
    }
    assert_eq!(problem(&guesser.says_password("guess guess").await), (429, "too-many-requests"));
    let invitation = guesser.posts("/api/v1/auth/invitation", json!({ "secret": "x" })).await;
    assert_eq!(problem(&invitation), (429, "too-many-requests"));
    assert_eq!(known.signs_in().await.0, 200);
}
