//! The life of a session: one sign-in on one device.
//!
//! Its refresh token is replaced each time it is used. One that was replaced long enough ago and comes again was stolen,
//! from the person or by them, and then nobody has the session any more (RFC 9700, 4.14.2).

use crate::{
    limits::{MAX_CURRENT, MAX_REPLACED, MAX_WRONG_UNLOCKS, RENEWAL_GRACE, SESSION_TTL},
    secret::SecretHash,
};
use model::Timestamp;
use policy::AccountId;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};

/// Where somebody sits: how soon their screen is locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Surroundings {
    /// Everybody passes by: a kiosk, a reception.
    Shared,
    /// Colleagues pass by: a ward.
    #[default]
    Ward,
    /// A door that closes.
    Private,
}

impl Surroundings {
    /// How long nobody may touch anything before the session is locked.
    #[must_use]
    pub const fn idle_limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Shared => 5 * 60,
            Self::Ward => 15 * 60,
            Self::Private => 30 * 60,
        })
    }
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// They signed out.
    SignedOut,
    /// [`SESSION_TTL`] was over.
    Expired,
    /// A refresh token came that had been replaced.
    Theft,
    /// Too many wrong factors while it was locked.
    WrongFactors,
    /// They, or an administrator, ended it from elsewhere.
    Revoked,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Both factors were shown.
    Started {
        /// Whose.
        account: AccountId,
        /// Where.
        surroundings: Surroundings,
        /// Of the refresh token.
        refresh: SecretHash,
    },
    /// The refresh token was replaced.
    Renewed {
        /// Of the new one.
        refresh: SecretHash,
        /// It stands beside those there are: the same token was replaced twice within [`RENEWAL_GRACE`], and which of
        /// the answers reached the browser last is not known.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        beside: bool,
    },
    /// Nobody was there for too long, or somebody went away and said so.
    Locked,
    /// A wrong factor was shown at the lock.
    Mistaken,
    /// The right one was.
    Unlocked,
    /// A factor was shown again for something that demands it.
    Confirmed,
    /// It is over.
    Ended {
        /// How.
        ending: Ending,
    },
}

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    /// To begin.
    Start {
        /// Whose it is.
        account: AccountId,
        /// Where.
        surroundings: Surroundings,
        /// Of the refresh token.
        refresh: SecretHash,
    },
    /// To go on.
    Renew {
        /// Of the token that was shown.
        shown: SecretHash,
        /// Of the one to replace it.
        next: SecretHash,
        /// How long nobody has touched anything.
        idle: Duration,
    },
    /// To go away for a while.
    Lock,
    /// To be back.
    Unlock {
        /// Whether the factor that was shown is right.
        right: bool,
    },
    /// To show a factor again.
    Confirm,
    /// To end it.
    End {
        /// Why.
        ending: Ending,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such session, or the token is none of it. Deliberately one kind.
    #[error("no such session")]
    Unknown,
    /// It is over.
    #[error("the session is over")]
    Over(Ending),
    /// It is locked: first things first.
    #[error("the session is locked")]
    Locked,
}

/// A session, as far as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub surroundings: Surroundings,
    /// Since when.
    pub started_at: Timestamp,
    /// When a factor was last shown.
    pub confirmed_at: Timestamp,
    /// Whether it is locked, and how often a wrong factor was shown since.
    pub locked: Option<u32>,
    /// How it ended, if it has.
    pub ended: Option<Ending>,
    /// Its refresh tokens: one, or a few that replaced the same.
    current: Vec<SecretHash>,
    /// Those that were replaced, and when.
    replaced: VecDeque<(SecretHash, Timestamp)>,
}

/// Judges a command on a session that may not be there yet; changes nothing. No event: nothing is to change, and that is
/// fine.
///
/// # Errors
/// [`Rejection`].
pub fn decide(session: Option<&Session>, now: Timestamp, command: Command) -> Result<Vec<Event>, Rejection> {
    let Some(session) = session else {
        let Command::Start { account, surroundings, refresh } = command else {
            return Err(Rejection::Unknown);
        };
        return Ok(vec![Event::Started { account, surroundings, refresh }]);
    };
    if let Some(ending) = session.ended {
        return Err(Rejection::Over(ending));
    }
    let over = |ending| Ok(vec![Event::Ended { ending }]);
    match command {
        Command::Start { .. } => Err(Rejection::Unknown),
        Command::End { ending } => over(ending),
        _ if now >= session.ends_at() => over(Ending::Expired),
        Command::Renew { shown, next, idle } => {
            let beside = match session.replaced.iter().find(|(replaced, _)| *replaced == shown) {
                _ if session.current.contains(&shown) => false,
                Some((_, at)) if now.since(*at) > RENEWAL_GRACE => return over(Ending::Theft),
                Some(_) if session.current.len() < MAX_CURRENT => true,
                Some(_) | None => return Err(Rejection::Unknown),
            };
            let mut events = vec![Event::Renewed { refresh: next, beside }];
            if session.locked.is_none() && idle >= session.surroundings.idle_limit() {
                events.push(Event::Locked);
            }
            Ok(events)
        }
        Command::Lock if session.locked.is_some() => Ok(Vec::new()),
        Command::Lock => Ok(vec![Event::Locked]),
        Command::Unlock { right } => match session.locked {
            None => Ok(Vec::new()),
            Some(_) if right => Ok(vec![Event::Unlocked]),
            Some(mistakes) if mistakes + 1 >= MAX_WRONG_UNLOCKS => over(Ending::WrongFactors),
            Some(_) => Ok(vec![Event::Mistaken]),
        },
        Command::Confirm if session.locked.is_some() => Err(Rejection::Locked),
        Command::Confirm => Ok(vec![Event::Confirmed]),
    }
}

impl Session {
    /// When it ends at the latest.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.started_at + SESSION_TTL
    }

    /// Whether it counts at a time.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.ends_at()
    }

    /// Takes a recorded event; never refuses.
    #[must_use]
    pub fn evolve(session: Option<Self>, at: Timestamp, event: Event) -> Option<Self> {
        let Some(mut session) = session else {
            let Event::Started { account, surroundings, refresh } = event else { return None };
            return Some(Self {
                account,
                surroundings,
                started_at: at,
                confirmed_at: at,
                locked: None,
                ended: None,
                current: vec![refresh],
                replaced: VecDeque::new(),
            });
        };
        match event {
            Event::Started { .. } => {}
            Event::Renewed { refresh, beside } => {
                if !beside {
                    session.replaced.extend(session.current.drain(..).map(|token| (token, at)));
                }
                session.current.push(refresh);
                while session.replaced.len() > MAX_REPLACED {
                    session.replaced.pop_front();
                }
            }
            Event::Locked => session.locked = Some(0),
            Event::Mistaken => session.locked = session.locked.map(|mistakes| mistakes + 1),
            Event::Unlocked => {
                session.locked = None;
                session.confirmed_at = at;
            }
            Event::Confirmed => session.confirmed_at = at,
            Event::Ended { ending } => session.ended = Some(ending),
        }
        Some(session)
    }
}

#[cfg(test)]
mod tests;
