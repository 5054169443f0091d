//! One line being received on: what came, what is missing, when the first picture was whole.

use super::{Content, Counters, Sink, content, lines::Line, rtcp, rtp};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often a packet is asked for, how long apart.
const ASKS: u8 = 10;
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How often a keyframe is asked for while pictures cannot be decoded.
const KEYFRAME_EVERY: Duration = Duration::from_secs(1);

/// Packets missed at once; past it the gap is a new beginning.
const MOST_MISSING: u64 = 512;

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) sink: Sink,
    pub(super) ssrc: u32,
    pub(super) repair_ssrc: Option<u32>,
    pub(super) index: rtp::Extended,
    pub(super) repair_index: rtp::Extended,
    base: Option<u64>,
    highest: u64,
    missing: BTreeMap<u64, (u8, Instant)>,
    /// Given up.
    lost: u64,
    /// Expected and received when the last report was made.
    reported: (u64, u64),
    /// Of their last sender report.
    sender_report: Option<(u32, Instant)>,
    /// The keyframe that began and is not whole yet.
    keyframe: Option<u32>,
    pub(super) first_frame: Option<Instant>,
    /// Whether a whole keyframe came and nothing was lost since.
    decodable: bool,
    /// When to ask for a keyframe.
    keyframe_due: Option<Instant>,
    pub(super) counters: Counters,
    /// When the last packet said it was sent.
    pub(super) sent_ns: u64,
}

impl Incoming {
    pub(super) fn new(sink: Sink, theirs: &Line) -> Option<Self> {
        Some(Self {
            sink,
            ssrc: theirs.ssrc?,
            repair_ssrc: theirs.repair_ssrc,
            index: rtp::Extended::default(),
            repair_index: rtp::Extended::default(),
            base: None,
            highest: 0,
            missing: BTreeMap::new(),
            lost: 0,
            reported: (0, 0),
            sender_report: None,
            keyframe: None,
            first_frame: None,
            decodable: false,
            keyframe_due: None,
            counters: Counters::default(),
            sent_ns: 0,
        })
    }

    /// What it brought so far.
    pub(super) fn counters(&self) -> Counters {
        Counters { missing: self.missing.len() as u64, ..self.counters }
    }

    /// Looks only at what comes from now on.
    pub(super) fn forget(&mut self) {
        self.keyframe = None;
        self.first_frame = None;
        self.counters = Counters::default();
    }

    /// Takes a media packet, repaired or not; whether there may be something to ask for.
    pub(super) fn took(&mut self, number: u64, header: rtp::Header, payload: &[u8], now: Instant) -> bool {
        let mut gap = false;
        self.sent_ns = 0;
        match self.base {
            None => {
                self.base = Some(number);
                self.highest = number;
            }
            Some(_) if number > self.highest => {
                let skipped = self.highest + 1..number;
                if self.missing.len() as u64 + (number - self.highest - 1) > MOST_MISSING {
                    self.give_up(|_, _| true);
                    self.lose(number - self.highest - 1);
                } else {
                    gap = !skipped.is_empty() && self.repair_ssrc.is_some();
                    self.missing.extend(skipped.map(|n| (n, (0, now))));
                }
                self.highest = number;
            }
            // Not the first copy.
            Some(_) if self.missing.remove(&number).is_none() => return false,
            Some(_) => self.counters.late += 1,
        }
        self.counters.packets += 1;
        self.counters.last = Some(now);
        self.content(header, payload, now);
        gap || self.keyframe_due.is_some_and(|due| due <= now)
    }

