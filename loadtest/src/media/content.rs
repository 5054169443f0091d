//! Packets that look like Opus and VP8 to an SFU, and say whose they are.

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

/// Bytes of an Opus-shaped packet: 32 kbit/s at 20 ms.
const SOUND_BYTES: usize = 80;

/// Appends an Opus-shaped packet: one byte of TOC, then content.
pub fn sound(packet: &mut Vec<u8>, mark: Mark) {
    let start = packet.len();
    packet.push(0x78);
    put(packet, mark);
    packet.resize(start + SOUND_BYTES, 0xaa);
}

/// Appends a VP8 packet as libwebrtc writes it: descriptor with 15-bit picture id, TL0 and TID.
pub fn picture(packet: &mut Vec<u8>, mark: Mark, keyframe: bool, bytes: usize) {
    let start = packet.len();
    let first = mark.part == 0;
    let id = (mark.counter & 0x7fff) as u16;
    let [high, low] = id.to_be_bytes();
    let level = mark.counter as u8;
    packet.extend_from_slice(&[if first { 0x90 } else { 0x80 }, 0xe0, 0x80 | high, low, level, 0x20]);
    // The first byte of the picture: its lowest bit is 0 in a keyframe.
    packet.push(if first { 0x10 | u8::from(!keyframe) } else { 0x55 });
    put(packet, mark);
    packet.resize(packet.len().max(start + bytes), 0xbb);
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
    get(payload.get(1..)?)
}

/// Reads what [`picture`] wrote.
pub fn read_picture(payload: &[u8]) -> Option<Content> {
    let &[first, 0xe0, high, low, _, _, head, ..] = payload else { return None };
    let content = get(payload.get(7..)?)?;
    let picture_id = Some(u16::from_be_bytes([high & 0x7f, low]));
    Some(Content { keyframe: first & 0x10 != 0 && head & 1 == 0, picture_id, ..content })
}

fn get(bytes: &[u8]) -> Option<Content> {
    let rest = bytes.strip_prefix(&MARK)?;
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

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (read_sound(&bytes), read_picture(&bytes));
        }
    }
}
