//! Checks of a path that is in use. They come every few seconds for as long as a session lasts (RFC 7675) and change
//! nothing, so they are answered here; the engine, which takes several times as long for each, hears of one now and then.

use super::{
    Shard,
    gate::{Check, Origin},
    net::Chosen,
    reports,
    session::Session,
};
use std::time::{Duration, Instant};

/// How often the engine hears of a check. It forgets a path of which it has heard nothing for 15 s.
const ENGINE_HEARS_EVERY: Duration = Duration::from_secs(12);

impl Shard {
    /// Answers a check, unless the engine has to.
    pub(super) fn answer(
        &mut self,
        key: u32,
        check: Check,
        origin: Origin,
        bytes: usize,
        now: Instant,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(key as usize) else { return false };
        let Some(chosen) = unchanged(session, check, origin, now) else { return false };
        let out = self.net.begin(&self.metrics);
        let start = out.len();
        if !self.gate.answer(&session.ufrag, check, origin.remote.addr, out) {
            self.net.abandon(start);
            return false;
        }
        session.sent_bytes += (out.len() - start) as u64;
        session.received_bytes += bytes as u64;
        session.checked = Some(now);
        self.net.finish(start, chosen, &self.metrics);
        self.with_session(key, now, |session, with| {
            reports::send_sign_of_life_along(key, session, with);
            Ok(())
        });
        true
    }
}

/// The path a check came on, if that is the one in use, and the engine knows all that the check says.
fn unchanged(session: &Session, check: Check, origin: Origin, now: Instant) -> Option<Chosen> {
    let heard = session.engine_checked.is_some_and(|at| now < at + ENGINE_HEARS_EVERY);
    session.path.filter(|path| session.connected.is_some() && heard && check.controls && path.is(origin))
}
