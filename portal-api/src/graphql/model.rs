//! What can be read, as GraphQL shows it: the fields of the other routes' answers, under the same names.

use async_graphql::{ID, SimpleObject};
use serde::Deserialize;

/// Somebody who works here.
#[derive(SimpleObject, Deserialize)]
pub(super) struct Person {
    id: ID,
    name: String,
    email: String,
    /// As what they work here.
    roles: Vec<String>,
    /// The waiting rooms they serve.
    duties: Vec<ID>,
    /// `invited`, `invitation-expired`, `active` or `disabled`; none on one's own account.
    state: Option<String>,
}

/// A page of people.
#[derive(SimpleObject, Deserialize)]
pub(super) struct People {
    people: Vec<Person>,
    /// Where the next page begins; none after the last.
    next: Option<ID>,
}

/// One's own account.
#[derive(SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnAccount {
    person: Person,
    /// Those that go on, the newest first.
    sessions: Vec<OwnSession>,
    ways: OwnWays,
    recovery_codes_left: u32,
    passkeys: Vec<Passkey>,
}

/// How one can sign in.
#[derive(SimpleObject, Deserialize)]
pub(super) struct OwnWays {
    /// With a password and an app.
    password: bool,
    /// By the hospital's own sign-in.
    provider: bool,
    /// Whether passkeys can be used at this address.
    passkeys: bool,
}

/// Where one is signed in. Times are milliseconds since 1970-01-01 00:00 UTC.
#[derive(SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnSession {
    id: ID,
    /// The one that asks.
    current: bool,
    started_at: i64,
    ends_at: i64,
    locked: bool,
    /// `shared`, `ward` or `private`: who passes by.
    surroundings: String,
}

/// One's own passkey.
#[derive(SimpleObject, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Passkey {
    id: ID,
    name: String,
    added_at: i64,
    /// When it was last used.
    shown_at: Option<i64>,
}

/// Whether somebody may do something.
#[derive(SimpleObject, Deserialize)]
pub(super) struct Right {
    action: String,
    allowed: bool,
    /// Where: the whole unit, a waiting room they serve, or their own account.
    #[serde(default)]
    places: Vec<String>,
}

/// What somebody may do.
#[derive(Deserialize)]
pub(super) struct Rights {
    pub(super) rights: Vec<Right>,
}
