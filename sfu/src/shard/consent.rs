//! Checks: of a path that is in use, and of one that is to be.
//!
//! STUN has no memory: who hears a check may send it again from elsewhere, and it proves itself. So once a session is
//! connected, a nominated address is sent media only when a packet of SRTP or SRTCP has come from it that opens and had
//! not come before. A client that changes networks sends one with its next frame, or its next report.
//!
//! Checks of a path that is in use. They come every few seconds for as long as a session lasts (RFC 7675) and change
//! nothing, so they are answered here; the engine, which takes several times as long for each, hears of one now and then.

use super::{
    Shard,
    drive::Drive,
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
        if check.nominates {
            session.proposed = None;
        }
        self.net.finish(start, chosen, &self.metrics);
        self.with_session(key, now, |session, with| {
            reports::send_sign_of_life_along(key, session, with);
            Ok(())
        });
        true
    }
}

/// A check that the engine is to hear of says which path the client wants.
pub(super) fn nominated(key: u32, session: &mut Session, check: Check, origin: Origin, with: &mut Drive<'_>) {
    let used = session.path.is_some_and(|path| path.is(origin));
    if used {
        if check.nominates {
            session.proposed = None;
        }
    } else if session.path.is_none() || check.nominates && session.connected.is_none() {
        choose(key, session, Chosen::new(origin.remote, origin.path), with);
    } else if check.nominates {
        session.proposed = Some(Chosen::new(origin.remote, origin.path));
    }
}

/// The client itself has sent from this address.
pub(super) fn proven(key: u32, session: &mut Session, origin: Origin, with: &mut Drive<'_>) {
    if let Some(chosen) = session.proposed.take_if(|path| path.is(origin)) {
        choose(key, session, chosen, with);
    }
}

fn choose(key: u32, session: &mut Session, chosen: Chosen, with: &mut Drive<'_>) {
    session.path = Some(chosen);
    with.net.flows.uses(key, chosen.remote);
}

/// The path a check came on, if that is the one in use, and the engine knows all that the check says.
fn unchanged(session: &Session, check: Check, origin: Origin, now: Instant) -> Option<Chosen> {
    let heard = session.engine_checked.is_some_and(|at| now < at + ENGINE_HEARS_EVERY);
    session.path.filter(|path| session.connected.is_some() && heard && check.controls && path.is(origin))
}
