//! What a verification has found.

use crate::{
    audit::file::{About, Extent},
    event_log::Partition,
    limits::MAX_AUDIT_FINDINGS,
};
use model::{TenantId, Timestamp};
use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A row is not what was sealed in its place.
    Edited,
    /// One of these rows is not what was sealed, and which one cannot be told.
    Altered,
    /// A row that was sealed is not there.
    Deleted,
    /// A row is there that was not sealed.
    Inserted,
    /// A row stands where it was not sealed.
    Reordered,
    /// Rows carry numbers that they were not sealed with.
    Renumbered,
    /// The newest rows are not there, although they were sealed.
    Truncated,
    /// The trail went on from an earlier state: what was sealed after that is not there, and something else is.
    RolledBack,
    /// Seals are not there.
    SealMissing,
    /// What should be a seal is none, or was not signed by the key that it names.
    SealForged,
    /// A seal is signed by a key that nobody knows.
    UnknownKey,
    /// A seal is signed by a key that did not sign at that time.
    KeyNotValid,
    /// Rows were pruned before their time, as the seals say.
    PrunedEarly,
}

impl Kind {
    /// Whether a finding's numbers are of seals, and not of rows.
    #[must_use]
    pub const fn is_of_seals(self) -> bool {
        matches!(self, Self::SealMissing | Self::SealForged | Self::UnknownKey | Self::KeyNotValid)
    }

    /// Its name, for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Altered => "altered",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Renumbered => "renumbered",
            Self::Truncated => "truncated",
            Self::RolledBack => "rolled-back",
            Self::SealMissing => "seal-missing",
            Self::SealForged => "seal-forged",
            Self::UnknownKey => "unknown-key",
            Self::KeyNotValid => "key-not-valid",
            Self::PrunedEarly => "pruned-early",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// In which partition.
    pub partition: Partition,
    /// The first row, as it was sealed, or the first seal.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// Where they are now, where that is somewhere else: the number of the first.
    pub now: Option<u64>,
    /// The time that stands in the first row, if there is one; of a row that is not there, in the one before it.
    pub at: Option<Timestamp>,
    /// When they were sealed.
    pub sealed: Option<Timestamp>,
}

impl Finding {
    pub(crate) const fn new(kind: Kind, partition: Partition, from: u64, to: u64) -> Self {
        Self { kind, partition, from, to, now: None, at: None, sealed: None }
    }
}

/// Rows behind the last seal of a chain. Nothing is wrong with them, and nothing is proven of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// In which partition.
    pub partition: Partition,
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// The earliest time in them.
    pub since: Timestamp,
}

/// Rows of a chain that were pruned when their time was over, as signed seals say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// In which partition.
    pub partition: Partition,
    /// From the first row to this one.
    pub to: u64,
    /// When a seal said so for the last time.
    pub at: Timestamp,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whose trail it is.
    pub tenant: TenantId,
    /// When the file says that it was written.
    pub at: Timestamp,
    /// All, or a copy of one seal.
    pub extent: Extent,
    /// The keys were given, and did not come with the file.
    pub keys_given: bool,
    /// Rows in it.
    pub rows: u64,
    /// Seals that are proven.
    pub seals: u64,
    /// Of each chain of which any were.
    pub pruned: Vec<Pruned>,
    /// When the newest of its seals was made.
    pub sealed_at: Option<Timestamp>,
    /// Of each chain.
    pub unsealed: Vec<Unsealed>,
    /// What is wrong, in the order of partitions.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub more: u64,
}

