//! One line being sent on: frames on schedule, and repairs of what was lost.

use super::{
    Sending, Source, Told,
    content::{self, Mark},
    lines::Line,
    rtcp, rtp,
    srtp::Seal,
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Packets that can be repaired: a second of picture.
const HISTORY: usize = 512;

/// Number of the first packet of a line.
const FIRST: u64 = 1;

/// A client that was not run for longer than this begins anew instead of catching up in a burst.
const LATEST: Duration = Duration::from_millis(200);

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(super) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The sizes a camera is offered in, smallest first, as browsers name them.
pub(super) const LAYERS: [&str; 3] = ["q", "h", "f"];

/// Speech at −30 dBov (RFC 6464 §3).
const SPEAKING: [u8; 1] = [0x80 | 30];

/// Where packets are written to: one client's datagrams of a turn, all to the same place.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    pub(super) lengths: Vec<usize>,
}

impl Outbox {
    /// Counts what was appended since `start` as one datagram.
    pub(super) fn seal(&mut self, start: usize) {
        self.lengths.push(self.bytes.len() - start);
    }
}

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) source: Source,
    payload_type: u8,
    pub(super) ssrc: u32,
    repair: Option<(u8, u32)>,
    /// Which size of several.
    layer: Option<usize>,
    mid: Vec<u8>,
    mid_id: u8,
    rid_id: u8,
    repaired_rid_id: u8,
    level_id: u8,
    transport_id: u8,
    sending: Option<Sending>,
    due: Instant,
    /// Extended sequence numbers: of media, of repairs.
    seq: u64,
    repair_seq: u64,
    timestamp: u32,
    frame: u32,
    keyframe: bool,
    packets: u32,
    octets: u32,
    sent: VecDeque<Sent>,
    /// Packets that the other end says it took, and says it lost.
    taken: (u64, u64),
}

/// Enough to make the packet again.
#[derive(Clone, Copy, Debug)]
struct Sent {
    seq: u64,
    timestamp: u32,
    frame: u32,
    part: u8,
    marker: bool,
    keyframe: bool,
    sent_ns: u64,
    sending: Sending,
}

impl Outgoing {
    /// From our line of the offer and its answer: one stream, or one of each size that the other end takes. None if it
    /// does not take the line.
    pub(super) fn lines(source: Source, ours: &Line, theirs: &Line, now: Instant) -> Vec<Self> {
        if ours.rids.is_empty() || theirs.rids.is_empty() {
            let ours = if ours.rids.is_empty() { ours.clone() } else { named(ours, LAYERS.len() - 1) };
            return Self::new(source, &ours, theirs, now).into_iter().collect();
        }
        let taken = |rid: &&str| theirs.rids.iter().any(|known| known == rid);
        LAYERS
            .iter()
            .enumerate()
            .filter(|(_, rid)| taken(rid))
            .filter_map(|(n, _)| {
                let line = Self::new(source, &named(ours, n), theirs, now)?;
                Some(Self { layer: Some(n), ..line })
            })
            .collect()
    }

    fn new(source: Source, ours: &Line, theirs: &Line, now: Instant) -> Option<Self> {
        let repair = theirs.repair_type.zip(ours.repair_ssrc);
        // Zero is no extension's number: it is not written.
        let id = |name| theirs.extension(name).unwrap_or(0);
        Some(Self {
            source,
            payload_type: theirs.payload_type?,
            ssrc: ours.ssrc?,
            repair,
            layer: None,
            rid_id: id(RID),
            repaired_rid_id: id(REPAIRED_RID),
            mid: ours.mid.clone().into_bytes(),
            mid_id: id(MID),
            level_id: id(AUDIO_LEVEL),
            transport_id: id(TRANSPORT_CC),
            sending: None,
            due: now,
            seq: FIRST,
            repair_seq: 1,
            timestamp: 4_294_900_000,
            frame: 0,
            keyframe: true,
            packets: 0,
            octets: 0,
            sent: VecDeque::new(),
            taken: (0, 0),
        })
    }

    pub(super) fn send(&mut self, sending: Sending, now: Instant) {
        let sending = self.layer.map_or(sending, |layer| layered(sending, layer));
        if self.sending.is_none() {
            self.due = now;
        }
        self.keyframe = true;
        self.sending = Some(sending);
    }

