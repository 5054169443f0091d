//! What goes wrong when webhooks are managed, as HTTP says it.

use crate::records::Failed;
use identity::INVALID;
use platform::problem::{self, Kind, Problem};
use std::time::Duration;
use webhooks_core::{limits::MAX_NOTE_CHARS, webhook::Rejection};

/// As many webhooks as may be.
pub(crate) const TOO_MANY_WEBHOOKS: Kind =
    Kind::new("too-many-webhooks", 409, "There are 10 webhooks. Remove one first.");

/// When to try again after the store could not answer.
const LATER: Duration = Duration::from_secs(2);

pub(crate) fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(LATER)
}

pub(crate) fn invalid(field: &str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(INVALID).detail(detail).with("field", field)
}

pub(crate) fn of(failed: Failed) -> Problem {
    match failed {
        Failed::Later => later(),
        Failed::Rejected(Rejection::Unknown) => Problem::new(problem::NOT_FOUND),
        Failed::Rejected(Rejection::Events) => invalid("events", "Choose at least one."),
        Failed::Rejected(Rejection::Note) => {
            invalid("note", format!("One line of at most {MAX_NOTE_CHARS} characters."))
        }
        Failed::Rejected(Rejection::TooMany) => Problem::new(TOO_MANY_WEBHOOKS),
    }
}
