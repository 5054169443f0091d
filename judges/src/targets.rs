//! One function for each parser of a stranger's bytes. Each takes any bytes, says whether they were accepted, and
//! panics where more than "does not panic" is broken.

mod events;
mod gate;
mod graphql;
mod link;
mod media;
mod offer;
mod signaling;
mod token;
mod whip;

/// A parser under judgement.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the fuzz target and of the folder of its seeds.
    pub name: &'static str,
    /// Feeds it; whether the bytes were accepted.
    pub run: fn(&[u8]) -> bool,
    /// Changed seeds that a test feeds it. Fewer where one costs more.
    pub changes: usize,
}

/// All of them.
pub const ALL: [Target; 14] = [
    Target { name: "signaling_message", run: signaling::message, changes: 100_000 },
    Target { name: "token", run: token::verify, changes: 20_000 },
    Target { name: "offer", run: offer::read, changes: 20_000 },
    Target { name: "answer", run: offer::answer, changes: 3_000 },
    Target { name: "demux", run: gate::demux, changes: 100_000 },
    Target { name: "gate", run: gate::admit, changes: 20_000 },
    Target { name: "framing", run: gate::framing, changes: 20_000 },
    Target { name: "rtp_forward", run: media::rtp, changes: 100_000 },
    Target { name: "rtcp", run: media::rtcp, changes: 100_000 },
    Target { name: "srtp", run: media::srtp, changes: 20_000 },
    Target { name: "whip", run: whip::request, changes: 3_000 },
    Target { name: "media_link", run: link::message, changes: 50_000 },
    Target { name: "graphql", run: graphql::query, changes: 20_000 },
    Target { name: "events", run: events::decode, changes: 50_000 },
];

/// The target of a name, for the fuzzer.
///
/// # Panics
/// There is none of that name.
#[must_use]
pub fn of(name: &str) -> Target {
    *ALL.iter().find(|target| target.name == name).expect("a target of that name")
}
