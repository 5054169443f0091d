//! The canonical bytes of a row, and the chain over them. Pure.
//!
//! Version 1, all numbers big-endian:
//!
//! ```text
//! row     = 1:u8 tenant:16 partition:u16 number:u64 at:i64 action:text actor:id subject:id body:text phi:text?
//! text    = length:u32 bytes          text? = 0:u8 | 1:u8 text          id = 0:u8 | 1:u8 uuid:16
//! h_0     = SHA-256("telehealth audit chain 1" ‖ tenant ‖ partition)
//! h_i     = SHA-256(h_{i-1} ‖ length of row i:u32 ‖ row i)
//! digest  = the first 4 bytes of SHA-256(row with number 0)
//! ```
//!
//! PHI goes in as it is stored: where it is encrypted, shredding its key leaves the chain as it was.

use crate::event_log::{AuditRow, Partition};
use aws_lc_rs::digest::{Context, SHA256, digest};
use model::{TenantId, Timestamp};
use uuid::Uuid;

/// Version of the canonical bytes.
const VERSION: u8 = 1;

/// Where a row's number stands in its canonical bytes.
const NUMBER: std::ops::Range<usize> = 19..27;

/// Where its time stands.
const AT: std::ops::Range<usize> = 27..35;

/// A link of the chain: all rows up to one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head(pub [u8; 32]);

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Head({})", hex(&self.0[..4]))
    }
}

/// What a seal remembers of each row: enough to say which of them is not what it was. Does not depend on the row's
/// number, so that a row that was moved is recognised.
pub type RowDigest = [u8; 4];

/// Which chain: one for each tenant and partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// Whose.
    pub tenant: TenantId,
    /// Of which partition.
    pub partition: Partition,
}

impl ChainId {
    /// The head before the first row.
    #[must_use]
    pub fn genesis(self) -> Head {
        let mut context = Context::new(&SHA256);
        context.update(b"telehealth audit chain 1");
        context.update(self.tenant.0.as_bytes());
        context.update(&self.partition.0.to_be_bytes());
        Head(finish(context))
    }
}

impl Head {
    /// The head after a row, given its canonical bytes, as if its number were the one given.
    #[must_use]
    pub fn after(self, row: Canonical<'_>, number: u64) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(&u32::try_from(row.0.len()).unwrap_or(u32::MAX).to_be_bytes());
        row.feed(&mut context, number);
        Self(finish(context))
    }
}

/// A row's canonical bytes, known to be well formed.
#[derive(Clone, Copy)]
pub struct Canonical<'a>(&'a [u8]);

/// The bytes are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no audit row")]
pub struct NotARow;

impl std::fmt::Debug for Canonical<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Canonical").field("number", &self.number()).finish_non_exhaustive()
    }
}

impl<'a> Canonical<'a> {
    /// Looks at bytes that somebody else wrote.
    ///
    /// # Errors
    /// They are not the canonical bytes of any row of this version.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotARow> {
        let mut fields = Fields(bytes);
        fields.row(false)?;
        if fields.0.is_empty() { Ok(Self(bytes)) } else { Err(NotARow) }
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Its number, as it is stored.
    #[must_use]
    pub fn number(self) -> u64 {
        u64::from_be_bytes(array(&self.0[NUMBER]))
    }

