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

/// An Opus-shaped packet: one byte of TOC, then content.
pub(super) fn sound(tag: Tag, counter: u32) -> Vec<u8> {
    let mut packet = vec![0x78];
    put(&mut packet, tag, counter, 0);
    packet.resize(80, 0xaa);
    packet
}

/// A VP8 packet as libwebrtc writes it: descriptor with 15-bit picture id, TL0 and TID.
pub(super) fn picture(tag: Tag, counter: u32, part: u8, keyframe: bool, bytes: usize) -> Vec<u8> {
    let first = part == 0;
    let id = (counter & 0x7fff) as u16;
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![if first { 0x90 } else { 0x80 }, 0xe0, 0x80 | high, low, counter as u8, 0x20];
    // The first byte of the picture: its lowest bit is 0 in a keyframe.
    packet.push(if first { 0x10 | u8::from(!keyframe) } else { 0x55 });
    put(&mut packet, tag, counter, part);
    packet.resize(packet.len().max(bytes), 0xbb);
    packet
}

fn put(packet: &mut Vec<u8>, tag: Tag, counter: u32, part: u8) {
    packet.extend_from_slice(&MARK);
    packet.extend_from_slice(&tag.0.to_be_bytes());
    packet.extend_from_slice(&counter.to_be_bytes());
    packet.push(part);
}

/// Reads what [`sound`] wrote.
pub(super) fn read_sound(payload: &[u8]) -> Option<Content> {
    get(payload.get(1..)?)
}

/// Reads what [`picture`] wrote.
pub(super) fn read_picture(payload: &[u8]) -> Option<Content> {
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
        assert_eq!(read_sound(&sound(Tag(7), 9)).map(|c| (c.tag, c.counter)), Some((Tag(7), 9)));
        let read = read_picture(&picture(Tag(7), 0x1_2345, 0, true, 900));
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
        assert_eq!(read_picture(&picture(Tag(7), 1, 1, true, 900)).map(|c| c.keyframe), Some(false));
        assert_eq!(read_sound(b"something else"), None);
    }
}
