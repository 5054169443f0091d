//! Keys of partners' systems: made by an administrator, shown once, with scopes and an allow-list, until they end. Pure.
//!
//! ```text
//! make ─▶ counts ──its day──▶ over
//!            └─ revoked ────▶ over at once
//! ```
//!
//! All keys of a healthcare unit are one stream: which there are is read at once, and how many there may be is judged where
//! one is made. Of a key itself only the hash is known.

use crate::{
    limits::{DAY, MAX_NETWORKS_OF_KEY, MAX_PARTNER_KEY_DAYS, MAX_PARTNER_KEYS, MAX_PARTNER_KEYS_KEPT},
    secret::SecretHash,
    text::name,
};
use model::{Network, Phi, Timestamp};
use policy::{AccountId, PartnerKeyId, Scope};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// There is one more.
    PartnerKeyMade {
        /// Which.
        id: PartnerKeyId,
        /// By whom.
        by: AccountId,
        /// What people call it.
        #[serde(serialize_with = "model::phi::expose")]
        name: Phi<String>,
        /// Of the key.
        hash: SecretHash,
        /// What it may be used for.
        scopes: BTreeSet<Scope>,
        /// From where; from anywhere, if there is none.
        networks: Vec<Network>,
        /// When it counts no more.
        until: Timestamp,
    },
    /// It counts no more.
    PartnerKeyRevoked {
        /// Which.
        id: PartnerKeyId,
        /// By whom.
        by: AccountId,
    },
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// One more.
    Make {
        /// Its new id.
        id: PartnerKeyId,
        /// Who.
        by: AccountId,
        /// What people call it: a name, as of a person.
        name: Phi<String>,
        /// Of the key.
        hash: SecretHash,
        /// What it may be used for: something.
        scopes: BTreeSet<Scope>,
        /// From where: at most [`MAX_NETWORKS_OF_KEY`]; from anywhere, if there is none.
        networks: Vec<Network>,
        /// For how many days: 1 to [`MAX_PARTNER_KEY_DAYS`].
        days: u32,
    },
    /// It counts no more.
    Revoke {
        /// Which.
        id: PartnerKeyId,
        /// Who.
        by: AccountId,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such key.
    #[error("no such key")]
    Unknown,
    /// No name, or one that is too long.
    #[error("the name has too few or too many characters")]
    Name,
    /// It could be used for nothing.
    #[error("no scope")]
    Scopes,
    /// Too many.
    #[error("too many networks")]
    Networks,
    /// None, or too many.
    #[error("too few or too many days")]
    Days,
    /// [`MAX_PARTNER_KEYS`] count.
    #[error("too many keys")]
    TooMany,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerKey {
    /// Who made it.
    pub by: AccountId,
    /// What people call it.
    pub name: Phi<String>,
    hash: SecretHash,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// From where; from anywhere, if there is none.
    pub networks: Vec<Network>,
    /// Since when.
    pub made_at: Timestamp,
    /// When it counts no more.
    pub until: Timestamp,
    /// Who ended it before, and when.
    pub revoked: Option<(AccountId, Timestamp)>,
}

impl PartnerKey {
    /// Whether it counts at a time.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.until
    }

    /// Whether a request with this secret, from this address, is one with this key.
    #[must_use]
    pub fn opens(&self, shown: SecretHash, from: Option<IpAddr>, now: Timestamp) -> bool {
        let allowed = from.is_some_and(|from| self.networks.iter().any(|network| network.has(from)));
        self.counts(now) && shown == self.hash && (self.networks.is_empty() || allowed)
    }
}

/// The keys of a healthcare unit: all that count, and the newest of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerKeys(BTreeMap<PartnerKeyId, PartnerKey>);

impl PartnerKeys {
    /// One.
    #[must_use]
    pub fn get(&self, id: PartnerKeyId) -> Option<&PartnerKey> {
        self.0.get(&id)
    }

    /// All that are known, the oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = (PartnerKeyId, &PartnerKey)> {
        self.0.iter().map(|(id, key)| (*id, key))
    }

    /// What an event makes of them.
    pub fn evolve(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::PartnerKeyMade { id, by, name, hash, scopes, networks, until } => {
                let key = PartnerKey { by, name, hash, scopes, networks, made_at: at, until, revoked: None };
                self.0.insert(id, key);
                while self.0.len() > MAX_PARTNER_KEYS_KEPT {
                    let over = self.0.iter().find(|(_, key)| !key.counts(at)).map(|(id, _)| *id);
                    // Fewer count than are kept, so there is one that is over.
                    let Some(over) = over else { break };
                    self.0.remove(&over);
                }
            }
            Event::PartnerKeyRevoked { id, by } => {
                if let Some(key) = self.0.get_mut(&id) {
                    key.revoked = Some((by, at));
                }
            }
        }
    }
}

