//! Of datagrams.

use judges::mutate::Random;
use sfu::judged::Gate;
use sfu_core::{
    framing,
    reception::Block,
    rtcp::{self, Reported, SenderReport},
    rtp::{Ids, Outgoing},
    twcc::Arrivals,
};

const IDS: Ids = Ids { mid: 4, rid: 10, repaired_rid: 11, transport_number: 3, audio_level: 1 };

fn packet(payload: &[u8], transport_number: Option<u16>, audio_level: Option<u8>) -> Vec<u8> {
    let header = Outgoing {
        payload_type: 96,
        marker: true,
        seq: 65_535,
        timestamp: 90_000,
        ssrc: 7,
        padding: false,
        transport_number,
        audio_level,
    };
    let mut out = Vec::new();
    header.write(&mut out, &IDS);
    out.extend_from_slice(payload);
    out
}

/// With contributing sources, two-byte elements, and padding: what our own writer does not write.
fn others() -> [Vec<u8>; 3] {
    let head = |first: u8| vec![first, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9];
    [
        [head(0x92), vec![1; 8], vec![0x10, 0, 0, 2, 4, 1, b'0', 0, 10, 1, b'h', 0], vec![5; 9]].concat(),
        [head(0x90), vec![0xbe, 0xde, 0, 2, 0x40, b'1', 0xa0, b'l', 0x31, 1, 2, 0x10], vec![0x80; 3]]
            .concat(),
        [head(0xa0), vec![1, 2, 3, 4, 0, 0, 0, 4]].concat(),
    ]
}

pub(super) fn packets() -> Vec<Vec<u8>> {
    // Picture id and TL0 index in a VP8 descriptor, of 15 bits and of 7.
    let (wide, narrow) =
        ([0x90, 0xe0, 0x80, 1, 2, 0, 0x10, 1, 1], [0x90, 0xc0, 0x7f, 0xff, 0x11, 2, 2, 2, 2]);
    let mut all =
        vec![packet(&wide, Some(513), None), packet(&narrow, None, Some(0x8f)), packet(&[1], None, None)];
    all.extend(others());
    all
}

pub(super) fn reports() -> Vec<Vec<u8>> {
    let block = Block { fraction: 3, lost: -1, highest: 70_000, jitter: 8 };
    let mut everything = Vec::new();
    SenderReport { ssrc: 9, ntp: 0x1111_2222_3333_4444, rtp: 5, packets: 6, bytes: 7 }.write(&mut everything);
    rtcp::receiver_report(&mut everything, 1, [Reported { ssrc: 4, block, last_report: 10, delay: 11 }]);
    rtcp::canonical_name(&mut everything, 9, "me");
    rtcp::picture_loss(&mut everything, 1, 7);
    rtcp::nack(&mut everything, 1, 8, &[65_535, 0, 15, 16, 40]);
    rtcp::most_bitrate(&mut everything, 1, 250_000, [7, 8]);
    let (mut random, mut arrivals, mut feedback) = (Random::new(3), Arrivals::default(), Vec::new());
    for n in 0..120_u16 {
        if random.below(10) > 0 {
            arrivals.record(n, i64::from(n) * 7_000 + random.below(3_000) as i64);
        }
    }
    arrivals.write(&mut feedback, 1, 2);
    let full_intra = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
    let both = [everything.clone(), feedback.clone()].concat();
    vec![everything, feedback, both, full_intra]
}

pub(super) fn checks() -> Vec<Vec<u8>> {
    let hello = [vec![0, 22, 254, 253, 0, 0], vec![0; 30]].concat();
    let genuine = [vec![0], Gate::genuine()].concat();
    let sound = [vec![0], packet(&[1; 20], Some(1), None)].concat();
    // As it is; with another id; with a byte of its integrity changed; with another fingerprint.
    vec![vec![1, 0], vec![1, 8, 1, 2, 3, 4], vec![1, 90, 0], vec![1, 250, 1], hello, genuine, sound]
}

pub(super) fn datagrams() -> Vec<Vec<u8>> {
    let alert = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    vec![Gate::genuine(), alert, packet(&[1; 20], Some(1), None), vec![0xff; 17]]
}

pub(super) fn streams() -> Vec<Vec<u8>> {
    let frame = |packet: &[u8]| [framing::header(packet).unwrap().as_slice(), packet].concat();
    let longest = vec![9; sfu_core::limits::MAX_DATAGRAM_BYTES];
    vec![
        [vec![3], frame(&Gate::genuine()), frame(&[]), frame(&[1, 2, 3])].concat(),
        [vec![200], frame(&longest), frame(&[5])].concat(),
        vec![1, 0xff, 0xff, 1],
    ]
}

pub(super) fn protected() -> Vec<Vec<u8>> {
    let of = |profile: u8, mode: u8, packet: &[u8]| [&[profile, mode], packet].concat();
    let (sound, report) = (packet(&[1; 20], Some(1), None), reports().remove(0));
    (0..3)
        .flat_map(|profile| {
            [of(profile, 0, &sound), of(profile, 1, &report), of(profile, 2, &sound), of(profile, 3, &report)]
        })
        .collect()
}
