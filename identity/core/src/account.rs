//! The life of an account: invited, joined, changed, disabled.

use crate::{
    limits::{INVITATION_TTL, MAX_DUTIES, MAX_LISTED_SESSIONS},
    secret::SecretHash,
    text::Login,
};
use model::{Phi, Timestamp, WaitingRoomId};
use policy::{AccountId, SessionId, StaffRoles};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// The waiting rooms that somebody serves.
pub type Duties = BTreeSet<WaitingRoomId>;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Argon2id, in PHC form.
    pub password: Phi<String>,
    /// The secret of the authenticator app, base32.
    pub totp: Phi<String>,
    /// The newest time step that was used: it and those before it count no more.
    pub last_step: u64,
    /// The recovery codes that are left.
    pub recovery: BTreeSet<SecretHash>,
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
        let Command::Invite { login, name, roles, duties, invitation, by } = command else {
            return Err(Rejection::Unknown);
        };
        check_rights(&roles, &duties)?;
        let expires_at = now + INVITATION_TTL;
        return Ok(Event::Invited { login, name, roles, duties, invitation, expires_at, by });
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
        Command::Join { invitation, password, totp, step, recovery } => {
            if !account.opens(invitation, now) {
                return Err(Rejection::NoInvitation);
            }
            Ok(Event::Joined { password, totp, step, recovery })
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
            account.factors().ok_or(Rejection::NotActive)?;
            Ok(Event::PasswordChanged { password })
        }
        Command::MakeRecoveryCodes { recovery } => {
            account.factors().ok_or(Rejection::NotActive)?;
            Ok(Event::RecoveryCodesMade { recovery })
        }
    }
}

fn check_rights(roles: &StaffRoles, duties: &Duties) -> Result<(), Rejection> {
    if roles.is_empty() {
        return Err(Rejection::NoRole);
    }
    if duties.len() > MAX_DUTIES { Err(Rejection::TooManyDuties) } else { Ok(()) }
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
            let Event::Invited { login, name, roles, duties, invitation, expires_at, .. } = event else {
                return None;
            };
            let standing = Standing::Invited { invitation, expires_at };
            let sessions = VecDeque::new();
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
            Event::Invited { .. } => {}
            Event::Reinvited { invitation, expires_at, .. } => {
                self.standing = Standing::Invited { invitation, expires_at };
                self.end_sessions(at);
            }
            Event::Joined { password, totp, step, recovery } => {
                self.standing = Standing::Active(Factors { password, totp, last_step: step, recovery });
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
                    factors.password = password;
                }
            }
            Event::RecoveryCodesMade { recovery } => {
                if let Standing::Active(factors) = &mut self.standing {
                    factors.recovery = recovery;
                }
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
