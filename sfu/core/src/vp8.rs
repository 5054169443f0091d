//! The VP8 payload descriptor (RFC 7741 §4.2): where keyframes begin, and picture ids that stay
//! unbroken when another source is put into a track.

/// What of a VP8 payload descriptor matters to forwarding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// The packet begins a keyframe.
    pub keyframe: bool,
    /// Picture id, and whether it is the 15-bit form.
    pub picture_id: Option<PictureId>,
    /// Temporal layer 0 picture index.
    pub tl0: Option<u8>,
}

/// A picture id as it stands in a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PictureId {
    /// The id.
    pub value: u16,
    /// 15 bits rather than 7.
    pub wide: bool,
}

/// Reads a descriptor; `None` if the payload is not one followed by at least a byte of picture.
#[must_use]
pub fn parse(payload: &[u8]) -> Option<Descriptor> {
    let mut bytes = payload.iter().copied();
    let first = bytes.next()?;
    let begins = first & 0x17 == 0x10;
    let (mut picture_id, mut tl0) = (None, None);
    if first & 0x80 != 0 {
        let extension = bytes.next()?;
        if extension & 0x80 != 0 {
            let high = bytes.next()?;
            picture_id = Some(if high & 0x80 != 0 {
                PictureId { value: u16::from(high & 0x7f) << 8 | u16::from(bytes.next()?), wide: true }
            } else {
                PictureId { value: u16::from(high), wide: false }
            });
        }
        if extension & 0x40 != 0 {
            tl0 = Some(bytes.next()?);
        }
        if extension & 0x30 != 0 {
            bytes.next()?;
        }
    }
    // RFC 7741 §4.3: the P bit of the frame header is 0 for a keyframe.
    let keyframe = begins && bytes.next()? & 1 == 0;
    Some(Descriptor { keyframe, picture_id, tl0 })
}

/// Writes ids into a payload, where [`parse`] found some.
pub fn rewrite(payload: &mut [u8], to: Rewrite) {
    let (Some(&first), Some(&extension)) = (payload.first(), payload.get(1)) else { return };
    if first & 0x80 == 0 {
        return;
    }
    let mut at = 2;
    if extension & 0x80 != 0 {
        let wide = payload.get(at).is_some_and(|high| high & 0x80 != 0);
        if let (Some(id), Some(field)) = (to.picture_id, payload.get_mut(at..at + 1 + usize::from(wide))) {
            match field {
                [high, low] => [*high, *low] = [0x80 | (id >> 8) as u8, id as u8],
                [narrow] => *narrow = id as u8 & 0x7f,
                _ => {}
            }
        }
        at += 1 + usize::from(wide);
    }
    if extension & 0x40 != 0
        && let (Some(tl0), Some(field)) = (to.tl0, payload.get_mut(at))
    {
        *field = tl0;
    }
}

/// Keeps picture ids and TL0 indexes of one outgoing track unbroken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Continuity {
    picture_delta: u16,
    tl0_delta: u8,
    last_picture: Option<u16>,
    last_tl0: Option<u8>,
}

/// What to write into a forwarded descriptor: the same fields that it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rewrite {
    /// The picture id to write.
    pub picture_id: Option<u16>,
    /// The TL0 index to write.
    pub tl0: Option<u8>,
}

impl Continuity {
    /// The first packet of another source: its ids follow the last ones.
    pub fn switch(&mut self, descriptor: &Descriptor) -> Rewrite {
        if let (Some(last), Some(id)) = (self.last_picture, descriptor.picture_id) {
            self.picture_delta = last.wrapping_add(1).wrapping_sub(id.value);
        }
        if let (Some(last), Some(tl0)) = (self.last_tl0, descriptor.tl0) {
            self.tl0_delta = last.wrapping_add(1).wrapping_sub(tl0);
        }
        self.map(descriptor)
    }

    /// A further packet of the same source.
    pub fn map(&mut self, descriptor: &Descriptor) -> Rewrite {
        let picture_id = descriptor.picture_id.map(|id| {
            let mask = if id.wide { 0x7fff } else { 0x7f };
            id.value.wrapping_add(self.picture_delta) & mask
        });
        let tl0 = descriptor.tl0.map(|tl0| tl0.wrapping_add(self.tl0_delta));
        self.last_picture = newer(self.last_picture, picture_id, 0x4000);
        self.last_tl0 = tl0.or(self.last_tl0);
        Rewrite { picture_id, tl0 }
    }
}

