//! Where a unit's events are sent: registered by an administrator, with a secret that signs what is sent.
//!
//! All webhooks of a unit are one stream: which there are is read at once, and how many there may be is judged where one is
//! added. The secret signs, so it is kept and not its hash; it stands with what is encrypted at rest.

use crate::{
    course::Because,
    limits::{MAX_NOTE_CHARS, MAX_ORDERS_KEPT, MAX_WEBHOOKS, OLD_SECRET_FOR},
    notice::Kind,
};
use model::{Phi, Timestamp};
use policy::AccountId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    str::FromStr,
};
use uuid::Uuid;

/// A webhook.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct WebhookId(pub Uuid);

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookId({})", self.0)
    }
}

impl FromStr for WebhookId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// There is one more.
    Added {
        /// Which.
        id: WebhookId,
        /// By whom.
        by: AccountId,
        /// Where to.
        #[serde(serialize_with = "model::phi::expose")]
        url: Phi<String>,
        /// What it is told of.
        events: BTreeSet<Kind>,
        /// What people wrote about it.
        #[serde(serialize_with = "model::phi::expose")]
        note: Phi<String>,
        /// What signs.
        #[serde(serialize_with = "model::phi::expose")]
        secret: Phi<String>,
    },
    /// It is no more.
    Removed {
        /// Which.
        id: WebhookId,
        /// By whom.
        by: AccountId,
    },
    /// Another secret signs; the one of before too, for a while.
    Rotated {
        /// Which.
        id: WebhookId,
        /// By whom.
        by: AccountId,
        /// The new one.
        #[serde(serialize_with = "model::phi::expose")]
        secret: Phi<String>,
    },
    /// Nothing is sent any more, until somebody switches it on.
    SwitchedOff {
        /// Which.
        id: WebhookId,
        /// Why.
        because: Because,
    },
    /// It goes on where it stopped.
    SwitchedOn {
        /// Which.
        id: WebhookId,
        /// By whom.
        by: AccountId,
    },
    /// What was sent is sent again.
    Replayed {
        /// Which.
        id: WebhookId,
        /// By whom.
        by: AccountId,
        /// From which of the unit's events on.
        from: u64,
    },
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// One more.
    Add {
        /// Its new id.
        id: WebhookId,
        /// Who.
        by: AccountId,
        /// Where to: an address that may be sent to.
        url: Phi<String>,
        /// What it is told of: something.
        events: BTreeSet<Kind>,
        /// What people write about it: at most [`MAX_NOTE_CHARS`].
        note: Phi<String>,
        /// What signs.
        secret: Phi<String>,
    },
    /// It is no more.
    Remove {
        /// Which.
        id: WebhookId,
        /// Who.
        by: AccountId,
    },
    /// Another secret.
    Rotate {
        /// Which.
        id: WebhookId,
        /// Who.
        by: AccountId,
        /// The new one.
        secret: Phi<String>,
    },
    /// Nobody listens there.
    SwitchOff {
        /// Which.
        id: WebhookId,
        /// Why.
        because: Because,
        /// The number of the newest order that was known to whoever gave up: what was ordered since counts more.
        ordered: u64,
    },
    /// Somebody listens again.
    SwitchOn {
        /// Which.
        id: WebhookId,
        /// Who.
        by: AccountId,
    },
    /// Send again.
    Replay {
        /// Which.
        id: WebhookId,
        /// Who.
        by: AccountId,
        /// From which of the unit's events on.
        from: u64,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such webhook.
    #[error("no such webhook")]
    Unknown,
    /// It would be told of nothing.
    #[error("no event")]
    Events,
    /// Too long, or with control characters.
    #[error("the note is too long")]
    Note,
    /// There are as many as may be.
    #[error("too many webhooks")]
    TooMany,
}

/// What whoever sends has still to take account of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Orders of a webhook are numbered from 1.
    pub number: u64,
    /// From which of the unit's events on; without, only without a pause.
    pub from: Option<u64>,
}

/// Since when nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Off {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub because: Because,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Who added it.
    pub by: AccountId,
    /// Where to.
    pub url: Phi<String>,
    /// What it is told of.
    pub events: BTreeSet<Kind>,
    /// What people wrote about it.
    pub note: Phi<String>,
    /// Since when.
    pub added_at: Timestamp,
    /// What signs.
    pub secret: Phi<String>,
    /// What signed before, and until when it still does.
    pub old_secret: Option<(Phi<String>, Timestamp)>,
    /// It is switched off.
    pub off: Option<Off>,
    /// The newest orders, the oldest first.
    pub orders: VecDeque<Order>,
}

