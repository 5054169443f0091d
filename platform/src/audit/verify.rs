//! Whether a trail is what was sealed, and if it is not, which rows are not. Needs a file and keys, and nothing else.
//!
//! ```text
//! seals ──proven──▶ windows of rows ─┐
//!                                    ├─▶ the chain over the rows comes to the head that was signed: next window
//! rows ──────────────────────────────┘   it does not: digests are laid beside each other, and what differs is named
//! ```
//!
//! Nothing is believed that is not signed. A row's own number is not: rows are taken in their order, each as the number
//! that was sealed in its place, so that somebody who renumbers what comes behind a deleted row hides nothing, and only
//! that row is said to be missing. Memory is bounded, however long the trail is.
//!
//! Reading order: [`report`], `windows`, `rows`, `align`.

use super::{
    file::{self, About, Extent, Section, Source, Unreadable},
    keys::PublicKeys,
    seal::Seal,
};
use crate::limits::MAX_AUDIT_ANCHORS;
use align::Alignment;
use file::{Frames, Kind as FrameKind};
use model::TenantId;
use rows::Rows;
use std::collections::BTreeMap;
use windows::Windows;

mod align;
pub mod report;
mod resolve;
mod rows;
mod windows;

pub use report::{Finding, Kind, Pruned, Report, Unsealed};

use super::chain::ChainId;

/// Seals that are known from somewhere else: of each chain the newest.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    newest: BTreeMap<ChainId, Seal>,
    unproven: u64,
}

/// There are more chains than anchors may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are seals of more than {MAX_AUDIT_ANCHORS} chains")]
pub struct TooMany;

impl Anchors {
    /// Takes a seal that one of the keys has signed; the others are counted.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn add(&mut self, seal: Seal, keys: &PublicKeys) -> Result<(), TooMany> {
        if seal.verify(keys).is_err() {
            self.unproven += 1;
            return Ok(());
        }
        let known = self.newest.get(&seal.chain);
        if known.is_none() && self.newest.len() >= MAX_AUDIT_ANCHORS {
            return Err(TooMany);
        }
        if known.is_none_or(|known| known.number < seal.number) {
            self.newest.insert(seal.chain, seal);
        }
        Ok(())
    }

    /// Takes the seals of a file: a copy out of a second place, or an export of before.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn add_file(&mut self, source: &dyn Source, keys: Option<&PublicKeys>) -> Result<(), Unreadable> {
        let (about, mut frames) = file::open(source)?;
        let keys = keys.unwrap_or(&about.keys);
        while let Some(section) = file::section(&mut frames, about.tenant)? {
            while frames.offset() < section.rows {
                let frame = frames.next()?;
                let malformed = Unreadable::Malformed(frame.at);
                if frame.kind == FrameKind::Seal
                    && let Ok(seal) = Seal::parse(frame.payload)
                {
                    self.add(seal, keys).map_err(|_| malformed)?;
                }
            }
            skip_rows(&mut frames)?;
        }
        Ok(())
    }

    /// Seals that were not taken, because none of the keys has signed them.
    #[must_use]
    pub const fn unproven(&self) -> u64 {
        self.unproven
    }

    /// How many of a tenant there are.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> usize {
        self.newest.keys().filter(|chain| chain.tenant == tenant).count()
    }
}

fn skip_rows(frames: &mut Frames<'_>) -> Result<(), Unreadable> {
    loop {
        match frames.next()?.kind {
            FrameKind::Row => {}
            FrameKind::End => return Ok(()),
            _ => return Err(Unreadable::Malformed(frames.offset())),
        }
    }
}

/// Looks at a file from its beginning to its end. Without `keys`, those that came with the file are taken, and then it
/// proves only that the file fits together.
///
/// # Errors
/// It cannot be read as an audit trail.
pub fn verify(
    source: &dyn Source,
    keys: Option<&PublicKeys>,
    anchors: &Anchors,
) -> Result<Report, Unreadable> {
    let (about, mut frames) = file::open(source)?;
    let mut report = Report::new(&about, keys.is_some());
    let keys = keys.unwrap_or(&about.keys);
    let mut seen = Vec::new();
    while let Some(section) = file::section(&mut frames, about.tenant)? {
        if seen.contains(&section.chain) {
            return Err(Unreadable::Malformed(section.seals));
        }
        seen.push(section.chain);
        let anchor = anchors.newest.get(&section.chain);
        frames.go_to(chain(source, &about, &section, keys, anchor, &mut report)?);
    }
    if about.extent == Extent::All {
        let gone = anchors.newest.values().filter(|seal| seal.chain.tenant == about.tenant);
        for seal in gone.filter(|seal| !seen.contains(&seal.chain)) {
            report.find(Finding {
                sealed: Some(seal.at),
                ..Finding::new(Kind::Truncated, seal.chain.partition, 1, seal.to)
            });
        }
    }
    Ok(report)
}

/// One chain. Answers where the next one begins.
fn chain(
    source: &dyn Source,
    about: &About,
    section: &Section,
    keys: &PublicKeys,
    anchor: Option<&Seal>,
    report: &mut Report,
) -> Result<u64, Unreadable> {
    let windows = Windows::new(source, section, about.extent, keys, anchor, report)?;
    let mut alignment = Alignment::new(windows, Rows::new(source, section), report);
    alignment.run()?;
    alignment.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{
            Signer,
            keys::{KeyId, SIGNATURE_BYTES},
            seal::What,
        },
        event_log::Partition,
    };
    use model::Timestamp;
    use uuid::Uuid;

    #[test]
    fn seals_of_so_many_chains_anchor_a_verification_and_of_no_more() {
        let signer = Signer::ephemeral(Timestamp::from_millis(0));
        let seal = |n: usize, number| {
            let chain = ChainId { tenant: TenantId(Uuid::from_u128(n as u128)), partition: Partition(0) };
            let seal = Seal {
                what: What::Rows,
                chain,
                number,
                from: 1,
                to: 1,
                head: chain.genesis(),
                previous: [0; 32],
                at: Timestamp::from_millis(1),
                key: KeyId([0; 8]),
                digests: vec![[0; 4]],
                signature: [0; SIGNATURE_BYTES],
            };
            seal.sign(&signer)
        };
        let (mut anchors, keys) = (Anchors::default(), signer.public_keys());
        for n in 0..MAX_AUDIT_ANCHORS {
            assert_eq!(anchors.add(seal(n, 1), keys), Ok(()), "{n}");
        }
        assert_eq!(anchors.add(seal(MAX_AUDIT_ANCHORS, 1), keys), Err(TooMany));
        assert_eq!(anchors.add(seal(7, 2), keys), Ok(()), "a later one of a chain that is known");
        assert_eq!(anchors.newest.len(), MAX_AUDIT_ANCHORS);
    }
}
