//! Each question, judged by who asks, carried out, and answered once.

use super::{
    Shared,
    stream::{Out, StreamId},
};
use crate::{
    Key, limits,
    protocol::{Ask, Tell},
};
use model::{Epoch, Phi};
use platform::trace;
use sfu_core::port::{Affinity, Answer, Claim, Connect, MediaError, MediaEvent, SessionId};
use std::sync::Arc;
use tokio::{task::JoinSet, time::timeout};

impl Shared {
    /// A message came on a stream. What takes time becomes a call; the rest is done here, in order.
    pub(super) fn asked(self: &Arc<Self>, by: StreamId, out: &Out, calls: &mut JoinSet<()>, ask: Ask) {
        match ask {
            Ask::Hello { .. } | Ask::Beat | Ask::Unknown => {}
            Ask::Claim { call, tenant, affinity, epoch } => {
                let key = (tenant, Affinity(affinity.as_u128()));
                let claimed = self.claim(key, epoch, by);
                self.begin(call, out, calls, claimed, |shared, out| async move {
                    shared.answer_claim(call, &out, key, epoch, by).await
                });
            }
            Ask::Connect {
                call,
                tenant,
                affinity,
                epoch,
                participant,
                direction,
                room,
                offer,
                traceparent,
            } => {
                let affinity = Affinity(affinity.as_u128());
                let key = (tenant, affinity);
                let may = self.claims.lock().may(key, epoch, by);
                let (direction, offer) = (direction.into(), offer.into_exposed());
                let connect = Connect { tenant, participant, affinity, direction, room, offer };
                self.begin(call, out, calls, may, |shared, out| async move {
                    let answered = shared.answer_connect(call, &out, key, epoch, by, connect);
                    trace::scope(traceparent, answered).await
                });
            }
            Ask::Restart { call, session, epoch, offer } => {
                let session = SessionId(session);
                let may = self.claims.lock().may_touch(session, epoch, by);
                self.begin(call, out, calls, may, |shared, out| async move {
                    let answer = shared.media.restart(session, offer.into_exposed());
                    let Answer { session, sdp } = in_time(answer).await?;
                    shared.reply(&out, Tell::Answer { call, session: session.0, sdp: Phi::new(sdp) });
                    Ok(())
                });
            }
            Ask::Seat { call, session, epoch, room, traceparent } => {
                let session = SessionId(session);
                let may = self.claims.lock().may_touch(session, epoch, by);
                let seated = || trace::in_scope(traceparent, || self.media.seat(session, room));
                self.done(call, out, may.and_then(|()| seated()));
            }
            Ask::SetSharer { call, tenant, affinity, epoch, room, sharer } => {
                let affinity = Affinity(affinity.as_u128());
                let may = self.claims.lock().may((tenant, affinity), epoch, by);
                let set = may.and_then(|()| self.media.set_sharer(tenant, affinity, room, sharer));
                self.done(call, out, set);
            }
            Ask::Disconnect { call, session, epoch } => {
                let session = SessionId(session);
                let may = self.claims.lock().may_touch(session, epoch, by);
                self.done(call, out, may.map(|()| self.media.disconnect(session)));
            }
        }
    }

    /// Begins what takes time, unless it may not be or is too much.
    fn begin<F>(
        self: &Arc<Self>,
        call: u64,
        out: &Out,
        calls: &mut JoinSet<()>,
        may: Result<(), MediaError>,
        work: impl FnOnce(Arc<Self>, Out) -> F,
    ) where
        F: Future<Output = Result<(), MediaError>> + Send + 'static,
    {
        let may = may
            .and_then(|()| if calls.len() < limits::NODE_QUESTIONS { Ok(()) } else { Err(MediaError::Busy) });
        if let Err(error) = may {
            return self.refuse(call, out, &error);
        }
        let work = work(Arc::clone(self), out.clone());
        let (shared, out) = (Arc::clone(self), out.clone());
        calls.spawn(async move {
            if let Err(error) = work.await {
                shared.refuse(call, &out, &error);
            }
        });
    }

