//! Packets that look like Opus and VP8 to an SFU, and say whose they are.

/// Whose content it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Tag(pub u32);

/// What a packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Content {
    /// Whose it is.
    pub tag: Tag,
    /// Counts packets of a sound, frames of a picture.
    pub counter: u32,
    /// Which packet of the frame.
    pub part: u8,
    /// For pictures: begins a keyframe.
    pub keyframe: bool,
    /// For pictures: the picture id.
    pub picture_id: Option<u16>,
}

const MARK: [u8; 2] = *b"TK";

/// Bytes of an Opus-shaped packet: 32 kbit/s at 20 ms.
const SOUND_BYTES: usize = 80;

/// Appends an Opus-shaped packet: one byte of TOC, then content.
pub fn sound(packet: &mut Vec<u8>, tag: Tag, counter: u32) {
    let start = packet.len();
    packet.push(0x78);
    put(packet, tag, counter, 0);
    packet.resize(start + SOUND_BYTES, 0xaa);
}

/// Appends a VP8 packet as libwebrtc writes it: descriptor with 15-bit picture id, TL0 and TID.
pub fn picture(packet: &mut Vec<u8>, tag: Tag, counter: u32, part: u8, keyframe: bool, bytes: usize) {
    let start = packet.len();
    let first = part == 0;
    let id = (counter & 0x7fff) as u16;
    let [high, low] = id.to_be_bytes();
    packet.extend_from_slice(&[if first { 0x90 } else { 0x80 }, 0xe0, 0x80 | high, low, counter as u8, 0x20]);
    // The first byte of the picture: its lowest bit is 0 in a keyframe.
    packet.push(if first { 0x10 | u8::from(!keyframe) } else { 0x55 });
    put(packet, tag, counter, part);
    packet.resize(packet.len().max(start + bytes), 0xbb);
}

fn put(packet: &mut Vec<u8>, tag: Tag, counter: u32, part: u8) {
    packet.extend_from_slice(&MARK);
    packet.extend_from_slice(&tag.0.to_be_bytes());
    packet.extend_from_slice(&counter.to_be_bytes());
    packet.push(part);
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
    Some(Content {
        tag: Tag(u32::from_be_bytes(*tag)),
        counter: u32::from_be_bytes(*counter),
        part: *rest.first()?,
        keyframe: false,
        picture_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut packet = Vec::new();
            write(&mut packet);
            packet
        };
        let voice = written(&|to| sound(to, Tag(7), 9));
        assert_eq!(read_sound(&voice).map(|c| (c.tag, c.counter)), Some((Tag(7), 9)));
        let read = read_picture(&written(&|to| picture(to, Tag(7), 0x1_2345, 0, true, 900)));
        assert_eq!(
            read,
            Some(Content {
                tag: Tag(7),
                counter: 0x1_2345,
                part: 0,
                keyframe: true,
                picture_id: Some(0x2345)
            })
        );
        let second = written(&|to| picture(to, Tag(7), 1, 1, true, 900));
        assert_eq!(read_picture(&second).map(|c| c.keyframe), Some(false));
        assert_eq!(read_sound(b"something else"), None);
    }
}