impl Webhook {
    /// The number of the newest order; 0 before the first.
    #[must_use]
    pub fn ordered(&self) -> u64 {
        self.orders.back().map_or(0, |order| order.number)
    }

    /// What signs at a time, the newest first.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &Phi<String>> {
        let old = self.old_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(old)
    }

    fn order(&mut self, from: Option<u64>) {
        let number = self.ordered() + 1;
        self.orders.push_back(Order { number, from });
        if self.orders.len() > MAX_ORDERS_KEPT {
            self.orders.pop_front();
        }
    }
}

/// The webhooks of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks(BTreeMap<WebhookId, Webhook>);

impl Webhooks {
    /// One.
    #[must_use]
    pub fn get(&self, id: WebhookId) -> Option<&Webhook> {
        self.0.get(&id)
    }

    /// All, the oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (WebhookId, &Webhook)> {
        self.0.iter().map(|(id, webhook)| (*id, webhook))
    }

    /// Whether the unit has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What an event makes of them.
    pub fn evolve(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Added { id, by, url, events, note, secret } => {
                let webhook = Webhook {
                    by,
                    url,
                    events,
                    note,
                    added_at: at,
                    secret,
                    old_secret: None,
                    off: None,
                    orders: VecDeque::new(),
                };
                self.0.insert(id, webhook);
            }
            Event::Removed { id, .. } => drop(self.0.remove(&id)),
            Event::Rotated { id, secret, .. } => self.change(id, |webhook| {
                let old = std::mem::replace(&mut webhook.secret, secret);
                webhook.old_secret = Some((old, at + OLD_SECRET_FOR));
            }),
            Event::SwitchedOff { id, because } => {
                self.change(id, |webhook| webhook.off = Some(Off { at, because }));
            }
            Event::SwitchedOn { id, .. } => self.change(id, |webhook| {
                webhook.off = None;
                webhook.order(None);
            }),
            Event::Replayed { id, from, .. } => self.change(id, |webhook| webhook.order(Some(from))),
        }
    }

    fn change(&mut self, id: WebhookId, change: impl FnOnce(&mut Webhook)) {
        if let Some(webhook) = self.0.get_mut(&id) {
            change(webhook);
        }
    }
}

