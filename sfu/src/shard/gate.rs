//! What may reach a session: nothing that is not authenticated.
//!
//! A STUN check proves whom it is for by its MESSAGE-INTEGRITY; only then does its source address
//! belong to that session, and only from such an address is anything else taken. A stranger's packet
//! costs a look-up, at most a hash, and never an allocation.

use super::{
    command::ProbeToken,
    net::{Net, Path, Remote},
};
use crate::metrics::{Drop, ShardMetrics, Stranger};
use sfu_core::{
    demux::{self, Class},
    limits::MAX_DATAGRAM_BYTES,
    table::{Flow, Ufrags},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use str0m::{
    crypto::CryptoProvider,
    ice::{StunMessage, TransId},
};
use tokio::sync::oneshot;

/// STUN checks of unknown addresses verified in one turn of the loop. Further ones are dropped: a
/// client repeats its checks, a flood must not take the shard's time.
pub(crate) const CHECKS_PER_TURN: usize = 64;

/// Room for an answer: header, mapped address, integrity and fingerprint (RFC 8489 §14).
const LONGEST_ANSWER: usize = 20 + 24 + 24 + 8;

/// Whose a fragment is, and what proves it.
pub(crate) struct Credential {
    pub(crate) session: u32,
    pub(crate) pwd: String,
}

pub(crate) struct Gate {
    pub(crate) ufrags: Ufrags<Credential>,
    crypto: Arc<CryptoProvider>,
    checks_left: usize,
    /// What the shard sent itself last.
    expected: Option<(ProbeToken, oneshot::Sender<()>)>,
}

/// What a shard sends itself. Its first byte is of no protocol there is (RFC 7983).
pub(crate) fn probe(token: ProbeToken) -> [u8; 17] {
    let mut datagram = [0xFF; 17];
    datagram[1..].copy_from_slice(&token);
    datagram
}

/// A packet that may be handed to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Admitted {
    pub(crate) session: u32,
    /// It was an authenticated check.
    pub(crate) check: Option<Check>,
    /// It is SRTP or SRTCP.
    pub(crate) media: bool,
}

/// What an authenticated check says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Check {
    id: TransId,
    /// The sender is the controlling agent, as it must be towards ours.
    pub(crate) controls: bool,
    /// This is the path to use (RFC 8445 §7.3.1.5).
    pub(crate) nominates: bool,
}

/// Where a packet came from and to.
#[derive(Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) remote: Remote,
    pub(crate) path: Path,
    pub(crate) tick: u64,
}

impl Gate {
    pub(crate) fn new(limit: usize, crypto: Arc<CryptoProvider>) -> Self {
        Self { ufrags: Ufrags::new(limit), crypto, checks_left: CHECKS_PER_TURN, expected: None }
    }

    /// The shard has sent itself a datagram. One that was sent before and has not come is lost.
    pub(crate) fn expect(&mut self, token: ProbeToken, reply: oneshot::Sender<()>) {
        self.expected = Some((token, reply));
    }

    fn is_probe(&mut self, packet: &[u8]) -> bool {
        let expected = self.expected.take_if(|(token, _)| *packet == probe(*token));
        let Some((_, reply)) = expected else { return false };
        // Who asked may have given up.
        let _ = reply.send(());
        true
    }

    /// A new turn of the loop.
    pub(crate) fn refill(&mut self) {
        self.checks_left = CHECKS_PER_TURN;
    }

    /// Whose packet this is, if that is proven.
    pub(crate) fn admit(
        &mut self,
        packet: &[u8],
        origin: Origin,
        net: &mut Net,
        metrics: &ShardMetrics,
    ) -> Option<Admitted> {
        if packet.len() > MAX_DATAGRAM_BYTES {
            metrics.dropped(Drop::TooLong);
            return None;
        }
        let class = demux::classify(packet);
        if class == Class::Unknown {
            if self.is_probe(packet) {
                return None;
            }
            metrics.stranger(Stranger::Garbage);
            return None;
        }
        let known = net.flow(origin.remote).map(|flow| flow.session);
        if class == Class::Stun {
            return self.check(packet, known, origin, net, metrics);
        }
        let Some(session) = known else {
            metrics.stranger(Stranger::UnknownAddress);
            return None;
        };
        if class == Class::Dtls && demux::is_plain_alert(packet) {
            metrics.dropped(Drop::Rejected);
            return None;
        }
        Some(Admitted { session, check: None, media: class == Class::Media })
    }

