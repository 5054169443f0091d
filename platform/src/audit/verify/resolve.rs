//! From rows that are missing and rows that are too much to what was done: moved, edited, deleted, inserted.

use super::{
    report::{Finding, Kind, Report},
    rows::Note,
};
use crate::{audit::chain::RowDigest, event_log::Partition, limits::MAX_AUDIT_FINDINGS};
use model::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// A row that was sealed and does not stand there.
#[derive(Clone, Copy)]
pub(super) struct Missing {
    pub(super) number: u64,
    pub(super) digest: Option<RowDigest>,
    /// When it was sealed.
    pub(super) sealed: Timestamp,
    /// The time of the row before it.
    pub(super) before: Option<Timestamp>,
    /// Behind it nothing that was sealed is there.
    pub(super) tail: bool,
}

/// A row that stands where it was not sealed.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub(super) note: Note,
    /// The number that was sealed there.
    pub(super) place: u64,
    /// It stands behind all that was sealed: nothing is wrong with it, unless it is a row that is missing.
    pub(super) unsealed: bool,
}

pub(super) struct Resolver {
    partition: Partition,
    hunk: usize,
    missing: Vec<(usize, Missing)>,
    extra: Vec<(usize, Extra)>,
    /// Ranges that something was said about.
    covered: Vec<(u64, u64)>,
    uncounted: u64,
}

impl Resolver {
    pub(super) const fn new(partition: Partition) -> Self {
        Self { partition, hunk: 0, missing: Vec::new(), extra: Vec::new(), covered: Vec::new(), uncounted: 0 }
    }

    /// What comes now is another place of damage.
    pub(super) const fn next_hunk(&mut self) {
        self.hunk += 1;
    }

    pub(super) fn missing(&mut self, missing: Missing) {
        self.cover(missing.number, missing.number);
        if self.missing.len() < MAX_AUDIT_FINDINGS {
            self.missing.push((self.hunk, missing));
        } else {
            self.uncounted += 1;
        }
    }

    /// Whether any row is missing.
    pub(super) const fn misses(&self) -> bool {
        !self.missing.is_empty()
    }

    pub(super) fn extra(&mut self, extra: Extra) {
        self.cover(extra.place, extra.place);
        if self.extra.len() < MAX_AUDIT_FINDINGS {
            self.extra.push((self.hunk, extra));
        } else {
            self.uncounted += 1;
        }
    }

    /// Something is said about these rows.
    pub(super) fn cover(&mut self, from: u64, to: u64) {
        if let Some(last) = self.covered.last_mut().filter(|last| (last.0..=last.1 + 1).contains(&from)) {
            last.1 = last.1.max(to);
        } else if self.covered.len() < MAX_AUDIT_FINDINGS {
            self.covered.push((from, to));
        }
    }

    pub(super) fn has_within(&self, from: u64, to: u64) -> bool {
        self.covered.iter().rev().any(|covered| covered.0 <= to && covered.1 >= from)
    }

    /// Says what was done.
    pub(super) fn resolve(self, report: &mut Report) {
        let Self { partition, missing, extra, uncounted, .. } = self;
        let mut findings = Vec::new();
        // First what is there after all, only somewhere else.
        let mut elsewhere = HashMap::<RowDigest, VecDeque<usize>>::new();
        for (index, (_, extra)) in extra.iter().enumerate() {
            elsewhere.entry(extra.note.digest).or_default().push_back(index);
        }
        let mut used = vec![false; extra.len()];
        let mut hunks = BTreeMap::<usize, (Vec<Missing>, Vec<Extra>)>::new();
        for (hunk, missing) in missing {
            let found = missing.digest.and_then(|digest| elsewhere.get_mut(&digest)?.pop_front());
            let Some(index) = found else {
                hunks.entry(hunk).or_default().0.push(missing);
                continue;
            };
            used[index] = true;
            let Extra { note, place, .. } = extra[index].1;
            if place == missing.number {
                // Only what is around it was moved.
                continue;
            }
            findings.push(Finding {
                now: Some(note.stored),
                at: Some(note.at),
                sealed: Some(missing.sealed),
                ..Finding::new(Kind::Reordered, partition, missing.number, missing.number)
            });
        }
        for ((hunk, extra), used) in extra.into_iter().zip(used) {
            if !used && !extra.unsealed {
                hunks.entry(hunk).or_default().1.push(extra);
            }
        }
        // Then place by place: a row for a row was edited, the rest is gone or was put in.
        for (missing, extra) in hunks.into_values() {
            let edited = missing.len().min(extra.len());
            for (missing, extra) in missing.iter().zip(&extra) {
                findings.push(Finding {
                    at: Some(extra.note.at),
                    sealed: Some(missing.sealed),
                    ..Finding::new(Kind::Edited, partition, missing.number, missing.number)
                });
            }
            for missing in &missing[edited..] {
                let kind = if missing.tail { Kind::Truncated } else { Kind::Deleted };
                findings.push(Finding {
                    at: missing.before,
                    sealed: Some(missing.sealed),
                    ..Finding::new(kind, partition, missing.number, missing.number)
                });
            }
            for extra in &extra[edited..] {
                let stored = extra.note.stored;
                findings.push(Finding {
                    at: Some(extra.note.at),
                    now: (stored != extra.place).then_some(stored),
                    ..Finding::new(Kind::Inserted, partition, extra.place, extra.place)
                });
            }
        }
        findings.sort_by_key(|finding| (finding.from, finding.kind));
        for finding in merged(findings) {
            report.find(finding);
        }
        report.more += uncounted;
    }
}

/// Rows beside each other to which the same was done, as one.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        match merged.last_mut() {
            Some(last)
                if last.kind == finding.kind
                    && finding.kind != Kind::Inserted
                    && finding.kind != Kind::Reordered
                    && finding.from == last.to + 1 =>
            {
                last.to = finding.to;
            }
            _ => merged.push(finding),
        }
    }
    merged
}
