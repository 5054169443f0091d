//! How long the store is waited for.

use crate::limits::{PROBE_PAUSE, REPLAY_PATIENCE, STORE_PATIENCE};
use std::time::Duration;

/// How long the store is waited for. The default is what services use.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until an urgent append counts as unanswered: [`STORE_PATIENCE`].
    pub store: Duration,
    /// Until one replay, or a question whether the store is back, does: [`REPLAY_PATIENCE`].
    pub replay: Duration,
    /// Between two such questions: [`PROBE_PAUSE`].
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { store: STORE_PATIENCE, replay: REPLAY_PATIENCE, pause: PROBE_PAUSE }
    }
}
