//! The file that a trail is exported to, and that a copy in a second place is. Written and read as a stream.
//!
//! ```text
//! file    = "TLHAUDIT" version:u16 frame …
//! frame   = kind:u8 length:u32 payload
//!
//! 1 head  = what:u8 (0 all that there is, 1 a copy of one seal) tenant:16 at:i64
//! 2 keys  = text of the public keys
//! for each chain:
//!   3 chain = partition:u16 first seal:u64 head before it:32 offset of the first row:u64
//!   4 seal  = a seal, or 5 unreadable = number of a seal that is none:u64
//!   6 row   = canonical bytes
//!   7 end   = seals:u64 rows:u64
//! 8 done  = chains:u32
//! ```
//!
//! Seals stand before rows so that a reader can go through both at once, each at its own pace.

use super::{
    chain::{Canonical, ChainId, Head, array},
    keys::PublicKeys,
};
use crate::{
    event_log::Partition,
    limits::{MAX_AUDIT_FRAME_BYTES, MAX_AUDIT_KEYS_BYTES},
};
use model::{TenantId, Timestamp};
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
};
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"TLHAUDIT";
const VERSION: u16 = 1;
const PREAMBLE: u64 = 10;
const FRAME_HEAD: usize = 5;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head = 1,
    Keys = 2,
    Chain = 3,
    Seal = 4,
    Unreadable = 5,
    Row = 6,
    End = 7,
    Done = 8,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Head,
            2 => Self::Keys,
            3 => Self::Chain,
            4 => Self::Seal,
            5 => Self::Unreadable,
            6 => Self::Row,
            7 => Self::End,
            8 => Self::Done,
            _ => return None,
        })
    }
}

/// Why a file cannot be read as an audit trail.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read at all.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no audit trail")]
    NotATrail,
    /// A later program wrote it.
    #[error("it is of version {0}, which this program does not know")]
    Version(u16),
    /// It ends too early: the export did not get done, or it was cut.
    #[error("it ends in the middle, at byte {0}")]
    Cut(u64),
    /// A part of it is not what should stand there.
    #[error("what stands at byte {0} does not belong there")]
    Malformed(u64),
}

/// Bytes that can be read at any place: a file, or memory.
pub trait Source: Send + Sync {
    /// Reads some bytes at an offset; 0 at the end.
    ///
    /// # Errors
    /// It cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

impl Source for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Whether a file is all there is, or a copy of what one seal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Of a tenant.
    All,
    /// Of one seal.
    Copy,
}

/// What a file says of itself. Nobody has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// All, or a copy.
    pub extent: Extent,
    /// Whose trail.
    pub tenant: TenantId,
    /// When it was written.
    pub at: Timestamp,
    /// The keys that came with it.
    pub keys: PublicKeys,
}

/// Where a chain stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) chain: ChainId,
    /// The seal that should come first.
    pub(super) first: u64,
    /// The head before it.
    pub(super) before: Head,
    /// Where its seals begin.
    pub(super) seals: u64,
    /// Where its rows begin.
    pub(super) rows: u64,
}

/// Writes a file, frame by frame.
pub(super) struct Writer<W> {
    to: W,
    chains: u32,
    seals: u64,
    rows: u64,
    /// Where the offset of the first row is to be put.
    patch: u64,
}

/// Bytes of a chain's frame before the offset of its rows.
const BEFORE_OFFSET: u64 = 2 + 8 + 32;

impl<W: Write + Seek> Writer<W> {
    pub(super) fn begin(mut to: W, about: &About) -> io::Result<Self> {
        to.write_all(MAGIC)?;
        to.write_all(&VERSION.to_be_bytes())?;
        let mut writer = Self { to, chains: 0, seals: 0, rows: 0, patch: 0 };
        let mut head = vec![u8::from(about.extent == Extent::Copy)];
        head.extend_from_slice(about.tenant.0.as_bytes());
        head.extend_from_slice(&about.at.as_millis().to_be_bytes());
        writer.frame(Kind::Head, &head)?;
        writer.frame(Kind::Keys, about.keys.to_string().as_bytes())?;
        Ok(writer)
    }

    pub(super) fn chain(&mut self, partition: Partition, first: u64, before: Head) -> io::Result<()> {
        let mut chain = partition.0.to_be_bytes().to_vec();
        chain.extend_from_slice(&first.to_be_bytes());
        chain.extend_from_slice(&before.0);
        chain.extend_from_slice(&[0; 8]);
        self.patch = self.to.stream_position()? + FRAME_HEAD as u64 + BEFORE_OFFSET;
        (self.chains, self.seals, self.rows) = (self.chains + 1, 0, 0);
        self.frame(Kind::Chain, &chain)
    }

