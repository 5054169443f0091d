//! What comes before a session: demultiplexing, the gate, and the framing of ICE-TCP.

use sfu::judged::Gate;
use sfu_core::{
    demux::{self, Class},
    framing::{self, Deframer},
    limits::{MAX_DATAGRAM_BYTES, MAX_UFRAG_BYTES},
};
use std::{
    cell::RefCell,
    net::{Ipv4Addr, SocketAddr},
};

/// A username is found in nothing but a STUN request, and is part of it.
pub(super) fn demux(data: &[u8]) -> bool {
    let class = demux::classify(data);
    assert!(!demux::is_plain_alert(data) || data[0] == 21);
    let Some(username) = demux::binding_username(data) else { return class == Class::Media };
    assert_eq!(class, Class::Stun);
    for fragment in [username.local, username.remote] {
        assert!((1..=MAX_UFRAG_BYTES).contains(&fragment.len()));
        assert!(data.windows(fragment.len()).any(|window| window == fragment));
    }
    assert!(!username.local.contains(&b':'), "the first colon parts them");
    true
}

struct Bench {
    gate: Gate,
    genuine: Vec<u8>,
    next: u16,
}

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench {
        gate: Gate::new().expect("a socket on loopback"),
        genuine: Gate::genuine(),
        next: 1,
    });
}

/// Nothing reaches a session from an address that no authenticated check came from; a forged one opens nothing. The
/// first byte says what the datagram is: 1, a genuine check with the rest written over it from `[1]` on; otherwise the
/// rest itself.
pub(super) fn admit(data: &[u8]) -> bool {
    BENCH.with_borrow_mut(|Bench { gate, genuine, next }| {
        let (mode, rest) = data.split_first().unwrap_or((&0, &[]));
        let mut datagram = rest.to_vec();
        if *mode == 1 {
            let (at, rest) = rest.split_first().unwrap_or((&0, &[]));
            datagram.clone_from(genuine);
            for (byte, new) in datagram.iter_mut().skip(usize::from(*at)).zip(rest) {
                *byte = *new;
            }
        }
        // An address that nobody has, but the one that was used 65,535 datagrams ago.
        *next = next.checked_add(1).unwrap_or(1);
        let stranger = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), *next));
        let known_before = gate.knows(stranger);
        let admitted = gate.admits(&datagram, stranger);
        // What stands behind MESSAGE-INTEGRITY (the fingerprint) is not covered by it, and one that is wrong does not
        // unmake a proof.
        let covered = genuine.len() - 8;
        let is_genuine = datagram.len() == genuine.len() && datagram[..covered] == genuine[..covered];
        if !known_before {
            assert!(!admitted || is_genuine, "a datagram that nobody signed reached a session");
            assert_eq!(admitted, gate.knows(stranger), "an address is known by a check and by nothing else");
        }
        admitted
    })
}

/// However it is cut: no more is held than a frame, and what comes out was in it.
pub(super) fn framing(data: &[u8]) -> bool {
    let (cut, stream) = data.split_first().unwrap_or((&1, &[]));
    let read = |cut: usize| {
        let (mut deframer, mut frames) = (Deframer::default(), Vec::new());
        for piece in stream.chunks(cut) {
            deframer.extend(piece);
            loop {
                match deframer.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(_) => return (frames, false),
                }
            }
            assert!(deframer.held() <= MAX_DATAGRAM_BYTES + 2);
        }
        (frames, true)
    };
    let (frames, whole) = read(usize::from(*cut).max(1));
    assert_eq!(
        (&frames, whole),
        (&read(stream.len().max(1)).0, whole),
        "it depends on how the stream is cut"
    );
    for frame in &frames {
        assert!((1..=MAX_DATAGRAM_BYTES).contains(&frame.len()));
        assert_eq!(framing::header(frame), Some([(frame.len() >> 8) as u8, frame.len() as u8]));
    }
    assert!(frames.iter().map(|frame| frame.len() + 2).sum::<usize>() <= stream.len());
    whole && !frames.is_empty()
}
