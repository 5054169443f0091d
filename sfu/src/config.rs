//! What an operator can choose, with units and consequences.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// The SFU's knobs. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to bind. Default `::`, which takes IPv4 as well; a machine without IPv6 falls back to
    /// `0.0.0.0`.
    pub bind: IpAddr,
    /// UDP (and TCP) port of shard 0; shard `i` takes `udp_port + i`. 0 picks free ports. Firewalls
    /// must let these through. Default 50000.
    pub udp_port: u16,
    /// Offer ICE-TCP (RFC 6544) on the same port numbers, for networks that block UDP. Default true.
    pub tcp: bool,
    /// Threads that forward media, each with a port of its own. Default 1; at most
    /// [`limits::MAX_SHARDS`]. More than the cores at hand makes latency worse.
    pub shards: usize,
    /// Keep each shard's thread on one core. Steadier latency on a server; on a laptop that also runs a
    /// browser the scheduler does better. Default false.
    pub pin: bool,
    /// Addresses clients are told to send to. Default every address of the machine, which suits a
    /// laptop and tests; a server behind NAT names its public addresses.
    pub advertise: Advertise,
    /// Sessions on the whole node. One past it is told that the node is busy. Default 2000.
    pub max_sessions: usize,
    /// Rooms on the whole node. Default 1000.
    pub max_rooms: usize,
    /// Participants seated in one room. Default 12.
    pub max_participants_per_room: usize,
    /// Milliseconds without an authenticated STUN check until a session is closed (RFC 7675: 30 s).
    /// Lower frees seats sooner; higher forgives longer dead spots. Default 30000.
    pub consent_timeout_ms: u64,
    /// Milliseconds a session may take from answer to ICE and DTLS up. Default 15000.
    pub connect_timeout_ms: u64,
    /// First guess, in kbit/s, of what can be sent to a client. Too low is a blurry first second, too
    /// high a burst of loss. Default 1000.
    pub initial_estimate_kbps: u64,
    /// The estimator's goal per session, in kbit/s: it probes up to this while media flows. Default 3000.
    pub max_estimate_kbps: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            udp_port: 50_000,
            tcp: true,
            shards: 1,
            pin: false,
            advertise: Advertise::EveryAddress,
            max_sessions: 2_000,
            max_rooms: 1_000,
            max_participants_per_room: 12,
            consent_timeout_ms: 30_000,
            connect_timeout_ms: 15_000,
            initial_estimate_kbps: 1_000,
            max_estimate_kbps: 3_000,
        }
    }
}

impl Config {
    /// For tests: free ports, every address of the machine.
    pub fn ephemeral() -> Self {
        Self { udp_port: 0, ..Self::default() }
    }

    /// Says which knob has a value that cannot work.
    ///
    /// # Errors
    /// A sentence that names the knob.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let bad = |knob, why| Err(InvalidConfig { knob, why });
        if self.shards == 0 || self.shards > limits::MAX_SHARDS {
            return bad("shards", "must be between 1 and 64");
        }
        if self.udp_port != 0 && usize::from(self.udp_port) + self.shards > 65_536 {
            return bad("udp_port", "plus shards must stay within 65535");
        }
        if self.max_sessions == 0 || self.max_sessions > limits::MAX_SESSIONS {
            return bad("max_sessions", "must be between 1 and 65536");
        }
        if self.max_rooms == 0 || self.max_rooms > limits::MAX_ROOMS {
            return bad("max_rooms", "must be between 1 and 65536");
        }
        if !(2..=limits::MAX_ROOM_MEMBERS).contains(&self.max_participants_per_room) {
            return bad("max_participants_per_room", "must be between 2 and 64");
        }
        if !(5_000..=120_000).contains(&self.consent_timeout_ms) {
            return bad("consent_timeout_ms", "must be between 5000 and 120000");
        }
        if !(1_000..=120_000).contains(&self.connect_timeout_ms) {
            return bad("connect_timeout_ms", "must be between 1000 and 120000");
        }
        if self.initial_estimate_kbps < 50 || self.initial_estimate_kbps > self.max_estimate_kbps {
            return bad("initial_estimate_kbps", "must be between 50 and max_estimate_kbps");
        }
        if self.max_estimate_kbps > 50_000 {
            return bad("max_estimate_kbps", "must be at most 50000");
        }
        if matches!(&self.advertise, Advertise::These(these) if these.is_empty() || these.len() > limits::MAX_ADVERTISED)
        {
            return bad("advertise", "must name between 1 and 16 addresses");
        }
        Ok(())
    }

    pub(crate) fn consent_timeout(&self) -> Duration {
        Duration::from_millis(self.consent_timeout_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}

/// A knob whose value cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sfu.{knob} {why}")]
pub struct InvalidConfig {
    /// The knob.
    pub knob: &'static str,
    /// What it must be.
    pub why: &'static str,
}

/// Which addresses stand in the answers.
///
/// Written `"every-address"`, `["203.0.113.5", "2001:db8::5"]` or, in the environment,
/// `203.0.113.5,2001:db8::5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertise {
    /// Every address of every interface, loopback included.
    EveryAddress,
    /// These, whether or not an interface has them (NAT).
    These(Vec<IpAddr>),
}

