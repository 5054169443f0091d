//! RFC 4571 framing: how datagrams travel over ICE-TCP. Two bytes of length, then the packet.

use crate::limits::MAX_DATAGRAM_BYTES;

/// A frame longer than [`MAX_DATAGRAM_BYTES`]: the connection speaks something else and is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a frame of {0} bytes")]
pub struct FrameTooLong(pub usize);

/// Cuts a byte stream into frames. Holds at most one frame and what follows it.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// Takes bytes as they were read.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, `None` when more bytes are needed. Empty frames are skipped.
    ///
    /// # Errors
    /// [`FrameTooLong`]: nothing more can be read from this stream.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameTooLong> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some((head, tail)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            let len = usize::from(u16::from_be_bytes(*head));
            if len > MAX_DATAGRAM_BYTES {
                return Err(FrameTooLong(len));
            }
            if tail.len() < len {
                return Ok(None);
            }
            let from = self.start + 2;
            self.start = from + len;
            if len > 0 {
                return Ok(Some(&self.buffer[from..from + len]));
            }
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }
}

/// The two bytes before a packet, `None` for a packet that does not fit a frame.
#[must_use]
pub fn header(packet: &[u8]) -> Option<[u8; 2]> {
    u16::try_from(packet.len()).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(deframer: &mut Deframer) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(frame) = deframer.next_frame().unwrap() {
            all.push(frame.to_vec());
        }
        all
    }

    #[test]
    fn the_longest_frame_passes_and_one_more_byte_does_not() {
        let mut fits = Deframer::default();
        let packet = vec![1; MAX_DATAGRAM_BYTES];
        fits.extend(&header(&packet).unwrap());
        fits.extend(&packet);
        assert_eq!(frames(&mut fits), [packet]);

        let mut long = Deframer::default();
        long.extend(&header(&vec![1; MAX_DATAGRAM_BYTES + 1]).unwrap());
        assert_eq!(long.next_frame(), Err(FrameTooLong(MAX_DATAGRAM_BYTES + 1)));
    }

    #[test]
    fn a_packet_that_does_not_fit_has_no_header() {
        assert!(header(&vec![0; 65_535]).is_some());
        assert!(header(&vec![0; 65_536]).is_none());
    }

    proptest! {
        #[test]
        fn what_was_framed_comes_out_however_it_is_cut(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..20),
            cut in 1_usize..50,
        ) {
            let stream: Vec<u8> =
                packets.iter().flat_map(|p| [header(p).unwrap().as_slice(), p].concat()).collect();
            let mut deframer = Deframer::default();
            let mut out = Vec::new();
            for piece in stream.chunks(cut) {
                deframer.extend(piece);
                out.extend(frames(&mut deframer));
            }
            prop_assert_eq!(out, packets);
            prop_assert_eq!(deframer.held(), 0);
        }

        #[test]
        fn any_bytes_are_survived_and_little_is_held(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..10),
        ) {
            let mut deframer = Deframer::default();
            for piece in pieces {
                deframer.extend(&piece);
                loop {
                    match deframer.next_frame() {
                        Ok(Some(frame)) => prop_assert!(!frame.is_empty()),
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
                prop_assert!(deframer.held() <= MAX_DATAGRAM_BYTES + 2);
            }
        }
    }
}
