//! Who may send what to whom, and when it arrives: every client's two links and the renaming in between.
//! No clock, no sockets.
//!
//! ```text
//! client ─► up ─► renamed ─┬─► server
//!                          └─► (another client's) down ─► client
//! server ─► named back ─► down ─► client
//! ```
//!
//! Contract: after each `handle_*`, and when `poll_timeout` has come, drain `poll` to `None`.

use super::{
    held::Held,
    link::{Fate, Link, Reason},
    packet::{self, Side},
    random::Stream,
    script::{Direction, Script},
};
use serde::Serialize;
use std::net::Ipv4Addr;

/// Most packets on their way at once, over all links. Full: what comes is dropped, which the report says.
const MOST_HELD: usize = 65_536;

/// Most clients: each has a subnet of its own.
pub(super) const MOST_CLIENTS: usize = 200;

/// Where the server is, in 10.78.0.0/24, all of which is the server's.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// Addresses a client has one after the other: 2 to 251.
const ADDRESSES: u64 = 250;

/// One end of the network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Behind no link.
    Server,
    /// Behind its own.
    Client(usize),
}

impl End {
    /// Its own address, as it knows it.
    pub(super) fn address(self) -> Ipv4Addr {
        match self {
            Self::Server => SERVER,
            Self::Client(index) => Ipv4Addr::new(10, 78, subnet(index), 2),
        }
    }

    /// The router, as it knows it.
    pub(super) fn gateway(self) -> Ipv4Addr {
        match self {
            Self::Server => Ipv4Addr::new(10, 78, 0, 254),
            Self::Client(index) => Ipv4Addr::new(10, 78, subnet(index), 1),
        }
    }
}

fn subnet(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}

/// What became of the packets of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Tally {
    /// Entered the link.
    pub(super) packets: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
    /// Came out, or will.
    pub(super) passed: u64,
    /// Bytes of these.
    pub(super) passed_bytes: u64,
    /// Dropped because the link was cut.
    pub(super) cut: u64,
    /// Dropped by chance.
    pub(super) lost: u64,
    /// Dropped because the queue was full.
    pub(super) queue_full: u64,
}

/// Packets that no link was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Refused {
    /// To or from an address that is none of ours.
    pub(super) outside: u64,
    /// To an address that a client had, but has no longer.
    pub(super) stale: u64,
    /// No whole IPv4 packet without options.
    pub(super) malformed: u64,
    /// More on their way than can be held: the router was asked too much.
    pub(super) overfull: u64,
}

/// A client with its two links.
#[derive(Debug)]
struct Client {
    script: Script,
    /// When it began, and how often the address had changed before.
    since_ns: u64,
    changes_before: u64,
    links: [Way; 2],
    names: Names,
}

#[derive(Debug)]
struct Way {
    link: Link,
    tally: Tally,
}

/// What the server knows a client by.
#[derive(Clone, Copy, Debug)]
struct Names {
    /// How often these changed.
    changes: u64,
    address: Ipv4Addr,
    /// Flips some bits of every port.
    port_mask: u16,
}

/// A packet on its way.
#[derive(Debug)]
struct OnItsWay {
    client: usize,
    direction: Direction,
    packet: Box<[u8]>,
}

/// A packet to hand over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) to: End,
    /// When it should have been, for measuring how late the router is.
    pub(super) due_ns: u64,
    pub(super) packet: Box<[u8]>,
}

/// The network between the ends.
#[derive(Debug)]
pub(super) struct Router {
    clients: Vec<Client>,
    held: Held<OnItsWay>,
    next_change_ns: Option<u64>,
    ports: Stream,
    pub(super) refused: Refused,
}

impl Router {
    /// One client a script, at time 0.
    pub(super) fn new(seed: u64, scripts: Vec<Script>) -> Self {
        let clients = scripts.into_iter().enumerate().map(|(index, script)| {
            let way = |number: u64| Way {
                // Apart from every other link, and the same however many there are.
                link: Link::new(seed.wrapping_mul(1_000_003).wrapping_add(2 * index as u64 + number)),
                tally: Tally::default(),
            };
            let names = Names { changes: 0, address: End::Client(index).address(), port_mask: 0 };
            Client { script, since_ns: 0, changes_before: 0, links: [way(0), way(1)], names }
        });
        let mut router = Self {
            clients: clients.collect(),
            held: Held::default(),
            next_change_ns: Some(0),
            ports: Stream::new(seed, 5),
            refused: Refused::default(),
        };
        router.handle_timeout(0);
        router
    }

