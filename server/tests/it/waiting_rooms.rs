//! From an account to the clinician's seat of a waiting room.

use crate::{
    browser::Browser,
    http::Answer,
    matrix::{Unit, asks, joins},
};
use serde_json::{Value, json};
use testkit::engines::until;

const ROOMS: &str = "/api/v1/waiting-rooms";

fn ids(answer: &Answer) -> Vec<String> {
    let rooms = answer.json()["waitingRooms"].as_array().unwrap().clone();
    rooms.iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect()
}

fn clinician(unit: &Unit, duties: &[String]) -> (String, String) {
    let body = json!({
        "email": format!("clinician.{}@riverside.example", duties.len()),
        "name": "Amara Lee", "roles": ["clinician"], "duties": duties,
    });
    let invited = asks(&unit.server, "POST", "/api/v1/people", Some(&unit.administrator), &body);
    assert_eq!(invited.status, 201, "{}", invited.body);
    let invited = invited.json();
    let token = joins(&unit.server, invited["invitation"].as_str().unwrap());
    (invited["id"].as_str().unwrap().to_owned(), token)
}

#[test]
fn who_is_on_duty_takes_the_seat_and_nobody_else() {
    let unit = Unit::start();
    let server = &unit.server;
    let get = |token: &str| asks(server, "GET", ROOMS, Some(token), &Value::Null);
    let own = |token: &str| asks(server, "GET", &format!("{ROOMS}?own=true"), Some(token), &Value::Null);
    let seat = |room: &str, token: &str| {
        asks(server, "POST", &format!("{ROOMS}/{room}/seat"), Some(token), &Value::Null)
    };
    let all = get(&unit.administrator);
    let rooms = ids(&all);
    assert_eq!(rooms.len(), 1, "the demonstration's: {}", all.body);
    assert_eq!(all.json()["waitingRooms"][0]["mayJoin"], false, "an administrator sees no patients");
    assert_eq!(seat(&rooms[0], &unit.administrator).status, 403);

    let (_, idle) = clinician(&unit, &[]);
    assert!(ids(&own(&idle)).is_empty());
    assert_eq!(get(&idle).json()["waitingRooms"][0]["mayJoin"], false);
    let (refused, unknown) = (seat(&rooms[0], &idle), seat("0190a000-0000-7000-8000-00000000dead", &idle));
    assert_eq!((refused.status, refused.code()), (404, "not-found".to_owned()));
    assert_eq!(
        (unknown.status, unknown.code()),
        (404, "not-found".to_owned()),
        "one cannot be told from the other"
    );

    let (id, token) = clinician(&unit, &rooms);
    let listed = own(&token);
    assert_eq!((ids(&listed), &listed.json()["waitingRooms"][0]["mayJoin"]), (rooms.clone(), &json!(true)));
    let given = seat(&rooms[0], &token);
    assert_eq!(given.status, 200, "{}", given.body);
    let join = given.json()["joinToken"].as_str().unwrap().to_owned();
    assert_eq!(asks(server, "GET", "/api/v1/history", Some(&join), &Value::Null).status, 200);

    // Whoever serves it no more is out within seconds.
    let body = json!({ "duties": [] });
    let changed = asks(server, "PATCH", &format!("/api/v1/people/{id}"), Some(&unit.administrator), &body);
    assert_eq!(changed.status, 200, "{}", changed.body);
    until("they serve it no more", || seat(&rooms[0], &token).status == 404);
    assert!(ids(&own(&token)).is_empty());
}

/// The close code of a token, or of a page, that is not let in.
const NOT_AUTHORIZED: Option<u16> = Some(4401);

#[tokio::test(flavor = "multi_thread")]
async fn who_may_have_the_seat_no_more_loses_it_with_their_page_open() {
    let unit = tokio::task::spawn_blocking(Unit::start).await.unwrap();
    let server = &unit.server;
    let rooms = ids(&asks(server, "GET", ROOMS, Some(&unit.administrator), &Value::Null));
    let (id, token) = clinician(&unit, &rooms);
    let change = |body: &Value| {
        let path = format!("/api/v1/people/{id}");
        let changed = asks(server, "PATCH", &path, Some(&unit.administrator), body);
        assert_eq!(changed.status, 200, "{}", changed.body);
    };
    let seat = |token: &str| {
        let given = asks(server, "POST", &format!("{ROOMS}/{}/seat", rooms[0]), Some(token), &Value::Null);
        given.json()["joinToken"].as_str().map(str::to_owned)
    };
    let (given, unused) = (seat(&token).unwrap(), seat(&token).unwrap());
    let mut page = Browser::connect(server, &given).await;
    let resume = page.resume_token.clone();
    // Somebody else's changes are no matter.
    let (_, other) = clinician(&unit, &[]);
    assert_eq!(asks(server, "POST", "/api/v1/auth/sign-out", Some(&other), &json!({})).status, 204);

    change(&json!({ "duties": [] }));
    assert_eq!(page.closed().await, NOT_AUTHORIZED);
    for token in [&resume, &unused] {
        assert_eq!(Browser::try_connect(server, token).await.err(), Some(NOT_AUTHORIZED));
    }
    assert_eq!(asks(server, "GET", "/api/v1/history", Some(&unused), &Value::Null).status, 401);

    // With their duty back they take it again; and who signs out leaves no page open behind.
    change(&json!({ "duties": rooms }));
    until("they serve it again", || seat(&token).is_some());
    let mut page = Browser::connect(server, &seat(&token).unwrap()).await;
    assert_eq!(asks(server, "POST", "/api/v1/auth/sign-out", Some(&token), &json!({})).status, 204);
    assert_eq!(page.closed().await, NOT_AUTHORIZED);

    // Who has it by a link keeps it.
    let mut linked = Browser::open_link(server, server.secret("clinic")).await;
    linked.invite("Ana", "Knee").await;
}

#[test]
fn a_page_of_rooms_has_its_limits() {
    let unit = Unit::start();
    let get = |query: &str| {
        asks(&unit.server, "GET", &format!("{ROOMS}?{query}"), Some(&unit.administrator), &Value::Null)
    };
    assert_eq!(get("limit=50").status, 200);
    for wrong in ["limit=51", "limit=0", "after=nobody", "unit=other"] {
        assert_eq!(get(wrong).status, 400, "{wrong}");
    }
    let first = get("limit=1").json();
    let next = first["next"].as_str().unwrap();
    assert!(ids(&get(&format!("after={next}"))).is_empty());
}