    pub(super) fn stop(&mut self) {
        self.sending = None;
    }

    pub(super) fn want_keyframe(&mut self) {
        self.keyframe = true;
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.sending.map(|_| self.due)
    }

    const fn period(&self) -> Duration {
        match self.source {
            Source::Microphone => Duration::from_millis(20),
            Source::Camera => Duration::from_micros(33_333),
            Source::Screen => Duration::from_millis(100),
        }
    }

    /// Sends the frames that are due; how late the first was. `sent_ns` is what they say of when they were sent.
    pub(super) fn run(
        &mut self,
        now: Instant,
        sent_ns: u64,
        seal: &impl Seal,
        transport: &mut u16,
        out: &mut Outbox,
    ) -> Option<Duration> {
        let sending = self.sending?;
        let late = now.checked_duration_since(self.due)?;
        while self.due <= now {
            self.due += self.period();
            if now.saturating_duration_since(self.due) > LATEST {
                self.due = now + self.period();
            }
            self.frame(sending, sent_ns, seal, transport, out);
        }
        Some(late)
    }

    fn frame(
        &mut self,
        sending: Sending,
        sent_ns: u64,
        seal: &impl Seal,
        transport: &mut u16,
        out: &mut Outbox,
    ) {
        let keyframe = std::mem::take(&mut self.keyframe) && self.source != Source::Microphone;
        let parts = match self.source {
            Source::Microphone => 1,
            _ if keyframe => sending.packets_per_keyframe,
            _ => sending.packets_per_frame,
        };
        for part in 0..parts {
            let marker = part + 1 == parts && self.source != Source::Microphone;
            let sent = Sent {
                seq: self.seq,
                timestamp: self.timestamp,
                frame: self.frame,
                part,
                marker,
                keyframe,
                sent_ns,
                sending,
            };
            self.seq += 1;
            let bytes = self.write(sent, None, seal, transport, out);
            self.packets = self.packets.wrapping_add(1);
            self.octets = self.octets.wrapping_add(bytes as u32);
            if self.repair.is_some() {
                if self.sent.len() >= HISTORY {
                    self.sent.pop_front();
                }
                self.sent.push_back(sent);
            }
        }
        self.frame = self.frame.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(match self.source {
            Source::Microphone => 960,
            Source::Camera => 3_000,
            Source::Screen => 9_000,
        });
    }

    /// Writes a packet, or its repair (RFC 4588 §4); bytes of payload.
    fn write(
        &self,
        sent: Sent,
        repair: Option<(u8, u32, u64)>,
        seal: &impl Seal,
        transport: &mut u16,
        out: &mut Outbox,
    ) -> usize {
        let (payload_type, ssrc, index) = repair.unwrap_or((self.payload_type, self.ssrc, sent.seq));
        let start = out.bytes.len();
        let header = rtp::Header {
            payload_type,
            marker: sent.marker,
            seq: index as u16,
            timestamp: sent.timestamp,
            ssrc,
        };
        let number = transport.to_be_bytes();
        *transport = transport.wrapping_add(1);
        let level = if self.source == Source::Microphone { SPEAKING.as_slice() } else { &[] };
        let rid = self.layer.and_then(|layer| LAYERS.get(layer)).map_or(&[][..], |rid| rid.as_bytes());
        let rid_id = if repair.is_some() { self.repaired_rid_id } else { self.rid_id };
        let extensions = [
            (self.mid_id, self.mid.as_slice()),
            (self.transport_id, &number),
            (self.level_id, level),
            (rid_id, rid),
        ];
        let len = rtp::write(&mut out.bytes, header, extensions);
        let payload = out.bytes.len();
        if repair.is_some() {
            out.bytes.extend_from_slice(&(sent.seq as u16).to_be_bytes());
        }
        let mark =
            Mark { tag: sent.sending.tag, counter: sent.frame, part: sent.part, sent_ns: sent.sent_ns };
        match self.source {
            Source::Microphone => content::sound(&mut out.bytes, mark),
            Source::Camera | Source::Screen => {
                content::picture(&mut out.bytes, mark, sent.keyframe, sent.sending.bytes);
            }
        }
        let written = out.bytes.len() - payload;
        match seal.rtp(&mut out.bytes, start, len, ssrc, index) {
            Some(()) => out.seal(start),
            None => out.bytes.truncate(start),
        }
        written
    }

