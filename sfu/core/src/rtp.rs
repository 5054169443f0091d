//! RTP packets (RFC 3550 §5.1) and their header extensions (RFC 8285): read from strangers, and written.
//!
//! Everything here reads bytes before they are authenticated: nothing is allocated, nothing panics.

/// Bytes of a header without contributing sources or extensions.
const FIXED: usize = 12;

const ONE_BYTE: [u8; 2] = [0xbe, 0xde];

/// What stands in a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Payload type, as the sender of the packet numbers them.
    pub payload_type: u8,
    /// The last packet of a frame, or the first of a talk spurt.
    pub marker: bool,
    /// Sequence number as it stands on the wire.
    pub seq: u16,
    /// Timestamp, in the codec's clock.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: u32,
    /// Whether the payload ends in padding.
    pub padding: bool,
    /// Bytes up to the payload.
    pub len: usize,
    /// Where the extension elements stand, and in which form.
    extension: Option<Block>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Block {
    from: usize,
    to: usize,
    wide: bool,
}

/// The numbers that both ends agreed on for extension elements; 0 for those they did not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// Which m-line (RFC 9143).
    pub mid: u8,
    /// Which simulcast layer (RFC 8852).
    pub rid: u8,
    /// Which layer a repair is for (RFC 8852).
    pub repaired_rid: u8,
    /// Transport-wide number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    pub transport_number: u8,
    /// Loudness (RFC 6464).
    pub audio_level: u8,
}

impl Ids {
    /// Without the numbers that the one-byte form cannot write.
    #[must_use]
    pub fn sendable(self) -> Self {
        let fits = |id: u8| if one_byte(id) { id } else { 0 };
        Self {
            mid: fits(self.mid),
            rid: fits(self.rid),
            repaired_rid: fits(self.repaired_rid),
            transport_number: fits(self.transport_number),
            audio_level: fits(self.audio_level),
        }
    }

    /// Takes over the numbers of another line for what this one does not know.
    pub fn join(&mut self, other: &Self) {
        for (own, other) in [
            (&mut self.mid, other.mid),
            (&mut self.rid, other.rid),
            (&mut self.repaired_rid, other.repaired_rid),
            (&mut self.transport_number, other.transport_number),
            (&mut self.audio_level, other.audio_level),
        ] {
            if *own == 0 {
                *own = other;
            }
        }
    }
}

/// The elements that matter to forwarding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extensions<'a> {
    /// Which m-line.
    pub mid: Option<&'a [u8]>,
    /// Which simulcast layer.
    pub rid: Option<&'a [u8]>,
    /// Which layer this repairs.
    pub repaired_rid: Option<&'a [u8]>,
    /// Transport-wide number.
    pub transport_number: Option<u16>,
    /// Voice activity and loudness, as on the wire.
    pub audio_level: Option<u8>,
}

/// Reads a header; `None` if the packet is not RTP, or not whole.
#[must_use]
pub fn parse(packet: &[u8]) -> Option<Header> {
    let fixed = packet.first_chunk::<FIXED>()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut len = FIXED + 4 * usize::from(fixed[0] & 0x0f);
    let mut extension = None;
    if fixed[0] & 0x10 != 0 {
        let &[p0, p1, w0, w1] = packet.get(len..)?.first_chunk::<4>()?;
        let (from, to) = (len + 4, len + 4 + 4 * usize::from(u16::from_be_bytes([w0, w1])));
        let wide = p0 == 0x10 && p1 >> 4 == 0;
        if wide || [p0, p1] == ONE_BYTE {
            extension = Some(Block { from, to, wide });
        }
        len = to;
    }
    if packet.len() < len {
        return None;
    }
    Some(Header {
        payload_type: fixed[1] & 0x7f,
        marker: fixed[1] & 0x80 != 0,
        seq: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        padding: fixed[0] & 0x20 != 0,
        len,
        extension,
    })
}

