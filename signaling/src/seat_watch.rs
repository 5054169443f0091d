//! Whether those who hold a seat by their account may still have it: whom an administrator lets in no more, and who has
//! signed out, sees no patient any longer. Looked at by the process that owns the waiting room.

use crate::{limits, shared::Shared};
use signaling_core::token::{Bearer, HeldBy};
use std::{sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};

/// Whether whoever holds it may have it no more. Who has it by a link keeps it. While nobody can say, everybody does: a store
/// that is away ends no visit.
pub(crate) async fn is_lost(shared: &Shared, bearer: &Bearer, within: Duration) -> bool {
    let (Some(people), Some(held_by)) = (&shared.people, bearer.held_by) else { return false };
    let asked = people.keeps_seat(bearer.tenant, held_by, bearer.waiting_room);
    matches!(timeout(within, asked).await, Ok(Ok(false)))
}

/// Ends when the seat is lost.
pub(crate) async fn until_lost(shared: Arc<Shared>, bearer: Bearer, held_by: HeldBy) {
    loop {
        sleep(limits::SEAT_LOOK).await;
        if is_lost(&shared, &bearer, limits::ASK_TIMEOUT).await {
            break;
        }
    }
    tracing::info!(
        waiting_room.id = %bearer.waiting_room, account.id = %held_by.account.0,
        "Somebody has lost their seat: they may have it no more"
    );
}
