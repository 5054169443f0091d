//! Media: what is read of a packet, what is written when it is forwarded, and what protects it.

use sfu::judged::Media;
use sfu_core::{
    limits::{MAX_FEEDBACK_STATUSES, MAX_RTCP_PACKETS},
    rebase::{Incoming, Rebaser},
    rtcp::{self, Said},
    rtp::{self, Ids, Outgoing},
    twcc,
    vp8::{self, Continuity},
};

const IDS: Ids = Ids { mid: 4, rid: 10, repaired_rid: 11, transport_number: 3, audio_level: 1 };
/// Fixed header, and at most two elements.
const LONGEST_HEADER: usize = 24;
const REPORTS_OF_A_PACKET: usize = 32;

/// As the packet path does it: read, renumbered, written for somebody else, and read again there.
pub(super) fn rtp(data: &[u8]) -> bool {
    let Some(header) = rtp::parse(data) else { return false };
    assert!((12..=data.len()).contains(&header.len));
    let found = rtp::extensions(data, &header, &IDS);
    for element in [found.mid, found.rid, found.repaired_rid].into_iter().flatten() {
        assert!(element.len() <= 255);
    }
    let Some(payload) = rtp::without_padding(&data[header.len..], &header) else { return false };
    let mut rebaser = Rebaser::new(90_000, header.seq);
    let at = |seq: u64, us| Incoming { seq, timestamp: header.timestamp.wrapping_add(us as u32), at_us: us };
    let seq = u64::from(header.seq);
    let first = rebaser.switch(at(seq, 0));
    let second = rebaser.map(at(seq + 1, 20_000)).expect("what follows the first has a place");
    assert_eq!(second.seq, first.seq + 1, "two that follow one another go out so");
    assert_eq!(rebaser.map(at(seq, 0)), Some(first), "a packet has one place");

    let mut forwarded = Vec::new();
    let out = Outgoing {
        payload_type: header.payload_type,
        marker: header.marker,
        seq: first.seq as u16,
        timestamp: first.timestamp,
        ssrc: header.ssrc,
        padding: false,
        transport_number: found.transport_number,
        audio_level: found.audio_level,
    };
    let len = out.write(&mut forwarded, &IDS);
    assert!(len <= LONGEST_HEADER && forwarded.len() == len);
    forwarded.extend_from_slice(payload);
    assert!(
        forwarded.len() <= data.len() + LONGEST_HEADER - 12,
        "a forwarded packet grows by its elements only"
    );
    let read = rtp::parse(&forwarded).expect("what is written can be read");
    assert_eq!(
        (read.payload_type, read.marker, read.seq, read.timestamp, read.ssrc, read.len, read.padding),
        (out.payload_type, out.marker, out.seq, out.timestamp, out.ssrc, len, false)
    );
    let there = rtp::extensions(&forwarded, &read, &IDS);
    assert_eq!((there.transport_number, there.audio_level), (found.transport_number, found.audio_level));
    assert_eq!(
        (there.mid, there.rid, there.repaired_rid),
        (None, None, None),
        "a publisher's names are not passed on"
    );
    picture(payload);
    true
}

/// A picture's ids are written over, and nothing else is.
fn picture(payload: &[u8]) {
    let Some(descriptor) = vp8::parse(payload) else { return };
    let mut continuity = Continuity::default();
    continuity.map(&descriptor);
    let to = continuity.switch(&descriptor);
    let mut written = payload.to_vec();
    vp8::rewrite(&mut written, to);
    let read = vp8::parse(&written).expect("a descriptor stays one");
    assert_eq!(read.keyframe, descriptor.keyframe);
    assert_eq!(read.picture_id.map(|id| id.wide), descriptor.picture_id.map(|id| id.wide));
    assert_eq!(read.picture_id.map(|id| id.value), to.picture_id);
    assert_eq!(read.tl0, to.tl0);
    let differing = payload.iter().zip(&written).filter(|(a, b)| a != b).count();
    assert!(differing <= 3, "{differing} bytes were written over");
}

