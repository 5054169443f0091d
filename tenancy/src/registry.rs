//! Which units there are: one machine for all of them, so that a host name can only ever be one unit's.

use crate::{
    host::Host,
    limits::{MAX_HOSTS, MAX_UNITS},
    unit::{Described, Language, Undescribed},
};
use model::TenantId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was recorded. A shape is for ever: fields may be added with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Which unit.
    pub unit: TenantId,
    /// What it is from now on.
    #[serde(flatten)]
    pub described: Described,
}

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Another unit.
    Add {
        /// Its id, which is never another's.
        unit: TenantId,
        /// What it is. It has a host name, or nobody could find it.
        described: Described,
    },
    /// A unit is called otherwise, or is somewhere else.
    Change {
        /// Which.
        unit: TenantId,
        /// Its name.
        name: Option<String>,
        /// Its slug.
        slug: Option<String>,
        /// Its time zone.
        zone: Option<String>,
        /// Its language.
        language: Option<Language>,
    },
    /// A unit is found elsewhere.
    Hosts {
        /// Which.
        unit: TenantId,
        /// All of its host names from now on.
        hosts: Vec<Host>,
    },
}

impl Command {
    /// Which unit it is about.
    #[must_use]
    pub const fn unit(&self) -> TenantId {
        match self {
            Self::Add { unit, .. } | Self::Change { unit, .. } | Self::Hosts { unit, .. } => *unit,
        }
    }
}

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such unit.
    #[error("there is no such unit")]
    Unknown,
    /// There is one with this id.
    #[error("this id is a unit's already")]
    Exists,
    /// Another unit has this slug.
    #[error("another unit is called {0}")]
    SlugTaken(String),
    /// Another unit is found there.
    #[error("{0} is another unit's host name")]
    HostTaken(Host),
    /// It is where the server itself is found.
    #[error(
        "{0} is the host name of the server itself (http.public_url), where the unit that is always there is found"
    )]
    HostIsHome(Host),
    /// Nobody could find it.
    #[error("a unit has at least one host name: --host")]
    NoHost,
    /// More than [`MAX_HOSTS`].
    #[error("a unit has at most {MAX_HOSTS} host names")]
    TooManyHosts,
    /// More than [`MAX_UNITS`].
    #[error("there are {MAX_UNITS} units: no more fit")]
    Full,
    /// What was said of it cannot be.
    #[error(transparent)]
    Undescribed(#[from] Undescribed),
}

/// Which units there are, as far as it is recorded; and the one that is always there.
#[derive(Clone, Debug)]
pub struct Registry {
    home: TenantId,
    units: BTreeMap<TenantId, Described>,
}

impl Registry {
    /// With one unit, as it is while nobody has said anything else.
    #[must_use]
    pub fn new(home: TenantId, described: Described) -> Self {
        Self { home, units: BTreeMap::from([(home, described)]) }
    }

    /// The unit that is always there.
    #[must_use]
    pub const fn home(&self) -> TenantId {
        self.home
    }

    /// All units, by their ids.
    pub fn units(&self) -> impl Iterator<Item = (TenantId, &Described)> {
        self.units.iter().map(|(id, described)| (*id, described))
    }

