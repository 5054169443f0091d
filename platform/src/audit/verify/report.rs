//! What a verification has found.

use crate::{
    audit::file::{About, Extent},
    event_log::Partition,
    limits::MAX_AUDIT_FINDINGS,
};
use model::{TenantId, Timestamp};

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
    /// Rows that were forgotten when their time was over, as a seal says.
    pub forgotten: u64,
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
            forgotten: 0,
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