    /// From now on a client's links follow another script, whose times count from now. Its address stays.
    pub(super) fn follow(&mut self, now_ns: u64, client: usize, script: Script) {
        self.handle_timeout(now_ns);
        let client = &mut self.clients[client];
        (client.script, client.since_ns, client.changes_before) = (script, now_ns, client.names.changes);
        self.next_change_ns = Some(now_ns);
        self.handle_timeout(now_ns);
    }

    /// Does what the scripts say up to now.
    pub(super) fn handle_timeout(&mut self, now_ns: u64) {
        if self.next_change_ns.is_none_or(|next| next > now_ns) {
            return;
        }
        for (index, client) in self.clients.iter_mut().enumerate() {
            let into_ns = now_ns.saturating_sub(client.since_ns);
            for direction in [Direction::Up, Direction::Down] {
                client.links[direction as usize].link.set(client.script.conditions(into_ns, direction));
            }
            let changes = client.changes_before + client.script.readdressed(into_ns);
            if changes != client.names.changes {
                let [a, b, c, _] = End::Client(index).address().octets();
                let last = (changes % ADDRESSES) as u8 + 2;
                let draw = self.ports.at(changes * MOST_CLIENTS as u64 + index as u64);
                // Among the ten low bits, so that a port stays on its side of 1,024.
                let port_mask = 1 + (draw * 1_023.0) as u16;
                client.names = Names { changes, address: Ipv4Addr::new(a, b, c, last), port_mask };
            }
        }
        let next = |client: &Client| {
            let into_ns = now_ns.saturating_sub(client.since_ns);
            client.script.next_change(into_ns).map(|next| client.since_ns + next)
        };
        self.next_change_ns = self.clients.iter().filter_map(next).min();
    }

    /// Takes in what an end sent; what to answer at once, if it may not pass.
    pub(super) fn handle_packet(&mut self, now_ns: u64, from: End, bytes: &[u8]) -> Option<[u8; 56]> {
        self.handle_timeout(now_ns);
        let Some(addresses) = packet::addresses(bytes) else {
            self.refused.malformed += 1;
            return None;
        };
        let own = match from {
            End::Server => is_server(addresses.source),
            End::Client(_) => addresses.source == from.address(),
        };
        let to = owner(addresses.destination, self.clients.len());
        match (from, to) {
            (End::Client(index), Some(_)) if own => {
                self.enter(now_ns, index, Direction::Up, Box::from(bytes));
                None
            }
            (End::Server, Some(End::Client(index))) if own => {
                self.enter_down(now_ns, index, Box::from(bytes));
                None
            }
            _ => {
                self.refused.outside += 1;
                own.then(|| packet::prohibited(bytes, from.gateway())).flatten()
            }
        }
    }

    /// The next packet that is to be handed over by now.
    pub(super) fn poll(&mut self, now_ns: u64) -> Option<Delivery> {
        while let Some((at_ns, OnItsWay { client, direction, mut packet })) = self.held.pop(now_ns) {
            if direction == Direction::Down {
                return Some(Delivery { to: End::Client(client), due_ns: at_ns, packet });
            }
            let names = self.clients[client].names;
            if names.changes > 0 {
                packet::rename(&mut packet, Side::Source, names.address, names.port_mask);
            }
            let destination = packet::addresses(&packet).map(|addresses| addresses.destination);
            match destination.and_then(|it| owner(it, self.clients.len())) {
                Some(End::Client(other)) => self.enter_down(at_ns, other, packet),
                Some(End::Server) => return Some(Delivery { to: End::Server, due_ns: at_ns, packet }),
                None => {}
            }
        }
        None
    }

    /// When to call `handle_timeout` and `poll` next.
    pub(super) fn poll_timeout(&self) -> Option<u64> {
        self.held.due_ns().into_iter().chain(self.next_change_ns).min()
    }

    /// What became of a client's packets, up and down, and how often it was readdressed.
    pub(super) fn tallies(&self, client: usize) -> (Tally, Tally, u64) {
        let client = &self.clients[client];
        let [up, down] = &client.links;
        (up.tally, down.tally, client.names.changes)
    }