impl Report {
    pub(crate) const fn new(about: &About, keys_given: bool) -> Self {
        Self {
            tenant: about.tenant,
            at: about.at,
            extent: about.extent,
            keys_given,
            rows: 0,
            seals: 0,
            pruned: Vec::new(),
            sealed_at: None,
            unsealed: Vec::new(),
            findings: Vec::new(),
            more: 0,
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_AUDIT_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, partition, from, to, now, at, sealed } = *self;
        let noun = if kind.is_of_seals() { "seal" } else { "row" };
        if from == to {
            write!(f, "{noun} {from}")?;
        } else {
            write!(f, "{noun}s {from} to {to}")?;
        }
        write!(f, " of partition {}: {}", partition.0, kind.sentence())?;
        if let Some(now) = now {
            write!(f, "; now at {now}")?;
        }
        match (kind, at) {
            (_, None) => {}
            (Kind::PrunedEarly, Some(at)) => write!(f, "; pruned {}", Utc(at))?,
            (Kind::Deleted | Kind::Truncated | Kind::RolledBack, Some(at)) => {
                write!(f, "; the row before is of {}", Utc(at))?;
            }
            (_, Some(at)) => write!(f, "; it says {}", Utc(at))?,
        }
        if let Some(sealed) = sealed {
            write!(f, "; sealed {}", Utc(sealed))?;
        }
        Ok(())
    }
}

impl Kind {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Edited => "edited: not what was sealed",
            Self::Altered => "one or more of them are not what was sealed; which, cannot be told",
            Self::Deleted => "deleted: sealed, and not there",
            Self::Inserted => "inserted: there, and never sealed",
            Self::Reordered => "reordered: not where it was sealed",
            Self::Renumbered => "renumbered: not the numbers they were sealed with",
            Self::Truncated => "truncated: the newest rows were sealed, and are not there",
            Self::RolledBack => "rolled back: the trail went on from an earlier state",
            Self::SealMissing => "missing",
            Self::SealForged => "forged: not signed by the key it names, or no seal at all",
            Self::UnknownKey => "signed by a key that nobody here knows",
            Self::KeyNotValid => "signed by a key at a time at which it did not sign",
            Self::PrunedEarly => "pruned before their time, by a signed seal",
        }
    }
}

/// A time as people write it, in UTC: `2026-11-23T17:27:10.250Z` (RFC 3339).
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
        let (year, month, day) = civil(days);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, ms) = (of_day / 1_000 % 60, of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar: years begin in March, so that
/// the leap day is the last.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day = of_era - (365 * of_year + of_year / 4 - of_year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (of_year + era * 400 + (month <= 2) as i64, month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_735_689_599_999, "2024-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Utc(Timestamp::from_millis(ms)).to_string(), text);
        }
        // Whatever stands there.
        let _ = (Utc(Timestamp(i64::MIN)).to_string(), Utc(Timestamp(i64::MAX)).to_string());
    }

    #[test]
    fn a_finding_is_a_sentence_with_its_rows_and_times() {
        let day = Timestamp::from_millis(951_782_400_000);
        let finding = Finding::new(Kind::Edited, Partition(2), 7, 7);
        let finding = Finding { at: Some(day), sealed: Some(day), ..finding };
        let wanted = "row 7 of partition 2: edited: not what was sealed; it says 2000-02-29T00:00:00.000Z; \
                      sealed 2000-02-29T00:00:00.000Z";
        assert_eq!(finding.to_string(), wanted);
        let seals = Finding::new(Kind::SealMissing, Partition(0), 3, 5);
        assert_eq!(seals.to_string(), "seals 3 to 5 of partition 0: missing");
    }

    #[test]
    fn findings_are_listed_up_to_the_limit_and_counted_beyond_it() {
        let about = About {
            extent: Extent::All,
            tenant: TenantId(uuid::Uuid::nil()),
            at: Timestamp(0),
            keys: crate::audit::PublicKeys::default(),
        };
        let mut report = Report::new(&about, true);
        assert!(report.is_clean());
        for row in 1..=MAX_AUDIT_FINDINGS as u64 + 1 {
            report.find(Finding::new(Kind::Edited, Partition(0), row, row));
        }
        assert_eq!((report.findings.len(), report.more, report.is_clean()), (MAX_AUDIT_FINDINGS, 1, false));
    }
}