    /// When it was decided.
    #[must_use]
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(i64::from_be_bytes(array(&self.0[AT])))
    }

    /// What a seal remembers of it.
    #[must_use]
    pub fn digest(self) -> RowDigest {
        let mut context = Context::new(&SHA256);
        self.feed(&mut context, 0);
        array(&finish(context)[..4])
    }

    /// Whose it says it is.
    #[must_use]
    pub fn chain(self) -> ChainId {
        ChainId {
            tenant: TenantId(Uuid::from_bytes(array(&self.0[1..17]))),
            partition: Partition(u16::from_be_bytes(array(&self.0[17..19]))),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// Its texts are not UTF-8.
    pub fn row(self) -> Result<AuditRow, NotARow> {
        let mut fields = Fields(self.0);
        let row = fields.row(true)?;
        row.ok_or(NotARow)
    }

    fn feed(self, context: &mut Context, number: u64) {
        context.update(&self.0[..NUMBER.start]);
        context.update(&number.to_be_bytes());
        context.update(&self.0[NUMBER.end..]);
    }
}

/// Writes a row's canonical bytes behind what is there.
pub fn encode(tenant: TenantId, row: &AuditRow, to: &mut Vec<u8>) {
    to.push(VERSION);
    to.extend_from_slice(tenant.0.as_bytes());
    to.extend_from_slice(&row.partition.0.to_be_bytes());
    to.extend_from_slice(&row.number.to_be_bytes());
    to.extend_from_slice(&row.at.as_millis().to_be_bytes());
    text(&row.action, to);
    for id in [row.actor, row.subject] {
        match id {
            Some(id) => {
                to.push(1);
                to.extend_from_slice(id.as_bytes());
            }
            None => to.push(0),
        }
    }
    text(&row.body, to);
    match &row.phi {
        Some(phi) => {
            to.push(1);
            text(phi, to);
        }
        None => to.push(0),
    }
}

fn text(text: &str, to: &mut Vec<u8>) {
    // Rows are some 64 KiB at most; a longer text would be cut in its length and so be no row for whoever reads.
    to.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// Reads fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The whole row if it is wanted, or only whether it is one.
    fn row(&mut self, wanted: bool) -> Result<Option<AuditRow>, NotARow> {
        if self.take(1)? != [VERSION] {
            return Err(NotARow);
        }
        self.take(16)?;
        let partition = Partition(u16::from_be_bytes(array(self.take(2)?)));
        let number = u64::from_be_bytes(array(self.take(8)?));
        let at = Timestamp::from_millis(i64::from_be_bytes(array(self.take(8)?)));
        let action = self.text()?;
        let (actor, subject) = (self.id()?, self.id()?);
        let body = self.text()?;
        let phi = if self.flag()? { Some(self.text()?) } else { None };
        if !wanted {
            return Ok(None);
        }
        let owned = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| NotARow);
        let (action, body) = (owned(action)?, owned(body)?);
        let phi = phi.map(owned).transpose()?;
        Ok(Some(AuditRow { partition, number, at, action, actor, subject, body, phi }))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NotARow> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NotARow)?;
        self.0 = rest;
        Ok(taken)
    }

    fn flag(&mut self) -> Result<bool, NotARow> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(NotARow),
        }
    }

    fn text(&mut self) -> Result<&'a [u8], NotARow> {
        let length = u32::from_be_bytes(array(self.take(4)?));
        self.take(usize::try_from(length).map_err(|_| NotARow)?)
    }

    fn id(&mut self) -> Result<Option<Uuid>, NotARow> {
        Ok(if self.flag()? { Some(Uuid::from_bytes(array(self.take(16)?))) } else { None })
    }
}

fn finish(context: Context) -> [u8; 32] {
    array(context.finish().as_ref())
}

/// SHA-256 of bytes.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest(&SHA256, bytes).as_ref())
}

