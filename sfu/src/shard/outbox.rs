//! What a shard has to tell and could not yet: the queue to the control side is bounded and a shard
//! never waits. State changes are kept, the newest of a kind per session; samples are dropped.

use sfu_core::port::MediaEvent;
use std::collections::VecDeque;
use tokio::sync::mpsc::{Sender, error::TrySendError};

pub(crate) struct Outbox {
    to: Sender<MediaEvent>,
    waiting: VecDeque<MediaEvent>,
}

impl Outbox {
    pub(crate) fn new(to: Sender<MediaEvent>) -> Self {
        Self { to, waiting: VecDeque::new() }
    }

    pub(crate) fn tell(&mut self, event: MediaEvent) {
        if self.waiting.is_empty() {
            match self.to.try_send(event) {
                Err(TrySendError::Full(event)) => self.keep(event),
                Ok(()) | Err(TrySendError::Closed(_)) => {}
            }
        } else {
            self.keep(event);
        }
    }

    /// Tries again; whether everything is told.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(event) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(event)) = self.to.try_send(event) {
                self.waiting.push_front(event);
                return false;
            }
        }
        true
    }

    fn keep(&mut self, event: MediaEvent) {
        match &event {
            MediaEvent::Quality { .. } => return,
            MediaEvent::Slots { session, .. } => {
                self.waiting.retain(|w| !matches!(w, MediaEvent::Slots { session: s, .. } if s == session));
            }
            MediaEvent::Closed { session, .. } => self.waiting.retain(|w| w.session() != *session),
            MediaEvent::Connected { .. } | MediaEvent::Found { .. } => {}
        }
        self.waiting.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::port::{ClosedReason, Quality, SessionId, Transport};

    fn slots(session: u64, count: usize) -> MediaEvent {
        MediaEvent::Slots { session: SessionId(session), slots: vec![None; count], screen: None }
    }

    #[test]
    fn a_full_queue_keeps_state_and_drops_samples() {
        let (to, mut from) = tokio::sync::mpsc::channel(1);
        let mut outbox = Outbox::new(to);
        let connected = |n| MediaEvent::Connected { session: SessionId(n), transport: Transport::Udp };
        let closed = |n| MediaEvent::Closed { session: SessionId(n), reason: ClosedReason::Peer };
        outbox.tell(connected(1));
        outbox.tell(MediaEvent::Quality { session: SessionId(1), quality: Quality::default() });
        outbox.tell(slots(1, 1));
        outbox.tell(connected(2));
        outbox.tell(slots(2, 2));
        outbox.tell(slots(1, 3));
        outbox.tell(closed(2));
        assert!(!outbox.flush());
        let mut told = Vec::new();
        loop {
            while let Ok(event) = from.try_recv() {
                told.push(event);
            }
            if outbox.flush() && from.is_empty() {
                break;
            }
        }
        assert_eq!(told, [connected(1), slots(1, 3), closed(2)]);
    }
}
