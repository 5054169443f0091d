//! Media planes that misbehave.

use model::{ParticipantId, RoomId, TenantId};
use sfu_core::port::{
    Affinity, Answer, Claim, Connect, Existing, MediaError, MediaNode, PortFuture, SessionId,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes every offer and answers none.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) asked: AtomicUsize,
}

impl MediaNode for Silent {
    fn claim(&self, _: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn connect(&self, _: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::pending())
    }

    fn restart(&self, _: SessionId, _: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(std::future::pending())
    }

    fn seat(&self, _: SessionId, _: Option<RoomId>) -> Result<(), MediaError> {
        Err(MediaError::Busy)
    }

    fn set_sharer(
        &self,
        _: TenantId,
        _: Affinity,
        _: RoomId,
        _: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        Err(MediaError::Busy)
    }

    fn disconnect(&self, _: SessionId) {}
}
