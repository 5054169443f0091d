//! `POST /api/v1/auth/sign-in`: address and password for a ticket. `POST /api/v1/auth/second`: ticket and code for a
//! session.

use super::{Here, Peer, source};
use crate::{
    answers::Held,
    codes,
    failures::Factor,
    limits::TICKET_TTL,
    problems::{BEGIN_AGAIN, SIGN_IN_FAILED, WRONG_CODE, later, of_account, of_session},
    records::Failed,
    service::{Guesser, Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use identity_core::{
    account::{self, Account, Second},
    secret::SecretHash,
    session::{self, Surroundings},
    text::{Login, recovery_code},
};
use model::Phi;
use platform::{
    body::{json, own_site},
    clock::Clock as _,
    event_log::NewAudit,
    problem::{self, Problem},
    throttle::Source,
};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `aud` of the ticket between the two factors.
const TICKET_AUDIENCE: &str = "second-factor";

#[derive(Clone, Copy, Serialize, Deserialize)]
struct TicketClaims {
    account: AccountId,
    login: Uuid,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SignIn")]
pub(crate) struct Ask {
    email: Phi<String>,
    password: Phi<String>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Ticket {
    ticket: String,
}

pub(crate) async fn password(
    Here(identity): Here,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let Ask { email, password } = json(&headers, body)?;
    // What is no address has no account; it is not said which of the two is wrong.
    let login = Login::new(email.expose()).map_err(|_| SIGN_IN_FAILED)?;
    let blind = identity.records.blind(identity.tenant, &login);
    let attempt = identity.attempt(&headers, blind, Some(source(peer)));
    identity.must_wait(attempt)?;
    let found = identity.records.find(identity.tenant, &login).await.map_err(|_| later())?;
    let account = match found {
        Some(id) => identity.records.account(identity.tenant, id).await.map_err(|_| later())?,
        None => None,
    };
    let hash = account.as_ref().and_then(Account::factors).and_then(|factors| factors.password.as_ref());
    let right = identity.passwords.verify(password, hash).await.map_err(|_| later())?;
    let Some(id) = found.filter(|_| right) else {
        identity.was_wrong(attempt);
        identity.could_not_sign_in(account.as_ref().and(found), Factor::Password);
        return Err(SIGN_IN_FAILED.into());
    };
    let claims = TicketClaims { account: id, login: blind };
    let ticket = identity.ticket(TICKET_AUDIENCE, TICKET_TTL, claims);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Ticket { ticket })).into_response())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "SecondFactor")]
pub(crate) struct AskSecond {
    ticket: String,
    #[serde(default)]
    code: Option<Phi<String>>,
    #[serde(default)]
    recovery_code: Option<Phi<String>>,
    #[serde(default)]
    surroundings: Surroundings,
}

pub(crate) async fn second(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let AskSecond { ticket, code, recovery_code: recovery, surroundings } = json(&headers, body)?;
    let now = identity.records.clock.now();
    let ticket = identity.ticketed::<TicketClaims>(TICKET_AUDIENCE, &ticket);
    let TicketClaims { account: id, login } = ticket.ok_or(BEGIN_AGAIN)?;
    let attempt = identity.attempt(&headers, login, None);
    identity.must_wait(attempt)?;
    let account = identity.records.account(identity.tenant, id).await.map_err(|_| later())?;
    let factors = account.as_ref().and_then(Account::factors).ok_or(SIGN_IN_FAILED)?;
    let second = match (code, recovery) {
        (Some(code), None) => {
            let totp = factors.totp.as_ref();
            let step = totp.and_then(|totp| codes::totp_step(totp, code.expose(), now));
            step.map(|step| Second::Code { step })
        }
        (None, Some(code)) => Some(Second::Recovery(SecretHash::of(&recovery_code(code.expose())))),
        _ => return Err(problem::BAD_REQUEST.into()),
    };
    let session = SessionId(platform::ids::fresh());
    let signed_in = match second {
        Some(second) => {
            let audit = NewAudit { subject: Some(session.0), ..audit("session.sign-in", Some(id)) };
            let command = account::Command::SignIn { session, second };
            identity.records.change_account(identity.tenant, id, Some(audit), command).await
        }
        None => Err(Failed::Rejected(account::Rejection::WrongCode)),
    };
    let account = match signed_in {
        Ok(account) => account,
        Err(failed) => {
            if failed == Failed::Rejected(account::Rejection::WrongCode) {
                identity.was_wrong(attempt);
                identity.could_not_sign_in(Some(id), Factor::Code);
            }
            return Err(of_account(failed));
        }
    };
    identity.was_right(attempt);
    let held = identity.start(id, session, surroundings).await?;
    let mut response = identity.signed_in(&account, held, None);
    identity.remember_device(&mut response, &headers, login);
    Ok(response)
}

