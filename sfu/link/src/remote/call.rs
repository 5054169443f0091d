//! Questions that somebody waits for: bounded in time, and nothing is left behind when nobody waits any more.

use super::Shared;
use crate::limits;
use sfu_core::port::{Answer, Claim, Connect, Existing, MediaError, SessionId};
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::timeout};

type Answered = Result<Answer, MediaError>;

pub(super) async fn claim(shared: &Arc<Shared>, claim: Claim) -> Result<Vec<Existing>, MediaError> {
    let (waiter, answer) = oneshot::channel();
    shared.mirror.lock().claim(claim, Some(waiter));
    shared.wake.notify_one();
    in_time(shared, "claim", limits::CLAIM_WITHIN, answer).await
}

pub(super) async fn connect(shared: &Arc<Shared>, connect: Connect) -> Answered {
    let (waiter, answer) = oneshot::channel();
    shared.mirror.lock().connect(connect, waiter)?;
    shared.wake.notify_one();
    let mut pending = Pending { shared, answer };
    in_time(shared, "connect", limits::CALL_WITHIN, &mut pending.answer).await
}

pub(super) async fn restart(shared: &Arc<Shared>, session: SessionId, offer: String) -> Answered {
    let (waiter, answer) = oneshot::channel();
    shared.mirror.lock().restart(session, offer, waiter)?;
    shared.wake.notify_one();
    in_time(shared, "restart", limits::CALL_WITHIN, answer).await
}

/// An answer that takes too long is as good as none; so is one whose stream broke.
async fn in_time<T>(
    shared: &Shared,
    kind: &'static str,
    within: Duration,
    answer: impl Future<Output = Result<Result<T, MediaError>, oneshot::error::RecvError>>,
) -> Result<T, MediaError> {
    match timeout(within, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(MediaError::Busy),
        Err(_) => {
            shared.deps.metrics.timed_out(kind);
            Err(MediaError::Busy)
        }
    }
}

/// A connect that is waited for. If nobody waits any more when the answer comes, its session ends.
struct Pending<'a> {
    shared: &'a Arc<Shared>,
    answer: oneshot::Receiver<Answered>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(answer)) = self.answer.try_recv() {
            self.shared.mirror.lock().disconnect(answer.session);
            self.shared.wake.notify_one();
        }
    }
}
