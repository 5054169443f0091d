//! What kind of datagram this is (RFC 7983), and whom a STUN request is for.
//!
//! Everything here reads bytes from strangers: nothing is allocated, nothing panics.

use crate::limits::{MAX_STUN_ATTRIBUTES, MAX_UFRAG_BYTES};

/// The classes of RFC 7983 §7 that the SFU speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// STUN: connectivity checks.
    Stun,
    /// DTLS: handshake and data channel.
    Dtls,
    /// SRTP or SRTCP.
    Media,
    /// None of them.
    Unknown,
}

/// Classifies a datagram by its first byte.
#[must_use]
pub fn classify(datagram: &[u8]) -> Class {
    match (datagram.first(), datagram.len()) {
        (Some(0..=3), 20..) => Class::Stun,
        (Some(20..=63), 13..) => Class::Dtls,
        (Some(128..=191), 12..) => Class::Media,
        // SRTCP: an empty receiver report with its index and tag is longer than this.
        _ => Class::Unknown,
    }
}

/// A DTLS alert in the clear (epoch 0). Anybody could have sent it, so it must not end a session
/// (RFC 6347 §4.1.2.7).
#[must_use]
pub fn is_plain_alert(datagram: &[u8]) -> bool {
    datagram.first() == Some(&21) && datagram.get(3..5) == Some(&[0, 0])
}

/// The username of a STUN binding request, split (RFC 8445 §7.2.2): ours, then theirs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Username<'a> {
    /// The fragment this node chose: which session it is for.
    pub local: &'a [u8],
    /// The fragment the peer chose.
    pub remote: &'a [u8],
}

const BINDING_REQUEST: [u8; 2] = [0, 1];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;

/// Finds the username of a well-formed binding request that carries MESSAGE-INTEGRITY; `None` for
/// everything else. Cheap: this runs on every datagram of a flood, before anything is authenticated.
#[must_use]
pub fn binding_username(datagram: &[u8]) -> Option<Username<'_>> {
    let (header, mut rest) = datagram.split_at_checked(20)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE || length != rest.len() {
        return None;
    }
    let mut username = None;
    for _ in 0..MAX_STUN_ATTRIBUTES {
        let (head, tail) = rest.split_at_checked(4)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = tail.get(..len)?;
        match kind {
            USERNAME => username = Some(value),
            // What follows integrity is not covered by it (RFC 8489 §14.5).
            MESSAGE_INTEGRITY => return (len == 20).then_some(username).flatten().and_then(split),
            _ => {}
        }
        rest = tail.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn split(username: &[u8]) -> Option<Username<'_>> {
    let colon = username.iter().position(|b| *b == b':')?;
    let (local, remote) = (&username[..colon], &username[colon + 1..]);
    let fits = |f: &[u8]| !f.is_empty() && f.len() <= MAX_UFRAG_BYTES;
    (fits(local) && fits(remote)).then_some(Username { local, remote })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(username: &[u8], attributes_before: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for _ in 0..attributes_before {
            body.extend_from_slice(&[0x80, 0x22, 0, 3, b'x', b'y', b'z', 0]);
        }
        body.extend_from_slice(&USERNAME.to_be_bytes());
        body.extend_from_slice(&u16::try_from(username.len()).unwrap().to_be_bytes());
        body.extend_from_slice(username);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend_from_slice(&[0, 8, 0, 20]);
        body.extend_from_slice(&[7; 20]);
        let mut datagram = BINDING_REQUEST.to_vec();
        datagram.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        datagram.extend_from_slice(&MAGIC_COOKIE);
        datagram.extend_from_slice(&[9; 12]);
        datagram.extend_from_slice(&body);
        datagram
    }

    #[test]
    fn first_bytes_decide() {
        let datagram = |first, len| {
            let mut d = vec![0; len];
            d[0] = first;
            d
        };
        for (first, len, class) in [
            (0, 20, Class::Stun),
            (0, 19, Class::Unknown),
            (4, 40, Class::Unknown),
            (19, 40, Class::Unknown),
            (20, 13, Class::Dtls),
            (63, 13, Class::Dtls),
            (63, 12, Class::Unknown),
            (64, 40, Class::Unknown),
            (127, 40, Class::Unknown),
            (128, 12, Class::Media),
            (191, 12, Class::Media),
            (191, 11, Class::Unknown),
            (192, 40, Class::Unknown),
        ] {
            assert_eq!(classify(&datagram(first, len)), class, "first byte {first}, {len} bytes");
        }
        assert_eq!(classify(&[]), Class::Unknown);
    }

    #[test]
    fn a_username_is_found_whatever_stands_before_it() {
        let datagram = request(b"abcd:wxyz", 3);
        assert_eq!(binding_username(&datagram), Some(Username { local: b"abcd", remote: b"wxyz" }));
    }

    #[test]
    fn attributes_are_counted() {
        let most = MAX_STUN_ATTRIBUTES - 2;
        assert!(binding_username(&request(b"a:b", most)).is_some());
        assert!(binding_username(&request(b"a:b", most + 1)).is_none());
    }

    #[test]
    fn a_fragment_has_a_length() {
        let of = |n: usize| [vec![b'a'; n], b":b".to_vec()].concat();
        assert!(binding_username(&request(&of(MAX_UFRAG_BYTES), 0)).is_some());
        assert!(binding_username(&request(&of(MAX_UFRAG_BYTES + 1), 0)).is_none());
        assert!(binding_username(&request(b":b", 0)).is_none());
        assert!(binding_username(&request(b"a:", 0)).is_none());
        assert!(binding_username(&request(b"ab", 0)).is_none());
    }

    #[test]
    fn without_integrity_there_is_no_username() {
        let mut datagram = request(b"abcd:wxyz", 0);
        datagram.truncate(datagram.len() - 24);
        let length = u16::try_from(datagram.len() - 20).unwrap().to_be_bytes();
        datagram[2..4].copy_from_slice(&length);
        assert_eq!(binding_username(&datagram), None);
    }

    #[test]
    fn only_alerts_in_the_clear_are_plain() {
        assert!(is_plain_alert(&[21, 254, 253, 0, 0, 0, 0]));
        assert!(!is_plain_alert(&[21, 254, 253, 0, 1, 0, 0]));
        assert!(!is_plain_alert(&[22, 254, 253, 0, 0, 0, 0]));
        assert!(!is_plain_alert(&[21, 254]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = classify(&bytes);
            let _ = is_plain_alert(&bytes);
            let _ = binding_username(&bytes);
        }

        #[test]
        fn any_damage_to_a_request_is_survived(at in 0_usize..80, byte: u8, cut in 0_usize..80) {
            let mut datagram = request(b"abcd:wxyz", 2);
            let end = datagram.len();
            datagram[at % end] = byte;
            datagram.truncate(end - cut.min(end));
            if let Some(name) = binding_username(&datagram) {
                prop_assert!(!name.local.is_empty() && !name.remote.is_empty());
            }
        }
    }
}
