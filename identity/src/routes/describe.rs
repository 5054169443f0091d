//! What the routes of identity say of themselves.

mod oversight;
mod own;
mod people;

use super::{
    join::{Expected, Join, Look},
    passkeys::SignIn,
    provider::Offered,
    session::{Proof, Renewal},
    sign_in::{Ask, AskSecond, Ticket},
};
use crate::{
    answers::SignedIn,
    limits::MAX_BODY_BYTES,
    passkeys::Asked,
    problems::{
        BEGIN_AGAIN, INVALID, NO_INVITATION, NO_PASSKEYS, SIGN_IN_FAILED, SIGNED_OUT, WRONG_CODE,
        WRONG_PASSKEY,
    },
};
use identity_core::session::Surroundings;
use platform::{
    api::{Credential, Operation},
    problem,
};

const SIGNING_IN: &str = "signing-in";

/// Every route of identity.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [
        signing_in(),
        by_provider(),
        session(),
        own::own(),
        people::people(),
        oversight::emergencies(),
        oversight::audit(),
        oversight::partner_keys(),
    ]
    .concat()
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
        open(Operation::post("/api/v1/auth/passkey/challenge", "Be asked for a passkey"))
            .answers::<Asked>(200, "What to hand to the browser (WebAuthn Level 3); ten minutes.")
            .fails(NO_PASSKEYS),
        open(Operation::post("/api/v1/auth/passkey", "Show a passkey"))
            .details("It is both factors: something one has, and the authenticator has verified who it is.")
            .takes::<SignIn>(MAX_BODY_BYTES)
            .answers::<SignedIn>(200, "Signed in.")
            .with_header("Set-Cookie")
            .fails(BEGIN_AGAIN)
            .fails(WRONG_PASSKEY)
            .fails(NO_PASSKEYS),
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

/// The hospital's own sign-in: a browser is led there and back.
fn by_provider() -> Vec<Operation> {
    vec![
        Operation::get("/api/v1/auth/ways", "See how one can sign in here")
            .of(SIGNING_IN)
            .answers::<Offered<'static>>(200, "Beside a password."),
        open(Operation::get("/api/v1/auth/provider", "Go to the hospital's own sign-in"))
            .query::<Surroundings>("surroundings", "Where the browser stands.")
            .query::<String>("to", "The page to go on to.")
            .answers_nothing(303, "To the provider; to the sign-in page, if it does not answer.")
            .with_header("Location")
            .with_header("Set-Cookie")
            .fails(problem::NOT_FOUND),
        open(Operation::get("/api/v1/auth/provider/callback", "Come back from the hospital's own sign-in"))
            .details("OpenID Connect Core 1.0, 3.1.2.5. The cookie of the step before is needed.")
            .query::<String>("code", "What the provider knows them by.")
            .query::<String>("state", "As it was sent.")
            .query::<String>("iss", "Who answers (RFC 9207).")
            .answers_nothing(
                303,
                "Signed in, to the page asked for; else to the sign-in page, which says why.",
            )
            .with_header("Location")
            .with_header("Set-Cookie")
            .fails(problem::NOT_FOUND),
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
