//! What the routes of identity say of themselves.

use super::{
    join::{Expected, Join, Look},
    own::{Codes, Me, NewPassword},
    people::{Change, Invited, Listed, NewPerson, People, Rights},
    session::{Proof, Renewal},
    sign_in::{Ask, AskSecond, Ticket},
};
use crate::{
    answers::SignedIn,
    limits::{MAX_BODY_BYTES, PEOPLE_PAGE},
    problems::{
        BEGIN_AGAIN, CONFIRM_FIRST, EXISTS, INVALID, NO_INVITATION, NOT_ALLOWED, ONESELF, SESSION_LOCKED,
        SIGN_IN_FAILED, SIGNED_OUT, WRONG_CODE,
    },
};
use platform::{
    api::{Credential, Operation},
    conditional::CHANGED_MEANWHILE,
    once::KEY_REUSED,
    problem,
};
use policy::AccountId;

const SIGNING_IN: &str = "signing-in";
const ACCOUNT: &str = "own-account";
const PEOPLE: &str = "people";

/// Every route of identity.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let mut all = signing_in();
    all.extend(session());
    all.extend(own());
    all.extend(people());
    all
}

/// Nobody is known to ask; a page of another site may not.
fn open(operation: Operation) -> Operation {
    operation.of(SIGNING_IN).fails(problem::FORBIDDEN).fails(problem::TOO_MANY_REQUESTS)
}

fn signing_in() -> Vec<Operation> {
    vec![
        open(Operation::post("/api/v1/auth/sign-in", "Show address and password"))
            .details("An address that nobody has takes as long, and is answered as a wrong password is.")
            .takes::<Ask>(MAX_BODY_BYTES)
            .answers::<Ticket>(200, "For the second factor; ten minutes.")
            .fails(SIGN_IN_FAILED),
        open(Operation::post("/api/v1/auth/second", "Show the second factor"))
            .details("A code of the app, or a recovery code. Each counts once.")
            .takes::<AskSecond>(MAX_BODY_BYTES)
            .answers::<SignedIn>(200, "Signed in.")
            .with_header("Set-Cookie")
            .fails(BEGIN_AGAIN)
            .fails(WRONG_CODE)
            .fails(SIGN_IN_FAILED),
        open(Operation::post("/api/v1/auth/invitation", "Look at an invitation"))
            .details("Nothing is used up: the link still works.")
            .takes::<Look>(MAX_BODY_BYTES)
            .answers::<Expected>(200, "Who is expected, and a secret for their authenticator app.")
            .fails(NO_INVITATION),
        open(Operation::post("/api/v1/auth/join", "Set password and app"))
            .details("The link is used up. Recovery codes are shown this once.")
            .takes::<Join>(MAX_BODY_BYTES)
            .answers::<SignedIn>(200, "Joined, and signed in.")
            .with_header("Set-Cookie")
            .fails(BEGIN_AGAIN)
            .fails(NO_INVITATION)
            .fails(WRONG_CODE)
            .fails(INVALID),
    ]
}

fn session() -> Vec<Operation> {
    let of = |path, summary| {
        Operation::post(path, summary).of(SIGNING_IN).needs(Credential::AccessToken).fails(SIGNED_OUT)
    };
    vec![
        Operation::post("/api/v1/auth/renew", "Stay signed in")
            .details("Another access token, and another cookie. A cookie that was replaced ends the session.")
            .of(SIGNING_IN)
            .needs(Credential::Cookie)
            .takes::<Renewal>(MAX_BODY_BYTES)
            .answers::<SignedIn>(200, "Signed in still.")
            .with_header("Set-Cookie")
            .fails(problem::FORBIDDEN)
            .fails(SIGNED_OUT),
        of("/api/v1/auth/lock", "Lock the screen")
            .details("A call goes on; nothing of patients is shown.")
            .answers_nothing(204, "Locked."),
        of("/api/v1/auth/unlock", "Unlock the screen")
            .details("With the password or a code of the app. Five mistakes end the session.")
            .takes::<Proof>(MAX_BODY_BYTES)
            .answers_nothing(204, "Unlocked.")
            .fails(WRONG_CODE),
        of("/api/v1/auth/confirm", "Show a factor again")
            .details("For ten minutes, what demands a fresh factor is allowed.")
            .takes::<Proof>(MAX_BODY_BYTES)
            .answers_nothing(204, "Confirmed.")
            .fails(WRONG_CODE),
        of("/api/v1/auth/sign-out", "Sign out")
            .answers_nothing(204, "Signed out.")
            .with_header("Set-Cookie")
            .fails(problem::FORBIDDEN),
    ]
}

fn own() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/me", "Look at one's own account")
            .of(ACCOUNT)
            .needs(Credential::AccessToken)
            .fails(SIGNED_OUT)
            .answers::<Me>(200, "It."),
        Operation::post("/api/v1/me/password", "Choose another password")
            .of(ACCOUNT)
            .needs(Credential::AccessToken)
            .fails(SIGNED_OUT)
            .takes::<NewPassword>(MAX_BODY_BYTES)
            .answers_nothing(204, "Changed.")
            .fails(SIGN_IN_FAILED)
            .fails(INVALID),
        Operation::post("/api/v1/me/recovery-codes", "Make other recovery codes")
            .details("Those before count no more. Wants a fresh factor.")
            .of(ACCOUNT)
            .needs(Credential::AccessToken)
            .fails(SIGNED_OUT)
            .answers::<Codes>(200, "Shown this once.")
            .fails(CONFIRM_FIRST),
    ]
}

fn people() -> Vec<Operation> {
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
    let one = |operation: Operation| operation.path_part::<AccountId>("id", "Whose account.");
    let known = |operation: Operation| {
        operation
            .header("If-None-Match", "The `ETag` of an answer: 304 if it is still that.")
            .answers_nothing(304, "As it was.")
            .with_header("ETag")
    };
    vec![
        known(of(Operation::get("/api/v1/people", "List who works here")))
            .details("For administrators and auditors. Recorded for the auditor.")
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
        known(one(of(Operation::get("/api/v1/people/{id}", "Look at somebody"))))
            .details("For administrators and auditors. Recorded for the auditor.")
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