    /// Writes the answer to a check; whether there is one.
    pub(crate) fn answer(&self, ufrag: &str, check: Check, to: SocketAddr, out: &mut Vec<u8>) -> bool {
        let Some(credential) = self.ufrags.get(ufrag.as_bytes()) else { return false };
        let start = out.len();
        out.resize(start + LONGEST_ANSWER, 0);
        let hmac = |key: &[u8], parts: &[&[u8]]| self.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        let reply = StunMessage::binding_reply(check.id, to);
        let written = reply.to_bytes(Some(credential.pwd.as_bytes()), &mut out[start..], hmac);
        out.truncate(start + written.as_ref().copied().unwrap_or(0));
        written.is_ok()
    }

    fn check(
        &mut self,
        packet: &[u8],
        known: Option<u32>,
        origin: Origin,
        net: &mut Net,
        metrics: &ShardMetrics,
    ) -> Option<Admitted> {
        let refuse = |what| {
            metrics.stranger(what);
            None
        };
        let Some(username) = demux::binding_username(packet) else { return refuse(Stranger::NotARequest) };
        let Some(credential) = self.ufrags.get(username.local) else { return refuse(Stranger::UnknownUfrag) };
        if known != Some(credential.session) {
            if self.checks_left == 0 {
                return refuse(Stranger::OverBudget);
            }
            self.checks_left -= 1;
        }
        let Ok(message) = StunMessage::parse(packet) else { return refuse(Stranger::NotARequest) };
        let hmac = |key: &[u8], parts: &[&[u8]]| self.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        if !message.verify(credential.pwd.as_bytes(), hmac) {
            return refuse(Stranger::BadIntegrity);
        }
        let session = credential.session;
        if let Path::Tcp(connection) = origin.path {
            net.tcp.adopt(connection, session);
        }
        net.flows.authenticated(origin.remote, Flow { session, path: origin.path, seen: origin.tick });
        let check = Check {
            id: message.trans_id(),
            controls: message.ice_controlling().is_some() && message.ice_controlled().is_none(),
            nominates: message.use_candidate(),
        };
        Some(Admitted { session, check: Some(check), media: false })
    }
}

