//! Host names, as browsers and operators write them.

use crate::limits::{MAX_HOST_BYTES, MAX_LABEL_BYTES};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// A host without its port: in lower case, without the dot that may end it, an IPv6 address in brackets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host(String);

/// Not a host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name: write it as visits.clinic.example, without https:// and without a port")]
pub struct NoHost;

impl Host {
    /// A name that a unit can have: of letters, digits and hyphens (RFC 1123, 2.1), no address, and not `localhost`, which
    /// is whatever machine somebody sits at. Names in other scripts are written as `xn--…`.
    ///
    /// # Errors
    /// [`NoHost`].
    pub fn name(text: &str) -> Result<Self, NoHost> {
        let name = lower(text.trim());
        let label = |label: &str| {
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_number = name.rsplit('.').next().is_none_or(|last| last.bytes().all(|b| b.is_ascii_digit()));
        let good = name.len() <= MAX_HOST_BYTES && name.split('.').all(label) && !is_number;
        if good && name != "localhost" { Ok(Self(name)) } else { Err(NoHost) }
    }

    /// What an authority of a request names (RFC 9110, 7.2), a name or an address; none if it names nothing.
    #[must_use]
    pub fn of_authority(authority: &str) -> Option<Self> {
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            return is_port(port).then(|| Self::of_address(address.into()));
        }
        let (host, port) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
        if !is_port(port) {
            return None;
        }
        match host.parse::<IpAddr>() {
            Ok(address) => Some(Self::of_address(address)),
            Err(_) => Self::name(host).ok().or_else(|| (lower(host) == "localhost").then(Self::localhost)),
        }
    }

    /// An address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_string()),
            IpAddr::V6(v6) => Self(format!("[{v6}]")),
        }
    }

    fn localhost() -> Self {
        Self("localhost".to_owned())
    }

    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this very machine, whichever it is.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let plain = self.0.trim_start_matches('[').trim_end_matches(']');
        self.0 == "localhost" || plain.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The dot at the end says that the name is complete, which here each is.
fn lower(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Host {
    type Error = NoHost;
    fn try_from(text: String) -> Result<Self, NoHost> {
        Self::name(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_units_name_is_a_name_of_letters_digits_and_hyphens() {
        for (typed, is) in [
            ("visits.clinic.example", "visits.clinic.example"),
            (" Visits.Clinic.Example. ", "visits.clinic.example"),
            ("b.localhost", "b.localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("intranet", "intranet"),
            (&"a".repeat(MAX_LABEL_BYTES), &"a".repeat(MAX_LABEL_BYTES)),
        ] {
            assert_eq!(Host::name(typed).unwrap().as_str(), is);
        }
        let longest =
            format!("{}.{}", "a.".repeat(63).trim_end_matches('.'), "b.".repeat(64).trim_end_matches('.'));
        assert_eq!((longest.len(), Host::name(&longest).is_ok()), (MAX_HOST_BYTES, true));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "a_b.c",
            "bücher.example",
            "192.0.2.1",
            "[::1]",
            "localhost",
            "https://a.b",
            "a.b:443",
            "a.b/c",
            &"a".repeat(MAX_LABEL_BYTES + 1),
            &format!("{longest}c"),
        ] {
            assert_eq!(Host::name(bad), Err(NoHost), "{bad}");
        }
    }

    #[test]
    fn a_requests_host_is_the_same_with_or_without_port_case_and_last_dot() {
        let of = |authority: &str| Host::of_authority(authority).map(String::from);
        for same in ["b.example", "B.Example:443", "b.example.", "b.EXAMPLE.:8080", "b.example:"] {
            assert_eq!(of(same).as_deref(), Some("b.example"), "{same}");
        }
        for here in ["localhost:8080", "127.0.0.1", "[::1]:443", "127.9.9.9:1", "[::ffff:127.0.0.1]"] {
            assert!(Host::of_authority(here).unwrap().is_loopback(), "{here}");
        }
        for elsewhere in ["192.0.2.1", "localhost.evil.example", "[2001:db8::1]"] {
            assert!(!Host::of_authority(elsewhere).unwrap().is_loopback(), "{elsewhere}");
        }
        for none in
            ["", ":80", "a@b.example", "b.example:http", "b.example:123456", "[::1", "b.example/x", "a b"]
        {
            assert_eq!(of(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_text_names_a_host_or_none(text in any::<String>()) {
            if let Some(host) = Host::of_authority(&text) {
                prop_assert_eq!(Host::of_authority(host.as_str()), Some(host.clone()));
            }
            if let Ok(host) = Host::name(&text) {
                prop_assert_eq!(Host::of_authority(host.as_str()), Some(host.clone()));
            }
        }
    }
}
