//! Packets of Opus and VP8 that can be decoded, to silence and a picture of one colour, and that say whose they are.

/// Whose content it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tag(pub u32);

/// What is written into a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Whose it is.
    pub tag: Tag,
    /// Counts packets of a sound, frames of a picture.
    pub counter: u32,
    /// Which packet of the frame.
    pub part: u8,
    /// When it was sent, nanoseconds since 1970; 0 for not said.
    pub sent_ns: u64,
}

/// What a packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Content {
    /// Whose it is.
    pub tag: Tag,
    /// Counts packets of a sound, frames of a picture.
    pub counter: u32,
    /// Which packet of the frame.
    pub part: u8,
    /// When it was sent, nanoseconds since 1970; 0 for not said.
    pub sent_ns: u64,
    /// For pictures: begins a keyframe.
    pub keyframe: bool,
    /// For pictures: the picture id.
    pub picture_id: Option<u16>,
}

const MARK: [u8; 2] = *b"TK";

/// Bytes of a mark: the magic, tag, counter, part, time.
const MARK_BYTES: usize = 2 + 4 + 4 + 1 + 8;

/// Bytes of an Opus packet: 32 kbit/s at 20 ms.
const SOUND_BYTES: usize = 80;

/// Silence, 20 ms, fullband CELT, mono: the frame that `f8 ff fe` holds, as one frame with padding behind it
/// (RFC 6716 §3.2.5: code 3, CBR, padding, one frame). A decoder passes over padding: there the mark stands.
const SOUND_HEAD: [u8; 5] = [0xfb, 0x41, (SOUND_BYTES - 5) as u8, 0xff, 0xfe];

/// Appends an Opus packet.
pub fn sound(packet: &mut Vec<u8>, mark: Mark) {
    let start = packet.len();
    packet.extend_from_slice(&SOUND_HEAD);
    packet.resize(start + SOUND_BYTES - MARK_BYTES, 0);
    put(packet, mark);
}

/// A picture of one colour, encoded once by libvpx: a keyframe, and a frame that changes nothing, which may be
/// repeated for ever. What follows their last partition is passed over by decoders: there filling and mark stand.
struct Picture {
    keyframe: &'static [u8],
    frame: &'static [u8],
}

/// 960×540, 640×360, 320×180.
static PICTURES: [Picture; 3] = [
    Picture {
        keyframe: include_bytes!("../../fixtures/large-keyframe.vp8"),
        frame: include_bytes!("../../fixtures/large-frame.vp8"),
    },
    Picture {
        keyframe: include_bytes!("../../fixtures/medium-keyframe.vp8"),
        frame: include_bytes!("../../fixtures/medium-frame.vp8"),
    },
    Picture {
        keyframe: include_bytes!("../../fixtures/small-keyframe.vp8"),
        frame: include_bytes!("../../fixtures/small-frame.vp8"),
    },
];

const DESCRIPTOR: usize = 6;

/// The largest picture whose keyframe fits into a frame's first packet; the smallest, if none does.
fn that_fits(bytes: usize) -> &'static Picture {
    let fits = |picture: &&Picture| DESCRIPTOR + picture.keyframe.len() + MARK_BYTES <= bytes;
    let [.., smallest] = &PICTURES;
    PICTURES.iter().find(fits).unwrap_or(smallest)
}

/// Appends a VP8 packet as libwebrtc writes it: descriptor with 15-bit picture id, TL0 and TID (RFC 7741 §4.2), in
/// the first packet of a frame a picture that can be decoded, filling up to so many `bytes`, the mark.
pub fn picture(packet: &mut Vec<u8>, mark: Mark, keyframe: bool, bytes: usize) {
    let start = packet.len();
    let first = mark.part == 0;
    let id = (mark.counter & 0x7fff) as u16;
    let [high, low] = id.to_be_bytes();
    let level = mark.counter as u8;
    packet.extend_from_slice(&[if first { 0x90 } else { 0x80 }, 0xe0, 0x80 | high, low, level, 0x20]);
    if first {
        let picture = that_fits(bytes);
        packet.extend_from_slice(if keyframe { picture.keyframe } else { picture.frame });
    } else {
        // No mark begins here, and no keyframe either.
        packet.push(0x55);
    }
    packet.resize(packet.len().max((start + bytes).saturating_sub(MARK_BYTES)), 0xbb);
    put(packet, mark);
}

