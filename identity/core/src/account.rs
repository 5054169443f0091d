//! The life of an account: invited, joined, changed, disabled.

use crate::{
    limits::{CHALLENGE_TTL, INVITATION_TTL, MAX_ANSWERED, MAX_DUTIES, MAX_LISTED_SESSIONS, MAX_PASSKEYS},
    secret::SecretHash,
    text::Login,
};
use model::{Phi, Timestamp, WaitingRoomId};
use policy::{AccountId, SessionId, StaffRoles};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use uuid::Uuid;

/// The waiting rooms that somebody serves.
pub type Duties = BTreeSet<WaitingRoomId>;

/// A passkey's name in our own records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct PasskeyId(pub Uuid);

/// A passkey that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPasskey {
    /// Its name here.
    pub id: PasskeyId,
    /// The authenticator's name for it, base64url.
    pub credential: String,
    /// Its public key, COSE, base64url.
    pub key: String,
    /// How often it has signed.
    pub counter: u32,
    /// What its person calls it.
    pub name: Phi<String>,
}

/// What was recorded. A shape is for ever: fields may be added with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Somebody may join.
    Invited {
        /// With which address.
        login: Login,
        /// Their name.
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        /// As what.
        roles: StaffRoles,
        /// Which waiting rooms they serve.
        duties: Duties,
        /// Of the invitation's link.
        invitation: SecretHash,
        /// Until when the link works.
        expires_at: Timestamp,
        /// Who invited; the platform itself if none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
    },
    /// They begin anew: no factor counts any more.
    Reinvited {
        /// Of the new link.
        invitation: SecretHash,
        /// Until when it works.
        expires_at: Timestamp,
        /// Who invited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
    },
    /// They have set their factors.
    Joined {
        /// Argon2id, in PHC form.
        #[serde(serialize_with = "model::phi::expose")]
        password: Phi<String>,
        /// The secret of their authenticator app, base32.
        #[serde(serialize_with = "model::phi::expose")]
        totp: Phi<String>,
        /// The time step of the code that proved it.
        step: u64,
        /// Of their recovery codes.
        recovery: BTreeSet<SecretHash>,
        /// The session that began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
    },
    /// They have made a passkey, which is both factors: no password, no app.
    JoinedByPasskey {
        /// Its name here.
        passkey: PasskeyId,
        /// The authenticator's name for it, base64url.
        credential: String,
        /// Its public key, COSE, base64url.
        key: String,
        /// How often it has signed.
        counter: u32,
        /// What they call it.
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        /// The challenge that counts no more.
        answered: SecretHash,
        /// The session that began.
        session: SessionId,
    },
    /// The hospital's own sign-in has brought somebody who was not here before.
    Provided {
        /// Their address, as it was said: nobody can be found by it.
        login: Login,
        /// Their name.
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        /// As what.
        roles: StaffRoles,
        /// The session that began.
        session: SessionId,
    },
    /// The hospital's own sign-in has brought them again.
    ProvidedAgain {
        /// As what: as it was said this time.
        roles: StaffRoles,
        /// The session that began.
        session: SessionId,
    },
    /// They may do something else from now on.
    RightsChanged {
        /// As what.
        roles: StaffRoles,
        /// Where.
        duties: Duties,
        /// Who decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
    },
    /// They are let in no more.
    Disabled {
        /// Who decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
    },
    /// They are let in again.
    Enabled {
        /// Who decided it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<AccountId>,
    },
    /// They showed both factors; the second was a code of their app.
    SignedIn {
        /// The session that began.
        session: SessionId,
        /// The code's time step: it counts once.
        step: u64,
    },
    /// They showed both factors; the second was a recovery code, which is used up.
    Recovered {
        /// The session that began.
        session: SessionId,
        /// Which code.
        code: SecretHash,
    },
    /// They showed a code of their app at a session they have.
    Confirmed {
        /// The code's time step.
        step: u64,
    },
    /// Their password is another.
    PasswordChanged {
        /// Argon2id, in PHC form.
        #[serde(serialize_with = "model::phi::expose")]
        password: Phi<String>,
    },
    /// Their recovery codes are others.
    RecoveryCodesMade {
        /// Of the codes.
        recovery: BTreeSet<SecretHash>,
    },
    /// They have one more passkey.
    PasskeyAdded {
        /// Its name here.
        passkey: PasskeyId,
        /// The authenticator's name for it, base64url.
        credential: String,
        /// Its public key, COSE, base64url.
        key: String,
        /// How often it has signed.
        counter: u32,
        /// What they call it.
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        /// The challenge that counts no more.
        answered: SecretHash,
    },
    /// A passkey lets nobody in any more.
    PasskeyRemoved {
        /// Which.
        passkey: PasskeyId,
    },
    /// They have shown a passkey.
    PasskeyShown {
        /// Which.
        passkey: PasskeyId,
        /// How often it has signed.
        counter: u32,
        /// The challenge that counts no more.
        answered: SecretHash,
        /// The session that began; none if they have one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
    },
}