    pub(super) fn seal(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seals += 1;
        self.frame(Kind::Seal, bytes)
    }

    pub(super) fn unreadable_seal(&mut self, number: u64) -> io::Result<()> {
        self.seals += 1;
        self.frame(Kind::Unreadable, &number.to_be_bytes())
    }

    /// All seals are written.
    pub(super) fn rows_follow(&mut self) -> io::Result<()> {
        let here = self.to.stream_position()?;
        self.to.seek(SeekFrom::Start(self.patch))?;
        self.to.write_all(&here.to_be_bytes())?;
        self.to.seek(SeekFrom::Start(here)).map(drop)
    }

    pub(super) fn row(&mut self, canonical: &[u8]) -> io::Result<()> {
        self.rows += 1;
        self.frame(Kind::Row, canonical)
    }

    pub(super) fn end_chain(&mut self) -> io::Result<()> {
        let counts = [self.seals.to_be_bytes(), self.rows.to_be_bytes()].concat();
        self.frame(Kind::End, &counts)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        let chains = self.chains.to_be_bytes();
        self.frame(Kind::Done, &chains)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        if payload.len() > MAX_AUDIT_FRAME_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "larger than anything that is written here",
            ));
        }
        let mut head = [kind as u8, 0, 0, 0, 0];
        head[1..].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.to.write_all(&head)?;
        self.to.write_all(payload)
    }
}

/// A frame, and where it stands.
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
    pub(super) at: u64,
}

/// Reads frames one after the other from a place on.
pub(super) struct Frames<'a> {
    source: &'a dyn Source,
    /// What was read, and not used from `begin` on.
    buffer: Vec<u8>,
    begin: usize,
    /// Where `buffer[begin]` is.
    offset: u64,
}

/// Bytes that are read at a time.
const READ_BYTES: usize = 512 * 1_024;

impl<'a> Frames<'a> {
    pub(super) const fn at(source: &'a dyn Source, offset: u64) -> Self {
        Self { source, buffer: Vec::new(), begin: 0, offset }
    }

    /// Where the next frame is.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes back, or forth.
    pub(super) fn go_to(&mut self, offset: u64) {
        let used = self.offset - self.begin as u64;
        match offset.checked_sub(used).and_then(|within| usize::try_from(within).ok()) {
            Some(within) if within <= self.buffer.len() => self.begin = within,
            _ => {
                self.buffer.clear();
                self.begin = 0;
            }
        }
        self.offset = offset;
    }

    /// What the next frame holds.
    pub(super) fn peek(&mut self) -> Result<Kind, Unreadable> {
        self.fill(FRAME_HEAD)?;
        Kind::of(self.buffer[self.begin]).ok_or(Unreadable::Malformed(self.offset))
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Result<Frame<'_>, Unreadable> {
        self.fill(FRAME_HEAD)?;
        let head = &self.buffer[self.begin..self.begin + FRAME_HEAD];
        let malformed = Unreadable::Malformed(self.offset);
        let Some(kind) = Kind::of(head[0]) else { return Err(malformed) };
        let length = u32::from_be_bytes(array(&head[1..])) as usize;
        if length > MAX_AUDIT_FRAME_BYTES {
            return Err(malformed);
        }
        self.fill(FRAME_HEAD + length)?;
        let (at, begin) = (self.offset, self.begin + FRAME_HEAD);
        self.begin = begin + length;
        self.offset += (FRAME_HEAD + length) as u64;
        Ok(Frame { kind, payload: &self.buffer[begin..begin + length], at })
    }

