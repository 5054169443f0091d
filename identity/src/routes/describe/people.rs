//! What the routes of who works here say of themselves.

use super::super::people::{Change, Invited, Listed, NewPerson, People, Rights};
use crate::{
    limits::{MAX_BODY_BYTES, PEOPLE_PAGE},
    problems::{
        CONFIRM_FIRST, EXISTS, INVALID, NOT_ALLOWED, ONESELF, SESSION_LOCKED, SIGN_IN_FAILED, SIGNED_OUT,
    },
};
use platform::{
    api::{Credential, Operation},
    conditional::CHANGED_MEANWHILE,
    once::KEY_REUSED,
    problem,
};
use policy::AccountId;

const PEOPLE: &str = "people";

pub(super) fn people() -> Vec<Operation> {
    let of = |operation: Operation| {
        operation
            .of(PEOPLE)
            .needs(Credential::AccessToken)
            .fails(SIGNED_OUT)
            .fails(NOT_ALLOWED)
            .fails(SESSION_LOCKED)
    };
    let once = |operation: Operation| {
        let says = "1 to 128 visible characters: the same request with the same key is carried out once.";
        operation.header("Idempotency-Key", says).fails(problem::BAD_REQUEST).fails(KEY_REUSED)
    };
    let or_key = |operation: Operation| operation.needs(Credential::AccessTokenOrKey);
    let one = |operation: Operation| operation.path_part::<AccountId>("id", "Whose account.");
    let known = |operation: Operation| {
        operation
            .header("If-None-Match", "The `ETag` of an answer: 304 if it is still that.")
            .answers_nothing(304, "As it was.")
            .with_header("ETag")
    };
    vec![
        known(or_key(of(Operation::get("/api/v1/people", "List who works here"))))
            .details("For administrators, auditors, and partners' keys with `people:read`. Recorded for the auditor.")
            .query::<AccountId>("after", "The `next` of the page before.")
            .query::<u64>("limit", "People on a page.")
            .between(1, PEOPLE_PAGE as u64)
            .answers::<People>(200, "A page, in the order of their ids.")
            .with_header("ETag"),
        once(of(Operation::post("/api/v1/people", "Invite somebody")))
            .details("For administrators, with a fresh factor. Whoever has the link becomes that person.")
            .takes::<NewPerson>(MAX_BODY_BYTES)
            .answers::<Invited>(201, "Invited.")
            .with_header("Idempotent-Replayed")
            .fails(CONFIRM_FIRST)
            .fails(EXISTS)
            .fails(INVALID),
        known(one(or_key(of(Operation::get("/api/v1/people/{id}", "Look at somebody")))))
            .details("For administrators, auditors, and partners' keys with `people:read`. Recorded for the auditor.")
            .answers::<Listed>(200, "Them.")
            .with_header("ETag"),
        one(of(Operation::patch("/api/v1/people/{id}", "Change what somebody may do")))
            .details("For administrators, with a fresh factor. Nobody changes their own rights.")
            .header("If-Match", "The `ETag` of what was seen: 412 if it is something else by now.")
            .takes::<Change>(MAX_BODY_BYTES)
            .answers::<Listed>(200, "As they are now.")
            .with_header("ETag")
            .fails(CONFIRM_FIRST)
            .fails(ONESELF)
            .fails(CHANGED_MEANWHILE)
            .fails(INVALID),
        once(one(of(Operation::post("/api/v1/people/{id}/invitation", "Have somebody begin anew"))))
            .details("Their password, app and codes count no more, and their sessions are over.")
            .answers::<Invited>(200, "Invited again.")
            .with_header("Idempotent-Replayed")
            .fails(CONFIRM_FIRST)
            .fails(SIGN_IN_FAILED)
            .fails(ONESELF),
        one(of(Operation::get("/api/v1/people/{id}/rights", "See what somebody may do")))
            .details("As the policy itself answers. For administrators, auditors, and oneself.")
            .answers::<Rights>(200, "Every action, and whether."),
    ]
}
