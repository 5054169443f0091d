//! Lanes: work that hurts when it waits never waits behind work that does not.
//!
//! Three cores decide about work at a process's door, one of each kind of question: [`gate`] (now, later or not at
//! all?), [`overload`] (how much of a lane's workers may be used while the whole process is behind?) and
//! [`deadline`] (until when does anybody wait for it?). None of them decides by a clock of its own. [`task`] says in
//! which lane the work of a task is, behind the door too.

use std::fmt;

pub mod deadline;
pub mod gate;
pub mod overload;
pub mod task;

/// How urgent work is. Lanes share no queue, no connection and no worker, so that a flood in one does
/// not move the others. Earlier lanes are served first and shed last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lane {
    /// Somebody is looking at the screen and waits for it.
    Critical,
    /// Has to happen soon; nobody stares at it.
    Standard,
    /// May take the night.
    Batch,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Standard, Self::Batch];

    /// Its name in configuration, metrics and subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Standard => "standard",
            Self::Batch => "batch",
        }
    }

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Lane;

    #[test]
    fn lanes_stand_in_order_of_urgency() {
        assert!(Lane::ALL.is_sorted());
        for (index, lane) in Lane::ALL.into_iter().enumerate() {
            assert_eq!(lane.index(), index);
        }
    }
}