/// What somebody wants. Who may want it is the policy's question.
#[derive(Clone, Debug)]
pub enum Command {
    /// Somebody is to work here.
    Invite {
        /// With which address.
        login: Login,
        /// Their name.
        name: Phi<String>,
        /// As what.
        roles: StaffRoles,
        /// Where.
        duties: Duties,
        /// Of the link's secret.
        invitation: SecretHash,
        /// Who invites.
        by: Option<AccountId>,
    },
    /// They lost their factors, or never joined.
    Reinvite {
        /// Of the new link's secret.
        invitation: SecretHash,
        /// Who invites.
        by: Option<AccountId>,
    },
    /// Whoever has the link sets their factors.
    Join {
        /// Of the link's secret.
        invitation: SecretHash,
        /// Argon2id, in PHC form.
        password: Phi<String>,
        /// The secret of the authenticator app, base32.
        totp: Phi<String>,
        /// The time step of a code it has made.
        step: u64,
        /// Of the recovery codes they are shown.
        recovery: BTreeSet<SecretHash>,
        /// The session to begin.
        session: SessionId,
    },
    /// Whoever has the link has made a passkey.
    JoinByPasskey {
        /// Of the link's secret.
        invitation: SecretHash,
        /// The passkey.
        passkey: NewPasskey,
        /// The challenge it was made for.
        answered: SecretHash,
        /// The session to begin.
        session: SessionId,
    },
    /// The hospital's own sign-in says who somebody is and as what they work.
    Provide {
        /// Their address.
        login: Login,
        /// Their name.
        name: Phi<String>,
        /// As what.
        roles: StaffRoles,
        /// The session to begin.
        session: SessionId,
    },
    /// They are to do something else.
    ChangeRights {
        /// As what.
        roles: StaffRoles,
        /// Where.
        duties: Duties,
        /// Who decides it.
        by: Option<AccountId>,
    },
    /// They are to be let in, or not.
    Admit {
        /// Whether.
        admit: bool,
        /// Who decides it.
        by: Option<AccountId>,
    },
    /// They show the second factor; the password was right.
    SignIn {
        /// The session to begin.
        session: SessionId,
        /// What they show.
        second: Second,
    },
    /// They show a code of their app at a session they have.
    Confirm {
        /// Its time step.
        step: u64,
    },
    /// They choose another password.
    ChangePassword {
        /// Argon2id, in PHC form.
        password: Phi<String>,
    },
    /// They want other recovery codes.
    MakeRecoveryCodes {
        /// Of the codes.
        recovery: BTreeSet<SecretHash>,
    },
    /// They have made one more passkey.
    AddPasskey {
        /// The passkey.
        passkey: NewPasskey,
        /// The challenge it was made for.
        answered: SecretHash,
    },
    /// A passkey is lost, or wanted no more.
    RemovePasskey {
        /// Which.
        passkey: PasskeyId,
    },
    /// They show a passkey; its signature was right.
    ShowPasskey {
        /// Which.
        passkey: PasskeyId,
        /// How often it has signed.
        counter: u32,
        /// The challenge it was shown for.
        answered: SecretHash,
        /// The session to begin; none if they have one.
        session: Option<SessionId>,
    },
}

