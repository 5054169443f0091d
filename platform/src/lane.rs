//! How urgent work is. Each lane has workers, connections and queues of its own from the socket to the disk, so that
//! a flood in one does not move another.

/// A lane, most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Somebody waits for it in a visit: admission, chat, emergency access.
    Critical,
    /// Somebody waits for it at a screen: booking, search.
    Standard,
    /// Nobody waits for it: imports, reports, reminders.
    Batch,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Standard, Self::Batch];

    /// As it is called in metrics and subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Standard => "standard",
            Self::Batch => "batch",
        }
    }
}