/// The local candidate a packet came to. Behind NAT the address it was sent to is not the one that was
/// advertised; then it counts as the first advertised one of its family.
pub(crate) fn local_candidate(
    to: Option<IpAddr>,
    port: u16,
    from: SocketAddr,
    advertised: &[IpAddr],
) -> SocketAddr {
    let exact = to.filter(|ip| advertised.contains(ip));
    let same_family = || advertised.iter().copied().find(|ip| ip.is_ipv4() == from.is_ipv4());
    let ip = exact.or_else(same_family).or(to).unwrap_or_else(|| from.ip());
    SocketAddr::new(ip, port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{tcp::Tcp, udp};

    struct Bench {
        gate: Gate,
        net: Net,
        metrics: ShardMetrics,
    }

    impl Bench {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        fn new() -> Self {
            let poll = mio::Poll::new().unwrap();
            let udp = udp::Udp::new(udp::bind("127.0.0.1".parse().unwrap(), 0).unwrap()).unwrap();
            let tcp = Tcp::new(None, poll.registry().try_clone().unwrap(), std::time::Instant::now());
            let mut gate = Gate::new(10, crate::engine::keys::provider());
            assert!(gate.ufrags.insert(b"ours", Credential { session: 5, pwd: "secret".into() }));
            let net = Net { udp, tcp, flows: Default::default(), own: Vec::new() };
            Self { gate, net, metrics: ShardMetrics::default() }
        }

        fn admit(&mut self, packet: &[u8], port: u16) -> Option<Admitted> {
            let remote = Remote { tcp: false, addr: SocketAddr::from(([192, 0, 2, 1], port)) };
            let origin = Origin { remote, path: Path::Udp(None), tick: 0 };
            self.gate.admit(packet, origin, &mut self.net, &self.metrics)
        }

        fn count(&self, what: Stranger) -> u64 {
            self.metrics.strangers[what as usize].get()
        }
    }

    /// A binding request for `ours`, signed with this password.
    fn check(pwd: &str) -> Vec<u8> {
        let crypto = crate::engine::keys::provider();
        let hmac = |key: &[u8], parts: &[&[u8]]| crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        let message =
            StunMessage::binding_request("ours:theirs", str0m::ice::TransId::new(), true, 1, 1, true);
        let mut bytes = vec![0; 500];
        let len = message.to_bytes(Some(pwd.as_bytes()), &mut bytes, hmac).unwrap();
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn an_address_is_known_by_an_authenticated_check_and_by_nothing_else() {
        let media = [vec![128, 111, 0, 1], vec![0; 40]].concat();
        let mut bench = Bench::new();
        assert_eq!(bench.admit(&media, 1), None);
        assert_eq!(bench.admit(&check("wrong"), 1), None);
        assert_eq!(bench.admit(&media, 1), None, "a forged check opened nothing");
        let admitted = bench.admit(&check("secret"), 1).unwrap();
        assert_eq!((admitted.session, admitted.media), (5, false));
        assert!(admitted.check.is_some_and(|check| check.controls && check.nominates));
        assert_eq!(bench.admit(&media, 1), Some(Admitted { session: 5, check: None, media: true }));
        assert_eq!(bench.admit(&media, 2), None, "for this address only");
        assert_eq!(bench.admit(&check("wrong"), 1), None, "nor is a forgery taken from a known address");
        let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
        assert_eq!(bench.admit(&alert, 1), None, "an alert in the clear is anybody's");
    }

    #[test]
    fn an_answer_is_for_that_check_and_proves_who_gave_it() {
        let mut bench = Bench::new();
        let check = bench.admit(&check("secret"), 1).unwrap().check.unwrap();
        for to in ["192.0.2.1:1", "[2001:db8::1]:65535"] {
            let (to, mut out) = (to.parse().unwrap(), b"before".to_vec());
            assert!(bench.gate.answer("ours", check, to, &mut out));
            let bytes = out.strip_prefix(b"before").unwrap();
            let answer = StunMessage::parse(bytes).unwrap();
            assert!(answer.is_successful_binding_response());
            assert_eq!((answer.trans_id(), answer.mapped_address()), (check.id, Some(to)));
            let hmac =
                |key: &[u8], parts: &[&[u8]]| bench.gate.crypto.sha1_hmac_provider.sha1_hmac(key, parts);
            assert!(answer.verify(b"secret", hmac) && !answer.verify(b"wrong", hmac));
        }
        let mut out = Vec::new();
        assert!(!bench.gate.answer("theirs", check, "192.0.2.1:1".parse().unwrap(), &mut out), "nobody's");
    }

    #[test]
    fn so_many_strangers_are_verified_in_a_turn_and_no_more_and_friends_always() {
        let mut bench = Bench::new();
        assert!(bench.admit(&check("secret"), 1).is_some());
        for _ in 1..CHECKS_PER_TURN {
            bench.admit(&check("wrong"), 2);
        }
        assert_eq!((bench.count(Stranger::BadIntegrity), bench.count(Stranger::OverBudget)), (63, 0));
        assert_eq!(bench.admit(&check("secret"), 2), None, "one past it");
        assert_eq!(bench.count(Stranger::OverBudget), 1);
        assert!(bench.admit(&check("secret"), 1).is_some(), "a known address is not a stranger");
        bench.gate.refill();
        assert!(bench.admit(&check("secret"), 2).is_some());
    }

    #[test]
    fn the_longest_packet_passes_and_one_more_byte_does_not() {
        let mut bench = Bench::new();
        bench.admit(&check("secret"), 1);
        let packet = |len: usize| [vec![128, 111, 0, 1], vec![0; len - 4]].concat();
        assert!(bench.admit(&packet(MAX_DATAGRAM_BYTES), 1).is_some());
        assert!(bench.admit(&packet(MAX_DATAGRAM_BYTES + 1), 1).is_none());
    }

    #[test]
    fn an_address_behind_nat_counts_as_the_advertised_one() {
        let advertised: Vec<IpAddr> = vec!["203.0.113.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
        let from: SocketAddr = "198.51.100.1:9".parse().unwrap();
        let at = |to: &str| local_candidate(Some(to.parse().unwrap()), 7, from, &advertised).to_string();
        assert_eq!(at("203.0.113.5"), "203.0.113.5:7");
        assert_eq!(at("10.0.0.5"), "203.0.113.5:7");
        let v6: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        assert_eq!(local_candidate(None, 7, v6, &advertised).to_string(), "[2001:db8::5]:7");
    }
}
