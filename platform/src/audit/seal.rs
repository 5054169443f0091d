//! A seal: what was signed about a range of rows, and about all rows and seals before it. Pure.
//!
//! Version 1, all numbers big-endian:
//!
//! ```text
//! seal      = statement ‖ signature:64
//! statement = 1:u8 what:u8 tenant:16 partition:u16 number:u64 from:u64 to:u64 head:32 previous:32 at:i64 key:8
//!             digests:u32 digest:4 …
//! what      = 0: the rows from … to are these | 1: the rows up to `to` were forgotten, as their time was over
//! previous  = SHA-256(the seal before), 0 for the first
//! signature = Ed25519("telehealth audit seal 1" ‖ statement)
//! ```
//!
//! In the event log a seal is an event of the stream of its chain, as JSON that people can read.

use super::{
    chain::{ChainId, Head, RowDigest, array, hex, sha256, unhex},
    keys::{KeyId, PublicKeys, SIGNATURE_BYTES, Signer},
};
use crate::{
    event_log::{Category, NewEvent, Partition, RecordedEvent, StreamId},
    lane::Lane,
    limits::SEALED_ROWS,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The streams of seals: one for each chain.
pub const AUDIT_SEAL: Category = Category { name: "audit-seal", lane: Lane::Batch };

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"telehealth audit seal 1";

/// Bytes of a statement before its digests.
const FIXED: usize = 1 + 1 + 16 + 2 + 8 + 8 + 8 + 32 + 32 + 8 + 8 + 4;

/// Most bytes of a seal.
pub const MAX_SEAL_BYTES: usize = FIXED + 4 * SEALED_ROWS + SIGNATURE_BYTES;

/// What a seal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The rows of its range are these.
    Rows,
    /// The rows up to the end of its range were forgotten: their time was over.
    Forgotten,
}

/// A signed statement about rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal {
    /// About what.
    pub what: What,
    /// Of which chain.
    pub chain: ChainId,
    /// Its place among the chain's seals, from 1 without gaps: the version of its event.
    pub number: u64,
    /// The first row it is about.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// The chain's head after the last row that is sealed.
    pub head: Head,
    /// Hash of the seal before.
    pub previous: [u8; 32],
    /// When it was made.
    pub at: Timestamp,
    /// Who signed it.
    pub key: KeyId,
    /// One for each row of the range.
    pub digests: Vec<RowDigest>,
    /// Over all of that.
    pub signature: [u8; SIGNATURE_BYTES],
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal")
            .field("number", &self.number)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// The bytes are no seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no seal")]
pub struct NotASeal;

/// Why a seal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// Nobody knows its key.
    UnknownKey,
    /// Its key did not sign at that time.
    KeyNotValid,
    /// Its key has not signed it.
    Forged,
}

/// The stream of a chain's seals.
#[must_use]
pub fn stream(chain: ChainId) -> StreamId {
    StreamId { tenant: chain.tenant, category: AUDIT_SEAL, id: Uuid::from_u128(chain.partition.0.into()) }
}

impl Seal {
    /// Signs what was filled in; whatever stood in `key` and `signature` is replaced.
    #[must_use]
    pub fn sign(mut self, signer: &Signer) -> Self {
        self.key = signer.id();
        self.signature = signer.sign(&self.signed());
        self
    }

