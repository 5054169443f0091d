//! The little of CBOR (RFC 8949) that authenticators speak: definite lengths, no tags, no floats (CTAP 2.2, 8).

use crate::limits::MAX_CBOR_DEPTH;

/// One item. Of arrays and maps, the head alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a [u8]),
    /// So many items follow.
    Array(u64),
    /// So many pairs follow.
    Map(u64),
    /// `false`, `true`, `null`.
    Simple,
}

/// Reads items from bytes; none from what is not CBOR of that kind.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn item(&mut self) -> Option<Item<'a>> {
        let head = self.take(1)?[0];
        let more = match head & 0x1f {
            small @ 0..=23 => return self.of(head >> 5, small.into()),
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let number = self.take(more)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        // Simple values that take more bytes are floats.
        if head >> 5 == 7 { None } else { self.of(head >> 5, number) }
    }

    fn of(&mut self, kind: u8, number: u64) -> Option<Item<'a>> {
        Some(match kind {
            0 => Item::Int(i64::try_from(number).ok()?),
            1 => Item::Int(-1 - i64::try_from(number).ok()?),
            2 => Item::Bytes(self.take(usize::try_from(number).ok()?)?),
            3 => Item::Text(self.take(usize::try_from(number).ok()?)?),
            4 => Item::Array(number),
            5 => Item::Map(number),
            7 if (20..=22).contains(&number) => Item::Simple,
            _ => return None,
        })
    }

    /// Passes over one item and all that is in it, no deeper than [`MAX_CBOR_DEPTH`].
    pub(super) fn skip(&mut self) -> Option<()> {
        self.skip_within(MAX_CBOR_DEPTH)
    }

    fn skip_within(&mut self, depth: usize) -> Option<()> {
        let inside = match self.item()? {
            Item::Array(items) => items,
            Item::Map(pairs) => pairs.checked_mul(2)?,
            Item::Int(_) | Item::Bytes(_) | Item::Text(_) | Item::Simple => 0,
        };
        // Each item is a byte at least: what claims more than there is ends here, not after as many turns.
        if inside > self.0.len() as u64 || (inside > 0 && depth == 0) {
            return None;
        }
        (0..inside).try_for_each(|_| self.skip_within(depth - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip().is_some() && reader.rest().is_empty()
    }

    #[test]
    fn items_are_those_of_rfc_8949() {
        let one = |bytes: &'static [u8]| Reader::new(bytes).item();
        for (bytes, number) in [
            (&[0x17][..], 23),
            (&[0x18, 0x64], 100),
            (&[0x20], -1),
            (&[0x39, 1, 0], -257),
            (&[0x1a, 0, 1, 0, 0], 65_536),
        ] {
            assert_eq!(one(bytes), Some(Item::Int(number)));
        }
        assert_eq!(one(&[0x42, 1, 2]), Some(Item::Bytes(&[1, 2])));
        assert_eq!(one(&[0x61, b'a']), Some(Item::Text(b"a")));
        assert_eq!(one(&[0x83, 1, 2, 3]), Some(Item::Array(3)));
        // Indefinite lengths, tags, floats, and what ends early.
        for bad in [&[0x5f][..], &[0xc0, 1], &[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], &[0xf8, 20], &[0x42, 1], &[]] {
            assert_eq!(one(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn what_is_nested_or_long_without_end_is_not_followed() {
        let nested = |depth: usize| [vec![0x81; depth], vec![1]].concat();
        assert!(whole(&nested(MAX_CBOR_DEPTH)));
        assert!(!whole(&nested(MAX_CBOR_DEPTH + 1)));
        assert!(!whole(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert!(!whole(&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Reader::new(&bytes).skip();
        }
    }
}