/// What is heard is bounded by what was sent, and a request for packets is written as it was read.
pub(super) fn rtcp(data: &[u8]) -> bool {
    let said: Vec<Said<'_>> = rtcp::read(data).collect();
    assert!(said.len() <= MAX_RTCP_PACKETS * REPORTS_OF_A_PACKET && said.len() <= data.len() / 4);
    for one in &said {
        match one {
            Said::Missing { ssrc, pairs } => {
                let numbers: Vec<u16> = rtcp::missing(pairs).collect();
                assert!(numbers.len() <= pairs.len() / 4 * 17);
                let mut written = Vec::new();
                rtcp::nack(&mut written, 1, *ssrc, &numbers);
                // A packet says its length in 16 bits of words.
                let rising =
                    numbers.windows(2).all(|pair| (1..0x8000).contains(&pair[1].wrapping_sub(pair[0])));
                if rising && written.len() < 4 << 16 && !numbers.is_empty() {
                    let Some(Said::Missing { pairs, .. }) = rtcp::read(&written).next() else {
                        panic!("a request that was written is not read")
                    };
                    assert_eq!(rtcp::missing(pairs).collect::<Vec<_>>(), numbers);
                }
            }
            Said::Arrived { feedback } => {
                let Some(feedback) = twcc::read(feedback) else { continue };
                assert!(usize::from(feedback.count()) <= MAX_FEEDBACK_STATUSES);
                let statuses: Vec<_> = feedback.statuses().collect();
                assert_eq!(
                    statuses.len(),
                    usize::from(feedback.count()),
                    "each packet spoken of has its status"
                );
            }
            Said::Received { last_report, delay, .. } => {
                let trip = rtcp::round_trip_us(last_report.wrapping_add(*delay), *last_report, *delay);
                assert!(trip.is_none_or(|us| us == 0), "{trip:?}");
            }
            Said::Sent { ntp, .. } => {
                assert!((rtcp::ntp(rtcp::ntp_us(*ntp)) >> 32).abs_diff(*ntp >> 32) <= 1)
            }
            Said::WantsKeyframe { .. } => {}
        }
    }
    !said.is_empty()
}

/// The first byte chooses the profile, the second what is tried: 0, any bytes as a packet; 1, any bytes as a report;
/// 2, a packet that is sealed, opened, and opened with a bit turned; 3, a report likewise, and once more as it was.
pub(super) fn srtp(data: &[u8]) -> bool {
    let Some((&[profile, mode], rest)) = data.split_first_chunk::<2>() else { return false };
    let (mut here, mut there) = Media::pair(profile).expect("a profile has keys");
    let turned = |packet: &[u8]| {
        let mut turned = packet.to_vec();
        let at = usize::from(profile).wrapping_mul(31) % turned.len().max(1);
        if let Some(byte) = turned.get_mut(at) {
            *byte ^= 1 << (profile % 8);
        }
        turned
    };
    match mode {
        1 => assert_eq!(there.open_rtcp(rest), None, "a report that nobody sealed was taken"),
        2 => {
            let Some(header) = rtp::parse(rest) else { return false };
            let index = u64::from(header.seq);
            let sealed = here.seal_rtp(rest, header.len, header.ssrc, index).expect("it can be sealed");
            assert!(sealed.len() > rest.len() && sealed.len() <= rest.len() + 16);
            let opened = there.open_rtp(&sealed, header.len, header.ssrc, index);
            assert_eq!(opened.as_deref(), Some(&rest[header.len..]), "what is sealed can be opened");
            assert_eq!(there.open_rtp(&turned(&sealed), header.len, header.ssrc, index), None);
            assert_eq!(
                there.open_rtp(&sealed, header.len, header.ssrc, index + 65_536),
                None,
                "a turn later"
            );
            assert_eq!(here.open_rtp(&sealed, header.len, header.ssrc, index), None, "by who sealed it");
            return true;
        }
        3 => {
            let Some(sealed) = here.seal_rtcp(rest) else { return false };
            assert_eq!(there.open_rtcp(&turned(&sealed)), None);
            assert_eq!(there.open_rtcp(&sealed).as_deref(), Some(rest), "what is sealed can be opened");
            assert_eq!(there.open_rtcp(&sealed), None, "once");
            return true;
        }
        _ => {
            let Some(header) = rtp::parse(rest) else { return false };
            let opened = there.open_rtp(rest, header.len, header.ssrc, header.seq.into());
            assert_eq!(opened, None, "a packet that nobody sealed was taken");
        }
    }
    false
}
