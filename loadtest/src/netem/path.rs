//! Both links of one client, for a program that carries the client's packets itself: a shipped script, played from when
//! the path was made. No clock, no sockets.
//!
//! Contract: after [`Path::enter`], and when [`Path::due_ns`] has come, drain [`Path::poll`] to `None`.

use super::{
    held::Held,
    link::{Fate, Link},
    profiles,
    script::{Direction, Script},
};
use anyhow::Result;

/// Most packets on their way at once. What comes on top is dropped, as by a full queue.
const MOST_HELD: usize = 4_096;

/// A shipped script, and the seed of its chances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    profile: &'static str,
    seed: u64,
}

impl Network {
    /// By the script's name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(profile: &str, seed: u64) -> Result<Self> {
        Ok(Self { profile: profiles::name(profile)?, seed })
    }
}

/// A client's way to the server and back.
#[derive(Debug)]
pub(crate) struct Path {
    script: Script,
    links: [Link; 2],
    next_change_ns: Option<u64>,
    readdressed: u64,
    held: Held<(Direction, Box<[u8]>)>,
}

impl Path {
    /// Begins now, which is nought.
    pub(crate) fn new(network: Network) -> Result<Self> {
        let script = Script::load(network.profile)?;
        // The two directions share nothing, chances least of all.
        let links = [Link::new(network.seed), Link::new(!network.seed)];
        Ok(Self { script, links, next_change_ns: Some(0), readdressed: 0, held: Held::default() })
    }

    /// A packet of so many bytes, IP header included, sets out.
    pub(crate) fn enter(&mut self, now_ns: u64, direction: Direction, length: usize, packet: &[u8]) {
        self.follow(now_ns);
        if let Fate::Passes { at_ns } = self.links[direction as usize].handle_packet(now_ns, length)
            && self.held.len() < MOST_HELD
        {
            self.held.push(at_ns, (direction, packet.into()));
        }
    }

    /// The next packet that has arrived by now.
    pub(crate) fn poll(&mut self, now_ns: u64) -> Option<Arrived> {
        self.follow(now_ns);
        self.held.pop(now_ns).map(|(at_ns, (direction, packet))| Arrived { at_ns, direction, packet })
    }

    /// When to poll next.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.held.due_ns().into_iter().chain(self.next_change_ns).min()
    }

    /// How often the client's address has changed.
    pub(crate) const fn readdressed(&self) -> u64 {
        self.readdressed
    }

    fn follow(&mut self, now_ns: u64) {
        if self.next_change_ns.is_none_or(|next| next > now_ns) {
            return;
        }
        for direction in [Direction::Up, Direction::Down] {
            self.links[direction as usize].set(self.script.conditions(now_ns, direction));
        }
        self.readdressed = self.script.readdressed(now_ns);
        self.next_change_ns = self.script.next_change(now_ns);
    }
}

/// A packet that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) at_ns: u64,
    pub(crate) direction: Direction,
    pub(crate) packet: Box<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn path(profile: &str) -> Path {
        Path::new(Network::named(profile, 7).unwrap()).unwrap()
    }

    /// Packets of 1,000 bytes, one each 5 ms, one way; when each came out, after how long.
    fn sent(path: &mut Path, direction: Direction, ms: std::ops::Range<u64>) -> Vec<u64> {
        let mut took = Vec::new();
        for now in ms.clone().chain(ms.end..ms.end + 1_000) {
            if ms.contains(&now) && now % 5 == 0 {
                path.enter(now * MS, direction, 1_000, &now.to_be_bytes());
            }
            while let Some(held) = path.poll(now * MS) {
                assert_eq!(held.direction, direction);
                let began = u64::from_be_bytes(held.packet[..].try_into().unwrap());
                took.push(held.at_ns / MS - began);
            }
            assert!(path.due_ns().is_none_or(|due| due > now * MS));
        }
        took
    }

    #[test]
    fn packets_take_their_time_and_some_are_lost() {
        for direction in [Direction::Up, Direction::Down] {
            let took = sent(&mut path("loss-5"), direction, 0..20_000);
            assert!((3_700..3_900).contains(&took.len()), "a twentieth of 4,000 is lost: {}", took.len());
        }
        let took = sent(&mut path("4g"), Direction::Up, 0..5_000);
        assert!(took.len() > 980 && took.iter().all(|ms| (30..60).contains(ms)), "{took:?}");
    }

    #[test]
    fn the_script_goes_on_without_packets() {
        let mut path = path("rebinding");
        assert_eq!(path.due_ns(), Some(0));
        let mut changes = Vec::new();
        while let Some(due) = path.due_ns().filter(|due| *due < 90_000 * MS) {
            assert!(path.poll(due).is_none());
            if changes.last().is_none_or(|(_, known)| *known != path.readdressed()) {
                changes.push((due / MS / 1_000, path.readdressed()));
            }
        }
        assert_eq!(changes, [(0, 0), (20, 1), (40, 2), (60, 3), (80, 4)]);
    }

    #[test]
    fn so_many_are_held_and_no_more() {
        let mut path = path("satellite");
        for _ in 0..2 * MOST_HELD {
            path.enter(0, Direction::Down, 1, &[0]);
        }
        assert_eq!(path.held.len(), MOST_HELD);
        assert!(Network::named("carrier-pigeon", 1).is_err());
    }
}
