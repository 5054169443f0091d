//! People with accounts: an administrator, and auditors whom they invite. All sign in with password and app.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{SystemTime, UNIX_EPOCH},
};
use totp_rs::{Builder, Secret};

/// Somebody who is signed in.
pub(crate) struct Person {
    /// Where the server is: host and port.
    pub(crate) at: String,
    pub(crate) id: String,
    pub(crate) token: String,
}

/// So many people, of whom the first is the administrator.
pub(crate) fn join(link: &str, count: usize) -> Result<Vec<Person>> {
    let administrator = accept(link)?;
    let mut people = Vec::new();
    for n in 1..count {
        let person = json!({ "email": format!("auditor-{n}@riverside.example"), "name": "Sam Okafor", "roles": ["auditor"] });
        let invited = ask(&administrator.at, "people", Some(&administrator.token), &person)?;
        people.push(accept(invited["invitation"].as_str().context("no invitation")?)?);
    }
    people.insert(0, administrator);
    Ok(people)
}

fn accept(link: &str) -> Result<Person> {
    let (page, secret) = link.split_once("/join#i=").context("not an invitation")?;
    let at = page.split_once("://").context("not a link")?.1.to_owned();
    let look = ask(&at, "auth/invitation", None, &json!({ "secret": secret }))?;
    let totp = look["authenticator"]["secret"].as_str().context("no app")?;
    let secret = Secret::try_from_base32(totp).ok().context("not base32")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let totp = Builder::new().with_secret(secret).with_step_duration(30).build().ok().context("no app")?;
    let body = json!({
        "ticket": look["ticket"], "password": "correct horse battery", "code": totp.generate(now).to_string(),
    });
    let joined = ask(&at, "auth/join", None, &body)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("not signed in");
    Ok(Person { at, id: text(&joined["person"]["id"])?, token: text(&joined["accessToken"])? })
}

fn ask(at: &str, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /api/v1/{path} HTTP/1.1\r\nhost: {at}\r\n{bearer}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(at)?;
    stream.write_all((head + &body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an answer")?;
    ensure!(head.starts_with("HTTP/1.1 20"), "{path}: {body}");
    Ok(serde_json::from_str(body)?)
}