/// A second factor, as it was shown.
#[derive(Clone, Copy, Debug)]
pub enum Second {
    /// A code of the app: its time step (RFC 6238, 4.2), as the shell found it by the secret.
    Code {
        /// The time step.
        step: u64,
    },
    /// A recovery code.
    Recovery(SecretHash),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such account.
    #[error("no such account")]
    Unknown,
    /// Somebody with this address is here already.
    #[error("the account exists")]
    Exists,
    /// The link does not work: wrong, used, replaced or too old. Deliberately one kind.
    #[error("the invitation does not work")]
    NoInvitation,
    /// They have not joined, or are let in no more.
    #[error("not active")]
    NotActive,
    /// The code was used before, or is none of theirs.
    #[error("the code does not count")]
    WrongCode,
    /// The passkey is none of theirs, was copied, or answers what was answered before.
    #[error("the passkey does not count")]
    WrongPasskey,
    /// They have this passkey already.
    #[error("the passkey is known")]
    PasskeyKnown,
    /// They have so many passkeys already.
    #[error("too many passkeys")]
    TooManyPasskeys,
    /// Without it they could not sign in any more.
    #[error("this is the last way in")]
    LastWayIn,
    /// Without a role they could do nothing.
    #[error("a person has a role")]
    NoRole,
    /// They serve too many waiting rooms.
    #[error("too many waiting rooms")]
    TooManyDuties,
    /// Nobody changes their own rights, so that an administrator is always left.
    #[error("nobody changes their own rights")]
    Oneself,
}

/// How they can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They have a link.
    Invited {
        /// Its secret's hash.
        invitation: SecretHash,
        /// Until when it works.
        expires_at: Timestamp,
    },
    /// They have factors.
    Active(Factors),
}

/// What somebody shows to be let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factors {
    /// Argon2id, in PHC form; none of who joined with a passkey, or comes from the hospital's own sign-in.
    pub password: Option<Phi<String>>,
    /// The secret of the authenticator app, base32; none like the password.
    pub totp: Option<Phi<String>>,
    /// The newest time step that was used: it and those before it count no more.
    pub last_step: u64,
    /// The recovery codes that are left.
    pub recovery: BTreeSet<SecretHash>,
    /// Passkeys, the oldest first: each is both factors.
    pub passkeys: Vec<Passkey>,
    /// The hospital's own sign-in lets them in.
    pub provided: bool,
    /// Challenges that passkeys have answered, and when.
    answered: VecDeque<(SecretHash, Timestamp)>,
}

/// A passkey that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// What it is.
    pub made: NewPasskey,
    /// Since when.
    pub added_at: Timestamp,
    /// When it was last shown.
    pub shown_at: Option<Timestamp>,
}

/// Somebody's account, as far as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What they sign in with.
    pub login: Login,
    /// Their name.
    pub name: Phi<String>,
    /// As what they work here.
    pub roles: StaffRoles,
    /// Which waiting rooms they serve.
    pub duties: Duties,
    /// How they can sign in.
    pub standing: Standing,
    /// They are let in no more; what they had is kept.
    pub disabled: bool,
    /// The newest sessions, the newest last.
    pub sessions: VecDeque<SessionId>,
    /// Since when the sessions count: those that began before were ended with the factors they began with.
    pub sessions_since: Timestamp,
}

