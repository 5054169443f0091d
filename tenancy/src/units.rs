//! All units at one moment, found by what requests say.

use crate::{
    host::Host,
    registry::Registry,
    unit::{Described, Language, Unit},
};
use model::TenantId;
use std::{collections::HashMap, sync::Arc};

/// The unit that is always there, and where the server itself is found.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its id.
    pub id: TenantId,
    /// What it is called until an operator says otherwise.
    pub name: String,
    /// What browsers call the server: scheme, host and port.
    pub url: String,
    /// Origins of the server's own pages, whatever they are called.
    pub origins: Vec<String>,
    /// Hosts under which the server itself is found, beside that of `url` and this machine's.
    pub hosts: Vec<Host>,
}

impl Base {
    /// The host of `url`.
    fn host(&self) -> Option<Host> {
        Host::of_authority(self.authority().1)
    }

    fn authority(&self) -> (&str, &str) {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("https", &self.url));
        (scheme, rest.split('/').next().unwrap_or_default())
    }

    /// The same address with another host.
    fn url_of(&self, host: &Host) -> String {
        let (scheme, authority) = self.authority();
        let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        match port {
            Some((_, port)) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }

    /// Every host of the server itself.
    #[must_use]
    pub fn own_hosts(&self) -> Vec<Host> {
        self.hosts.iter().cloned().chain(self.host()).collect()
    }

    /// The registry while nobody has said anything.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let described = Described {
            name: self.name.clone(),
            slug: "home".into(),
            hosts: Vec::new(),
            zone: "UTC".into(),
            language: Language::En,
        };
        Registry::new(self.id, described)
    }
}

/// All units there are.
#[derive(Clone, Debug)]
pub struct Units {
    by_id: HashMap<TenantId, Arc<Unit>>,
    by_host: HashMap<Host, Arc<Unit>>,
    home: Arc<Unit>,
    own: Vec<Host>,
}

impl Units {
    /// Those of a registry.
    #[must_use]
    pub fn new(base: &Base, registry: &Registry) -> Self {
        let served = |(id, described): (TenantId, &Described)| Arc::new(unit(base, id, described));
        let all: Vec<_> = registry.units().map(served).collect();
        let hosts = |unit: &Arc<Unit>| {
            let unit = Arc::clone(unit);
            unit.described.hosts.clone().into_iter().map(move |host| (host, Arc::clone(&unit)))
        };
        let home = all.iter().find(|unit| unit.id == base.id).cloned();
        Self {
            by_host: all.iter().flat_map(hosts).collect(),
            home: home.unwrap_or_else(|| Arc::new(unit(base, base.id, &home_of(base)))),
            by_id: all.into_iter().map(|unit| (unit.id, unit)).collect(),
            own: base.own_hosts(),
        }
    }

    /// Whose a host name is. One that nobody has is the server's own, or nobody's; where there is but one unit, every
    /// name leads to it.
    #[must_use]
    pub fn of_host(&self, host: Option<&Host>) -> Option<&Arc<Unit>> {
        if let Some(unit) = host.and_then(|host| self.by_host.get(host)) {
            return Some(unit);
        }
        let own = |host: &Host| host.is_loopback() || self.own.contains(host);
        (self.by_id.len() == 1 || host.is_some_and(own)).then_some(&self.home)
    }

    /// One by its id.
    #[must_use]
    pub fn get(&self, id: TenantId) -> Option<&Arc<Unit>> {
        self.by_id.get(&id)
    }

    /// The one that is always there.
    #[must_use]
    pub const fn home(&self) -> &Arc<Unit> {
        &self.home
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Unit>> {
        self.by_id.values()
    }
}

fn home_of(base: &Base) -> Described {
    let registry = base.registry();
    let first = registry.units().next().map(|(_, described)| described.clone());
    first.unwrap_or_else(|| Described {
        name: base.name.clone(),
        slug: String::new(),
        hosts: Vec::new(),
        zone: String::new(),
        language: Language::En,
    })
}

fn unit(base: &Base, id: TenantId, described: &Described) -> Unit {
    let is_home = id == base.id;
    let own = if is_home { base.origins.clone() } else { Vec::new() };
    let origins = described.hosts.iter().map(|host| origin(&base.url_of(host))).chain(own).collect();
    let url = match described.hosts.first() {
        Some(host) => base.url_of(host),
        None => base.url.clone(),
    };
    Unit { id, described: described.clone(), url, origins }
}

/// As a browser writes it (RFC 6454, 6.2): without the port that the scheme has anyway.
fn origin(url: &str) -> String {
    let port = if url.starts_with("https:") { ":443" } else { ":80" };
    url.strip_suffix(port).unwrap_or(url).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Command;
    use uuid::Uuid;

    fn id(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn base(url: &str) -> Base {
        Base {
            id: id(1),
            name: "Riverside".into(),
            url: url.into(),
            origins: vec![url.into()],
            hosts: vec![Host::of_authority("192.0.2.7").unwrap()],
        }
    }

    fn with_b(base: &Base) -> Units {
        let mut registry = base.registry();
        let described = Described {
            name: "Lakeside".into(),
            slug: "lakeside".into(),
            hosts: vec![Host::name("b.example").unwrap(), Host::name("www.b.example").unwrap()],
            zone: "UTC".into(),
            language: Language::Es,
        };
        let event = registry.decide(Command::Add { unit: id(2), described }, &[]).unwrap();
        registry.evolve(event);
        Units::new(base, &registry)
    }

    fn whose(units: &Units, authority: &str) -> Option<u128> {
        let host = Host::of_authority(authority);
        units.of_host(host.as_ref()).map(|unit| unit.id.0.as_u128())
    }

    #[test]
    fn where_there_is_one_unit_every_name_leads_to_it() {
        let base = base("https://visits.example");
        let units = Units::new(&base, &base.registry());
        for any in ["visits.example", "localhost", "whatever.example", ""] {
            assert_eq!(whose(&units, any), Some(1), "{any}");
        }
    }

    #[test]
    fn where_there_are_more_a_name_is_one_units_or_nobodys() {
        let units = with_b(&base("https://visits.example:8443"));
        for home in
            ["visits.example", "VISITS.example:8443", "localhost:1", "127.0.0.1", "[::1]", "192.0.2.7"]
        {
            assert_eq!(whose(&units, home), Some(1), "{home}");
        }
        for b in ["b.example", "B.EXAMPLE.:8443", "www.b.example"] {
            assert_eq!(whose(&units, b), Some(2), "{b}");
        }
        for nobody in ["c.b.example", "example", "192.0.2.8", "", "b.example.evil.example"] {
            assert_eq!(whose(&units, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_units_address_is_the_servers_with_its_own_host() {
        let units = with_b(&base("https://visits.example:8443"));
        let b = units.get(id(2)).unwrap();
        assert_eq!(b.url, "https://b.example:8443");
        assert_eq!(b.origins, ["https://b.example:8443", "https://www.b.example:8443"]);
        assert_eq!(units.home().url, "https://visits.example:8443");
        let plain = with_b(&base("https://visits.example:443"));
        assert_eq!(plain.get(id(2)).unwrap().origins[0], "https://b.example");
        let v6 = with_b(&base("http://[2001:db8::1]"));
        assert_eq!(v6.get(id(2)).unwrap().url, "http://b.example");
    }
}
