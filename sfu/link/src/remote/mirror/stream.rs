//! The stream comes up, asks, and goes down.

use super::*;

impl Mirror {
    /// The stream is up. If the node began anew, everything it had is gone.
    pub(in crate::remote) fn up(&mut self, hello: Hello) {
        let boot = self.hello.as_ref().map(|hello| hello.boot);
        if boot.is_some_and(|boot| boot != hello.boot) {
            let gone: Vec<_> = self.sessions.keys().copied().collect();
            for session in gone {
                self.close(session, ClosedReason::Failed);
            }
        }
        self.hello = Some(hello);
        self.placed = 0;
        self.up = true;
        // The answers say what is there; what is to be follows from them.
        self.todo = self
            .claims
            .iter()
            .filter(|(_, held)| held.fenced.is_none())
            .map(|(key, _)| Todo::Claim(*key))
            .collect();
        self.later.clear();
    }

    /// The stream is gone. Who waits for an answer need not wait longer.
    pub(in crate::remote) fn down(&mut self, now: Instant) {
        if self.up {
            self.down_since = now;
        }
        self.up = false;
        self.asked.clear();
    }

    /// The next message, if there is one that may be sent now.
    pub(in crate::remote) fn next(&mut self, now: Instant) -> Option<String> {
        while self.asked.len() < limits::MAX_ASKED {
            let (call, text, mut asked) = match self.todo.pop_first() {
                Some(todo) => {
                    let Some(question) = self.question(todo) else { continue };
                    question
                }
                None => {
                    let Question { call, text, asked } = self.waiting.pop_front()?;
                    if is_given_up(&asked) {
                        continue;
                    }
                    (call, text, asked)
                }
            };
            asked.at = Some(now);
            self.asked.insert(call, asked);
            return Some(text);
        }
        None
    }

    /// What the node was too busy for is said again, and what is long somebody else's is forgotten.
    pub(in crate::remote) fn try_again(&mut self, now: Instant) {
        self.todo.append(&mut self.later);
        let long = |held: &Held| held.fenced.is_some_and(|since| now >= since + limits::FENCED_KEPT);
        for (_, held) in self.claims.extract_if(|_, held| long(held)) {
            for session in held.sessions {
                if let Some(known) = self.sessions.remove(&session) {
                    self.remote.remove(&known.remote);
                }
            }
        }
    }

    /// A question has had no answer for so long that none will come.
    pub(in crate::remote) fn is_stuck(&self, now: Instant) -> bool {
        let long = |asked: &Asked| asked.at.is_some_and(|at| now >= at + limits::ANSWER_WITHIN);
        self.asked.values().any(long)
    }

    /// Hands the next event over, if there is one. Nothing happens between taking and handing over, so that none is
    /// lost and none overtakes.
    pub(in crate::remote) fn tell(&mut self, hand_over: impl FnOnce(MediaEvent)) {
        if let Some(event) = self.told.pop_front() {
            hand_over(event);
        }
    }

    pub(in crate::remote) fn has_event(&self) -> bool {
        !self.told.is_empty()
    }

    fn question(&mut self, todo: Todo) -> Option<(u64, String, Asked)> {
        let call = self.call();
        let (ask, key, epoch) = match todo {
            Todo::Claim(key) => {
                let epoch = self.speaks_for(key).ok()?;
                let (tenant, affinity) = (key.0, Uuid::from_u128(key.1.0));
                (Ask::Claim { call, tenant, affinity, epoch }, key, epoch)
            }
            Todo::End(session) => {
                let known = self.sessions.get(&session)?;
                let epoch = self.speaks_for(known.key).ok()?;
                (Ask::Disconnect { call, session: known.remote, epoch }, known.key, epoch)
            }
            Todo::Seat(session) => {
                let known = self.sessions.get(&session).filter(|known| !known.ending)?;
                let epoch = self.speaks_for(known.key).ok()?;
                let (session, room, traceparent) = (known.remote, known.room, known.trace);
                (Ask::Seat { call, session, epoch, room, traceparent }, known.key, epoch)
            }
            Todo::Sharer(key) => {
                let epoch = self.speaks_for(key).ok()?;
                let (room, sharer) = self.claims.get(&key)?.sharer?;
                let (tenant, affinity) = (key.0, Uuid::from_u128(key.1.0));
                (Ask::SetSharer { call, tenant, affinity, epoch, room, sharer }, key, epoch)
            }
        };
        // None of these is near the limit.
        let text = protocol::encode(&ask).ok()?;
        Some((call, text, Asked::todo(key, epoch, todo)))
    }
}

/// Nobody waits for the answer any more.
fn is_given_up(asked: &Asked) -> bool {
    match &asked.what {
        asked::What::Connect { waiter, .. } | asked::What::Restart { waiter, .. } => waiter.is_closed(),
        asked::What::Todo(_) => false,
    }
}