/// Judges a command on an account that may not be there yet; changes nothing.
///
/// # Errors
/// [`Rejection`].
pub fn decide(
    account: Option<&Account>,
    id: AccountId,
    now: Timestamp,
    command: Command,
) -> Result<Event, Rejection> {
    let Some(account) = account else {
        return match command {
            Command::Invite { login, name, roles, duties, invitation, by } => {
                check_rights(&roles, &duties)?;
                let expires_at = now + INVITATION_TTL;
                Ok(Event::Invited { login, name, roles, duties, invitation, expires_at, by })
            }
            Command::Provide { login, name, roles, session } => {
                check_rights(&roles, &Duties::new())?;
                Ok(Event::Provided { login, name, roles, session })
            }
            _ => Err(Rejection::Unknown),
        };
    };
    match command {
        Command::Invite { .. } => Err(Rejection::Exists),
        Command::Reinvite { by, .. } | Command::ChangeRights { by, .. } | Command::Admit { by, .. }
            if by == Some(id) =>
        {
            Err(Rejection::Oneself)
        }
        Command::Reinvite { .. } if account.disabled => Err(Rejection::NotActive),
        Command::Reinvite { invitation, by } => {
            Ok(Event::Reinvited { invitation, expires_at: now + INVITATION_TTL, by })
        }
        Command::Join { invitation, .. } | Command::JoinByPasskey { invitation, .. }
            if !account.opens(invitation, now) =>
        {
            Err(Rejection::NoInvitation)
        }
        Command::Join { password, totp, step, recovery, session, .. } => {
            Ok(Event::Joined { password, totp, step, recovery, session: Some(session) })
        }
        Command::JoinByPasskey { passkey, answered, session, .. } => {
            let NewPasskey { id, credential, key, counter, name } = passkey;
            Ok(Event::JoinedByPasskey { passkey: id, credential, key, counter, name, answered, session })
        }
        Command::Provide { roles, session, .. } => {
            check_rights(&roles, &Duties::new())?;
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            if factors.provided {
                Ok(Event::ProvidedAgain { roles, session })
            } else {
                Err(Rejection::Exists)
            }
        }
        Command::ChangeRights { roles, duties, by } => {
            check_rights(&roles, &duties)?;
            Ok(Event::RightsChanged { roles, duties, by })
        }
        Command::Admit { admit: true, by } => Ok(Event::Enabled { by }),
        Command::Admit { admit: false, by } => Ok(Event::Disabled { by }),
        Command::SignIn { session, second } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            match second {
                Second::Code { step } if step > factors.last_step => Ok(Event::SignedIn { session, step }),
                Second::Recovery(code) if factors.recovery.contains(&code) => {
                    Ok(Event::Recovered { session, code })
                }
                Second::Code { .. } | Second::Recovery(_) => Err(Rejection::WrongCode),
            }
        }
        Command::Confirm { step } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            if step > factors.last_step { Ok(Event::Confirmed { step }) } else { Err(Rejection::WrongCode) }
        }
        Command::ChangePassword { password } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            factors.password.as_ref().ok_or(Rejection::NotActive)?;
            Ok(Event::PasswordChanged { password })
        }
        Command::MakeRecoveryCodes { recovery } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            // Beside a password they are the second factor; alone they are nothing.
            factors.password.as_ref().ok_or(Rejection::NotActive)?;
            Ok(Event::RecoveryCodesMade { recovery })
        }
        Command::AddPasskey { passkey, answered } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            if factors.passkeys.iter().any(|one| one.made.credential == passkey.credential) {
                return Err(Rejection::PasskeyKnown);
            }
            if factors.passkeys.len() >= MAX_PASSKEYS {
                return Err(Rejection::TooManyPasskeys);
            }
            factors.may_answer(answered, now)?;
            let NewPasskey { id, credential, key, counter, name } = passkey;
            Ok(Event::PasskeyAdded { passkey: id, credential, key, counter, name, answered })
        }
        Command::RemovePasskey { passkey } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            factors.passkey(passkey).ok_or(Rejection::Unknown)?;
            let others = factors.passkeys.len() > 1 || factors.password.is_some() || factors.provided;
            if others { Ok(Event::PasskeyRemoved { passkey }) } else { Err(Rejection::LastWayIn) }
        }
        Command::ShowPasskey { passkey, counter, answered, session } => {
            let factors = account.factors().ok_or(Rejection::NotActive)?;
            let known = factors.passkey(passkey).ok_or(Rejection::WrongPasskey)?;
            factors.may_answer(answered, now)?;
            // One that counts and does not go on was copied (WebAuthn, 6.1.1).
            if counter <= known.made.counter && (counter, known.made.counter) != (0, 0) {
                return Err(Rejection::WrongPasskey);
            }
            Ok(Event::PasskeyShown { passkey, counter, answered, session })
        }
    }
}

fn check_rights(roles: &StaffRoles, duties: &Duties) -> Result<(), Rejection> {
    if roles.is_empty() {
        return Err(Rejection::NoRole);
    }
    if duties.len() > MAX_DUTIES { Err(Rejection::TooManyDuties) } else { Ok(()) }
}

impl Factors {
    /// One of their passkeys.
    #[must_use]
    pub fn passkey(&self, id: PasskeyId) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.made.id == id)
    }

    fn may_answer(&self, challenge: SecretHash, now: Timestamp) -> Result<(), Rejection> {
        let mut remembered = self.answered.iter().filter(|(_, at)| now.since(*at) < CHALLENGE_TTL);
        let full = remembered.clone().count() >= MAX_ANSWERED;
        if full || remembered.any(|(one, _)| *one == challenge) {
            return Err(Rejection::WrongPasskey);
        }
        Ok(())
    }

    fn answer(&mut self, challenge: SecretHash, at: Timestamp) {
        self.answered.retain(|(_, then)| at.since(*then) < CHALLENGE_TTL);
        self.answered.push_back((challenge, at));
    }

    fn add(&mut self, made: NewPasskey, challenge: SecretHash, at: Timestamp) {
        self.passkeys.push(Passkey { made, added_at: at, shown_at: None });
        self.answer(challenge, at);
    }
}