/// Judges a command; changes nothing. No event: nothing is to change, and that is fine.
///
/// # Errors
/// [`Rejection`].
pub fn decide(all: &Webhooks, command: Command) -> Result<Vec<Event>, Rejection> {
    let known = |id| all.get(id).ok_or(Rejection::Unknown);
    Ok(match command {
        Command::Add { id, by, url, events, note, secret } => {
            let note = Phi::new(note.expose().trim().to_owned());
            if events.is_empty() {
                return Err(Rejection::Events);
            }
            if note.expose().chars().count() > MAX_NOTE_CHARS || note.expose().chars().any(char::is_control) {
                return Err(Rejection::Note);
            }
            if all.0.len() >= MAX_WEBHOOKS {
                return Err(Rejection::TooMany);
            }
            vec![Event::Added { id, by, url, events, note, secret }]
        }
        Command::Remove { id, by } => {
            known(id)?;
            vec![Event::Removed { id, by }]
        }
        Command::Rotate { id, by, secret } => {
            known(id)?;
            vec![Event::Rotated { id, by, secret }]
        }
        Command::SwitchOff { id, because, ordered } => {
            let webhook = known(id)?;
            let stands = webhook.off.is_none() && webhook.ordered() == ordered;
            if stands { vec![Event::SwitchedOff { id, because }] } else { Vec::new() }
        }
        Command::SwitchOn { id, by } => {
            if known(id)?.off.is_some() {
                vec![Event::SwitchedOn { id, by }]
            } else {
                Vec::new()
            }
        }
        Command::Replay { id, by, from } => {
            known(id)?;
            vec![Event::Replayed { id, by, from }]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const BY: AccountId = AccountId(Uuid::from_u128(1));

    fn id(n: usize) -> WebhookId {
        WebhookId(Uuid::from_u128(n as u128))
    }

    fn add(n: usize, events: &[Kind], note: &str) -> Command {
        Command::Add {
            id: id(n),
            by: BY,
            url: "https://his.example/hook".to_owned().into(),
            events: events.iter().copied().collect(),
            note: note.to_owned().into(),
            secret: format!("secret {n}").into(),
        }
    }

    fn does(all: &mut Webhooks, at: Timestamp, command: Command) -> usize {
        let events = decide(all, command).unwrap();
        let count = events.len();
        events.into_iter().for_each(|event| all.evolve(at, event));
        count
    }

    fn with_one() -> Webhooks {
        let mut all = Webhooks::default();
        does(&mut all, NOW, add(1, &Kind::ALL, "HIS"));
        all
    }

    #[test]
    fn for_a_day_both_secrets_sign_and_then_the_new_one_alone() {
        let mut all = with_one();
        let signs = |all: &Webhooks, now| {
            all.get(id(1)).unwrap().secrets(now).map(|secret| secret.expose().clone()).collect::<Vec<_>>()
        };
        assert_eq!(signs(&all, NOW), ["secret 1"]);
        does(&mut all, NOW, Command::Rotate { id: id(1), by: BY, secret: "new".to_owned().into() });
        let last = NOW + OLD_SECRET_FOR;
        assert_eq!(signs(&all, NOW), ["new", "secret 1"]);
        assert_eq!(signs(&all, Timestamp(last.as_millis() - 1)), ["new", "secret 1"]);
        assert_eq!(signs(&all, last), ["new"]);
        does(&mut all, NOW, Command::Rotate { id: id(1), by: BY, secret: "newest".to_owned().into() });
        assert_eq!(signs(&all, NOW), ["newest", "new"], "never more than two");
    }

    #[test]
    fn who_gives_up_does_not_outvote_somebody_who_has_just_switched_it_on() {
        let mut all = with_one();
        let off = |ordered| Command::SwitchOff { id: id(1), because: Because::Failing, ordered };
        let on = || Command::SwitchOn { id: id(1), by: BY };
        assert_eq!(does(&mut all, NOW, on()), 0, "it is on");
        assert_eq!(does(&mut all, NOW, off(0)), 1);
        assert_eq!(all.get(id(1)).unwrap().off, Some(Off { at: NOW, because: Because::Failing }));
        assert_eq!(does(&mut all, NOW, off(0)), 0, "it is off");
        assert_eq!(does(&mut all, NOW, on()), 1);
        assert_eq!(does(&mut all, NOW, off(0)), 0, "that was before");
        assert!(all.get(id(1)).unwrap().off.is_none());
        assert_eq!(does(&mut all, NOW, off(1)), 1);
    }

    #[test]
    fn what_is_not_there_is_unknown() {
        let mut all = with_one();
        does(&mut all, NOW, Command::Remove { id: id(1), by: BY });
        assert!(all.is_empty());
        for command in [
            Command::Remove { id: id(1), by: BY },
            Command::Rotate { id: id(1), by: BY, secret: "x".to_owned().into() },
            Command::SwitchOff { id: id(1), because: Because::Gone, ordered: 0 },
            Command::SwitchOn { id: id(1), by: BY },
            Command::Replay { id: id(1), by: BY, from: 1 },
        ] {
            assert_eq!(decide(&all, command), Err(Rejection::Unknown));
        }
    }

    #[test]
    fn each_limit_holds_on_both_sides() {
        let mut all = Webhooks::default();
        let judged = |all: &Webhooks, command| decide(all, command).map(drop);
        assert_eq!(judged(&all, add(1, &[], "")), Err(Rejection::Events));
        assert_eq!(judged(&all, add(1, &[Kind::Ended], &"n".repeat(MAX_NOTE_CHARS))), Ok(()));
        let long = "n".repeat(MAX_NOTE_CHARS + 1);
        assert_eq!(judged(&all, add(1, &[Kind::Ended], &long)), Err(Rejection::Note));
        assert_eq!(judged(&all, add(1, &[Kind::Ended], "a\nb")), Err(Rejection::Note));
        for n in 0..MAX_WEBHOOKS {
            does(&mut all, NOW, add(n, &[Kind::Ended], ""));
        }
        assert_eq!(judged(&all, add(99, &[Kind::Ended], "")), Err(Rejection::TooMany));
        does(&mut all, NOW, Command::Remove { id: id(0), by: BY });
        assert_eq!(judged(&all, add(99, &[Kind::Ended], "")), Ok(()));
        for from in 0..=MAX_ORDERS_KEPT as u64 {
            does(&mut all, NOW, Command::Replay { id: id(1), by: BY, from });
        }
        let webhook = all.get(id(1)).unwrap();
        assert_eq!((webhook.orders.len(), webhook.ordered()), (MAX_ORDERS_KEPT, MAX_ORDERS_KEPT as u64 + 1));
        assert_eq!(webhook.orders.front(), Some(&Order { number: 2, from: Some(1) }));
    }
}