/// As many bytes as there are: callers slice to the length.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// Lower case, two digits a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads what [`hex`] wrote.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHAIN: ChainId = ChainId { tenant: TenantId(Uuid::from_u128(0x11)), partition: Partition(2) };

    fn row() -> AuditRow {
        AuditRow {
            partition: CHAIN.partition,
            number: 3,
            at: Timestamp::from_millis(0x0102_0304),
            action: "a.b".to_owned(),
            actor: None,
            subject: Some(Uuid::from_u128(0x22)),
            body: "{}".to_owned(),
            phi: Some("p".to_owned()),
        }
    }

    fn bytes(row: &AuditRow) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(CHAIN.tenant, row, &mut bytes);
        bytes
    }

    /// Written by hand from the description above: what an auditor's own program has to come to.
    #[test]
    fn the_canonical_bytes_are_as_described() {
        let tenant = "00000000000000000000000000000011";
        let subject = "00000000000000000000000000000022";
        let wanted = format!(
            "01{tenant}0002 0000000000000003 0000000001020304 00000003612e62 00 01{subject} 000000027b7d 01 0000000170"
        );
        assert_eq!(hex(&bytes(&row())), wanted.replace(' ', ""));
    }

    #[test]
    fn a_head_is_of_the_head_before_the_length_and_the_row() {
        let bytes = bytes(&row());
        let canonical = Canonical::parse(&bytes).unwrap();
        let before = CHAIN.genesis();
        let mut by_hand = before.0.to_vec();
        by_hand.extend((bytes.len() as u32).to_be_bytes());
        by_hand.extend(&bytes);
        assert_eq!(before.after(canonical, 3).0, sha256(&by_hand));
        assert_ne!(before.after(canonical, 4), before.after(canonical, 3));
        let mut first = b"telehealth audit chain 1".to_vec();
        first.extend([0; 15]);
        first.extend([0x11, 0, 2]);
        assert_eq!(before.0, sha256(&first));
    }

    #[test]
    fn every_field_moves_the_head_and_all_but_the_number_the_digest() {
        let same = bytes(&row());
        let same = Canonical::parse(&same).unwrap();
        let changes: [fn(&mut AuditRow); 8] = [
            |row| row.at = row.at + std::time::Duration::from_millis(1),
            |row| row.action.push('c'),
            |row| row.actor = Some(Uuid::nil()),
            |row| row.subject = None,
            |row| row.body.push(' '),
            |row| row.phi = None,
            |row| row.phi = Some(String::new()),
            |row| row.partition = Partition(3),
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut other = row();
            change(&mut other);
            let other = bytes(&other);
            let other = Canonical::parse(&other).unwrap();
            assert_ne!(CHAIN.genesis().after(other, 3), CHAIN.genesis().after(same, 3), "{n}");
            assert_ne!(other.digest(), same.digest(), "{n}");
        }
        let moved = bytes(&AuditRow { number: 9, ..row() });
        let moved = Canonical::parse(&moved).unwrap();
        assert_eq!((moved.digest(), moved.number()), (same.digest(), 9));
    }

    #[test]
    fn hexadecimal_is_read_as_it_was_written() {
        assert_eq!(unhex::<3>(&hex(&[0, 0xab, 0xff])), Some([0, 0xab, 0xff]));
        for bad in ["", "00", "0000", "00abfg", "00abfff", "00abé"] {
            assert_eq!(unhex::<3>(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_row_comes_back_as_it_was(
            number: u64, at: i64, action in ".{0,40}", actor: Option<u128>, subject: Option<u128>,
            body in ".{0,200}", phi in proptest::option::of(".{0,200}"),
        ) {
            let row = AuditRow {
                partition: CHAIN.partition, number, at: Timestamp::from_millis(at), action,
                actor: actor.map(Uuid::from_u128), subject: subject.map(Uuid::from_u128), body, phi,
            };
            let bytes = bytes(&row);
            let canonical = Canonical::parse(&bytes).unwrap();
            prop_assert_eq!((canonical.number(), canonical.at(), canonical.chain()), (number, row.at, CHAIN));
            prop_assert!(canonical.row().unwrap() == row);
            // Not one byte less or more.
            prop_assert!(Canonical::parse(&bytes[..bytes.len() - 1]).is_err());
            let more = [bytes.as_slice(), &[0]].concat();
            prop_assert!(Canonical::parse(&more).is_err());
        }

        #[test]
        fn whatever_stands_there_is_a_row_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(canonical) = Canonical::parse(&bytes) {
                let _ = canonical.row();
            }
        }
    }
}