    /// Whether one of the keys has signed it.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, keys: &PublicKeys) -> Result<(), Unproven> {
        let key = keys.get(self.key).ok_or(Unproven::UnknownKey)?;
        if !key.verifies(&self.signed(), &self.signature) {
            return Err(Unproven::Forged);
        }
        if key.signed_at(self.at) { Ok(()) } else { Err(Unproven::KeyNotValid) }
    }

    /// What the next seal has as `previous`.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.bytes())
    }

    /// It as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED + 4 * self.digests.len() + SIGNATURE_BYTES);
        self.statement(&mut bytes);
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    fn signed(&self) -> Vec<u8> {
        let mut signed = DOMAIN.to_vec();
        self.statement(&mut signed);
        signed
    }

    fn statement(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&[VERSION, matches!(self.what, What::Forgotten).into()]);
        to.extend_from_slice(self.chain.tenant.0.as_bytes());
        to.extend_from_slice(&self.chain.partition.0.to_be_bytes());
        for number in [self.number, self.from, self.to] {
            to.extend_from_slice(&number.to_be_bytes());
        }
        to.extend_from_slice(&self.head.0);
        to.extend_from_slice(&self.previous);
        to.extend_from_slice(&self.at.as_millis().to_be_bytes());
        to.extend_from_slice(&self.key.0);
        to.extend_from_slice(&u32::try_from(self.digests.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.digests.iter().for_each(|digest| to.extend_from_slice(digest));
    }

    /// Reads what [`Self::bytes`] wrote, or somebody else. Says nothing about its signature.
    ///
    /// # Errors
    /// It is no seal of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotASeal> {
        let mut rest = bytes;
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at_checked(count).ok_or(NotASeal)?;
            rest = left;
            Ok::<_, NotASeal>(taken)
        };
        let what = match take(2)? {
            [VERSION, 0] => What::Rows,
            [VERSION, 1] => What::Forgotten,
            _ => return Err(NotASeal),
        };
        let tenant = TenantId(Uuid::from_bytes(array(take(16)?)));
        let partition = Partition(u16::from_be_bytes(array(take(2)?)));
        let mut number = || take(8).map(|bytes| u64::from_be_bytes(array(bytes)));
        let (of, from, to) = (number()?, number()?, number()?);
        let (head, previous) = (Head(array(take(32)?)), array(take(32)?));
        let at = Timestamp::from_millis(i64::from_be_bytes(array(take(8)?)));
        let key = KeyId(array(take(8)?));
        let count = u32::from_be_bytes(array(take(4)?)) as usize;
        if count > SEALED_ROWS {
            return Err(NotASeal);
        }
        let digests = take(4 * count)?.chunks_exact(4).map(array).collect();
        let signature = array(take(SIGNATURE_BYTES)?);
        let chain = ChainId { tenant, partition };
        let seal = Self { what, chain, number: of, from, to, head, previous, at, key, digests, signature };
        if rest.is_empty() && seal.is_sound() { Ok(seal) } else { Err(NotASeal) }
    }

    /// Whether its numbers fit together.
    fn is_sound(&self) -> bool {
        let counted = match self.what {
            What::Rows => self.to.checked_sub(self.from).and_then(|more| more.checked_add(1)),
            What::Forgotten => Some(0),
        };
        let fits = counted == Some(self.digests.len() as u64) && self.digests.len() <= SEALED_ROWS;
        fits && (1..=self.to).contains(&self.from) && self.number > 0
    }

    /// It as an event.
    #[must_use]
    pub fn event(&self) -> NewEvent {
        let body = Body {
            number: self.number,
            from: self.from,
            to: self.to,
            head: hex(&self.head.0),
            previous: hex(&self.previous),
            at: self.at,
            key: hex(&self.key.0),
            digests: STANDARD.encode(self.digests.concat()),
            signature: hex(&self.signature),
        };
        let kind = match self.what {
            What::Rows => "sealed",
            What::Forgotten => "forgotten",
        };
        let body = serde_json::to_string(&body).unwrap_or_default();
        NewEvent { kind, schema: 1, body, phi: None, effective: None }
    }

    /// Reads an event of a chain's stream. Says nothing about its signature.
    ///
    /// # Errors
    /// It is no seal.
    pub fn of_event(chain: ChainId, event: &RecordedEvent) -> Result<Self, NotASeal> {
        let what = match (event.kind.as_str(), event.schema) {
            ("sealed", 1) => What::Rows,
            ("forgotten", 1) => What::Forgotten,
            _ => return Err(NotASeal),
        };
        let body: Body = serde_json::from_str(&event.body).map_err(|_| NotASeal)?;
        let digests = STANDARD.decode(&body.digests).map_err(|_| NotASeal)?;
        if digests.len() % 4 != 0 {
            return Err(NotASeal);
        }
        let seal = Self {
            what,
            chain,
            number: body.number,
            from: body.from,
            to: body.to,
            head: Head(unhex(&body.head).ok_or(NotASeal)?),
            previous: unhex(&body.previous).ok_or(NotASeal)?,
            at: body.at,
            key: KeyId(unhex(&body.key).ok_or(NotASeal)?),
            digests: digests.chunks_exact(4).map(array).collect(),
            signature: unhex(&body.signature).ok_or(NotASeal)?,
        };
        if seal.is_sound() && seal.number == event.version.0 { Ok(seal) } else { Err(NotASeal) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    number: u64,
    from: u64,
    to: u64,
    head: String,
    previous: String,
    at: Timestamp,
    key: String,
    digests: String,
    signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event_log::Version, limits::MAX_EVENT_BYTES};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const CHAIN: ChainId = ChainId { tenant: TenantId(Uuid::from_u128(9)), partition: Partition(1) };

    fn seal(rows: usize) -> Seal {
        Seal {
            what: What::Rows,
            chain: CHAIN,
            number: 4,
            from: 11,
            to: 10 + rows as u64,
            head: CHAIN.genesis(),
            previous: [3; 32],
            at: NOW,
            key: KeyId([0; 8]),
            digests: (0..rows as u32).map(u32::to_be_bytes).collect(),
            signature: [0; SIGNATURE_BYTES],
        }
    }

    fn recorded(seal: &Seal) -> RecordedEvent {
        let NewEvent { kind, schema, body, phi, .. } = seal.event();
        let version = Version(seal.number);
        RecordedEvent { version, kind: kind.to_owned(), schema, body, phi, at: NOW, effective: NOW }
    }

    #[test]
    fn a_seal_comes_back_from_bytes_and_from_its_event_up_to_the_limit() {
        let signer = Signer::ephemeral(NOW);
        for rows in [1, SEALED_ROWS] {
            let seal = seal(rows).sign(&signer);
            assert_eq!(Seal::parse(&seal.bytes()).unwrap(), seal);
            assert_eq!(Seal::of_event(CHAIN, &recorded(&seal)).unwrap(), seal);
            assert_eq!(seal.verify(signer.public_keys()), Ok(()));
            assert!(seal.bytes().len() <= MAX_SEAL_BYTES && seal.event().body.len() <= MAX_EVENT_BYTES);
        }
        let past = seal(SEALED_ROWS + 1).sign(&signer);
        assert!(Seal::parse(&past.bytes()).is_err() && Seal::of_event(CHAIN, &recorded(&past)).is_err());
    }

    #[test]
    fn each_altered_bit_of_a_seal_is_noticed() {
        let signer = Signer::ephemeral(NOW);
        let bytes = seal(3).sign(&signer).bytes();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let judged = Seal::parse(&altered).map(|seal| seal.verify(signer.public_keys()));
            assert!(!matches!(judged, Ok(Ok(()))), "bit {bit}");
        }
    }

    #[test]
    fn why_a_seal_proves_nothing_is_told_apart() {
        let (signer, other) = (Signer::ephemeral(NOW), Signer::ephemeral(NOW));
        let unknown = seal(1).sign(&other);
        assert_eq!(unknown.verify(signer.public_keys()), Err(Unproven::UnknownKey));
        let claims = Seal { key: signer.id(), ..unknown };
        assert_eq!(claims.verify(signer.public_keys()), Err(Unproven::Forged));
        let before = Timestamp::from_millis(NOW.as_millis() - 1);
        let early = Seal { at: before, ..seal(1) }.sign(&signer);
        assert_eq!(early.verify(signer.public_keys()), Err(Unproven::KeyNotValid));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_a_seal_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..400), body in ".{0,200}",
        ) {
            let _ = Seal::parse(&bytes);
            let mut with_head = vec![VERSION, 0];
            with_head.extend(bytes);
            let _ = Seal::parse(&with_head);
            let event = RecordedEvent { body, ..recorded(&seal(1)) };
            prop_assert!(Seal::of_event(CHAIN, &event).is_err());
        }
    }
}
