//! The keys of tokens are rotated, and taken away, while the server runs.

use crate::{
    http::{ask, get},
    process::{Server, run},
};
use serde_json::Value;
use std::collections::BTreeSet;
use testkit::wait::eventually;

fn shown(server: &Server) -> BTreeSet<String> {
    let answer = get(server.http(), "/.well-known/jwks.json");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers["content-type"], "application/jwk-set+json");
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    for key in &keys {
        let fields: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["alg", "crv", "kid", "kty", "use", "x"], "nothing private");
    }
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Whether a media token is taken: what is asked with it is nonsense.
fn taken(server: &Server, token: &Value) -> bool {
    let (url, token) = (token["url"].as_str().unwrap(), token["token"].as_str().unwrap());
    let path = url.strip_prefix(server.url().trim_end_matches('/')).unwrap();
    let bearer = format!("Bearer {token}");
    let asked = [("authorization", bearer.as_str()), ("content-type", "application/sdp")];
    ask(server.http(), "POST", path, &asked, "nonsense").status != 401
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_hears_of_new_keys_and_of_stolen_ones_without_a_restart() {
    let server = Server::start();
    let data = server.data();
    let rotate = |further: &[&str]| {
        let args = [&["keys", "rotate-tokens", "--data-dir", data.to_str().unwrap()], further].concat();
        let output = run(&args, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        said.split_whitespace().next().unwrap().to_owned()
    };
    let token = server.tokens(&[])[0]["publish"].clone();
    let first = shown(&server);
    assert!(first.len() == 1 && taken(&server, &token));

    let next = rotate(&[]);
    eventually("it to be announced", async || shown(&server).contains(&next)).await;
    assert!(shown(&server).is_superset(&first) && taken(&server, &token));
    // It does not sign yet, and what is signed meanwhile is taken.
    assert!(taken(&server, &server.tokens(&[])[0]["publish"]));

    let only = rotate(&["--revoke"]);
    eventually("the others to be gone", async || shown(&server) == BTreeSet::from([only.clone()])).await;
    assert!(!taken(&server, &token));
    assert!(taken(&server, &server.tokens(&[])[0]["publish"]));
}
