//! What goes wrong when people sign in or are managed, as HTTP says it.

use crate::records::Failed;
use identity_core::{
    account, emergency,
    limits::{MAX_NETWORKS_OF_KEY, MAX_NOTE_CHARS, MAX_PARTNER_KEY_DAYS, REASON_CHARS},
    partner,
    session::{self, Ending},
    text::TextError,
};
use platform::problem::{self, Kind, Problem};
use policy::Denied;
use std::time::Duration;

/// Wrong address or password: deliberately one kind.
pub(crate) const SIGN_IN_FAILED: Kind =
    Kind::new("sign-in-failed", 401, "The e-mail address or the password is not right.");
/// Wrong or used code.
pub(crate) const WRONG_CODE: Kind =
    Kind::new("wrong-code", 401, "This code is not right, or was used before. Wait for the next one.");
/// A passkey that does not count.
pub(crate) const WRONG_PASSKEY: Kind = Kind::new("wrong-passkey", 401, "This passkey does not work here.");
/// One more passkey than there may be.
pub(crate) const TOO_MANY_PASSKEYS: Kind =
    Kind::new("too-many-passkeys", 409, "There are ten passkeys already. Remove one first.");
/// The same passkey again.
pub(crate) const PASSKEY_KNOWN: Kind =
    Kind::new("passkey-known", 409, "This passkey is among yours already.");
/// Nobody locks themselves out.
pub(crate) const LAST_WAY_IN: Kind =
    Kind::new("last-way-in", 409, "This is your only way to sign in. Add another one first.");
/// Browsers offer passkeys at names and over TLS only.
pub(crate) const NO_PASSKEYS: Kind =
    Kind::new("no-passkeys", 409, "Passkeys cannot be used at this address.");
/// The ticket between two steps is too old.
pub(crate) const BEGIN_AGAIN: Kind = Kind::new("begin-again", 401, "This took too long. Please begin again.");
/// No session, or one that is over.
pub const SIGNED_OUT: Kind = Kind::new("signed-out", 401, "You are signed out. Please sign in.");
/// The session is locked.
pub const SESSION_LOCKED: Kind = Kind::new("session-locked", 403, "The screen is locked. Unlock it first.");
/// A factor must be shown again.
pub const CONFIRM_FIRST: Kind =
    Kind::new("confirm-first", 403, "Please confirm with a code of your app that it is you.");
/// The role does not allow it.
pub const NOT_ALLOWED: Kind = Kind::new("not-allowed", 403, "Your role does not allow this.");
/// An invitation that does not work.
pub(crate) const NO_INVITATION: Kind = Kind::new(
    "no-invitation",
    410,
    "This invitation does not work any more. Ask whoever invited you for another one.",
);
/// What was typed cannot be taken.
pub const INVALID: Kind = Kind::new("invalid", 422, "Something you wrote cannot be taken.");
/// Somebody with that address works here already.
pub(crate) const EXISTS: Kind =
    Kind::new("person-exists", 409, "Somebody with this e-mail address is here already.");
/// Nobody changes their own rights.
pub(crate) const ONESELF: Kind =
    Kind::new("not-oneself", 409, "Nobody changes their own rights. Ask another administrator.");

/// They have declared too many emergencies.
pub(crate) const TOO_MANY_EMERGENCIES: Kind = Kind::new(
    "too-many-emergencies",
    409,
    "You have as many emergencies open, or had as many today, as one person may. Hand one back, or call a colleague.",
);
/// Somebody else reviews it.
pub(crate) const OWN_EMERGENCY: Kind =
    Kind::new("own-emergency", 409, "Nobody reviews what they did themselves. Ask another auditor.");
/// Somebody was faster.
pub(crate) const REVIEWED_BEFORE: Kind =
    Kind::new("reviewed-before", 409, "Somebody has reviewed this already.");

/// As many partners' keys count as may.
pub(crate) const TOO_MANY_PARTNER_KEYS: Kind =
    Kind::new("too-many-partner-keys", 409, "There are 50 keys that count. Revoke one first.");

/// When to try again after the store could not answer.
const LATER: Duration = Duration::from_secs(2);

pub(crate) fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(LATER)
}

pub(crate) fn invalid(field: &'static str, error: TextError) -> Problem {
    Problem::new(INVALID).detail(error.to_string()).with("field", field)
}

