//! The seals of a chain, judged one after the other, as windows of rows that they are about.

use super::report::{Finding, Kind, Pruned, Report};
use crate::audit::{
    chain::{Head, RowDigest},
    file::{Extent, Frames, Kind as FrameKind, Section, Source, Unreadable},
    keys::PublicKeys,
    seal::{Seal, Unproven, What},
};
use crate::limits::MIN_AUDIT_RETENTION;
use model::Timestamp;
use std::sync::Arc;

/// Rows that a proven seal is about, and those before it that only missing seals were about.
#[derive(Clone)]
pub(super) struct Window {
    /// The first row.
    pub(super) from: u64,
    /// The first that there is a digest of.
    known: u64,
    /// The last row.
    pub(super) to: u64,
    /// The head before the first row.
    pub(super) start: Head,
    /// The head after the last one.
    pub(super) end: Head,
    /// When it was sealed.
    pub(super) at: Timestamp,
    /// The seal is not in the file, but known from somewhere else.
    pub(super) anchored: bool,
    digests: Vec<RowDigest>,
}

impl Window {
    /// What was sealed of a row, where that is known.
    pub(super) fn digest(&self, number: u64) -> Option<RowDigest> {
        let index = number.checked_sub(self.known)?;
        self.digests.get(usize::try_from(index).ok()?).copied()
    }
}

/// The last seal that is proven.
#[derive(Clone, Copy)]
struct Last {
    number: u64,
    to: u64,
    head: Head,
    /// Its hash; not known of the one before a copy.
    hash: Option<[u8; 32]>,
}

pub(super) struct Windows<'a> {
    source: &'a dyn Source,
    frames: Frames<'a>,
    section: Section,
    keys: &'a PublicKeys,
    anchor: Option<&'a Seal>,
    last: Last,
    /// Up to which number it was said why there is no seal.
    explained: u64,
    /// Up to which row rows were forgotten, and when, as proven seals say: each further than the one before.
    forgotten: Arc<[(u64, Timestamp)]>,
    went_back: bool,
    done: bool,
    extent: Extent,
}

impl<'a> Windows<'a> {
    /// Looks at once which rows were forgotten: the seal that says so stands behind those about the rows.
    pub(super) fn new(
        source: &'a dyn Source,
        section: &Section,
        extent: Extent,
        keys: &'a PublicKeys,
        anchor: Option<&'a Seal>,
        report: &mut Report,
    ) -> Result<Self, Unreadable> {
        let partition = section.chain.partition;
        let mut forgotten: Vec<(u64, Timestamp)> = Vec::new();
        let mut frames = Frames::at(source, section.seals);
        while frames.offset() < section.rows {
            let frame = frames.next()?;
            if frame.kind == FrameKind::Seal && frame.payload.get(1) == Some(&1) {
                let seal = Seal::parse(frame.payload).ok().filter(|seal| seal.verify(keys).is_ok());
                let ours = seal.filter(|seal| seal.chain == section.chain);
                let known = forgotten.last().map_or(0, |(to, _)| *to);
                forgotten.extend(ours.filter(|seal| seal.to > known).map(|seal| (seal.to, seal.at)));
            }
        }
        if frames.offset() != section.rows {
            return Err(Unreadable::Malformed(section.rows));
        }
        let (mut number, mut before, mut to) = (0, section.chain.genesis(), 0);
        if extent == Extent::Copy {
            // What came before it is elsewhere. That the head it begins with is right, its own head shows.
            (number, before) = (section.first.saturating_sub(1), section.before);
            to = Self::first_row(source, section)?.saturating_sub(1);
        } else if section.first != 1 {
            let last = section.first.saturating_sub(1);
            report.find(Finding::new(Kind::SealMissing, partition, 1, last.max(1)));
        }
        if let Some((to, at)) = forgotten.last().copied() {
            report.pruned.push(Pruned { partition, to, at });
        }
        let hash = (number == 0).then_some([0; 32]);
        Ok(Self {
            source,
            frames: Frames::at(source, section.seals),
            section: *section,
            keys,
            anchor: anchor.filter(|_| extent == Extent::All),
            last: Last { number, to, head: before, hash },
            explained: number,
            forgotten: forgotten.into(),
            went_back: false,
            done: false,
            extent,
        })
    }

    fn first_row(source: &dyn Source, section: &Section) -> Result<u64, Unreadable> {
        let mut frames = Frames::at(source, section.seals);
        let frame = frames.next()?;
        let seal = Seal::parse(frame.payload).ok().filter(|_| frame.kind == FrameKind::Seal);
        Ok(seal.map_or(1, |seal| seal.from))
    }

    /// The same from here on, to look ahead with.
    pub(super) fn ahead(&self) -> Self {
        let forgotten = Arc::clone(&self.forgotten);
        Self { frames: Frames::at(self.source, self.frames.offset()), forgotten, ..*self }
    }