    fn claim(&self, key: Key, epoch: Epoch, by: StreamId) -> Result<(), MediaError> {
        let Some(older) = self.claims.lock().claim(key, epoch, by)? else { return Ok(()) };
        let out = self.streams.lock().get(&older).cloned();
        if let Some(out) = out {
            let (tenant, affinity) = (key.0, uuid::Uuid::from_u128(key.1.0));
            self.reply(&out, Tell::Fenced { tenant, affinity, epoch });
        }
        Ok(())
    }

    async fn answer_claim(
        &self,
        call: u64,
        out: &Out,
        (tenant, affinity): Key,
        epoch: Epoch,
        by: StreamId,
    ) -> Result<(), MediaError> {
        let existing = in_time(self.media.claim(Claim { tenant, affinity, epoch })).await?;
        let mut claims = self.claims.lock();
        claims.may((tenant, affinity), epoch, by)?;
        let mut early = Vec::new();
        for existing in &existing {
            early.extend(claims.belongs(existing.session, (tenant, affinity)));
        }
        let sessions = existing.into_iter().map(Into::into).collect();
        // In this order and under the lock: what happens from now on is told after.
        self.reply(out, Tell::Claimed { call, sessions });
        self.reply_events(out, early);
        Ok(())
    }

    async fn answer_connect(
        &self,
        call: u64,
        out: &Out,
        key: Key,
        epoch: Epoch,
        by: StreamId,
        connect: Connect,
    ) -> Result<(), MediaError> {
        let Answer { session, sdp } = in_time(self.media.connect(connect)).await?;
        let mut claims = self.claims.lock();
        if let Err(error) = claims.may(key, epoch, by) {
            drop(claims);
            self.media.disconnect(session);
            return Err(error);
        }
        let early = claims.belongs(session, key);
        self.reply(out, Tell::Answer { call, session: session.0, sdp: Phi::new(sdp) });
        self.reply_events(out, early);
        Ok(())
    }

    fn done(&self, call: u64, out: &Out, result: Result<(), MediaError>) {
        match result {
            Ok(()) => self.reply(out, Tell::Done { call }),
            Err(error) => self.refuse(call, out, &error),
        }
    }

    fn refuse(&self, call: u64, out: &Out, error: &MediaError) {
        if *error == MediaError::Fenced {
            self.metrics.fenced();
        }
        self.reply(out, Tell::Refused { call, error: error.into() });
    }

    fn reply(&self, out: &Out, tell: Tell) {
        if !out.send(tell) {
            self.cut(out);
        }
    }

    fn reply_events(&self, out: &Out, events: Vec<MediaEvent>) {
        for tell in events.into_iter().filter_map(event) {
            self.reply(out, tell);
        }
    }
}

/// An event as it stands on the stream.
pub(super) fn event(event: MediaEvent) -> Option<Tell> {
    Some(match event {
        MediaEvent::Connected { session, transport } => Tell::Connected { session: session.0, transport },
        MediaEvent::Closed { session, reason } => Tell::Closed { session: session.0, reason },
        MediaEvent::Slots { session, slots, screen } => Tell::Slots { session: session.0, slots, screen },
        MediaEvent::Quality { session, quality } => Tell::Quality {
            session: session.0,
            estimate: quality.estimate,
            sent: quality.sent,
            received: quality.received,
            loss: quality.loss,
            rtt_ms: quality.rtt_ms,
        },
        // Who finds is the process, not the node.
        MediaEvent::Found { .. } => return None,
    })
}

async fn in_time<T>(answer: impl Future<Output = Result<T, MediaError>>) -> Result<T, MediaError> {
    timeout(limits::CALL_WITHIN, answer).await.unwrap_or(Err(MediaError::Busy))
}