/// Reads the extension elements of a packet with this header.
#[must_use]
pub fn extensions<'a>(packet: &'a [u8], header: &Header, ids: &Ids) -> Extensions<'a> {
    let mut found = Extensions::default();
    let Some(block) = header.extension else { return found };
    let Some(mut rest) = packet.get(block.from..block.to) else { return found };
    while let Some((&first, tail)) = rest.split_first() {
        // Padding between elements.
        if first == 0 {
            rest = tail;
            continue;
        }
        let (id, len, tail) = if block.wide {
            let Some((&len, tail)) = tail.split_first() else { break };
            (first, usize::from(len), tail)
        } else if first >> 4 == 15 {
            break;
        } else {
            (first >> 4, usize::from(first & 0x0f) + 1, tail)
        };
        let Some((value, tail)) = tail.split_at_checked(len) else { break };
        rest = tail;
        // An id of 0 is never an element's (it is padding), so what was not agreed on is never found.
        if id == ids.transport_number {
            found.transport_number = value.try_into().ok().map(u16::from_be_bytes);
        } else if id == ids.audio_level {
            found.audio_level = value.first().copied();
        } else if id == ids.mid {
            found.mid = Some(value);
        } else if id == ids.rid {
            found.rid = Some(value);
        } else if id == ids.repaired_rid {
            found.repaired_rid = Some(value);
        }
    }
    found
}

/// The payload without its padding; `None` if the padding is longer than the payload.
#[must_use]
pub fn without_padding<'a>(payload: &'a [u8], header: &Header) -> Option<&'a [u8]> {
    if !header.padding {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    payload.get(..payload.len().checked_sub(padding)?)
}

/// A header to write: no contributing sources, extensions in the one-byte form.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    /// Payload type, as the receiver numbers them.
    pub payload_type: u8,
    /// The marker.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: u32,
    /// Whether the payload will end in padding.
    pub padding: bool,
    /// Transport-wide number.
    pub transport_number: Option<u16>,
    /// Voice activity and loudness.
    pub audio_level: Option<u8>,
}