    /// Rows up to this number were forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.last().map_or(0, |(to, _)| *to)
    }

    /// When the rows up to one were forgotten.
    fn forgotten_at(&self, row: u64) -> Option<Timestamp> {
        let index = self.forgotten.partition_point(|(to, _)| *to < row);
        self.forgotten.get(index).map(|(_, at)| *at)
    }

    /// The last row under a proven seal so far.
    pub(super) const fn sealed_to(&self) -> u64 {
        self.last.to
    }

    pub(super) const fn section(&self) -> &Section {
        &self.section
    }

    /// The next window. What is wrong with seals before it goes into the report, if there is one.
    pub(super) fn next(&mut self, mut report: Option<&mut Report>) -> Result<Option<Window>, Unreadable> {
        while self.frames.offset() < self.section.rows {
            let frame = self.frames.next()?;
            let (kind, at) = (frame.kind, frame.at);
            let seal = match kind {
                FrameKind::Seal => Seal::parse(frame.payload).ok(),
                FrameKind::Unreadable => None,
                _ => return Err(Unreadable::Malformed(at)),
            };
            if let Some(window) = self.judge(seal, report.as_deref_mut()) {
                return Ok(Some(window));
            }
        }
        Ok(self.beyond(report))
    }

    /// A window, if what stands here is a seal that is proven, of this chain, new, and about rows.
    fn judge(&mut self, seal: Option<Seal>, mut report: Option<&mut Report>) -> Option<Window> {
        let partition = self.section.chain.partition;
        let expected = self.last.number.max(self.explained) + 1;
        let mut find = |finding: Finding| {
            if let Some(report) = report.as_deref_mut() {
                report.find(finding);
            }
        };
        let Some(seal) = seal.filter(|seal| seal.chain == self.section.chain) else {
            find(Finding::new(Kind::SealForged, partition, expected, expected));
            self.explained = expected;
            return None;
        };
        let of_seal = |kind| Finding {
            sealed: Some(seal.at),
            ..Finding::new(kind, partition, seal.number, seal.number)
        };
        if let Err(unproven) = seal.verify(self.keys) {
            find(of_seal(match unproven {
                Unproven::Forged => Kind::SealForged,
                Unproven::UnknownKey => Kind::UnknownKey,
                Unproven::KeyNotValid => Kind::KeyNotValid,
            }));
            self.explained = self.explained.max(expected);
            return None;
        }
        let about_rows = seal.what == What::Rows;
        let stale = seal.number <= self.last.number || (about_rows && seal.from <= self.last.to);
        if stale {
            // Signed, and yet not behind the one before: of another course of things.
            find(Finding {
                kind: Kind::RolledBack,
                from: seal.from,
                to: seal.to,
                ..of_seal(Kind::RolledBack)
            });
            return None;
        }
        if seal.number > expected {
            find(Finding::new(Kind::SealMissing, partition, expected, seal.number - 1));
        }
        let next = seal.number == self.last.number + 1;
        if next && self.last.hash.is_some_and(|hash| hash != seal.previous) {
            find(Finding { from: seal.from, to: seal.to, ..of_seal(Kind::RolledBack) });
        }
        if let Some(anchor) = self.anchor {
            let another = anchor.number == seal.number && anchor.hash() != seal.hash();
            let later = anchor.number > seal.number && seal.at > anchor.at;
            if (another || later) && !self.went_back {
                self.went_back = true;
                let from = seal.from.min(anchor.from);
                find(Finding { from, to: anchor.to.max(from), ..of_seal(Kind::RolledBack) });
            }
        }
        // How long they were kept, the seals themselves say.
        let forgotten = self.forgotten_at(seal.to).filter(|_| about_rows && self.extent == Extent::All);
        if let Some(at) = forgotten.filter(|at| *at < seal.at || at.since(seal.at) < MIN_AUDIT_RETENTION) {
            let (from, to) = (seal.from, seal.to);
            find(Finding { at: Some(at), from, to, ..of_seal(Kind::PrunedEarly) });
        }
        if let Some(report) = report {
            report.seals += 1;
            report.sealed_at = report.sealed_at.max(Some(seal.at));
        }
        self.explained = seal.number;
        self.take(&seal, false)
    }

    fn take(&mut self, seal: &Seal, anchored: bool) -> Option<Window> {
        let Last { to, head, .. } = self.last;
        (self.last.number, self.last.hash) = (seal.number, Some(seal.hash()));
        if seal.what == What::Forgotten {
            return None;
        }
        (self.last.to, self.last.head) = (seal.to, seal.head);
        Some(Window {
            from: to + 1,
            known: seal.from,
            to: seal.to,
            start: head,
            end: seal.head,
            at: seal.at,
            anchored,
            digests: seal.digests.clone(),
        })
    }

    /// What is known from somewhere else to come behind the last seal.
    fn beyond(&mut self, report: Option<&mut Report>) -> Option<Window> {
        let anchor = self.anchor.filter(|seal| seal.number > self.last.number && !self.done)?;
        self.done = true;
        if let Some(report) = report {
            let (partition, from) = (self.section.chain.partition, self.explained + 1);
            if from <= anchor.number {
                report.find(Finding {
                    sealed: Some(anchor.at),
                    ..Finding::new(Kind::SealMissing, partition, from, anchor.number)
                });
            }
        }
        if anchor.what == What::Forgotten || anchor.from <= self.last.to {
            return None;
        }
        self.take(anchor, true)
    }

    /// Whether it is a copy of one seal, whose rows are all there is.
    pub(super) fn is_copy(&self) -> bool {
        self.extent == Extent::Copy
    }
}
