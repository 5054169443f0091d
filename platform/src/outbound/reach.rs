//! Which addresses may be connected to when somebody else has named the server (OWASP ASVS 5.0, 15.3.2: server-side request
//! forgery). The lists are IANA's registries of special-purpose addresses for IPv4 and IPv6.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::{TcpStream, lookup_host};

/// How far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What is on the Internet.
    Public,
    /// Also a hospital's own network, and this machine. Never what is link-local, which is where clouds hand out credentials.
    AlsoPrivate,
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// The name is nobody's.
    #[error("the name has no address")]
    NoName,
    /// One of its addresses is none to connect to: then none of them is tried.
    #[error("the name leads to an address that may not be connected to")]
    Forbidden,
    /// Nobody answers there.
    #[error("no connection")]
    NoAnswer,
}

/// Whether an address may be connected to.
#[must_use]
pub fn may_reach(address: IpAddr, reach: Reach) -> bool {
    match address {
        IpAddr::V4(address) => v4(address, reach),
        IpAddr::V6(address) => v6(address, reach),
    }
}

fn v4(address: Ipv4Addr, reach: Reach) -> bool {
    let [a, b, c, _] = address.octets();
    // RFC 1918, RFC 6598 (carrier-grade NAT), this machine.
    let private = address.is_private() || (a == 100 && b & 0xc0 == 64) || address.is_loopback();
    if private {
        return reach == Reach::AlsoPrivate;
    }
    let never = a == 0
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        // Reserved; protocol assignments; relays of 6to4; benchmarks.
        || a >= 240
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && b & 0xfe == 18)
        // Metadata and key services of clouds that are no link-local ones.
        || address == Ipv4Addr::new(168, 63, 129, 16);
    !never
}

fn v6(address: Ipv6Addr, reach: Reach) -> bool {
    let s = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        v4(Ipv4Addr::new(a, b, c, d), reach)
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return v4(mapped, reach);
    }
    // NAT64 (RFC 6052): as good as what it leads to.
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return embedded(s[6], s[7]);
    }
    if address.is_loopback() {
        return reach == Reach::AlsoPrivate;
    }
    // fd00:ec2::/32: a cloud's metadata, in what is otherwise private.
    if s[0] & 0xfe00 == 0xfc00 {
        return reach == Reach::AlsoPrivate && !(s[0] == 0xfd00 && s[1] == 0x0ec2);
    }
    // Global unicast is 2000::/3, without what is tunnelled (6to4, Teredo), for documents or for benchmarks.
    let tunnelled = s[0] == 0x2002 || (s[0] == 0x2001 && s[1] < 0x0200);
    let documents = (s[0] == 0x2001 && s[1] == 0x0db8) || (s[0] == 0x3fff && s[1] < 0x1000);
    s[0] & 0xe000 == 0x2000 && !tunnelled && !documents
}

/// Connects to a host that somebody else has named.
///
/// # Errors
/// [`Unreached`].
pub async fn connect(host: &str, port: u16, reach: Reach) -> Result<TcpStream, Unreached> {
    let addresses: Vec<_> = lookup_host((host, port)).await.map_err(|_| Unreached::NoName)?.collect();
    connect_to(&addresses, reach).await
}

/// Connects to the first that answers of what a name was resolved to, if all may be connected to.
async fn connect_to(addresses: &[SocketAddr], reach: Reach) -> Result<TcpStream, Unreached> {
    if addresses.is_empty() {
        return Err(Unreached::NoName);
    }
    if !addresses.iter().all(|address| may_reach(address.ip(), reach)) {
        return Err(Unreached::Forbidden);
    }
    let connected: io::Result<_> = TcpStream::connect(addresses).await;
    connected.map_err(|_| Unreached::NoAnswer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn judged(text: &str) -> (bool, bool) {
        let address = text.parse().unwrap();
        (may_reach(address, Reach::Public), may_reach(address, Reach::AlsoPrivate))
    }

    #[test]
    fn what_is_on_the_internet_may_be_reached() {
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.254",
            "198.17.0.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
        ] {
            assert_eq!(judged(address), (true, true), "{address}");
        }
    }

    #[test]
    fn a_private_network_and_this_machine_only_where_that_is_allowed() {
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
        ] {
            assert_eq!(judged(address), (false, true), "{address}");
        }
    }

    #[test]
    fn some_are_never_reached() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.0.1",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::a9fe:a9fe",
            "::7f00:1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert_eq!(judged(address), (false, false), "{address}");
        }
    }

    #[tokio::test]
    async fn one_forbidden_address_of_a_name_forbids_all_and_nobody_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        assert!(connect_to(&[here], Reach::AlsoPrivate).await.is_ok());
        listener.accept().await.unwrap();
        for (addresses, reach, expected) in [
            (vec![here], Reach::Public, Unreached::Forbidden),
            (vec!["1.1.1.1:443".parse().unwrap(), here], Reach::Public, Unreached::Forbidden),
            (vec![here, "169.254.169.254:80".parse().unwrap()], Reach::AlsoPrivate, Unreached::Forbidden),
            (vec![], Reach::Public, Unreached::NoName),
        ] {
            assert_eq!(connect_to(&addresses, reach).await.unwrap_err(), expected, "{addresses:?}");
        }
        let accepted = listener.accept();
        assert!(futures_util::FutureExt::now_or_never(accepted).is_none(), "nobody has connected");
    }

    #[tokio::test]
    async fn however_this_machine_is_written_it_is_not_reached() {
        // Some are addresses to the system's resolver, others are nothing to it.
        for host in ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "::ffff:127.0.0.1"]
        {
            let refused = connect(host, 9, Reach::Public).await.unwrap_err();
            assert!(matches!(refused, Unreached::Forbidden | Unreached::NoName), "{host}: {refused:?}");
        }
    }
}