impl Outgoing {
    /// Appends the header and says how long it is. Elements without an agreed number are left out.
    pub fn write(&self, out: &mut Vec<u8>, ids: &Ids) -> usize {
        let number = self.transport_number.filter(|_| one_byte(ids.transport_number));
        let level = self.audio_level.filter(|_| one_byte(ids.audio_level));
        // Both elements, padded to words: never more than two words.
        let mut elements = [0_u8; 8];
        let mut filled = 0;
        if let Some(number) = number {
            let [high, low] = number.to_be_bytes();
            elements[..3].copy_from_slice(&[ids.transport_number << 4 | 1, high, low]);
            filled = 3;
        }
        if let Some(level) = level {
            elements[filled..filled + 2].copy_from_slice(&[ids.audio_level << 4, level]);
            filled += 2;
        }
        let words = filled.div_ceil(4);
        let mut header = [0_u8; FIXED + 4 + 8];
        header[0] = 2 << 6 | u8::from(self.padding) << 5 | u8::from(words > 0) << 4;
        header[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        header[2..4].copy_from_slice(&self.seq.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        let mut len = FIXED;
        if words > 0 {
            header[12..14].copy_from_slice(&ONE_BYTE);
            header[15] = words as u8;
            header[16..24].copy_from_slice(&elements);
            len += 4 + 4 * words;
        }
        out.extend_from_slice(&header[..len]);
        len
    }
}

const fn one_byte(id: u8) -> bool {
    id >= 1 && id <= 14
}

/// Extends a number of 16 bits that lies within half a turn of the newest one known (RFC 3711 §3.3.1). The first is
/// taken as it is: a receiver that joins cannot know a rollover counter.
#[must_use]
pub const fn extend(newest: Option<u64>, number: u16) -> u64 {
    let Some(newest) = newest else { return number as u64 };
    let ahead = number.wrapping_sub(newest as u16).cast_signed();
    match newest.checked_add_signed(ahead as i64) {
        Some(extended) => extended,
        // Before the beginning: the turn has to come yet.
        None => newest.wrapping_add(number.wrapping_sub(newest as u16) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IDS: Ids = Ids { mid: 4, rid: 10, repaired_rid: 11, transport_number: 3, audio_level: 1 };

    fn outgoing() -> Outgoing {
        Outgoing {
            payload_type: 96,
            marker: true,
            seq: 0x1234,
            timestamp: 0xdead_beef,
            ssrc: 7,
            padding: false,
            transport_number: Some(0xabcd),
            audio_level: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (number, level, words) in
            [(Some(9), Some(0x9e), 2), (Some(9), None, 1), (None, Some(30), 1), (None, None, 0)]
        {
            let mut packet = Vec::new();
            let header = Outgoing { transport_number: number, audio_level: level, ..outgoing() };
            let len = header.write(&mut packet, &IDS);
            assert_eq!((len, packet.len()), (if words == 0 { 12 } else { 16 + 4 * words }, len));
            packet.extend_from_slice(b"payload");
            let read = parse(&packet).unwrap();
            assert_eq!(
                (read.payload_type, read.marker, read.seq, read.timestamp, read.ssrc, read.len),
                (96, true, 0x1234, 0xdead_beef, 7, len)
            );
            let extensions = extensions(&packet, &read, &IDS);
            assert_eq!((extensions.transport_number, extensions.audio_level), (number, level));
        }
    }

    #[test]
    fn elements_nobody_agreed_on_are_left_out() {
        let mut packet = Vec::new();
        assert_eq!(outgoing().write(&mut packet, &Ids::default()), 12);
        assert_eq!(outgoing().write(&mut packet, &Ids { transport_number: 15, ..Ids::default() }), 12);
    }

    #[test]
    fn both_forms_of_extensions_are_read() {
        let narrow =
            [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 2, 0x40, b'7', 0, 0xa1, b'h', b'i', 0, 0];
        let header = parse(&narrow).unwrap();
        let read = extensions(&narrow, &header, &IDS);
        assert_eq!((header.len, read.mid, read.rid), (24, Some(&b"7"[..]), Some(&b"hi"[..])));
        let wide = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0, 0, 2, 4, 1, b'7', 0, 3, 2, 0xab, 0xcd];
        let read = extensions(&wide, &parse(&wide).unwrap(), &IDS);
        assert_eq!((read.mid, read.transport_number), (Some(&b"7"[..]), Some(0xabcd)));
    }

    #[test]
    fn a_packet_that_is_not_whole_is_none() {
        let packet = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0, 0, 0, 0];
        assert!(parse(&packet).is_some());
        for len in 0..packet.len() {
            assert!(parse(&packet[..len]).is_none(), "{len} bytes");
        }
        assert!(parse(&[0x50; 40]).is_none(), "another version");
    }

    #[test]
    fn padding_is_taken_off_and_never_more_than_there_is() {
        let header = |padding| Header { padding, ..parse(&[0x80; 12]).unwrap() };
        assert_eq!(without_padding(&[1, 2, 2], &header(true)), Some(&[1][..]));
        assert_eq!(without_padding(&[1, 2, 4], &header(true)), None);
        assert_eq!(without_padding(&[], &header(true)), None);
        assert_eq!(without_padding(&[1, 2, 4], &header(false)), Some(&[1, 2, 4][..]));
    }

    #[test]
    fn numbers_are_extended_across_a_turn() {
        assert_eq!(extend(None, 65_535), 65_535);
        assert_eq!(extend(Some(65_535), 0), 65_536);
        assert_eq!(extend(Some(65_536), 65_535), 65_535);
        assert_eq!(extend(Some(3), 65_535), 65_535, "there is nothing before the beginning");
        assert_eq!(extend(Some(200_000), (200_000_u32 + 1_000) as u16), 201_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), ids: [u8; 5]) {
            let [mid, rid, repaired_rid, transport_number, audio_level] = ids;
            let ids = Ids { mid, rid, repaired_rid, transport_number, audio_level };
            if let Some(header) = parse(&bytes) {
                prop_assert!(header.len <= bytes.len());
                let _ = extensions(&bytes, &header, &ids);
                if let Some(payload) = without_padding(&bytes[header.len..], &header) {
                    prop_assert!(payload.len() <= bytes.len() - header.len);
                }
            }
        }

        #[test]
        fn an_extended_number_ends_in_the_number_and_is_near(newest in 0_u64..1 << 40, number: u16) {
            let extended = extend(Some(newest), number);
            prop_assert_eq!(extended as u16, number);
            prop_assert!(extended.abs_diff(newest) <= 1 << 16);
        }
    }
}
