use crate::browser::{PASSWORD, Unit, problem};
use serde_json::json;

#[tokio::test]
async fn the_first_administrator_joins_by_the_newest_link_and_then_there_is_none() {
    let unit = Unit::new();
    let (old, new) = (unit.first_link().await.unwrap(), unit.first_link().await.unwrap());
    let mut browser = unit.browser();
    assert_eq!(problem(&browser.joins(&old).await), (410, "no-invitation"));
    let (status, answer) = browser.joins(&new).await;
    assert_eq!(status, 200);
    assert_eq!(answer["person"]["email"], "root@clinic.example");
    assert_eq!(answer["person"]["roles"], json!(["administrator"]));
    assert_eq!(answer["unit"]["name"], "Riverside");
    assert_eq!(browser.recovery.len(), 10);
    assert_eq!(unit.first_link().await, None);
    assert_eq!(problem(&browser.joins(&new).await), (410, "no-invitation"));
}

#[tokio::test]
async fn opening_a_link_uses_nothing_up_and_a_wrong_one_says_nothing() {
    let unit = Unit::new();
    let link = unit.first_link().await.unwrap();
    let secret = link.split_once("#i=").unwrap().1;
    let mut browser = unit.browser();
    for _ in 0..3 {
        let (status, shown) = browser.posts("/api/v1/auth/invitation", json!({ "secret": secret })).await;
        assert_eq!((status, shown["person"]["email"].as_str()), (200, Some("root@clinic.example")));
    }
    let (id, _) = secret.split_once('.').unwrap();
    for wrong in
        ["", "x", ".", &format!("{id}."), &format!("{id}.x"), &secret[1..], &secret[..secret.len() - 1]]
    {
        let answer = browser.posts("/api/v1/auth/invitation", json!({ "secret": wrong })).await;
        assert_eq!(problem(&answer), (410, "no-invitation"), "{wrong}");
    }
}

#[tokio::test]
async fn who_joins_proves_the_app_and_chooses_a_password_that_is_not_everybodys() {
    let unit = Unit::new();
    let link = unit.first_link().await.unwrap();
    let secret = link.split_once("#i=").unwrap().1;
    let mut browser = unit.browser();
    let (_, shown) = browser.posts("/api/v1/auth/invitation", json!({ "secret": secret })).await;
    browser.totp = shown["authenticator"]["secret"].as_str().unwrap().into();
    let (ticket, code) = (&shown["ticket"], browser.code());
    let join = |password: &str, code: &str| json!({ "ticket": ticket, "password": password, "code": code });
    let short = browser.posts("/api/v1/auth/join", join("nine char", &code)).await;
    assert_eq!((problem(&short), short.1["field"].as_str()), ((422, "invalid"), Some("password")));
    assert!(short.1["detail"].as_str().unwrap().contains("10 to 256"));
    let wrong = if code == "000000" { "000001" } else { "000000" };
    assert_eq!(
        problem(&browser.posts("/api/v1/auth/join", join(PASSWORD, wrong)).await),
        (401, "wrong-code")
    );
    assert_eq!(browser.posts("/api/v1/auth/join", join(PASSWORD, &code)).await.0, 200);
    // The code that proved the app counts no second time.
    browser.email = "root@clinic.example".into();
    let (_, ticket) = browser.says_password(PASSWORD).await;
    let again = json!({ "ticket": ticket["ticket"], "code": code });
    assert_eq!(problem(&browser.posts("/api/v1/auth/second", again).await), (401, "wrong-code"));
}
