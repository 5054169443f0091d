//! What a client saw.

use super::{Content, Tag};
use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

/// Where something arrives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sink {
    /// Which slot; 0 for the screen.
    pub slot: usize,
    /// What of it.
    pub kind: SinkKind,
}

/// What a receiving line shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SinkKind {
    /// A voice.
    Audio,
    /// A camera.
    Video,
    /// A shared screen.
    Screen,
}

impl Sink {
    /// The voice in a slot.
    #[must_use]
    pub const fn audio(slot: usize) -> Self {
        Self { slot, kind: SinkKind::Audio }
    }
    /// The camera in a slot.
    #[must_use]
    pub const fn video(slot: usize) -> Self {
        Self { slot, kind: SinkKind::Video }
    }
    /// The shared screen.
    #[must_use]
    pub const fn screen() -> Self {
        Self { slot: 0, kind: SinkKind::Screen }
    }
}

/// A media packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Where.
    pub sink: Sink,
    /// When.
    pub at: Instant,
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// End of a frame.
    pub marker: bool,
    /// What it says; `None` if it is nobody's.
    pub content: Option<Content>,
    /// Bytes of payload.
    pub bytes: usize,
    /// The audio level extension.
    pub audio_level: Option<i8>,
}

/// A sender report that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Of what.
    pub sink: Sink,
    /// When.
    pub at: Instant,
    /// The sender's wall clock.
    pub ntp: SystemTime,
    /// The RTP timestamp at that moment.
    pub rtp: u64,
}

/// How many packets a line brought, counted for as long as the client lives or until
/// [`Seen::forget`].
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: u64,
    first: u64,
    last: u64,
}

/// Everything a client saw. Packets are kept up to a bound, the oldest go first.
#[derive(Debug)]
pub struct Seen {
    /// Packets and reports kept.
    pub keep: usize,
    totals: HashMap<Sink, Totals>,
    /// When the answer was taken.
    pub answered: Option<Instant>,
    /// When ICE and DTLS were up.
    pub connected: Option<Instant>,
    /// When the other end closed, or the client gave up.
    pub closed: Option<Instant>,
    /// Packets in order of arrival.
    pub packets: VecDeque<Arrival>,
    /// Sender reports in order of arrival.
    pub reports: VecDeque<Report>,
    /// When pulses came.
    pub pulses: Vec<Instant>,
    /// How often the server said that only reports will come.
    pub told_quiet: usize,
    /// When RTCP came.
    pub control: Vec<Instant>,
    /// When the data channel opened.
    pub channel_open: Option<Instant>,
    /// When somebody asked for a keyframe, by line.
    pub keyframe_requests: Vec<(super::Source, Instant)>,
    /// Media packets sent.
    pub sent: u64,
    /// Media datagrams lost on purpose.
    pub lost: u64,
    /// What the client's estimator believes it can send.
    pub estimate_bps: u64,
    /// The most it was told to send with.
    pub most_bps: Option<u64>,
    /// Media that came from another address than the one media is sent to.
    pub strays: u64,
    /// The transport of the last datagram sent.
    pub over_tcp: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            keep: 100_000,
            totals: HashMap::new(),
            answered: None,
            connected: None,
            closed: None,
            packets: VecDeque::new(),
            reports: VecDeque::new(),
            pulses: Vec::new(),
            told_quiet: 0,
            control: Vec::new(),
            channel_open: None,
            keyframe_requests: Vec::new(),
            sent: 0,
            lost: 0,
            estimate_bps: 0,
            most_bps: None,
            strays: 0,
            over_tcp: false,
        }
    }
}

impl Seen {
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let seq = arrival.seq;
        let totals = self.totals.entry(arrival.sink).or_insert(Totals { packets: 0, first: seq, last: seq });
        totals.packets += 1;
        totals.first = totals.first.min(seq);
        totals.last = totals.last.max(seq);
        if self.packets.len() >= self.keep {
            self.packets.pop_front();
        }
        self.packets.push_back(arrival);
    }

    pub(super) fn reported(&mut self, report: Report) {
        if self.reports.len() >= self.keep {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
    }

    /// Packets of one line.
    pub fn of(&self, sink: Sink) -> impl DoubleEndedIterator<Item = &Arrival> {
        self.packets.iter().filter(move |p| p.sink == sink)
    }

    /// How many packets arrived on a line.
    #[must_use]
    pub fn count(&self, sink: Sink) -> usize {
        self.of(sink).count()
    }

    /// Whose content is on a line now.
    #[must_use]
    pub fn last_tag(&self, sink: Sink) -> Option<Tag> {
        self.of(sink).next_back()?.content.map(|c| c.tag)
    }

    /// Whether the last packet in a slot's audio is theirs.
    #[must_use]
    pub fn hears(&self, slot: usize, tag: Tag) -> bool {
        self.last_tag(Sink::audio(slot)) == Some(tag)
    }

    /// Whether the last packet in a slot's video is theirs, and a keyframe of theirs began it.
    #[must_use]
    pub fn sees(&self, slot: usize, tag: Tag) -> bool {
        self.shows(Sink::video(slot), tag)
    }

    /// The same for any picture line.
    #[must_use]
    pub fn shows(&self, sink: Sink, tag: Tag) -> bool {
        self.last_tag(sink) == Some(tag)
            && self.of(sink).any(|p| p.content.is_some_and(|c| c.tag == tag && c.keyframe))
    }

    /// Every tag that ever arrived, on any line.
    #[must_use]
    pub fn tags(&self) -> std::collections::BTreeSet<Tag> {
        self.packets.iter().filter_map(|p| p.content).map(|c| c.tag).collect()
    }

    /// When the first packet on a line arrived.
    #[must_use]
    pub fn first(&self, sink: Sink) -> Option<Instant> {
        self.of(sink).next().map(|p| p.at)
    }

    /// When the first whole keyframe (its last packet) on a line arrived: the first decodable picture.
    #[must_use]
    pub fn first_frame(&self, sink: Sink) -> Option<Instant> {
        let begin = self.of(sink).find(|p| p.content.is_some_and(|c| c.keyframe))?;
        self.of(sink).find(|p| p.marker && p.timestamp == begin.timestamp).map(|p| p.at)
    }

    /// How many packets arrived on a line, forgotten ones of the bound included.
    #[must_use]
    pub fn total(&self, sink: Sink) -> u64 {
        self.totals.get(&sink).map_or(0, |totals| totals.packets)
    }

    /// The share of packets that never arrived on a line, between the first and the last that did (0–1),
    /// by sequence number.
    #[must_use]
    pub fn loss(&self, sink: Sink) -> f64 {
        let Some(totals) = self.totals.get(&sink) else { return 0.0 };
        let sent = totals.last - totals.first + 1;
        1.0 - totals.packets as f64 / sent as f64
    }

    /// Longest silence on a line between two moments.
    #[must_use]
    pub fn longest_gap(&self, sink: Sink) -> Duration {
        let times: Vec<Instant> = self.of(sink).map(|p| p.at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// Forgets packets and reports, to look at what comes from now on.
    pub fn forget(&mut self) {
        self.totals.clear();
        self.packets.clear();
        self.reports.clear();
        self.pulses.clear();
        self.told_quiet = 0;
        self.control.clear();
        self.keyframe_requests.clear();
    }
}
