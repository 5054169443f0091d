use crate::{
    authenticator::Authenticator,
    browser::{Answer, Browser, PASSWORD, Unit, problem},
};
use serde_json::{Value, json};
use std::time::Duration;

const ASK: &str = "/api/v1/auth/passkey/challenge";
const SIGN_IN: &str = "/api/v1/auth/passkey";
const OWN: &str = "/api/v1/me/passkeys";
const ASK_OWN: &str = "/api/v1/me/passkeys/challenge";

impl Browser {
    async fn adds(&mut self, key: &mut Authenticator, name: &str) -> Answer {
        let (status, asked) = self.posts(ASK_OWN, json!({ "to": "add" })).await;
        if status != 200 {
            return (status, asked);
        }
        let made = key.makes(&asked["publicKey"], name);
        self.posts(OWN, json!({ "ticket": asked["ticket"], "passkey": made })).await
    }

    /// Without a word of who it is.
    async fn signs_in_with(&mut self, key: &mut Authenticator) -> Answer {
        let (status, asked) = self.posts(ASK, json!({})).await;
        assert_eq!(status, 200, "{asked}");
        let shown = key.shows(&asked);
        self.posts(SIGN_IN, json!({ "passkey": shown, "surroundings": "shared" })).await
    }

    async fn proof(&mut self, key: &mut Authenticator) -> Value {
        let (status, asked) = self.posts(ASK_OWN, json!({ "to": "show" })).await;
        assert_eq!(status, 200, "{asked}");
        json!({ "passkey": key.shows(&asked) })
    }
}

#[tokio::test]
async fn a_passkey_of_each_kind_alone_signs_its_person_in() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    for (id, algorithm) in [(1, -7), (2, -8), (3, -257)] {
        let mut key = Authenticator::new(algorithm, id);
        assert_eq!(root.adds(&mut key, &format!("Key {id}")).await.0, 201, "{algorithm}");
        let mut other = unit.browser();
        let (status, answer) = other.signs_in_with(&mut key).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["person"]["email"], "root@clinic.example");
        assert_eq!(answer["session"]["surroundings"], "shared");
        assert_eq!(other.gets("/api/v1/me").await.0, 200);
    }
    let (_, me) = root.gets("/api/v1/me").await;
    let names: Vec<_> = me["passkeys"].as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, ["Key 1", "Key 2", "Key 3"]);
    assert!(me["passkeys"][0]["shownAt"].is_number());
    // This one, and the three that began elsewhere.
    assert_eq!(me["sessions"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn an_answer_counts_once_for_its_own_challenge_and_minutes() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let mut key = Authenticator::new(-7, 1);
    root.adds(&mut key, "Key").await;
    let mut other = unit.browser();
    let (_, asked) = other.posts(ASK, json!({})).await;
    let shown = json!({ "passkey": key.shows(&asked) });
    assert_eq!(other.posts(SIGN_IN, shown.clone()).await.0, 200);
    assert_eq!(problem(&unit.browser().posts(SIGN_IN, shown.clone()).await), (401, "wrong-passkey"));
    // Signed for another challenge than the ticket's.
    let (_, next) = other.posts(ASK, json!({})).await;
    let mut swapped = shown.clone();
    swapped["passkey"]["ticket"] = next["ticket"].clone();
    assert_eq!(problem(&other.posts(SIGN_IN, swapped).await), (401, "wrong-passkey"));
    // A ticket that nobody here has made, or that was made for something else.
    let (_, own) = root.posts(ASK_OWN, json!({ "to": "show" })).await;
    for foreign in [json!("e30.e30.e30"), own["ticket"].clone()] {
        let mut forged = shown.clone();
        forged["passkey"]["ticket"] = foreign;
        assert_eq!(problem(&other.posts(SIGN_IN, forged).await), (401, "begin-again"));
    }
    let (_, old) = other.posts(ASK, json!({})).await;
    let late = json!({ "passkey": key.shows(&old) });
    unit.clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(problem(&other.posts(SIGN_IN, late).await), (401, "begin-again"));
}

#[tokio::test]
async fn what_is_not_verified_or_of_another_place_person_or_key_is_refused() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let mut key = Authenticator::new(-7, 1);
    root.adds(&mut key, "Key").await;
    let mut other = unit.browser();
    type Change = fn(&mut Authenticator);
    let changes: [(&str, Change, Change); 4] = [
        ("nobody verified", |key| key.flags = 1, |key| key.flags = 5),
        (
            "another site",
            |key| key.origin = "https://visits.example.evil".into(),
            |key| key.origin = "https://visits.example".into(),
        ),
        ("another host", |key| key.host = "evil".into(), |key| key.host = "visits.example".into()),
        ("a copy", |key| key.counter -= 1, |key| key.counter += 1),
    ];
    assert_eq!(other.signs_in_with(&mut key).await.0, 200);
    for (what, bend, mend) in changes {
        bend(&mut key);
        assert_eq!(problem(&other.signs_in_with(&mut key).await), (401, "wrong-passkey"), "{what}");
        mend(&mut key);
        assert_eq!(other.signs_in_with(&mut key).await.0, 200, "{what}, then not");
    }
    // Another key by the same name.
    let mut forged = Authenticator::new(-7, 1);
    let (_, asked) = root.posts(ASK_OWN, json!({ "to": "add" })).await;
    forged.makes(&asked["publicKey"], "x");
    forged.counter = 100;
    assert_eq!(problem(&other.signs_in_with(&mut forged).await), (401, "wrong-passkey"));
    // Somebody else's account.
    let (mut ana, _) = unit.person(&mut root, "ana@clinic.example", &["clinician"]).await;
    let mut hers = Authenticator::new(-8, 2);
    assert_eq!(ana.adds(&mut hers, "Hers").await.0, 201);
    let (_, asked) = other.posts(ASK, json!({})).await;
    let mut crossed = hers.shows(&asked);
    crossed["userHandle"] = key.shows(&asked)["userHandle"].clone();
    assert_eq!(problem(&other.posts(SIGN_IN, json!({ "passkey": crossed })).await), (401, "wrong-passkey"));
    for handle in [json!(null), json!(""), json!("AAAA"), json!("!"), json!("A".repeat(5_000))] {
        let mut odd = hers.shows(&asked);
        odd["userHandle"] = handle;
        assert_eq!(problem(&other.posts(SIGN_IN, json!({ "passkey": odd })).await), (401, "wrong-passkey"));
    }
    // A person who is let in no more.
    let id = ana.gets("/api/v1/me").await.1["person"]["id"].as_str().unwrap().to_owned();
    let out = root.asks("PATCH", &format!("/api/v1/people/{id}"), Some(json!({ "disabled": true }))).await;
    assert_eq!(out.0, 200);
    assert_eq!(problem(&other.signs_in_with(&mut hers).await), (401, "wrong-passkey"));
}