    fn content(&mut self, header: rtp::Header, payload: &[u8], now: Instant) {
        let content = match self.sink {
            Sink::Audio(_) => content::read_sound(payload),
            Sink::Video(_) | Sink::Screen => content::read_picture(payload),
        };
        let Some(Content { tag, keyframe, sent_ns, .. }) = content else { return };
        self.counters.tag = Some(tag);
        self.sent_ns = sent_ns;
        if matches!(self.sink, Sink::Audio(_)) {
            self.first_frame.get_or_insert(now);
            return;
        }
        if keyframe {
            self.keyframe = Some(header.timestamp);
        }
        if header.marker && self.keyframe == Some(header.timestamp) {
            self.first_frame.get_or_insert(now);
            self.decodable = true;
            self.keyframe_due = None;
        } else if header.marker && !self.decodable {
            self.keyframe_due.get_or_insert(now);
        }
    }

    /// When to ask again for what is missing.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.missing.is_empty() || self.repair_ssrc.is_none() {
            return self.keyframe_due;
        }
        let missing = self.missing.values().map(|(_, due)| *due);
        missing.chain(self.keyframe_due).min()
    }

    /// Asks for what is missing and due, and for a keyframe; gives up on what was asked for often enough.
    pub(super) fn ask(&mut self, now: Instant, own: u32, out: &mut Vec<u8>) {
        if self.wants_keyframe(now) {
            rtcp::picture_loss(out, own, self.ssrc);
        }
        self.give_up(|asks, due| asks >= ASKS && due <= now);
        let due: Vec<u64> =
            self.missing.iter().filter(|(_, (_, due))| *due <= now).map(|(number, _)| *number).collect();
        if due.is_empty() || self.repair_ssrc.is_none() {
            return;
        }
        for number in &due {
            if let Some((asks, at)) = self.missing.get_mut(number) {
                *asks += 1;
                *at = now + ASK_EVERY;
            }
        }
        rtcp::nack(out, own, self.ssrc, due.into_iter().map(|number| number as u16));
    }

    /// Whether to ask for a keyframe now.
    pub(super) fn wants_keyframe(&mut self, now: Instant) -> bool {
        let due = self.keyframe_due.is_some_and(|due| due <= now);
        if due {
            self.keyframe_due = Some(now + KEYFRAME_EVERY);
        }
        due
    }

    fn give_up(&mut self, on: impl Fn(u8, Instant) -> bool) {
        let before = self.missing.len();
        self.missing.retain(|_, (asks, due)| !on(*asks, *due));
        self.lose((before - self.missing.len()) as u64);
    }

    /// What is late by now is lost: of sound, which is not repaired, and where others ask for repairs.
    pub(super) fn give_up_late(&mut self, now: Instant) {
        self.give_up(|_, noticed| now.saturating_duration_since(noticed) > ASK_EVERY * u32::from(ASKS));
    }

    fn lose(&mut self, packets: u64) {
        self.lost += packets;
        self.counters.lost += packets;
        self.decodable &= packets == 0;
    }

    pub(super) fn sender_reported(&mut self, ntp_middle: u32, now: Instant) {
        self.sender_report = Some((ntp_middle, now));
    }

    /// A block of the next receiver report.
    pub(super) fn report(&mut self, now: Instant) -> Option<rtcp::Block> {
        if self.repair_ssrc.is_none() {
            self.give_up_late(now);
        }
        let expected = self.highest - self.base? + 1;
        let received = expected.saturating_sub(self.missing.len() as u64 + self.lost);
        let (expected_then, received_then) = std::mem::replace(&mut self.reported, (expected, received));
        let expected_since = expected.saturating_sub(expected_then);
        let lost_since = expected_since.saturating_sub(received.saturating_sub(received_then));
        let fraction = (256 * lost_since).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        let (last_report, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            (ntp, (now.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32)
        });
        let lost = (expected - received) as u32;
        Some(rtcp::Block {
            ssrc: self.ssrc,
            fraction,
            lost,
            highest: self.highest as u32,
            jitter: 0,
            last_report,
            delay,
        })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;
    use crate::media::{Tag, content};
    use rtcp::Said;

    fn camera() -> Incoming {
        let theirs = Line { ssrc: Some(7), repair_ssrc: Some(8), ..Line::default() };
        Incoming::new(Sink::Video(0), &theirs).expect("a line")
    }

    /// A packet of a frame of two.
    fn packet(line: &mut Incoming, number: u64, keyframe: bool, at: Instant) -> bool {
        let (frame, part) = (number as u32 / 2, (number % 2) as u8);
        let mut payload = Vec::new();
        let mark = content::Mark { tag: Tag(5), counter: frame, part, sent_ns: 0 };
        content::picture(&mut payload, mark, keyframe, 100);
        let header = rtp::Header {
            payload_type: 96,
            marker: part == 1,
            seq: number as u16,
            timestamp: frame * 3_000,
            ssrc: 7,
        };
        line.took(number, header, &payload, at)
    }

    fn asked(line: &mut Incoming, at: Instant) -> (Vec<u16>, bool) {
        let mut out = Vec::new();
        line.ask(at, 1, &mut out);
        let (mut numbers, mut keyframe) = (Vec::new(), false);
        for said in rtcp::read(&out) {
            match said {
                Said::Missing { ssrc: 7, pairs } => numbers.extend(rtcp::missing(pairs)),
                Said::WantsKeyframe { ssrc: 7 } => keyframe = true,
                other => panic!("{other:?}"),
            }
        }
        (numbers, keyframe)
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes_or_is_given_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut line = camera();
        assert!(!packet(&mut line, 10, true, at(0)));
        assert_eq!(line.first_frame, None, "half of it");
        assert!(!packet(&mut line, 11, true, at(1)));
        assert_eq!(line.first_frame, Some(at(1)));
        assert!(packet(&mut line, 14, false, at(2)), "a gap");
        assert_eq!(asked(&mut line, at(2)), (vec![12, 13], false));
        assert_eq!(line.due(), Some(at(52)));
        assert_eq!(asked(&mut line, at(10)), (vec![], false), "not yet again");
        assert!(!packet(&mut line, 13, false, at(20)), "repaired");
        assert!(!packet(&mut line, 13, false, at(21)), "and once more");
        assert_eq!((line.counters.packets, line.counters.late), (4, 1));
        for n in 1..10 {
            assert_eq!(asked(&mut line, at(2 + 50 * n)), (vec![12], false));
        }
        asked(&mut line, at(502));
        assert_eq!((line.counters.lost, line.due()), (1, None), "given up");
        packet(&mut line, 15, false, at(503));
        assert_eq!(asked(&mut line, at(503)), (vec![], true), "it cannot be decoded any more");
        packet(&mut line, 16, true, at(510));
        packet(&mut line, 17, true, at(511));
        assert_eq!(line.due(), None);
    }

    #[test]
    fn loss_is_reported() {
        let start = Instant::now();
        let mut line = camera();
        assert!(line.report(start).is_none(), "nothing came yet");
        for number in [65_534, 65_535, 65_538, 65_539] {
            packet(&mut line, number, true, start);
        }
        line.sender_reported(77, start);
        let block = line.report(start + Duration::from_millis(500)).expect("a block");
        assert_eq!((block.fraction, block.lost, block.highest), (85, 2, 65_539));
        assert_eq!((block.last_report, block.delay), (77, 32_768));
        let block = line.report(start + Duration::from_secs(1)).expect("a block");
        assert_eq!((block.fraction, block.lost), (0, 2), "none since");
    }

    #[test]
    fn a_great_gap_is_a_new_beginning() {
        let start = Instant::now();
        let mut line = camera();
        packet(&mut line, 1, true, start);
        packet(&mut line, 2 + MOST_MISSING, false, start);
        assert_eq!(line.missing.len() as u64, MOST_MISSING, "at the limit");
        packet(&mut line, 4 + MOST_MISSING, false, start);
        assert_eq!((line.missing.len(), line.counters.lost), (0, MOST_MISSING + 1), "one past it");
    }
}