    fn fill(&mut self, count: usize) -> Result<(), Unreadable> {
        if self.buffer.len() - self.begin >= count {
            return Ok(());
        }
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let mut filled = self.buffer.len();
        self.buffer.resize(READ_BYTES.max(count), 0);
        while filled < count {
            let read = self.source.read_at(&mut self.buffer[filled..], self.offset + filled as u64);
            match read {
                Ok(0) => {
                    self.buffer.truncate(filled);
                    return Err(Unreadable::Cut(self.offset + filled as u64));
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(filled);
                    return Err(error.into());
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}

/// Reads what a file says of itself, and gives the frames behind that.
pub(super) fn open(source: &dyn Source) -> Result<(About, Frames<'_>), Unreadable> {
    let mut preamble = [0; PREAMBLE as usize];
    let mut filled = 0;
    while filled < preamble.len() {
        match source.read_at(&mut preamble[filled..], filled as u64)? {
            0 => return Err(Unreadable::NotATrail),
            read => filled += read,
        }
    }
    if preamble[..8] != *MAGIC {
        return Err(Unreadable::NotATrail);
    }
    let version = u16::from_be_bytes([preamble[8], preamble[9]]);
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let mut frames = Frames::at(source, PREAMBLE);
    let head = frames.next()?;
    let (Kind::Head, 25, Some(extent)) = (head.kind, head.payload.len(), head.payload.first()) else {
        return Err(Unreadable::Malformed(head.at));
    };
    let extent = match extent {
        0 => Extent::All,
        1 => Extent::Copy,
        _ => return Err(Unreadable::Malformed(head.at)),
    };
    let tenant = TenantId(Uuid::from_bytes(array(&head.payload[1..17])));
    let at = Timestamp::from_millis(i64::from_be_bytes(array(&head.payload[17..25])));
    let frame = frames.next()?;
    let fits = frame.kind == Kind::Keys && frame.payload.len() as u64 <= MAX_AUDIT_KEYS_BYTES;
    let keys = std::str::from_utf8(frame.payload).ok().filter(|_| fits);
    let keys = keys.and_then(|text| PublicKeys::parse(text).ok()).ok_or(Unreadable::Malformed(frame.at))?;
    Ok((About { extent, tenant, at, keys }, frames))
}

/// Reads the frame that a chain begins with; none where the file is done.
pub(super) fn section(frames: &mut Frames<'_>, tenant: TenantId) -> Result<Option<Section>, Unreadable> {
    let frame = frames.next()?;
    let at = frame.at;
    let section = match (frame.kind, frame.payload.len()) {
        (Kind::Done, 4) => None,
        (Kind::Chain, 50) => {
            let partition = Partition(u16::from_be_bytes(array(&frame.payload[..2])));
            let number = |at: usize| u64::from_be_bytes(array(&frame.payload[at..at + 8]));
            let (first, before, rows) = (number(2), Head(array(&frame.payload[10..42])), number(42));
            Some(Section { chain: ChainId { tenant, partition }, first, before, seals: 0, rows })
        }
        _ => return Err(Unreadable::Malformed(at)),
    };
    let seals = frames.offset();
    if section.is_some_and(|section| section.rows < seals) {
        return Err(Unreadable::Malformed(at));
    }
    Ok(section.map(|section| Section { seals, ..section }))
}

/// Goes through every row of a file, in its order.
///
/// # Errors
/// What [`Unreadable`] says, or what `each` does.
pub fn for_each_row(
    source: &dyn Source,
    mut each: impl FnMut(Canonical<'_>) -> io::Result<()>,
) -> Result<About, Unreadable> {
    let (about, mut frames) = open(source)?;
    while let Some(section) = section(&mut frames, about.tenant)? {
        frames.go_to(section.rows);
        loop {
            let frame = frames.next()?;
            match frame.kind {
                Kind::Row => {
                    let malformed = Unreadable::Malformed(frame.at);
                    each(Canonical::parse(frame.payload).map_err(|_| malformed)?)?;
                }
                Kind::End => break,
                _ => return Err(Unreadable::Malformed(frame.at)),
            }
        }
    }
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Writer<io::Cursor<Vec<u8>>> {
        let (extent, tenant, at) = (Extent::All, TenantId(Uuid::nil()), Timestamp::from_millis(0));
        let about = About { extent, tenant, at, keys: PublicKeys::default() };
        Writer::begin(io::Cursor::new(Vec::new()), &about).unwrap()
    }

    #[test]
    fn a_frame_is_as_large_as_it_may_be_and_no_larger_whoever_wrote_it() {
        let payload = vec![7; MAX_AUDIT_FRAME_BYTES + 1];
        let mut writer = begun();
        writer.frame(Kind::Row, &payload[1..]).unwrap();
        assert_eq!(writer.frame(Kind::Row, &payload).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let file = writer.finish().unwrap().into_inner();
        let (_, mut frames) = open(&file).unwrap();
        let at = frames.offset() as usize;
        assert_eq!(frames.next().unwrap().payload.len(), MAX_AUDIT_FRAME_BYTES);
        assert_eq!(frames.next().unwrap().kind, Kind::Done);

        // Somebody else has written one that is a byte longer.
        let mut longer = file;
        let length = u32::try_from(MAX_AUDIT_FRAME_BYTES + 1).unwrap();
        longer[at + 1..at + FRAME_HEAD].copy_from_slice(&length.to_be_bytes());
        let (_, mut frames) = open(&longer).unwrap();
        assert!(matches!(frames.next(), Err(Unreadable::Malformed(offset)) if offset == at as u64));
    }
}