impl Account {
    /// What they show to be let in; none while they are not.
    #[must_use]
    pub const fn factors(&self) -> Option<&Factors> {
        match &self.standing {
            Standing::Active(factors) if !self.disabled => Some(factors),
            Standing::Active(_) | Standing::Invited { .. } => None,
        }
    }

    /// Whether a link's secret opens the account.
    #[must_use]
    pub fn opens(&self, secret: SecretHash, now: Timestamp) -> bool {
        let Standing::Invited { invitation, expires_at } = self.standing else { return false };
        !self.disabled && invitation == secret && now < expires_at
    }

    /// Takes a recorded event; never refuses.
    #[must_use]
    pub fn evolve(account: Option<Self>, at: Timestamp, event: Event) -> Option<Self> {
        let Some(mut account) = account else {
            let (login, name, roles, duties, standing, sessions) = match event {
                Event::Invited { login, name, roles, duties, invitation, expires_at, .. } => {
                    let standing = Standing::Invited { invitation, expires_at };
                    (login, name, roles, duties, standing, VecDeque::new())
                }
                Event::Provided { login, name, roles, session } => {
                    let standing = Standing::Active(Factors { provided: true, ..Factors::default() });
                    (login, name, roles, Duties::new(), standing, VecDeque::from([session]))
                }
                _ => return None,
            };
            return Some(Self {
                login,
                name,
                roles,
                duties,
                standing,
                disabled: false,
                sessions,
                sessions_since: at,
            });
        };
        account.take(at, event);
        Some(account)
    }

    fn take(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Invited { .. } | Event::Provided { .. } => {}
            Event::Reinvited { invitation, expires_at, .. } => {
                self.standing = Standing::Invited { invitation, expires_at };
                self.end_sessions(at);
            }
            Event::Joined { password, totp, step, recovery, session } => {
                let (password, totp) = (Some(password), Some(totp));
                let factors = Factors { password, totp, last_step: step, recovery, ..Factors::default() };
                self.standing = Standing::Active(factors);
                session.into_iter().for_each(|session| self.remember(session));
            }
            Event::JoinedByPasskey { passkey: id, credential, key, counter, name, answered, session } => {
                let mut factors = Factors::default();
                factors.add(NewPasskey { id, credential, key, counter, name }, answered, at);
                self.standing = Standing::Active(factors);
                self.remember(session);
            }
            Event::ProvidedAgain { roles, session } => {
                self.roles = roles;
                self.remember(session);
            }
            Event::RightsChanged { roles, duties, .. } => {
                self.roles = roles;
                self.duties = duties;
            }
            Event::Disabled { .. } => {
                self.disabled = true;
                self.end_sessions(at);
            }
            Event::Enabled { .. } => self.disabled = false,
            Event::SignedIn { session, step } => {
                self.stepped(step);
                self.remember(session);
            }
            Event::Recovered { session, code } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.recovery.remove(&code);
                }
                self.remember(session);
            }
            Event::Confirmed { step } => self.stepped(step),
            Event::PasswordChanged { password } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.password = Some(password);
                }
            }
            Event::RecoveryCodesMade { recovery } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.recovery = recovery;
                }
            }
            Event::PasskeyAdded { passkey: id, credential, key, counter, name, answered } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.add(NewPasskey { id, credential, key, counter, name }, answered, at);
                }
            }
            Event::PasskeyRemoved { passkey } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.passkeys.retain(|one| one.made.id != passkey);
                }
            }
            Event::PasskeyShown { passkey, counter, answered, session } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.answer(answered, at);
                    if let Some(known) = factors.passkeys.iter_mut().find(|one| one.made.id == passkey) {
                        known.made.counter = counter;
                        known.shown_at = Some(at);
                    }
                }
                session.into_iter().for_each(|session| self.remember(session));
            }
        }
    }

    fn stepped(&mut self, step: u64) {
        if let Standing::Active(factors) = &mut self.standing {
            factors.last_step = factors.last_step.max(step);
        }
    }

    fn remember(&mut self, session: SessionId) {
        self.sessions.push_back(session);
        while self.sessions.len() > MAX_LISTED_SESSIONS {
            self.sessions.pop_front();
        }
    }

    fn end_sessions(&mut self, at: Timestamp) {
        self.sessions.clear();
        self.sessions_since = at;
    }
}

#[cfg(test)]
mod tests;
