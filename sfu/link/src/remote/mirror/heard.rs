//! What the node says.

use super::{asked::What, *};
use crate::protocol::Tell;
use sfu_core::port::Quality;

impl Mirror {
    /// Takes a message. State changes are kept for [`Mirror::event`]; a sample is returned.
    pub(in crate::remote) fn heard(&mut self, tell: Tell, now: Instant) -> Option<MediaEvent> {
        match tell {
            Tell::Hello(_) | Tell::Unknown => {}
            Tell::Load(load) => {
                self.placed = 0;
                if let Some(hello) = &mut self.hello {
                    hello.load = load;
                }
            }
            Tell::Claimed { call, sessions } => {
                let asked = self.answered(call, now, Ok(()))?;
                if let What::Todo(Todo::Claim(key)) = asked.what {
                    self.resync(key, sessions);
                }
            }
            Tell::Answer { call, session, sdp } => {
                if let Some(asked) = self.answered(call, now, Ok(())) {
                    self.answer(asked, session, sdp.into_exposed());
                }
            }
            Tell::Done { call } => drop(self.answered(call, now, Ok(()))),
            Tell::Refused { call, error } => self.refused(call, now, &error.error()),
            Tell::Fenced { tenant, affinity, epoch } => {
                let key = (tenant, sfu_core::port::Affinity(affinity.as_u128()));
                if self.claims.get(&key).is_some_and(|held| held.epoch < epoch) {
                    self.fence(key, now);
                }
            }
            Tell::Connected { session, transport } => {
                let (session, known) = self.known(session)?;
                known.connected = Some(transport);
                self.told.push_back(MediaEvent::Connected { session, transport });
            }
            Tell::Closed { session, reason } => {
                let (session, _) = self.known(session)?;
                self.close(session, reason);
            }
            Tell::Slots { session, slots, screen } => {
                let (session, known) = self.known(session)?;
                known.shown = Some(Shown { slots: slots.clone(), screen });
                self.told.push_back(MediaEvent::Slots { session, slots, screen });
            }
            Tell::Quality { session, estimate, sent, received, loss, rtt_ms } => {
                let (session, _) = self.known(session)?;
                let quality = Quality { estimate, sent, received, loss, rtt_ms };
                return Some(MediaEvent::Quality { session, quality });
            }
        }
        None
    }

    /// What the node calls a session, unless nobody wants to hear of it.
    fn known(&mut self, remote: u64) -> Option<(SessionId, &mut Known)> {
        let session = *self.remote.get(&remote)?;
        Some((session, self.sessions.get_mut(&session)?))
    }

    fn answered(&mut self, call: u64, now: Instant, outcome: Result<(), &MediaError>) -> Option<Asked> {
        let asked = self.asked.remove(&call)?;
        let took = asked.at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        self.metrics.answered(asked.kind(), outcome, took);
        Some(asked)
    }

    fn answer(&mut self, asked: Asked, remote: u64, sdp: String) {
        match asked.what {
            What::Connect { participant, direction, room, waiter } => {
                let session = match self.known(remote) {
                    // A claim that was answered meanwhile has listed it already.
                    Some((session, known)) => {
                        known.unanswered = false;
                        session
                    }
                    None => self.add(Known {
                        key: asked.key,
                        remote,
                        participant,
                        direction,
                        room,
                        connected: None,
                        trace: None,
                        shown: None,
                        unanswered: false,
                        ending: false,
                        lost: false,
                    }),
                };
                if waiter.send(Ok(Answer { session, sdp })).is_err() {
                    // Whoever asked has given up: nobody will use it.
                    self.disconnect(session);
                }
            }
            What::Restart { session, waiter } => {
                let _ = waiter.send(Ok(Answer { session, sdp }));
            }
            What::Todo(_) => {}
        }
    }

    fn refused(&mut self, call: u64, now: Instant, error: &MediaError) {
        let Some(asked) = self.answered(call, now, Err(error)) else { return };
        let newest = self.claims.get(&asked.key).is_some_and(|held| held.epoch == asked.epoch);
        if *error == MediaError::Fenced && newest {
            self.fence(asked.key, now);
        }
        match asked.what {
            What::Connect { waiter, .. } | What::Restart { waiter, .. } => {
                let _ = waiter.send(Err(error.clone()));
            }
            What::Todo(todo) => self.cannot_be(todo, error),
        }
    }

    fn cannot_be(&mut self, todo: Todo, error: &MediaError) {
        match (todo, error) {
            (Todo::End(session), MediaError::NoSuchSession) => self.close(session, ClosedReason::Asked),
            (Todo::Seat(session), MediaError::NoSuchSession) => self.close(session, ClosedReason::Failed),
            (_, MediaError::Fenced | MediaError::NoSuchSession) => {}
            _ => {
                self.later.insert(todo);
            }
        }
    }

    /// Somebody else has it now. Its sessions go on, and are no longer ours to say anything of.
    fn fence(&mut self, key: Key, now: Instant) {
        let Some(held) = self.claims.get_mut(&key) else { return };
        if held.fenced.is_none() {
            held.fenced = Some(now);
            self.metrics.fenced();
        }
        for waiter in std::mem::take(&mut held.waiters) {
            let _ = waiter.send(Err(MediaError::Fenced));
        }
    }
}
