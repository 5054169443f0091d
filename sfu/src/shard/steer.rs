//! What a publisher is asked to send its pictures with: what the best of its subscribers' links leaves for them.

use super::{
    Shard, reports,
    rooms::{Fed, kind},
    session::Session,
};
use sfu_core::sdp::{Kind, Source};
use std::time::Instant;

impl Shard {
    /// Tells a publisher, if there is something to tell. Asked once a second while its media flows, and when a picture has to
    /// wait.
    pub(super) fn steer(&mut self, key: u32, now: Instant) {
        let now_us = self.micros(now);
        let Some(publisher) = self.sessions.get(key as usize) else { return };
        let watching = [Source::Camera, Source::Screen]
            .into_iter()
            .flat_map(|source| &publisher.subscribers[source as usize])
            .filter_map(|subscription| self.sessions.get(subscription.session as usize));
        let mut best: Option<Room> = None;
        for session in watching {
            best = best.max(Some(room_for(session, key)));
        }
        // Whom nobody watches is as free as before.
        let Some(best) = best else { return };
        let most_bps = if let Room::Limited(bps) = best { Some(bps) } else { None };
        self.with_session(key, now, |session, with| {
            if let Some(bps) = session.steer.poll(most_bps, now_us) {
                reports::limit_pictures(key, session, bps, with);
            }
            Ok(())
        });
    }
}

/// What a link leaves for the pictures of one publisher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Room {
    /// So much, in bit/s.
    Limited(u64),
    /// For whatever there is.
    Enough,
}

fn room_for(session: &Session, publisher: u32) -> Room {
    let (fed, estimate_bps) = (Fed::of(session), session.egress.estimate_bps());
    if !session.egress.informed() || estimate_bps >= fed.needs_bps() {
        return Room::Enough;
    }
    let of_theirs = |(from, source): &(u32, Source)| *from == publisher && kind(*source) == Kind::Video;
    let theirs = session.tracks.iter().filter_map(|track| track.route).filter(of_theirs).count() as u64;
    let left_bps = estimate_bps.saturating_sub(fed.sounds_bps());
    Room::Limited(left_bps * theirs / fed.pictures.max(1))
}