    /// From the wide side: by the name the client has now.
    fn enter_down(&mut self, now_ns: u64, index: usize, mut packet: Box<[u8]>) {
        let names = self.clients[index].names;
        if packet::addresses(&packet).is_none_or(|it| it.destination != names.address) {
            self.refused.stale += 1;
            return;
        }
        if names.changes > 0 {
            packet::rename(&mut packet, Side::Destination, End::Client(index).address(), names.port_mask);
        }
        self.enter(now_ns, index, Direction::Down, packet);
    }

    fn enter(&mut self, now_ns: u64, client: usize, direction: Direction, packet: Box<[u8]>) {
        if self.held.len() >= MOST_HELD {
            self.refused.overfull += 1;
            return;
        }
        let Way { link, tally } = &mut self.clients[client].links[direction as usize];
        tally.packets += 1;
        tally.bytes += packet.len() as u64;
        match link.handle_packet(now_ns, packet.len()) {
            Fate::Dropped(Reason::Cut) => tally.cut += 1,
            Fate::Dropped(Reason::Lost) => tally.lost += 1,
            Fate::Dropped(Reason::QueueFull) => tally.queue_full += 1,
            Fate::Passes { at_ns } => {
                tally.passed += 1;
                tally.passed_bytes += packet.len() as u64;
                self.held.push(at_ns, OnItsWay { client, direction, packet });
            }
        }
    }
}

fn is_server(address: Ipv4Addr) -> bool {
    owner(address, 0) == Some(End::Server)
}