#[tokio::test]
async fn wrong_passkeys_of_one_network_are_counted() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let mut key = Authenticator::new(-8, 1);
    root.adds(&mut key, "Key").await;
    let mut other = unit.browser();
    let (_, asked) = other.posts(ASK, json!({})).await;
    key.flags = 1;
    let wrong = json!({ "passkey": key.shows(&asked) });
    for _ in 0..300 {
        assert_eq!(other.posts(SIGN_IN, wrong.clone()).await.0, 401);
    }
    assert_eq!(problem(&other.posts(SIGN_IN, wrong).await), (429, "too-many-requests"));
}

#[tokio::test]
async fn a_passkey_unlocks_and_confirms() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let mut key = Authenticator::new(-7, 1);
    root.adds(&mut key, "Key").await;
    root.posts("/api/v1/auth/lock", json!({})).await;
    let proof = root.proof(&mut key).await;
    assert_eq!(root.posts("/api/v1/auth/unlock", proof.clone()).await.0, 204);
    root.posts("/api/v1/auth/lock", json!({})).await;
    assert_eq!(problem(&root.posts("/api/v1/auth/unlock", proof).await), (401, "wrong-passkey"), "once");
    let proof = root.proof(&mut key).await;
    assert_eq!(root.posts("/api/v1/auth/unlock", proof).await.0, 204);
    // Ten minutes later what demands a fresh factor wants one again.
    unit.clock.advance(Duration::from_secs(11 * 60));
    root.renews().await;
    assert_eq!(problem(&root.adds(&mut Authenticator::new(-7, 2), "Next").await), (403, "confirm-first"));
    let proof = root.proof(&mut key).await;
    assert_eq!(root.posts("/api/v1/auth/confirm", proof).await.0, 204);
    assert_eq!(root.adds(&mut Authenticator::new(-7, 2), "Next").await.0, 201);
}