    /// Sends again what the other end misses.
    pub(super) fn repair(&mut self, pairs: &[u8], seal: &impl Seal, transport: &mut u16, out: &mut Outbox) {
        let Some((payload_type, ssrc)) = self.repair else { return };
        for seq in rtcp::missing(pairs).take(HISTORY) {
            let Some(sent) = self.sent.iter().rev().find(|sent| sent.seq as u16 == seq).copied() else {
                continue;
            };
            let index = self.repair_seq;
            self.repair_seq += 1;
            self.write(sent, Some((payload_type, ssrc, index)), seal, transport, out);
        }
    }

    /// The other end says how far it came and how many packets it lost on the way.
    pub(super) fn took(&mut self, lost: u32, highest: u32) {
        let came_to = (u64::from(highest) + 1).saturating_sub(FIRST);
        self.taken = (came_to.saturating_sub(lost.into()), lost.into());
    }

    /// What was sent, and what the other end says of it.
    pub(super) const fn sent(&self) -> Told {
        Told { sent: self.seq - FIRST, taken: self.taken.0, lost: self.taken.1 }
    }

    /// Says what was sent up to now.
    pub(super) fn report(&self, ntp: u64, out: &mut Vec<u8>) {
        if self.sending.is_some() && self.packets > 0 {
            rtcp::sender_report(out, self.ssrc, ntp, self.timestamp, self.packets, self.octets);
        }
    }
}

/// Our line with SSRCs of its n-th size: streams that are named by their rid announce none.
fn named(line: &Line, n: usize) -> Line {
    let mid = line.mid.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let ssrc = 0x5e00_0000 | (mid & 0xffff) << 4 | (2 * n as u32);
    Line { ssrc: Some(ssrc), repair_ssrc: Some(ssrc + 1), ..line.clone() }
}