/// Whose address this is, was, or may be.
fn owner(address: Ipv4Addr, clients: usize) -> Option<End> {
    match address.octets() {
        [10, 78, 0, 1..=253] => Some(End::Server),
        [10, 78, subnet, 2..=251] if (1..=clients).contains(&usize::from(subnet)) => {
            Some(End::Client(usize::from(subnet) - 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packet::{addresses, tests::udp};

    const MS: u64 = 1_000_000;
    const ALICE: End = End::Client(0);
    const BOB: End = End::Client(1);

    fn router(scripts: &[&str]) -> Router {
        Router::new(7, scripts.iter().map(|text| Script::parse(text).expect("a script")).collect())
    }

    fn between(from: End, to: End) -> Vec<u8> {
        udp((from.address(), 5_000), (to.address(), 6_000), b"hello")
    }

    fn arrivals(router: &mut Router, now_ns: u64) -> Vec<(End, u64)> {
        std::iter::from_fn(|| router.poll(now_ns)).map(|it| (it.to, it.due_ns)).collect()
    }

    #[test]
    fn both_ways_have_their_own_link() {
        let mut router = router(&["up = { delay = '30 ms' }\ndown = { delay = '10 ms' }"]);
        router.handle_packet(0, ALICE, &between(ALICE, End::Server));
        router.handle_packet(0, End::Server, &between(End::Server, ALICE));
        assert_eq!(router.poll_timeout(), Some(10 * MS));
        assert_eq!(arrivals(&mut router, 9 * MS), []);
        assert_eq!(arrivals(&mut router, 50 * MS), [(ALICE, 10 * MS), (End::Server, 30 * MS)]);
        assert_eq!(router.poll_timeout(), None);
    }

    #[test]
    fn clients_reach_each_other_through_both_their_links() {
        let mut router = router(&["up = { delay = '30 ms' }", "down = { delay = '10 ms' }"]);
        router.handle_packet(0, ALICE, &between(ALICE, BOB));
        assert_eq!(arrivals(&mut router, 100 * MS), [(BOB, 40 * MS)]);
    }

    #[test]
    fn only_our_own_addresses_pass() {
        let mut router = router(&["", ""]);
        let outside = (Ipv4Addr::new(192, 0, 2, 1), 53);
        let cases = [
            (ALICE, udp((ALICE.address(), 1), outside, b"")),
            (ALICE, udp(outside, (SERVER, 1), b"")),
            // In another's name.
            (ALICE, udp((BOB.address(), 1), (SERVER, 1), b"")),
            (ALICE, udp((SERVER, 1), (BOB.address(), 1), b"")),
            (ALICE, udp((ALICE.address(), 1), (Ipv4Addr::new(10, 78, 3, 2), 1), b"")),
            (ALICE, udp((ALICE.address(), 1), (Ipv4Addr::new(10, 78, 0, 255), 1), b"")),
            (ALICE, udp((ALICE.address(), 1), (Ipv4Addr::BROADCAST, 1), b"")),
            (End::Server, udp((SERVER, 1), outside, b"")),
            (End::Server, udp((ALICE.address(), 1), (BOB.address(), 1), b"")),
            (End::Server, between(End::Server, End::Server)),
        ];
        for (i, (from, packet)) in cases.iter().enumerate() {
            router.handle_packet(0, *from, packet);
            assert_eq!((router.refused.outside, router.poll_timeout()), (i as u64 + 1, None), "{i}");
        }
        assert!(router.handle_packet(0, ALICE, &cases[0].1).is_some());
        assert!(router.handle_packet(0, ALICE, &cases[1].1).is_none());
        router.handle_packet(0, ALICE, b"neither fish nor flesh");
        assert_eq!(router.refused.malformed, 1);
    }

    #[test]
    fn after_a_new_address_replies_to_it_arrive_and_replies_to_the_old_do_not() {
        let mut router = router(&["[[step]]\nat = '1 s'\nreaddress = true"]);
        router.handle_packet(0, ALICE, &between(ALICE, End::Server));
        let first = router.poll(0).expect("passed");
        assert_eq!(addresses(&first.packet).expect("a packet").source, ALICE.address());

        assert_eq!(router.poll_timeout(), Some(1_000 * MS));
        router.handle_timeout(1_000 * MS);
        router.handle_packet(1_001 * MS, ALICE, &between(ALICE, End::Server));
        let second = router.poll(1_001 * MS).expect("passed").packet;
        let seen = addresses(&second).expect("a packet").source;
        let port = u16::from_be_bytes([second[20], second[21]]);
        assert_eq!(seen, Ipv4Addr::new(10, 78, 1, 3));
        assert!(port != 5_000 && port >= 1_024, "{port}");

        let reply = udp((SERVER, 6_000), (seen, port), b"hello");
        router.handle_packet(1_002 * MS, End::Server, &reply);
        let back = router.poll(1_002 * MS).expect("passed");
        let expected = udp((SERVER, 6_000), (ALICE.address(), 5_000), b"hello");
        assert_eq!((back.to, &back.packet[..]), (ALICE, &expected[..]));

        router.handle_packet(1_003 * MS, End::Server, &between(End::Server, ALICE));
        assert_eq!((router.poll(1_003 * MS), router.refused.stale), (None, 1));
    }

    #[test]
    fn another_script_begins_when_it_is_given_and_the_address_stays() {
        let mut router = router(&["[[step]]\nat = '1 s'\nreaddress = true"]);
        router.handle_timeout(2_000 * MS);
        let next = "both = { delay = '5 ms' }\n[[step]]\nat = '1 s'\nreaddress = true\n\
                    [[step]]\nat = '3 s'\nboth = { delay = '7 ms' }";
        router.follow(10_000 * MS, 0, Script::parse(next).expect("a script"));
        let mut seen = |at_ms: u64| {
            router.handle_packet(at_ms * MS, ALICE, &between(ALICE, End::Server));
            let out = router.poll((at_ms + 9) * MS).expect("passed");
            (addresses(&out.packet).expect("a packet").source.octets()[3], out.due_ns / MS - at_ms)
        };
        assert_eq!([seen(10_000), seen(11_000), seen(13_000)], [(3, 5), (4, 5), (4, 7)]);
    }

    #[test]
    fn only_so_many_packets_are_held() {
        let mut router = router(&["both = { delay = '1 s' }"]);
        let packet = between(ALICE, End::Server);
        for _ in 0..MOST_HELD {
            router.handle_packet(0, ALICE, &packet);
        }
        assert_eq!(router.refused.overfull, 0);
        router.handle_packet(0, ALICE, &packet);
        assert_eq!(router.refused.overfull, 1);
    }

    #[test]
    fn a_second_client_does_not_change_the_firsts_fates() {
        let fates = |scripts: &[&str]| {
            let mut router = router(scripts);
            let passes = (0..500_u64).map(|i| {
                router.handle_packet(i, ALICE, &between(ALICE, End::Server));
                router.poll(i).is_some()
            });
            passes.collect::<Vec<_>>()
        };
        let loss = "both = { loss = '20 %' }";
        assert_eq!(fates(&[loss]), fates(&[loss, loss]));
    }
}