#[tokio::test]
async fn passkeys_have_names_are_not_added_twice_and_are_removed() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let mut key = Authenticator::new(-7, 1);
    let long = root.adds(&mut key, &"x".repeat(61)).await;
    assert_eq!((problem(&long), &long.1["field"]), ((422, "invalid"), &json!("name")));
    assert_eq!(root.adds(&mut key, " Laptop ").await.0, 201);
    assert_eq!(problem(&root.adds(&mut key, "Again").await), (409, "passkey-known"));
    for id in 2..=10 {
        assert_eq!(root.adds(&mut Authenticator::new(-8, id), "More").await.0, 201);
    }
    assert_eq!(
        problem(&root.adds(&mut Authenticator::new(-8, 11), "More").await),
        (409, "too-many-passkeys")
    );
    let (_, me) = root.gets("/api/v1/me").await;
    assert_eq!(me["passkeys"][0]["name"], "Laptop");
    let path = format!("{OWN}/{}", me["passkeys"][0]["id"].as_str().unwrap());
    assert_eq!(root.asks("DELETE", &path, None).await.0, 204);
    assert_eq!(problem(&root.asks("DELETE", &path, None).await), (404, "not-found"));
    assert_eq!(problem(&unit.browser().signs_in_with(&mut key).await), (401, "wrong-passkey"));
}

#[tokio::test]
async fn somebody_joins_with_a_passkey_alone_and_does_not_lock_themselves_out() {
    let unit = Unit::new();
    let link = unit.first_link().await.unwrap();
    let secret = link.split_once("#i=").unwrap().1;
    let mut browser = unit.browser();
    let (_, shown) = browser.posts("/api/v1/auth/invitation", json!({ "secret": secret })).await;
    let mut key = Authenticator::new(-7, 1);
    let made = key.makes(&shown["publicKey"], "Laptop");
    let join = json!({ "ticket": shown["ticket"], "passkey": made });
    let mut elsewhere = Authenticator::new(-7, 2);
    elsewhere.origin = "https://evil".into();
    let bad = json!({ "ticket": shown["ticket"], "passkey": elsewhere.makes(&shown["publicKey"], "x") });
    assert_eq!(problem(&browser.posts("/api/v1/auth/join", bad).await), (401, "wrong-passkey"));
    let both = json!({ "ticket": shown["ticket"], "passkey": made, "password": PASSWORD });
    assert_eq!(problem(&browser.posts("/api/v1/auth/join", both).await), (400, "bad-request"));
    let (status, joined) = browser.posts("/api/v1/auth/join", join.clone()).await;
    assert_eq!((status, &joined["recoveryCodes"]), (200, &Value::Null));
    assert_eq!(problem(&browser.posts("/api/v1/auth/join", join).await), (410, "no-invitation"));
    assert_eq!(unit.browser().signs_in_with(&mut key).await.0, 200);
    // No password lets them in, none can be set without one, and the only way in stays.
    let mut guesser = unit.browser();
    guesser.email = "root@clinic.example".into();
    for password in [PASSWORD, "", "nobody has this password"] {
        assert_eq!(problem(&guesser.says_password(password).await), (401, "sign-in-failed"));
    }
    let (_, me) = browser.gets("/api/v1/me").await;
    assert_eq!(me["ways"], json!({ "password": false, "provider": false, "passkeys": true }));
    let path = format!("{OWN}/{}", me["passkeys"][0]["id"].as_str().unwrap());
    assert_eq!(problem(&browser.asks("DELETE", &path, None).await), (409, "last-way-in"));
    let change = json!({ "old": "", "new": "correct horse battery" });
    assert_eq!(browser.posts("/api/v1/me/password", change).await.0, 401);
}

#[tokio::test]
async fn one_ends_sessions_of_one_s_own_and_nobody_else_s() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut ana, _) = unit.person(&mut root, "ana@clinic.example", &["clinician"]).await;
    let mut key = Authenticator::new(-7, 1);
    root.adds(&mut key, "Key").await;
    let mut other = unit.browser();
    other.signs_in_with(&mut key).await;
    let (_, me) = root.gets("/api/v1/me").await;
    let sessions = me["sessions"].as_array().unwrap();
    assert_eq!(
        sessions.iter().map(|one| one["current"].as_bool().unwrap()).collect::<Vec<_>>(),
        [false, true]
    );
    let path = format!("/api/v1/me/sessions/{}", sessions[0]["id"].as_str().unwrap());
    assert_eq!(problem(&ana.asks("DELETE", &path, None).await), (404, "not-found"));
    assert_eq!(other.gets("/api/v1/me").await.0, 200);
    assert_eq!(root.asks("DELETE", &path, None).await.0, 204);
    assert_eq!(problem(&other.gets("/api/v1/me").await), (401, "signed-out"));
    let renewed = other.renews().await;
    assert_eq!((problem(&renewed), &renewed.1["ending"]), ((401, "signed-out"), &json!("revoked")));
    assert_eq!(root.gets("/api/v1/me").await.1["sessions"].as_array().unwrap().len(), 1);
}
