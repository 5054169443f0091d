//! Doors for the judges of the test suite (`judges/`): what reads a stranger's bytes behind sockets and threads, without
//! them. No part of the crate's interface, and nothing in the product goes through it.

use crate::{
    engine::{self, Engine},
    metrics::{Profile, ShardMetrics},
    shard::{
        gate::{self, Credential, Origin},
        net::{Net, Path, Remote},
        tcp::Tcp,
        udp,
    },
    srtp,
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
    time::Instant,
};
use str0m::{
    Candidate,
    ice::{StunMessage, TransId},
};

/// Answers offers as the node does.
#[derive(Debug)]
pub struct Answers {
    engine: Engine,
    candidates: Vec<Candidate>,
}

impl Answers {
    /// With one candidate, on loopback. `None` if the machine cannot make a certificate.
    #[must_use]
    pub fn new() -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        Some(Self { engine: Engine::new()?, candidates: vec![Candidate::host(address, "udp").ok()?] })
    }

    /// The answer to an offer.
    ///
    /// # Errors
    /// Why there is none, in words.
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    pub fn answer(&self, offer: &str) -> Result<String, String> {
        let made = self.engine.answer(offer, &self.candidates, Instant::now());
        made.map(|made| made.answer).map_err(|error| error.to_string())
    }

    /// Whether this is what is said where the engine itself failed: it panicked, and that was caught.
    #[must_use]
    pub fn is_a_fault(why: &str) -> bool {
        why == engine::ENGINE_FAILED.to_string()
    }
}

/// The gate of a shard that has one session, whose fragment is `ours`.
#[expect(missing_debug_implementations, reason = "sockets")]
pub struct Gate {
    gate: gate::Gate,
    net: Net,
    metrics: ShardMetrics,
}

/// The session's password: another one in each process.
static PASSWORD: LazyLock<String> =
    LazyLock::new(|| engine::new_credentials().map(|made| made.pass).unwrap_or_default());

impl Gate {
    /// With a socket of its own, on loopback.
    ///
    /// # Errors
    /// It cannot be bound.
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let udp = udp::Udp::new(udp::bind(Ipv4Addr::LOCALHOST.into(), 0)?)?;
        let tcp = Tcp::new(None, poll.registry().try_clone()?, Instant::now());
        let mut gate = gate::Gate::new(4, engine::keys::provider());
        gate.ufrags.insert(b"ours", Credential { session: 5, pwd: PASSWORD.clone() });
        let net = Net { udp, tcp, flows: Default::default(), own: Vec::new() };
        Ok(Self { gate, net, metrics: ShardMetrics::default() })
    }

    /// Whether this datagram, from this address, reaches the session.
    pub fn admits(&mut self, datagram: &[u8], from: SocketAddr) -> bool {
        self.gate.refill();
        let remote = Remote { tcp: false, addr: from };
        let origin = Origin { remote, path: Path::Udp(None), tick: 0 };
        self.gate.admit(datagram, origin, &mut self.net, &self.metrics).is_some()
    }

    /// Whether an address is the session's.
    #[must_use]
    pub fn knows(&self, from: SocketAddr) -> bool {
        self.net.flow(Remote { tcp: false, addr: from }).is_some()
    }

    /// What the session's own client sends first.
    #[must_use]
    pub fn genuine() -> Vec<u8> {
        let crypto = engine::keys::provider();
        let hmac = |key: &[u8], parts: &[&[u8]]| crypto.sha1_hmac_provider.sha1_hmac(key, parts);
        let message = StunMessage::binding_request("ours:theirs", TransId::new(), true, 1, 1, true);
        let mut bytes = vec![0; 500];
        let len = message.to_bytes(Some(PASSWORD.as_bytes()), &mut bytes, hmac).unwrap_or(0);
        bytes.truncate(len);
        bytes
    }
}

/// One end of a session's media, with keys that the other end has too.
#[expect(missing_debug_implementations, reason = "keys")]
pub struct Media(srtp::Srtp);

impl Media {
    /// Both ends, protected with the n-th profile.
    #[must_use]
    pub fn pair(n: u8) -> Option<(Self, Self)> {
        let profile = [Profile::Gcm256, Profile::Gcm128, Profile::Cm][usize::from(n) % 3];
        let material: Vec<u8> = (0..100).collect();
        let end = |client| srtp::Srtp::new(profile, &material, client).map(Self);
        Some((end(true)?, end(false)?))
    }

    /// Protects a packet whose header is so long.
    #[must_use]
    pub fn seal_rtp(&self, packet: &[u8], header: usize, ssrc: u32, index: u64) -> Option<Vec<u8>> {
        let mut out = packet.to_vec();
        self.0.seal_rtp(&mut out, 0, header, ssrc, index)?;
        Some(out)
    }

    /// The payload of a packet, if it is authentic.
    #[must_use]
    pub fn open_rtp(&self, packet: &[u8], header: usize, ssrc: u32, index: u64) -> Option<Vec<u8>> {
        let mut out = vec![0; packet.len().checked_sub(header + self.0.tag_len())?];
        self.0.open_rtp(packet, header, ssrc, index, &mut out)?;
        Some(out)
    }

    /// Protects a report.
    #[must_use]
    pub fn seal_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = packet.to_vec();
        self.0.seal_rtcp(&mut out, 0)?;
        Some(out)
    }

    /// A report, if it is authentic and new.
    #[must_use]
    pub fn open_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.0.open_rtcp(packet, &mut out).map(<[u8]>::to_vec)
    }
}