fn put(packet: &mut Vec<u8>, mark: Mark) {
    packet.extend_from_slice(&MARK);
    packet.extend_from_slice(&mark.tag.0.to_be_bytes());
    packet.extend_from_slice(&mark.counter.to_be_bytes());
    packet.push(mark.part);
    packet.extend_from_slice(&mark.sent_ns.to_be_bytes());
}

/// Reads what [`sound`] wrote.
pub fn read_sound(payload: &[u8]) -> Option<Content> {
    get(payload)
}

/// Reads what [`picture`] wrote.
pub fn read_picture(payload: &[u8]) -> Option<Content> {
    let &[first, 0xe0, high, low, _, _, head, ..] = payload else { return None };
    let content = get(payload)?;
    let picture_id = Some(u16::from_be_bytes([high & 0x7f, low]));
    Some(Content { keyframe: first & 0x10 != 0 && head & 1 == 0, picture_id, ..content })
}

/// The mark at the end.
fn get(payload: &[u8]) -> Option<Content> {
    let (_, mark) = payload.split_last_chunk::<MARK_BYTES>()?;
    let rest = mark.strip_prefix(&MARK)?;
    let (tag, rest) = rest.split_first_chunk::<4>()?;
    let (counter, rest) = rest.split_first_chunk::<4>()?;
    let (&part, rest) = rest.split_first()?;
    Some(Content {
        tag: Tag(u32::from_be_bytes(*tag)),
        counter: u32::from_be_bytes(*counter),
        part,
        sent_ns: u64::from_be_bytes(*rest.first_chunk::<8>()?),
        keyframe: false,
        picture_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut packet = vec![1];
        write(&mut packet);
        packet.split_off(1)
    }

    #[test]
    fn what_is_written_is_read() {
        let mark = Mark { tag: Tag(7), counter: 0x1_2345, part: 0, sent_ns: 9 };
        let content = Content {
            tag: Tag(7),
            counter: 0x1_2345,
            part: 0,
            sent_ns: 9,
            keyframe: false,
            picture_id: None,
        };
        let voice = written(|to| sound(to, mark));
        assert_eq!((voice.len(), read_sound(&voice)), (SOUND_BYTES, Some(content)));
        let first = written(|to| picture(to, mark, true, 900));
        let keyframe = Content { keyframe: true, picture_id: Some(0x2345), ..content };
        assert_eq!((first.len(), read_picture(&first)), (900, Some(keyframe)));
        let second = written(|to| picture(to, Mark { part: 1, ..mark }, true, 900));
        assert_eq!(read_picture(&second).map(|c| c.keyframe), Some(false));
    }

    /// RFC 6386 §9.1: the frame tag, and behind it in a keyframe the start code and the size.
    #[test]
    fn a_frame_begins_as_vp8_does_and_what_a_decoder_needs_stands_in_its_first_packet() {
        let mark = Mark { tag: Tag(7), counter: 1, part: 0, sent_ns: 9 };
        for (bytes, size) in [(1_000, [960, 540]), (600, [640, 360]), (250, [320, 180]), (1, [320, 180])] {
            for keyframe in [true, false] {
                let packet = written(|to| picture(to, mark, keyframe, bytes));
                let &[a, b, c, ..] = &packet[DESCRIPTOR..] else { panic!("a frame tag") };
                let tag = u32::from_le_bytes([a, b, c, 0]);
                assert_eq!((tag & 1 == 0, tag >> 4 & 1), (keyframe, 1), "shown");
                let partition = (tag >> 5) as usize;
                let header = if keyframe { 10 } else { 3 };
                assert!(DESCRIPTOR + header + partition < packet.len() - MARK_BYTES);
                if let (true, &[0x9d, 0x01, 0x2a, w0, w1, h0, h1]) =
                    (keyframe, packet[DESCRIPTOR + 3..].first_chunk::<7>().expect("a keyframe"))
                {
                    assert_eq!([u16::from_le_bytes([w0, w1]), u16::from_le_bytes([h0, h1])], size);
                } else {
                    assert!(!keyframe);
                }
            }
        }
    }

    /// RFC 6716 §3.2.5: a frame of two bytes is left when header and padding are taken away.
    #[test]
    fn a_sound_is_one_frame_of_silence_and_padding() {
        let packet = written(|to| sound(to, Mark { tag: Tag(1), counter: 1, part: 0, sent_ns: 1 }));
        assert_eq!(packet[0] >> 3, 31, "CELT, fullband, 20 ms");
        assert_eq!((packet[0] & 3, packet[1]), (3, 0x41), "one frame, padded");
        assert_eq!(packet.len() - 3 - usize::from(packet[2]), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (read_sound(&bytes), read_picture(&bytes));
        }
    }
}
