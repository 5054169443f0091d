//! What the routes of one's own account say of themselves.

use super::super::{
    own::{Codes, Me, NewPassword},
    passkeys::{Add, AskOwn},
};
use crate::{
    limits::MAX_BODY_BYTES,
    passkeys::Asked,
    problems::{
        BEGIN_AGAIN, CONFIRM_FIRST, INVALID, LAST_WAY_IN, NO_PASSKEYS, PASSKEY_KNOWN, SIGN_IN_FAILED,
        SIGNED_OUT, TOO_MANY_PASSKEYS, WRONG_PASSKEY,
    },
};
use identity_core::account::PasskeyId;
use platform::api::{Credential, Operation};
use policy::SessionId;

const ACCOUNT: &str = "own-account";

pub(super) fn own() -> Vec<Operation> {
    let of = |operation: Operation| operation.of(ACCOUNT).needs(Credential::AccessToken).fails(SIGNED_OUT);
    vec![
        of(Operation::get("/api/v1/me", "Look at one's own account")).answers::<Me>(200, "It."),
        of(Operation::post("/api/v1/me/password", "Choose another password"))
            .takes::<NewPassword>(MAX_BODY_BYTES)
            .answers_nothing(204, "Changed.")
            .fails(SIGN_IN_FAILED)
            .fails(INVALID),
        of(Operation::post("/api/v1/me/recovery-codes", "Make other recovery codes"))
            .details("Those before count no more. Wants a fresh factor.")
            .answers::<Codes>(200, "Shown this once.")
            .fails(CONFIRM_FIRST),
        of(Operation::post("/api/v1/me/passkeys/challenge", "Be asked for a passkey, or for another one"))
            .details("To add one wants a fresh factor.")
            .takes::<AskOwn>(MAX_BODY_BYTES)
            .answers::<Asked>(200, "What to hand to the browser (WebAuthn Level 3); ten minutes.")
            .fails(CONFIRM_FIRST)
            .fails(NO_PASSKEYS),
        of(Operation::post("/api/v1/me/passkeys", "Add a passkey"))
            .details("Wants a fresh factor.")
            .takes::<Add>(MAX_BODY_BYTES)
            .answers_nothing(204, "Added.")
            .fails(BEGIN_AGAIN)
            .fails(WRONG_PASSKEY)
            .fails(CONFIRM_FIRST)
            .fails(INVALID)
            .fails(NO_PASSKEYS)
            .fails(PASSKEY_KNOWN)
            .fails(TOO_MANY_PASSKEYS),
        of(Operation::delete("/api/v1/me/passkeys/{id}", "Remove a passkey"))
            .details("Wants a fresh factor. The only way to sign in stays.")
            .path_part::<PasskeyId>("id", "Which.")
            .answers_nothing(204, "Removed.")
            .fails(CONFIRM_FIRST)
            .fails(LAST_WAY_IN),
        of(Operation::delete("/api/v1/me/sessions/{id}", "Sign out somewhere else"))
            .path_part::<SessionId>("id", "Which of one's own sessions.")
            .answers_nothing(204, "It is over."),
    ]
}
