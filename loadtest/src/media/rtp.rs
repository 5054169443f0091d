//! RTP headers (RFC 3550 §5.1) with one-byte extensions (RFC 8285 §4.2).

/// What stands in a header, extensions apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

/// A header as it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parsed {
    pub(super) header: Header,
    /// Bytes of the header, extensions included.
    pub(super) len: usize,
    /// Where the extensions stand.
    extensions: (usize, usize),
    /// Whether the last byte of the payload says how much of it is padding.
    pub(super) padded: bool,
}

const FIXED: usize = 12;
const VERSION: u8 = 2 << 6;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const ONE_BYTE: u16 = 0xbede;

/// Appends a header; how long it is.
pub(super) fn write<'a>(
    out: &mut Vec<u8>,
    header: Header,
    extensions: impl IntoIterator<Item = (u8, &'a [u8])>,
) -> usize {
    let start = out.len();
    out.push(VERSION | EXTENSION);
    out.push(u8::from(header.marker) << 7 | header.payload_type & 0x7f);
    out.extend_from_slice(&header.seq.to_be_bytes());
    out.extend_from_slice(&header.timestamp.to_be_bytes());
    out.extend_from_slice(&header.ssrc.to_be_bytes());
    out.extend_from_slice(&ONE_BYTE.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    for (id, value) in extensions {
        if (1..=14).contains(&id) && (1..=16).contains(&value.len()) {
            out.push(id << 4 | (value.len() as u8 - 1));
            out.extend_from_slice(value);
        }
    }
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = ((out.len() - length_at - 2) / 4) as u16;
    out[length_at..length_at + 2].copy_from_slice(&words.to_be_bytes());
    out.len() - start
}

/// Reads a header.
pub(super) fn read(packet: &[u8]) -> Option<Parsed> {
    let fixed = packet.first_chunk::<FIXED>()?;
    let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = fixed;
    if first & 0xc0 != VERSION {
        return None;
    }
    let header = Header {
        payload_type: second & 0x7f,
        marker: second & 0x80 != 0,
        seq: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    let mut len = FIXED + 4 * usize::from(first & 0x0f);
    let mut extensions = (len, len);
    if first & EXTENSION != 0 {
        let &[p0, p1, w0, w1] = packet.get(len..)?.first_chunk::<4>()?;
        let begin = len + 4;
        len = begin + 4 * usize::from(u16::from_be_bytes([w0, w1]));
        if u16::from_be_bytes([p0, p1]) == ONE_BYTE {
            extensions = (begin, len);
        }
    }
    (packet.len() >= len).then_some(Parsed { header, len, extensions, padded: first & PADDING != 0 })
}

impl Parsed {
    /// The value of an extension.
    pub(super) fn extension<'a>(&self, packet: &'a [u8], wanted: u8) -> Option<&'a [u8]> {
        let mut rest = packet.get(self.extensions.0..self.extensions.1)?;
        while let Some((&head, tail)) = rest.split_first() {
            if head == 0 {
                rest = tail;
                continue;
            }
            let (value, after) = tail.split_at_checked(usize::from(head & 0x0f) + 1)?;
            if head >> 4 == wanted {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

/// Sequence numbers as they would be without wrapping, from the nearest to the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extended(Option<u64>);

impl Extended {
    /// The extended number; does not remember it.
    pub(super) fn guess(self, seq: u16) -> u64 {
        // SRTP counts rollovers from the first packet on (RFC 3711 §3.3.1).
        let Some(last) = self.0 else { return u64::from(seq) };
        let step = seq.wrapping_sub(last as u16) as i16;
        last.saturating_add_signed(i64::from(step))
    }

    /// Remembers a number that was authentic.
    pub(super) fn saw(&mut self, number: u64) {
        self.0 = Some(self.0.map_or(number, |last| last.max(number)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(payload_type in 0_u8..128, marker: bool, seq: u16, timestamp: u32, ssrc: u32,
                                   mid in "[a-z0-9]{1,16}", number: u16) {
            let header = Header { payload_type, marker, seq, timestamp, ssrc };
            let mut packet = vec![1, 2, 3];
            let number = number.to_be_bytes();
            let len = write(&mut packet, header, [(4, mid.as_bytes()), (3, number.as_slice())]);
            packet.extend_from_slice(b"payload");
            let parsed = read(&packet[3..]).unwrap();
            prop_assert_eq!((parsed.header, parsed.len), (header, len));
            prop_assert_eq!(parsed.extension(&packet[3..], 4), Some(mid.as_bytes()));
            prop_assert_eq!(parsed.extension(&packet[3..], 3), Some(number.as_slice()));
            prop_assert_eq!(parsed.extension(&packet[3..], 9), None);
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, id: u8) {
            if let Some(parsed) = read(&bytes) {
                let _ = parsed.extension(&bytes, id);
                prop_assert!(parsed.len <= bytes.len());
            }
        }

        #[test]
        fn numbers_do_not_wrap(start: u16, steps in proptest::collection::vec(-100_i64..1_000, 1..300)) {
            let mut extended = Extended::default();
            let mut truth = u64::from(start);
            extended.saw(extended.guess(start));
            for step in steps {
                let number = truth.saturating_add_signed(step);
                prop_assert_eq!(extended.guess(number as u16), number);
                extended.saw(number);
                truth = truth.max(number);
            }
        }
    }
}