    /// What an operator means: an id, or a slug.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<TenantId> {
        let id: Option<TenantId> = text.parse().ok();
        let named = |(id, described): (&TenantId, &Described)| (described.slug == text).then_some(*id);
        id.filter(|id| self.units.contains_key(id)).or_else(|| self.units.iter().find_map(named))
    }

    /// Judges a command; changes nothing. `own` are the host names of the server itself.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn decide(&self, command: Command, own: &[Host]) -> Result<Event, Rejection> {
        let unit = command.unit();
        let described = match command {
            Command::Add { unit, .. } if self.units.contains_key(&unit) => return Err(Rejection::Exists),
            Command::Add { .. } if self.units.len() >= MAX_UNITS => return Err(Rejection::Full),
            Command::Add { described, .. } => described,
            Command::Change { name, slug, zone, language, .. } => {
                let was = self.units.get(&unit).ok_or(Rejection::Unknown)?.clone();
                Described {
                    name: name.unwrap_or(was.name),
                    slug: slug.unwrap_or(was.slug),
                    zone: zone.unwrap_or(was.zone),
                    language: language.unwrap_or(was.language),
                    hosts: was.hosts,
                }
            }
            Command::Hosts { hosts, .. } => {
                Described { hosts, ..self.units.get(&unit).ok_or(Rejection::Unknown)?.clone() }
            }
        };
        let mut described = described.checked()?;
        let mut seen = std::collections::BTreeSet::new();
        described.hosts.retain(|host| seen.insert(host.clone()));
        self.fits(unit, &described, own)?;
        Ok(Event { unit, described })
    }

    fn fits(&self, unit: TenantId, described: &Described, own: &[Host]) -> Result<(), Rejection> {
        if described.hosts.is_empty() && unit != self.home {
            return Err(Rejection::NoHost);
        }
        if described.hosts.len() > MAX_HOSTS {
            return Err(Rejection::TooManyHosts);
        }
        let of_home = |host: &&Host| unit != self.home && own.contains(host);
        if let Some(host) = described.hosts.iter().find(of_home) {
            return Err(Rejection::HostIsHome(host.clone()));
        }
        for (_, other) in self.units.iter().filter(|(id, _)| **id != unit) {
            if other.slug == described.slug {
                return Err(Rejection::SlugTaken(described.slug.clone()));
            }
            if let Some(taken) = described.hosts.iter().find(|host| other.hosts.contains(host)) {
                return Err(Rejection::HostTaken(taken.clone()));
            }
        }
        Ok(())
    }

    /// Takes a recorded event; never refuses.
    pub fn evolve(&mut self, event: Event) {
        self.units.insert(event.unit, event.described);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn id(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn described(slug: &str, hosts: &[&str]) -> Described {
        Described {
            name: slug.to_uppercase(),
            slug: slug.into(),
            hosts: hosts.iter().map(|host| Host::name(host).unwrap()).collect(),
            zone: "UTC".into(),
            language: Language::En,
        }
    }

    fn registry() -> Registry {
        Registry::new(id(1), described("home", &[]))
    }

    fn add(registry: &mut Registry, n: u128, described: Described) -> Result<(), Rejection> {
        let own = [Host::name("visits.example").unwrap()];
        let event = registry.decide(Command::Add { unit: id(n), described }, &own)?;
        registry.evolve(event);
        Ok(())
    }

    #[test]
    fn a_host_a_slug_and_an_id_are_one_units_only() {
        let mut all = registry();
        add(&mut all, 2, described("b", &["b.example", "B.example."])).unwrap();
        assert_eq!(all.units().last().unwrap().1.hosts.len(), 1, "the same host twice is one");
        let host = Host::name("b.example").unwrap();
        assert_eq!(
            add(&mut all, 3, described("c", &["c.example", "b.example"])),
            Err(Rejection::HostTaken(host))
        );
        assert_eq!(add(&mut all, 3, described("b", &["c.example"])), Err(Rejection::SlugTaken("b".into())));
        assert_eq!(add(&mut all, 2, described("c", &["c.example"])), Err(Rejection::Exists));
        assert_eq!(add(&mut all, 3, described("c", &[])), Err(Rejection::NoHost));
        let own = Host::name("visits.example").unwrap();
        assert_eq!(add(&mut all, 3, described("c", &["visits.example"])), Err(Rejection::HostIsHome(own)));
        assert_eq!(
            (all.find("b"), all.find(&id(2).to_string()), all.find("d")),
            (Some(id(2)), Some(id(2)), None)
        );
    }

    #[test]
    fn what_is_changed_changes_and_the_rest_stays() {
        let mut all = registry();
        let change = |unit| Command::Change {
            unit,
            name: Some("Riverside".into()),
            slug: None,
            zone: Some("Europe/Madrid".into()),
            language: None,
        };
        assert_eq!(all.decide(change(id(9)), &[]), Err(Rejection::Unknown));
        let event = all.decide(change(id(1)), &[]).unwrap();
        all.evolve(event);
        let (_, home) = all.units().next().unwrap();
        assert_eq!(
            (home.name.as_str(), home.slug.as_str(), home.zone.as_str()),
            ("Riverside", "home", "Europe/Madrid")
        );
        let hosts = Command::Hosts { unit: id(1), hosts: vec![Host::name("a.example").unwrap()] };
        let event = all.decide(hosts, &[]).unwrap();
        all.evolve(event);
        let none = Command::Hosts { unit: id(1), hosts: Vec::new() };
        assert!(all.decide(none, &[]).is_ok(), "the unit that is always there is found without");
    }

    #[test]
    fn so_many_units_and_hosts_fit_and_not_one_more() {
        let mut all = registry();
        for n in 2..=MAX_UNITS as u128 {
            add(&mut all, n, described(&format!("u{n}"), &[&format!("u{n}.example")])).unwrap();
        }
        assert_eq!(add(&mut all, 5_000, described("one-more", &["one-more.example"])), Err(Rejection::Full));
        let hosts = |n: usize| (0..n).map(|n| Host::name(&format!("h{n}.example")).unwrap()).collect();
        let set = |hosts| Command::Hosts { unit: id(2), hosts };
        assert!(all.decide(set(hosts(MAX_HOSTS)), &[]).is_ok());
        assert_eq!(all.decide(set(hosts(MAX_HOSTS + 1)), &[]), Err(Rejection::TooManyHosts));
    }
}
