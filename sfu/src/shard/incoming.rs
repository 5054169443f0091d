//! One encoded stream that comes in, and what tells which line it is on.

use sfu_core::{
    clock::StreamClock,
    history::History,
    keyframe::Throttle,
    limits::{HISTORY_PICTURES, HISTORY_SOUNDS, MAX_RID_BYTES, PICTURE_BLOCK_BYTES, SOUND_BLOCK_BYTES},
    reception::{Gaps, Tally, Window},
    rtp::{Extensions, Header},
    sdp::{Kind, Line, Source},
};
use std::time::Instant;

/// A line on which the client may send.
#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) line: Line,
    /// `None` if nothing may come in on it.
    pub(crate) source: Option<Source>,
    /// The number that the client gave the codec, and that of its repairs.
    pub(crate) payload_type: u8,
    pub(crate) repair_type: Option<u8>,
}

/// The name of a simulcast layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rid {
    bytes: [u8; MAX_RID_BYTES],
    len: u8,
}

impl Rid {
    pub(crate) fn new(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_RID_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(Self { bytes, len: name.len() as u8 })
    }
}

#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) ssrc: u32,
    /// The line it is on, and its place among the session's senders while the line is in use.
    pub(crate) mid: String,
    pub(crate) sender: Option<usize>,
    pub(crate) source: Source,
    pub(crate) rid: Option<Rid>,
    pub(crate) seen: Window,
    /// The stream that repairs this one.
    pub(crate) repair: Option<(u32, Window)>,
    pub(crate) tally: Tally,
    pub(crate) gaps: Gaps,
    pub(crate) history: History,
    pub(crate) clock: StreamClock,
    pub(crate) keyframe: Throttle,
    pub(crate) last: Instant,
    /// The middle of the last sender report's NTP time, and when it arrived, in microseconds.
    pub(crate) reported: Option<(u32, i64)>,
}

impl Incoming {
    pub(crate) fn new(ssrc: u32, (sender, mid): (usize, &str), source: Source, now: Instant) -> Self {
        let (packets, block) = match source {
            Source::Microphone => (HISTORY_SOUNDS, SOUND_BLOCK_BYTES),
            Source::Camera | Source::Screen => (HISTORY_PICTURES, PICTURE_BLOCK_BYTES),
        };
        Self {
            ssrc,
            mid: mid.to_owned(),
            sender: Some(sender),
            source,
            rid: None,
            seen: Window::default(),
            repair: None,
            tally: Tally::default(),
            gaps: Gaps::default(),
            history: History::new(packets, block),
            clock: StreamClock::default(),
            keyframe: Throttle::default(),
            last: now,
            reported: None,
        }
    }
}

/// What a packet of an unknown stream says it is: which line, and whether it repairs.
pub(crate) fn identify(
    senders: &[Sender],
    header: &Header,
    extensions: &Extensions<'_>,
) -> Option<(usize, bool)> {
    let named = |sender: &Sender| {
        let line = &sender.line;
        line.ssrcs.contains(&header.ssrc) || line.repairs.iter().any(|(_, repair)| *repair == header.ssrc)
    };
    let speaks = |sender: &Sender| {
        sender.payload_type == header.payload_type || sender.repair_type == Some(header.payload_type)
    };
    let by_number = || {
        // A number that only one line uses (RFC 9143 §9.2).
        let mut speaking = senders.iter().enumerate().filter(|(_, sender)| speaks(sender));
        speaking.next().filter(|_| speaking.next().is_none()).map(|(n, _)| n)
    };
    let n = match extensions.mid {
        Some(mid) => senders.iter().position(|sender| sender.line.mid.as_bytes() == mid)?,
        None => senders.iter().position(named).or_else(by_number)?,
    };
    let sender = &senders[n];
    sender.source?;
    speaks(sender).then_some((n, sender.repair_type == Some(header.payload_type)))
}

