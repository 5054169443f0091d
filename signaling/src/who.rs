//! Those with an account, who come by their access token and not by a seat.

use crate::shared::Shared;
use model::{Phi, TenantId};
use platform::problem::{self, Kind, Problem};
use policy::{Denied, Subject};
use std::{net::IpAddr, time::Duration};

/// No account, or a session that is over.
const SIGNED_OUT: Kind = Kind::new("signed-out", 401, "You are signed out. Please sign in.");
/// Somebody walked away from the screen.
const SESSION_LOCKED: Kind = Kind::new("session-locked", 403, "The screen is locked. Unlock it first.");
/// A factor must be shown again.
const CONFIRM_FIRST: Kind =
    Kind::new("confirm-first", 403, "Please confirm with a code of your app that it is you.");
/// The role does not allow it.
const NOT_ALLOWED: Kind = Kind::new("not-allowed", 403, "Your role does not allow this.");

/// When to ask again while nobody can say who somebody is.
const LATER: Duration = Duration::from_secs(2);

pub(crate) fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(LATER)
}

/// Whose a token is.
///
/// # Errors
/// Nobody's that counts, or nobody can say now.
pub(crate) async fn of(
    shared: &Shared,
    tenant: TenantId,
    token: &str,
    from: Option<IpAddr>,
) -> Result<Subject, Problem> {
    let Some(people) = &shared.people else { return Err(problem::UNAUTHORIZED.into()) };
    match people.whose(tenant, Phi::new(token.to_owned()), from).await {
        Ok(Subject::Stranger) => Err(problem::UNAUTHORIZED.into()),
        Ok(who) => Ok(who),
        Err(_) => Err(later()),
    }
}

pub(crate) fn denied(denied: Denied) -> Problem {
    Problem::new(match denied {
        Denied::Unknown => SIGNED_OUT,
        Denied::Hidden => problem::NOT_FOUND,
        Denied::NotAllowed => NOT_ALLOWED,
        Denied::Locked => SESSION_LOCKED,
        Denied::ConfirmFirst => CONFIRM_FIRST,
    })
}