/// What is sent of the n-th size: 150 and 500 kbit/s, or all of it.
fn layered(sending: Sending, n: usize) -> Sending {
    match n {
        0 => Sending::quietly(sending.tag),
        1 => Sending::modestly(sending.tag),
        _ => sending,
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;
    use crate::media::{Tag, srtp::Srtp};

    fn line() -> (Line, Line) {
        let extensions = vec![(4, MID.to_owned()), (3, TRANSPORT_CC.to_owned())];
        let ours = Line { mid: "cam".into(), ssrc: Some(7), repair_ssrc: Some(8), ..Line::default() };
        let theirs = Line { payload_type: Some(96), repair_type: Some(97), extensions, ..Line::default() };
        (ours, theirs)
    }

    /// What the other end reads: header, transport-wide number, payload.
    fn read(out: &mut Outbox, srtp: &Srtp) -> Vec<(rtp::Header, u16, Vec<u8>)> {
        let mut rest = out.bytes.as_mut_slice();
        let mut packets = Vec::new();
        for len in std::mem::take(&mut out.lengths) {
            let (packet, after) = rest.split_at_mut(len);
            rest = after;
            let parsed = rtp::read(packet).expect("an RTP packet");
            assert_eq!(parsed.extension(packet, 4), Some(b"cam".as_slice()));
            let number =
                parsed.extension(packet, 3).and_then(|v| v.first_chunk().copied()).expect("a number");
            let header = parsed.header;
            let payload =
                srtp.open_rtp(packet, parsed.len, header.ssrc, header.seq.into()).expect("authentic");
            packets.push((header, u16::from_be_bytes(number), payload.to_vec()));
        }
        out.bytes.clear();
        packets
    }

    #[test]
    fn frames_are_sent_on_schedule_and_repaired() {
        let material: Vec<u8> = (0..88).collect();
        let (ours, theirs) = line();
        let (client, server) = (Srtp::new(&material, true), Srtp::new(&material, false));
        let (client, server) = (client.expect("keys"), server.expect("keys"));
        let start = Instant::now();
        let mut line = Outgoing::new(Source::Camera, &ours, &theirs, start).expect("a line");
        let (mut out, mut transport) = (Outbox::default(), 0);
        assert_eq!(line.run(start, 77, &client, &mut transport, &mut out), None, "nothing to send yet");

        line.send(Sending::talking(Tag(5)), start);
        let late = line.run(start + Duration::from_millis(40), 77, &client, &mut transport, &mut out);
        assert_eq!(late, Some(Duration::from_millis(40)));
        let sent = read(&mut out, &server);
        assert_eq!(sent.len(), 12 + 4, "a keyframe and a frame");
        assert!(sent.iter().zip(0..).all(|((header, number, _), n)| {
            header.ssrc == 7 && header.seq == 1 + n && *number == n && header.marker == (n == 11 || n == 15)
        }));
        let keyframes = sent.iter().filter(|(.., p)| content::read_picture(p).is_some_and(|c| c.keyframe));
        assert_eq!(keyframes.count(), 1, "in the first packet");

        // The third and the fifth, and one that was never sent.
        line.repair(&[0, 3, 0, 0b10, 9, 9, 0, 0], &client, &mut transport, &mut out);
        let repaired = read(&mut out, &server);
        let originals: Vec<_> = repaired
            .iter()
            .map(|(header, number, payload)| {
                assert_eq!((header.ssrc, header.payload_type), (8, 97));
                let (original, payload) = payload.split_first_chunk::<2>().expect("the first number");
                let original = u16::from_be_bytes(*original);
                assert_eq!(payload, sent[usize::from(original) - 1].2, "the same again");
                (header.seq, *number, original)
            })
            .collect();
        assert_eq!(originals, [(1, 16, 3), (2, 17, 5)]);
    }

    #[test]
    fn a_camera_in_three_sizes_is_as_many_streams_as_the_other_end_takes() {
        let (ours, theirs) = line();
        let rids = |all: &[&str]| all.iter().map(|rid| (*rid).to_owned()).collect();
        let ours = Line { ssrc: None, repair_ssrc: None, rids: rids(&LAYERS), ..ours };
        let start = Instant::now();
        let lines = |taken: &[&str]| {
            let theirs = Line { rids: rids(taken), ..theirs.clone() };
            Outgoing::lines(Source::Camera, &ours, &theirs, start)
        };
        let mut all = lines(&LAYERS);
        assert_eq!(all.iter().map(|line| line.layer).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert!(all[0].ssrc != all[1].ssrc && all[1].ssrc != all[2].ssrc);
        for line in &mut all {
            line.send(Sending::talking(Tag(5)), start);
        }
        assert_eq!(
            all.iter().map(|line| line.sending.map(|s| s.packets_per_frame)).collect::<Vec<_>>(),
            [Some(1), Some(2), Some(4)]
        );
        assert_eq!(lines(&["h"]).len(), 1);
        assert_eq!(lines(&[]).first().map(|line| line.layer), Some(None), "one that knows no sizes");
    }

    #[test]
    fn a_client_that_was_not_run_does_not_catch_up() {
        let material: Vec<u8> = (0..88).collect();
        let (ours, theirs) = line();
        let srtp = Srtp::new(&material, true).expect("keys");
        let start = Instant::now();
        let mut line = Outgoing::new(Source::Camera, &ours, &theirs, start).expect("a line");
        let mut out = Outbox::default();
        line.send(Sending::quietly(Tag(5)), start);
        line.run(start + Duration::from_secs(10), 77, &srtp, &mut 0, &mut out);
        assert_eq!(out.lengths.len(), 4, "one frame, a keyframe");
        assert!(line.due().is_some_and(|due| due > start + Duration::from_secs(10)));
    }

    #[test]
    fn what_the_other_end_reports_is_told() {
        let material: Vec<u8> = (0..88).collect();
        let srtp = Srtp::new(&material, true).expect("keys");
        let start = Instant::now();
        let (ours, theirs) = line();
        let mut line = Outgoing::new(Source::Camera, &ours, &theirs, start).expect("a line");
        assert_eq!(line.sent(), Told::default());
        line.send(Sending::talking(Tag(1)), start);
        line.run(start, 0, &srtp, &mut 0, &mut Outbox::default());
        line.took(2, 10);
        assert_eq!(line.sent(), Told { sent: 12, taken: 8, lost: 2 }, "a keyframe of twelve");
    }
}
