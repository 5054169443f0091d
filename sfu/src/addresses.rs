//! The addresses clients are told to send to, and addresses as the rest of the SFU writes them.

use crate::{config::Advertise, limits};
use std::net::{IpAddr, SocketAddr};

/// An IPv4 address that a dual-stack socket shows as `::ffff:a.b.c.d`, written as IPv4. Everything
/// inside works on this form, so that one address is never two.
pub(crate) fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// The form in which a dual-stack socket takes a destination.
pub(crate) fn for_socket(addr: SocketAddr, dual_stack: bool) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if dual_stack => SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port()),
        _ => addr,
    }
}

/// The addresses to advertise for a socket bound to `bound`, at most [`limits::MAX_ADVERTISED`].
pub(crate) fn advertised(advertise: &Advertise, bound: IpAddr) -> std::io::Result<Vec<IpAddr>> {
    let all = match advertise {
        Advertise::These(these) => return Ok(these.clone()),
        Advertise::EveryAddress if !bound.is_unspecified() => vec![bound],
        Advertise::EveryAddress => if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect(),
    };
    Ok(choose(all, bound))
}

/// Those of these addresses that an interface of this machine has: replies can be sent from them. The
/// others are a NAT's.
pub(crate) fn own(ips: &[IpAddr]) -> std::io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    // All of 127.0.0.0/8 is this machine, though the interface names one address of it.
    let has = |ip: &&IpAddr| ip.is_loopback() || interfaces.iter().any(|interface| interface.ip() == **ip);
    Ok(ips.iter().filter(has).copied().collect())
}

/// Leaves out what no client can use, and the rest in the order in which clients should try it:
/// addresses of the network before those of the machine itself.
fn choose(mut all: Vec<IpAddr>, bound: IpAddr) -> Vec<IpAddr> {
    all.retain(|ip| match ip {
        // A link-local address needs a scope that SDP cannot carry.
        IpAddr::V6(v6) => bound.is_ipv6() && !v6.is_unicast_link_local(),
        IpAddr::V4(_) => bound.is_ipv4() || bound.is_unspecified(),
    });
    all.sort();
    all.dedup();
    all.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    // Whatever else is cut, a browser on the same machine must find the loopback addresses.
    let loopback = all.iter().filter(|ip| ip.is_loopback()).count();
    let network = all.len() - loopback;
    let keep = network.min(limits::MAX_ADVERTISED.saturating_sub(loopback.min(2)));
    all.drain(keep..network);
    all.truncate(limits::MAX_ADVERTISED);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn usable_addresses_network_first() {
        let all = ips("127.0.0.1 ::1 fe80::1 192.0.2.4 2001:db8::4 192.0.2.4");
        assert_eq!(choose(all.clone(), "::".parse().unwrap()), ips("192.0.2.4 2001:db8::4 127.0.0.1 ::1"));
        assert_eq!(choose(all, "0.0.0.0".parse().unwrap()), ips("192.0.2.4 127.0.0.1"));
    }

    #[test]
    fn so_many_and_no_more_with_loopback_kept() {
        let of = |n: usize| {
            let mut all = ips("127.0.0.1 ::1");
            all.extend((0..n).map(|i| IpAddr::from([10, 0, 0, u8::try_from(i).unwrap()])));
            choose(all, "::".parse().unwrap())
        };
        assert_eq!(of(limits::MAX_ADVERTISED - 2).len(), limits::MAX_ADVERTISED);
        let cut = of(limits::MAX_ADVERTISED - 1);
        assert_eq!(cut.len(), limits::MAX_ADVERTISED);
        assert!(cut.ends_with(&ips("127.0.0.1 ::1")));
    }

    #[test]
    fn mapped_addresses_are_plain_inside_and_mapped_at_the_socket() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:7".parse().unwrap();
        let v4: SocketAddr = "192.0.2.1:7".parse().unwrap();
        assert_eq!(plain(mapped), v4);
        assert_eq!(for_socket(v4, true), mapped);
        assert_eq!(for_socket(v4, false), v4);
    }

    #[test]
    fn a_nats_address_is_not_our_own() {
        let both = ips("127.0.0.1 203.0.113.5");
        assert_eq!(own(&both).unwrap(), ips("127.0.0.1"));
    }

    #[test]
    fn this_machine_has_a_loopback_address() {
        let found = advertised(&Advertise::EveryAddress, "::".parse().unwrap()).unwrap();
        assert!(found.contains(&"127.0.0.1".parse().unwrap()), "{found:?}");
    }
}
