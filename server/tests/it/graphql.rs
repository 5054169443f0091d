//! What GraphQL answers is what the other routes answer: each field, for each role.

use crate::{
    matrix::{accepts, asks},
    process::Server,
};
use policy::{Scope, StaffRole};
use serde_json::{Value, json};

/// Everything of a person that is on the wire.
const PERSON: &str = "id name email roles duties state";

/// The roots: what to ask the other route for, the query, and where its answer is what the other one is.
struct Root {
    path: String,
    query: String,
    /// What of the other route's answer the query's `data.<root>` is.
    same: fn(&Value) -> Value,
    name: &'static str,
}

fn roots(somebody: &str) -> Vec<Root> {
    let root = |name, path: &str, query: String, same| Root { path: path.to_owned(), query, same, name };
    vec![
        root(
            "me",
            "/api/v1/me",
            "{ me { person { id name email roles duties } sessions { id current startedAt endsAt locked surroundings } ways { password provider passkeys } recoveryCodesLeft passkeys { id name addedAt shownAt } } }".into(),
            Value::clone,
        ),
        root(
            "people",
            "/api/v1/people?limit=3",
            format!("{{ people(limit: 3) {{ people {{ {PERSON} }} next }} }}"),
            Value::clone,
        ),
        root(
            "person",
            &format!("/api/v1/people/{somebody}"),
            format!("{{ person(id: \"{somebody}\") {{ {PERSON} }} }}"),
            Value::clone,
        ),
        root(
            "rights",
            &format!("/api/v1/people/{somebody}/rights"),
            format!("{{ rights(id: \"{somebody}\") {{ action allowed places }} }}"),
            |rest| {
                let mut rights = rest["rights"].clone();
                for right in rights.as_array_mut().into_iter().flatten() {
                    // Left out where there is none.
                    right.as_object_mut().unwrap().entry("places").or_insert_with(|| json!([]));
                }
                rights
            },
        ),
    ]
}

#[test]
fn every_root_answers_each_role_as_the_other_routes_do() {
    let server = Server::start_unhurried(&["--demo"]);
    let administrator = accepts(&server, server.administrator()).token;
    let invite = |name: &str, role: StaffRole| {
        let body = json!({ "email": format!("{name}@riverside.example"), "name": name, "roles": [role] });
        let invited = asks(&server, "POST", "/api/v1/people", Some(&administrator), &body);
        assert_eq!(invited.status, 201, "{}", invited.body);
        invited.json()
    };
    let somebody = invite("somebody", StaffRole::Scheduler)["id"].as_str().unwrap().to_owned();
    let mut askers =
        vec![("stranger".to_owned(), None), ("forger".to_owned(), Some("e30.e30.e30".to_owned()))];
    for role in StaffRole::ALL {
        let invited = invite(&format!("the-{role:?}"), role);
        let token = accepts(&server, invited["invitation"].as_str().unwrap()).token;
        askers.push((format!("{role:?}"), Some(token)));
    }
    let locked = accepts(&server, invite("locked", StaffRole::Auditor)["invitation"].as_str().unwrap()).token;
    assert_eq!(asks(&server, "POST", "/api/v1/auth/lock", Some(&locked), &json!({})).status, 204);
    askers.push(("locked auditor".to_owned(), Some(locked)));

    for scope in Scope::ALL {
        let key = json!({ "name": "Billing", "scopes": [scope], "days": 1 });
        let made = asks(&server, "POST", "/api/v1/partner-keys", Some(&administrator), &key).json();
        askers.push((format!("a key for {scope:?}"), made["key"].as_str().map(str::to_owned)));
    }

    let covered: Vec<_> = roots(&somebody).iter().map(|root| root.name).collect();
    let sdl = portal_api::graphql::sdl();
    let query = sdl.split("type Query {").nth(1).unwrap().split("\n}").next().unwrap();
    let fields = query.lines().filter_map(|line| {
        let name: String = line.trim().chars().take_while(char::is_ascii_alphanumeric).collect();
        (!name.is_empty()).then_some(name)
    });
    let fields: Vec<_> = fields.filter(|name| line_is_field(query, name)).collect();
    assert_eq!(fields, covered, "each root has a row here");

    let (mut shown, mut refused) = (0, 0);
    for (name, token) in &askers {
        for root in roots(&somebody) {
            let rest = asks(&server, "GET", &root.path, token.as_deref(), &Value::Null);
            let graph =
                asks(&server, "POST", "/api/v1/graphql", token.as_deref(), &json!({ "query": root.query }));
            let of = format!("{} by {name}: {} and {}", root.name, rest.body, graph.body);
            match (rest.status, graph.status) {
                (200, 200) => {
                    assert_eq!(graph.json()["data"][root.name], (root.same)(&rest.json()), "{of}");
                    assert_eq!(graph.json().get("errors"), None, "{of}");
                    shown += 1;
                }
                (401, 401) => assert_eq!(rest.code(), graph.code(), "{of}"),
                (status, 200) => {
                    let graph = graph.json();
                    assert_eq!(graph["data"][root.name], Value::Null, "{of}");
                    assert_eq!(graph["errors"][0]["extensions"]["code"], rest.code(), "{of}");
                    assert_eq!(graph["errors"][0]["extensions"]["status"], status, "{of}");
                    refused += 1;
                }
                _ => panic!("{of}"),
            }
        }
    }
    assert!(
        shown >= StaffRole::ALL.len() && refused >= StaffRole::ALL.len(),
        "{shown} shown, {refused} refused"
    );
}

/// Fields stand two columns in, and their documents and arguments do not.
fn line_is_field(query: &str, name: &str) -> bool {
    query.lines().any(|line| {
        let line = line.strip_prefix('\t').or_else(|| line.strip_prefix("  ")).unwrap_or_default();
        line.starts_with(name) && line[name.len()..].starts_with([':', '('])
    })
}
