//! The rows of a chain, in the order in which they stand.

use crate::audit::{
    chain::{Canonical, RowDigest},
    file::{Frames, Kind, Section, Source, Unreadable},
};
use model::Timestamp;

/// What is kept of a row that is laid beside a seal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub(super) digest: RowDigest,
    /// The number that it carries.
    pub(super) stored: u64,
    pub(super) at: Timestamp,
}

impl Note {
    pub(super) fn of(row: Canonical<'_>) -> Self {
        Self { digest: row.digest(), stored: row.number(), at: row.at() }
    }
}

pub(super) struct Rows<'a> {
    source: &'a dyn Source,
    frames: Frames<'a>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(source: &'a dyn Source, section: &Section) -> Self {
        Self { source, frames: Frames::at(source, section.rows) }
    }

    /// The same from here on, to look ahead with.
    pub(super) fn ahead(&self) -> Self {
        Self { source: self.source, frames: Frames::at(self.source, self.frames.offset()) }
    }

    /// Where the next row is.
    pub(super) const fn place(&self) -> u64 {
        self.frames.offset()
    }

    /// Goes back there.
    pub(super) fn go_to(&mut self, place: u64) {
        self.frames.go_to(place);
    }

    /// The next row; none at the end, which it stays before.
    pub(super) fn next(&mut self) -> Result<Option<Canonical<'_>>, Unreadable> {
        let at = self.frames.offset();
        match self.frames.peek()? {
            Kind::Row => {
                let frame = self.frames.next()?;
                Canonical::parse(frame.payload).map(Some).map_err(|_| Unreadable::Malformed(at))
            }
            Kind::End => Ok(None),
            _ => Err(Unreadable::Malformed(at)),
        }
    }

    /// Behind the end of the rows, with what it says of how many seals and rows there are.
    pub(super) fn end(&mut self) -> Result<(u64, [u64; 2]), Unreadable> {
        let frame = self.frames.next()?;
        if frame.kind != Kind::End || frame.payload.len() != 16 {
            return Err(Unreadable::Malformed(frame.at));
        }
        let number = |at: usize| u64::from_be_bytes(crate::audit::chain::array(&frame.payload[at..at + 8]));
        let counts = [number(0), number(8)];
        Ok((self.frames.offset(), counts))
    }
}
