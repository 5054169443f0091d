//! Seats: which of a participant's connections is the current one.

use model::{Generation, ParticipantId};
use std::collections::BTreeMap;

/// The seats of one stream, by participant. Each join takes the next generation, on disk, so that a
/// connection that was replaced stays replaced after a restart.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    generations: BTreeMap<ParticipantId, Generation>,
}

impl Seats {
    /// The current generation; zero before anybody joined.
    #[must_use]
    pub fn generation(&self, participant: ParticipantId) -> Generation {
        self.generations.get(&participant).copied().unwrap_or_default()
    }

    pub(crate) fn take(&mut self, participant: ParticipantId, generation: Generation) {
        self.generations.insert(participant, generation);
    }
}