/// Something was tried that can be wrong.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) guesser: Option<Guesser>,
    pub(crate) from: Option<Source>,
}

impl Attempt {
    /// At a session that somebody has.
    pub(crate) const fn at(session: SessionId) -> Self {
        Self { guesser: Some(Guesser::Device(session.0)), from: None }
    }

    /// From a network, by nobody that is known.
    pub(crate) const fn from(from: Source) -> Self {
        Self { guesser: None, from: Some(from) }
    }
}

impl Identity {
    /// Begins a session for somebody who has shown both factors.
    pub(crate) async fn start(
        &self,
        account: AccountId,
        id: SessionId,
        surroundings: Surroundings,
    ) -> Result<Held, Problem> {
        let refresh = codes::token();
        let command = session::Command::Start { account, surroundings, refresh: SecretHash::of(&refresh) };
        let (session, _) =
            self.records.change_session(self.tenant, id, None, command).await.map_err(of_session)?;
        Ok(Held { id, session, refresh })
    }

    /// For whom it counts if it is wrong. A browser that was signed in with that address before answers for itself
    /// alone, so that nobody can be locked out by somebody else's guesses.
    fn attempt(&self, headers: &HeaderMap, login: Uuid, from: Option<Source>) -> Attempt {
        match self.device(headers, login) {
            Some(device) => Attempt { guesser: Some(Guesser::Device(device)), from: None },
            None => Attempt { guesser: Some(Guesser::Anybody(login)), from },
        }
    }

    pub(crate) fn must_wait(&self, attempt: Attempt) -> Result<(), Problem> {
        let now = self.steady.now();
        let wait = attempt.guesser.and_then(|guesser| self.wrong.lock().must_wait(guesser, now));
        let wait = wait.max(attempt.from.and_then(|from| self.wrong_from.lock().must_wait(from, now)));
        wait.map_or(Ok(()), |wait| Err(Problem::new(problem::TOO_MANY_REQUESTS).retry_after(wait)))
    }

    pub(crate) fn was_wrong(&self, attempt: Attempt) {
        let now = self.steady.now();
        if let Some(guesser) = attempt.guesser {
            self.wrong.lock().failed(guesser, now);
        }
        if let Some(from) = attempt.from {
            self.wrong_from.lock().failed(from, now);
        }
    }

    /// For the auditor, by and by: here it takes as long for somebody as for nobody.
    pub(crate) fn could_not_sign_in(&self, account: Option<AccountId>, factor: Factor) {
        self.failures.note(self.tenant, account, factor, self.records.clock.now());
    }

    pub(crate) fn was_right(&self, attempt: Attempt) {
        if let Some(guesser) = attempt.guesser {
            self.wrong.lock().succeeded(guesser);
        }
    }

    /// The time step of a code that somebody shows at a session they have.
    pub(crate) fn step(&self, account: &Account, code: &Phi<String>) -> Result<u64, Problem> {
        let factors = account.factors().ok_or(SIGN_IN_FAILED)?;
        let totp = factors.totp.as_ref().ok_or(WRONG_CODE)?;
        Ok(codes::totp_step(totp, code.expose(), self.records.clock.now()).ok_or(WRONG_CODE)?)
    }
}