/// The later of two ids in a 15-bit circle, so that a late packet does not turn it back.
fn newer(last: Option<u16>, id: Option<u16>, half: u16) -> Option<u16> {
    match (last, id) {
        (Some(last), Some(id)) if id.wrapping_sub(last) & 0x7fff >= half => Some(last),
        (last, id) => id.or(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// X, I wide, L, T set: as libwebrtc writes it.
    fn payload(keyframe: bool, picture: u16, tl0: u8) -> [u8; 8] {
        let [high, low] = picture.to_be_bytes();
        [0x90, 0xe0, 0x80 | high, low, tl0, 0x20, u8::from(!keyframe), 0]
    }

    #[test]
    fn reads_what_libwebrtc_writes() {
        assert_eq!(
            parse(&payload(true, 0x1234, 7)),
            Some(Descriptor {
                keyframe: true,
                picture_id: Some(PictureId { value: 0x1234, wide: true }),
                tl0: Some(7)
            })
        );
        assert!(!parse(&payload(false, 1, 1)).unwrap().keyframe);
    }

    #[test]
    fn reads_the_shortest_and_the_narrow_form() {
        assert_eq!(parse(&[0x10, 0]), Some(Descriptor { keyframe: true, picture_id: None, tl0: None }));
        assert_eq!(
            parse(&[0x80, 0x80, 0x11, 0]).unwrap().picture_id,
            Some(PictureId { value: 0x11, wide: false })
        );
    }

    #[test]
    fn only_the_first_packet_of_the_first_partition_begins_a_keyframe() {
        assert!(!parse(&[0x00, 0]).unwrap().keyframe, "a continuation");
        assert!(!parse(&[0x11, 0]).unwrap().keyframe, "the second partition");
        assert_eq!(parse(&[0x10]), None, "no picture byte");
    }

    #[test]
    fn ids_follow_across_sources_and_wrap() {
        let mut track = Continuity::default();
        let read = |picture, tl0| parse(&payload(true, picture, tl0)).unwrap();
        assert_eq!(track.switch(&read(0x7ffe, 255)), Rewrite { picture_id: Some(0x7ffe), tl0: Some(255) });
        assert_eq!(track.map(&read(0x7fff, 255)).picture_id, Some(0x7fff));
        assert_eq!(track.switch(&read(500, 9)), Rewrite { picture_id: Some(0), tl0: Some(0) });
        assert_eq!(track.map(&read(501, 10)), Rewrite { picture_id: Some(1), tl0: Some(1) });
        track.map(&read(500, 9));
        assert_eq!(track.switch(&read(3, 3)).picture_id, Some(2), "a late packet did not turn it back");
    }

    #[test]
    fn what_is_rewritten_is_read_and_nothing_else_changes() {
        let check = |payload: &[u8], to: Rewrite| {
            let mut changed = payload.to_vec();
            rewrite(&mut changed, to);
            let (before, after) = (parse(payload).unwrap(), parse(&changed).unwrap());
            assert_eq!((after.picture_id.map(|id| id.value), after.tl0), (to.picture_id, to.tl0));
            assert_eq!(after.keyframe, before.keyframe);
            changed.iter().zip(payload).filter(|(a, b)| a != b).count()
        };
        let wide = Rewrite { picture_id: Some(0x7abc), tl0: Some(9) };
        assert_eq!(check(&payload(true, 0x1234, 7), wide), 3);
        assert_eq!(check(&[0x80, 0x80, 0x11, 0], Rewrite { picture_id: Some(0x7f), tl0: None }), 1);
        assert_eq!(check(&[0x10, 0], Rewrite::default()), 0);
    }

    proptest! {
        #[test]
        fn any_payload_is_rewritten_without_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..12), id: Option<u16>, tl0: Option<u8>,
        ) {
            let mut changed = bytes.clone();
            rewrite(&mut changed, Rewrite { picture_id: id, tl0 });
            prop_assert_eq!(changed.len(), bytes.len());
            prop_assert_eq!(parse(&changed).map(|d| d.keyframe), parse(&bytes).map(|d| d.keyframe));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut track = Continuity::default();
            if let Some(descriptor) = parse(&bytes) {
                let rewrite = track.switch(&descriptor);
                prop_assert_eq!(rewrite.picture_id.is_some(), descriptor.picture_id.is_some());
                prop_assert_eq!(rewrite.tl0.is_some(), descriptor.tl0.is_some());
                if let (Some(id), Some(out)) = (descriptor.picture_id, rewrite.picture_id) {
                    let most = if id.wide { 0x7fff } else { 0x7f };
                    prop_assert!(out <= most);
                }
            }
        }
    }
}