/// Which of the known streams a new repair stream repairs.
pub(crate) fn repaired(
    streams: &[Incoming],
    sender: usize,
    line: &Line,
    ssrc: u32,
    extensions: &Extensions<'_>,
) -> Option<usize> {
    if let Some((stream, _)) = line.repairs.iter().find(|(_, repair)| *repair == ssrc) {
        return streams.iter().position(|known| known.ssrc == *stream);
    }
    let of_line = |stream: &Incoming| stream.sender == Some(sender);
    match extensions.repaired_rid.and_then(Rid::new) {
        Some(rid) => streams.iter().position(|stream| of_line(stream) && stream.rid == Some(rid)),
        None => {
            let mut of_line = streams.iter().enumerate().filter(|(_, stream)| of_line(stream));
            of_line.next().filter(|_| of_line.next().is_none()).map(|(n, _)| n)
        }
    }
}

/// Ticks a second of the codecs this node forwards.
pub(crate) const fn clock_rate(kind: Kind) -> u32 {
    match kind {
        Kind::Audio => 48_000,
        Kind::Video => 90_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(
        mid: &str,
        kind: Kind,
        source: Option<Source>,
        ssrcs: &[u32],
        repairs: &[(u32, u32)],
    ) -> Sender {
        let line = Line {
            mid: mid.to_owned(),
            kind,
            source,
            sink: None,
            ssrcs: ssrcs.to_vec(),
            repairs: repairs.to_vec(),
        };
        let (payload_type, repair_type) = if kind == Kind::Audio { (111, None) } else { (96, Some(97)) };
        Sender { line, source, payload_type, repair_type }
    }

    fn header(ssrc: u32, payload_type: u8) -> Header {
        let mut packet = [0; 12];
        packet[0] = 0x80;
        packet[1] = payload_type;
        packet[8..].copy_from_slice(&ssrc.to_be_bytes());
        sfu_core::rtp::parse(&packet).unwrap()
    }

    #[test]
    fn a_stream_is_told_by_its_line_its_offer_or_its_codec() {
        let senders = [
            sender("0", Kind::Audio, Some(Source::Microphone), &[], &[]),
            sender("1", Kind::Video, Some(Source::Camera), &[7], &[(7, 8)]),
            sender("2", Kind::Video, Some(Source::Screen), &[], &[]),
            sender("3", Kind::Video, None, &[9], &[]),
        ];
        let by = |mid: Option<&'static [u8]>, ssrc, payload_type| {
            identify(&senders, &header(ssrc, payload_type), &Extensions { mid, ..Extensions::default() })
        };
        assert_eq!(by(Some(b"2"), 1, 96), Some((2, false)));
        assert_eq!(by(Some(b"2"), 1, 97), Some((2, true)));
        assert_eq!(by(Some(b"2"), 1, 111), None, "not that line's codec");
        assert_eq!(by(Some(b"nine"), 7, 96), None);
        assert_eq!(by(None, 7, 96), Some((1, false)));
        assert_eq!(by(None, 8, 97), Some((1, true)));
        assert_eq!(by(None, 1, 111), Some((0, false)), "one line only speaks it");
        assert_eq!(by(None, 1, 96), None, "several do");
        assert_eq!(by(None, 9, 96), None, "a line on which nothing may come in");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn a_repair_is_told_by_the_offer_its_layer_or_by_there_being_one() {
        let line = sender("1", Kind::Video, Some(Source::Camera), &[7], &[(7, 8)]).line;
        let now = Instant::now();
        let mut streams = vec![Incoming::new(7, (1, "1"), Source::Camera, now)];
        let extensions = Extensions::default();
        assert_eq!(repaired(&streams, 1, &line, 8, &extensions), Some(0));
        assert_eq!(repaired(&streams, 1, &line, 50, &extensions), Some(0), "the only one");
        assert_eq!(repaired(&streams, 2, &line, 50, &extensions), None);
        streams.push(Incoming { rid: Rid::new(b"h"), ..Incoming::new(9, (1, "1"), Source::Camera, now) });
        assert_eq!(repaired(&streams, 1, &line, 50, &extensions), None, "one of two");
        let layer = Extensions { repaired_rid: Some(b"h"), ..extensions };
        assert_eq!(repaired(&streams, 1, &line, 50, &layer), Some(1));
        assert_eq!(Rid::new(b"much-too-long"), None);
    }
}
