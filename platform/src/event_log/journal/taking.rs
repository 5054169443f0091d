//! Taking over what may still have appends in the journal.

use super::{shared::Shared, state::Scope};
use crate::event_log::Refusal;

/// While this is alive, nothing is journaled under the present owner of a scope.
pub(super) struct Taking<'a> {
    shared: &'a Shared,
    scope: Scope,
}

impl<'a> Taking<'a> {
    /// # Errors
    /// `Unavailable`: there are appends of the present owner that the store does not have yet, and would refuse.
    pub(super) fn begin(shared: &'a Shared, scope: Scope) -> Result<Self, Refusal> {
        shared.state.lock().begin_taking(scope)?;
        Ok(Self { shared, scope })
    }

    /// It is taken.
    pub(super) fn succeeded(&self) {
        self.shared.state.lock().taken(self.scope);
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().end_taking(self.scope);
    }
}