/// Why the policy said no, as HTTP says it.
#[must_use]
pub fn denied(denied: Denied) -> Problem {
    Problem::new(match denied {
        Denied::Unknown => SIGNED_OUT,
        Denied::Hidden => problem::NOT_FOUND,
        Denied::NotAllowed => NOT_ALLOWED,
        Denied::Locked => SESSION_LOCKED,
        Denied::ConfirmFirst => CONFIRM_FIRST,
    })
}

pub(crate) fn of_account(failed: Failed<account::Rejection>) -> Problem {
    use account::Rejection::{
        Exists, LastWayIn, NoInvitation, NoRole, NotActive, Oneself, PasskeyKnown, TooManyDuties,
        TooManyPasskeys, Unknown, WrongCode, WrongPasskey,
    };
    match failed {
        Failed::Later => later(),
        Failed::Rejected(Unknown) => Problem::new(problem::NOT_FOUND),
        Failed::Rejected(Exists) => Problem::new(EXISTS),
        Failed::Rejected(NoInvitation) => Problem::new(NO_INVITATION),
        Failed::Rejected(NotActive) => Problem::new(SIGN_IN_FAILED),
        Failed::Rejected(WrongCode) => Problem::new(WRONG_CODE),
        Failed::Rejected(WrongPasskey) => Problem::new(WRONG_PASSKEY),
        Failed::Rejected(PasskeyKnown) => Problem::new(PASSKEY_KNOWN),
        Failed::Rejected(TooManyPasskeys) => Problem::new(TOO_MANY_PASSKEYS),
        Failed::Rejected(LastWayIn) => Problem::new(LAST_WAY_IN),
        Failed::Rejected(NoRole) => {
            Problem::new(INVALID).detail("Choose at least one role.").with("field", "roles")
        }
        Failed::Rejected(TooManyDuties) => Problem::new(INVALID)
            .detail("That is too many waiting rooms for one person.")
            .with("field", "duties"),
        Failed::Rejected(Oneself) => Problem::new(ONESELF),
    }
}

pub(crate) fn of_partner_key(failed: Failed<partner::Rejection>) -> Problem {
    use partner::Rejection::{Days, Name, Networks, Scopes, TooMany, Unknown};
    let invalid = |field: &str, detail: String| Problem::new(INVALID).detail(detail).with("field", field);
    match failed {
        Failed::Later => later(),
        Failed::Rejected(Unknown) => Problem::new(problem::NOT_FOUND),
        Failed::Rejected(Name) => invalid("name", TextError::Name.to_string()),
        Failed::Rejected(Scopes) => invalid("scopes", "Choose at least one.".to_owned()),
        Failed::Rejected(Networks) => invalid("networks", format!("At most {MAX_NETWORKS_OF_KEY}.")),
        Failed::Rejected(Days) => invalid("days", format!("1 to {MAX_PARTNER_KEY_DAYS} days.")),
        Failed::Rejected(TooMany) => Problem::new(TOO_MANY_PARTNER_KEYS),
    }
}

pub(crate) fn of_emergency(failed: Failed<emergency::Rejection>) -> Problem {
    use emergency::Rejection::{Note, Oneself, Reason, Reviewed, TooMany, Unknown};
    let chars = |field: &str, least: usize, most: usize| {
        Problem::new(INVALID).detail(format!("Write {least} to {most} characters.")).with("field", field)
    };
    match failed {
        Failed::Later => later(),
        Failed::Rejected(Unknown) => Problem::new(problem::NOT_FOUND),
        Failed::Rejected(Reason) => chars("reason", *REASON_CHARS.start(), *REASON_CHARS.end()),
        Failed::Rejected(Note) => chars("note", 1, MAX_NOTE_CHARS),
        Failed::Rejected(TooMany) => Problem::new(TOO_MANY_EMERGENCIES),
        Failed::Rejected(Oneself) => Problem::new(OWN_EMERGENCY),
        Failed::Rejected(Reviewed) => Problem::new(REVIEWED_BEFORE),
    }
}

pub(crate) fn of_session(failed: Failed<session::Rejection>) -> Problem {
    match failed {
        Failed::Later => later(),
        Failed::Rejected(session::Rejection::Unknown) => Problem::new(SIGNED_OUT),
        Failed::Rejected(session::Rejection::Over(ending)) => over(ending),
        Failed::Rejected(session::Rejection::Locked) => Problem::new(SESSION_LOCKED),
    }
}

/// Signed out, and why: the page says it in words.
pub(crate) fn over(ending: Ending) -> Problem {
    let why = serde_json::to_value(ending).unwrap_or_default();
    Problem::new(SIGNED_OUT).with("ending", why)
}