/// Judges a command; changes nothing. No event: nothing is to change, and that is fine.
///
/// # Errors
/// [`Rejection`].
pub fn decide(all: &PartnerKeys, now: Timestamp, command: Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Make { id, by, name: called, hash, scopes, networks, days } => {
            let called = name(called.expose()).map_err(|_| Rejection::Name)?;
            if scopes.is_empty() {
                return Err(Rejection::Scopes);
            }
            if networks.len() > MAX_NETWORKS_OF_KEY {
                return Err(Rejection::Networks);
            }
            if !(1..=MAX_PARTNER_KEY_DAYS).contains(&days) {
                return Err(Rejection::Days);
            }
            if all.0.values().filter(|key| key.counts(now)).count() >= MAX_PARTNER_KEYS {
                return Err(Rejection::TooMany);
            }
            let until = now + DAY * days;
            Ok(vec![Event::PartnerKeyMade { id, by, name: called, hash, scopes, networks, until }])
        }
        Command::Revoke { id, by } => {
            let key = all.get(id).ok_or(Rejection::Unknown)?;
            Ok(if key.counts(now) { vec![Event::PartnerKeyRevoked { id, by }] } else { Vec::new() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const BY: AccountId = AccountId(Uuid::from_u128(1));

    fn id(n: usize) -> PartnerKeyId {
        PartnerKeyId(Uuid::from_u128(n as u128))
    }

    struct Make<'a> {
        name: &'a str,
        scopes: &'a [Scope],
        networks: usize,
        days: u32,
    }

    const GOOD: Make<'static> = Make { name: "Billing", scopes: &[Scope::VisitsRead], networks: 0, days: 90 };

    fn make(all: &PartnerKeys, n: usize, now: Timestamp, of: Make<'_>) -> Result<Vec<Event>, Rejection> {
        let command = Command::Make {
            id: id(n),
            by: BY,
            name: of.name.to_owned().into(),
            hash: SecretHash::of("secret"),
            scopes: of.scopes.iter().copied().collect(),
            networks: vec!["192.0.2.0/24".parse().unwrap(); of.networks],
            days: of.days,
        };
        decide(all, now, command)
    }

    fn made(all: &mut PartnerKeys, n: usize, now: Timestamp, of: Make<'_>) {
        for event in make(all, n, now, of).unwrap() {
            all.evolve(now, event);
        }
    }

    #[test]
    fn a_key_opens_with_its_secret_from_where_it_may_until_its_day() {
        let mut all = PartnerKeys::default();
        made(&mut all, 1, NOW, GOOD);
        made(&mut all, 2, NOW, Make { networks: 1, ..GOOD });
        let opens = |n, secret, from: Option<&str>, now| {
            let from = from.map(|from| from.parse().unwrap());
            all.get(id(n)).unwrap().opens(SecretHash::of(secret), from, now)
        };
        assert!(opens(1, "secret", None, NOW) && opens(1, "secret", Some("203.0.113.9"), NOW));
        assert!(!opens(1, "another", None, NOW));
        assert!(
            opens(2, "secret", Some("192.0.2.200"), NOW) && opens(2, "secret", Some("::ffff:192.0.2.1"), NOW)
        );
        assert!(!opens(2, "secret", Some("192.0.3.1"), NOW) && !opens(2, "secret", None, NOW));
        let last = NOW + DAY * 90;
        assert!(!opens(1, "secret", None, last));
    }

    #[test]
    fn who_revokes_a_key_ends_it_and_once_is_enough() {
        let mut all = PartnerKeys::default();
        made(&mut all, 1, NOW, GOOD);
        let revoke = |all: &PartnerKeys, n| decide(all, NOW, Command::Revoke { id: id(n), by: BY });
        assert_eq!(revoke(&all, 2), Err(Rejection::Unknown));
        for event in revoke(&all, 1).unwrap() {
            all.evolve(NOW, event);
        }
        let key = all.get(id(1)).unwrap();
        assert_eq!((key.revoked, key.opens(SecretHash::of("secret"), None, NOW)), (Some((BY, NOW)), false));
        assert_eq!(revoke(&all, 1), Ok(Vec::new()));
    }

    #[test]
    fn each_limit_holds_on_both_sides() {
        let none = PartnerKeys::default();
        let judged = |of| make(&none, 1, NOW, of).map(drop);
        assert_eq!(judged(Make { name: " ", ..GOOD }), Err(Rejection::Name));
        assert_eq!(judged(Make { scopes: &[], ..GOOD }), Err(Rejection::Scopes));
        assert_eq!(judged(Make { networks: MAX_NETWORKS_OF_KEY, ..GOOD }), Ok(()));
        assert_eq!(judged(Make { networks: MAX_NETWORKS_OF_KEY + 1, ..GOOD }), Err(Rejection::Networks));
        for (days, answer) in [
            (0, Err(Rejection::Days)),
            (1, Ok(())),
            (MAX_PARTNER_KEY_DAYS, Ok(())),
            (MAX_PARTNER_KEY_DAYS + 1, Err(Rejection::Days)),
        ] {
            assert_eq!(judged(Make { days, ..GOOD }), answer, "{days}");
        }
        let mut all = PartnerKeys::default();
        for n in 0..MAX_PARTNER_KEYS {
            made(&mut all, n, NOW, Make { days: 1, ..GOOD });
        }
        assert_eq!(make(&all, MAX_PARTNER_KEYS, NOW, GOOD).map(drop), Err(Rejection::TooMany));
        // Those whose day has come make room, and are known for a while.
        let mut now = NOW;
        for n in MAX_PARTNER_KEYS..=MAX_PARTNER_KEYS_KEPT {
            now = now + DAY;
            made(&mut all, n, now, Make { days: 1, ..GOOD });
            assert_eq!(all.all().count(), (n + 1).min(MAX_PARTNER_KEYS_KEPT));
        }
        assert!(all.get(id(0)).is_none() && all.get(id(MAX_PARTNER_KEYS_KEPT)).is_some());
    }
}
