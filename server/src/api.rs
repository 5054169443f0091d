//! The description of everything under `/api`, put together from what each crate says of its routes.

use crate::http::lanes::OUT_OF_TIME;
use platform::{
    api::{About, Operation, document},
    problem,
};
use serde_json::Value;

const ABOUT: About = About {
    title: "Telehealth API",
    version: "1",
    description: "Bodies are JSON in UTF-8. Times are milliseconds since 1970-01-01 00:00 UTC. Ids are UUIDs.\n\n\
        What goes wrong is answered as a problem (RFC 9457): a stable `code`, a sentence for whoever meets it, and a page \
        that says what to do.\n\nEverybody who is signed in, every healthcare unit and every partner's key has so many \
        requests a second; answers say how many are left. Beyond it: 429, and `Retry-After`. When the server has more \
        work than it can do: 503, and `Retry-After`; nothing was done. `x-request-budget-ms` says how long somebody waits \
        for an answer.\n\nLists come in pages: `next` of one is `after` of the next.",
    tags: &[
        ("signing-in", "How somebody who works here becomes known, and stays it."),
        ("own-account", "One's own account."),
        ("people", "Who works here, and what they may do."),
        ("visits", "Visits, and the way into one."),
        ("waiting-rooms", "Where clinicians work."),
        ("emergencies", "Reading what one otherwise may not, because somebody is in danger."),
        ("audit", "Who did what."),
        ("unit", "The healthcare unit, and how the platform does."),
        ("partners", "Keys of partners' systems."),
        ("webhooks", "Where a unit's events are sent."),
        ("graphql", "Flexible reads, with the same rights."),
        ("description", "This description."),
    ],
    everywhere: &[problem::BAD_REQUEST, problem::UNAVAILABLE, OUT_OF_TIME],
    signed_in: &[problem::TOO_MANY_REQUESTS],
};

/// Every operation of the public listener under `/api`.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [identity::operations(), signaling::operations(), webhooks::operations(), portal_api::operations()]
        .concat()
}

/// The OpenAPI document.
///
/// # Errors
/// Names of schemas that are called alike and are not.
pub fn openapi() -> Result<Value, Vec<String>> {
    document(&ABOUT, &operations())
}
