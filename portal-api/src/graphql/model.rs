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
    /// The newest last; some may be over.
    sessions: Vec<ID>,
    recovery_codes_left: u32,
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