const EVERY: &str = "every-address";

impl Serialize for Advertise {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::EveryAddress => serializer.serialize_str(EVERY),
            Self::These(these) => these.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Advertise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Advertise;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"every-address\" or IP addresses")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Advertise, E> {
                if text.trim() == EVERY {
                    return Ok(Advertise::EveryAddress);
                }
                let parse = |part: &str| part.trim().parse().map_err(|_| E::custom("not an IP address"));
                text.split(',').map(parse).collect::<Result<_, _>>().map(Advertise::These)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Advertise, A::Error> {
                let mut these = Vec::new();
                while let Some(ip) = seq.next_element()? {
                    these.push(ip);
                }
                Ok(Advertise::These(these))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Config)) -> Result<(), &'static str> {
        let mut config = Config::default();
        change(&mut config);
        config.check().map_err(|e| e.knob)
    }

    #[test]
    fn the_default_is_valid_and_each_bad_value_names_its_knob() {
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|c| c.shards = limits::MAX_SHARDS), Ok(()));
        assert_eq!(check(|c| c.shards = limits::MAX_SHARDS + 1), Err("shards"));
        assert_eq!(check(|c| c.shards = 0), Err("shards"));
        assert_eq!(check(|c| c.udp_port = 65_535), Ok(()));
        assert_eq!(
            check(|c| {
                c.udp_port = 65_535;
                c.shards = 2;
            }),
            Err("udp_port")
        );
        assert_eq!(check(|c| c.max_sessions = limits::MAX_SESSIONS), Ok(()));
        assert_eq!(check(|c| c.max_sessions = limits::MAX_SESSIONS + 1), Err("max_sessions"));
        assert_eq!(check(|c| c.max_rooms = limits::MAX_ROOMS + 1), Err("max_rooms"));
        assert_eq!(
            check(|c| c.max_participants_per_room = limits::MAX_ROOM_MEMBERS + 1),
            Err("max_participants_per_room")
        );
        assert_eq!(check(|c| c.consent_timeout_ms = 4_999), Err("consent_timeout_ms"));
        assert_eq!(check(|c| c.connect_timeout_ms = 999), Err("connect_timeout_ms"));
        assert_eq!(check(|c| c.initial_estimate_kbps = 3_001), Err("initial_estimate_kbps"));
        assert_eq!(check(|c| c.max_estimate_kbps = 50_001), Err("max_estimate_kbps"));
        assert_eq!(check(|c| c.advertise = Advertise::These(vec![])), Err("advertise"));
    }

    #[test]
    fn advertise_reads_a_word_a_list_and_a_comma_separated_line() {
        let read = |json: &str| serde_json::from_str::<Advertise>(json);
        let two = Advertise::These(vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!(read(r#""every-address""#).unwrap(), Advertise::EveryAddress);
        assert_eq!(read(r#"["192.0.2.1", "2001:db8::1"]"#).unwrap(), two);
        assert_eq!(read(r#""192.0.2.1, 2001:db8::1""#).unwrap(), two);
        assert!(read(r#""everywhere""#).is_err());
        assert_eq!(read(&serde_json::to_string(&two).unwrap()).unwrap(), two);
    }

    #[test]
    fn an_unknown_knob_is_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"udp_prot": 1}"#).is_err());
        assert_eq!(serde_json::from_str::<Config>(r#"{"udp_port": 1}"#).unwrap().udp_port, 1);
    }
}
