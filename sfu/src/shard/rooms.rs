//! Who is with whom on a shard, and from that: who feeds which track.

use super::session::{Role, Session, Subscription};
use model::{ParticipantId, RoomId, TenantId};
use sfu_core::{
    port::{MediaEvent, SessionId},
    sdp::{Kind, Sink, Source},
};
use slab::Slab;

/// A room, with the healthcare unit it belongs to: the same number in another unit is another room.
pub(crate) type RoomKey = (TenantId, RoomId);

#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Sessions in order of arrival.
    pub(crate) members: Vec<u32>,
    pub(crate) sharer: Option<ParticipantId>,
}

/// What follows from a change in a room.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) events: Vec<MediaEvent>,
    /// Publishers (and which of their sources) that somebody newly watches: a keyframe is needed.
    pub(crate) newly_watched: Vec<(u32, Source)>,
    /// Sessions whose engine was told something and must be driven.
    pub(crate) touched: Vec<u32>,
}

/// What a picture and a sound may take, for the estimator's goal.
const PICTURE_BPS: u64 = 1_700_000;
const SOUND_BPS: u64 = 48_000;

struct Publisher {
    participant: ParticipantId,
    session: u32,
    id: SessionId,
}

/// Works out anew who sees whom. Called on every change of membership or sharer; rooms are small.
pub(crate) fn rebuild(room: &Room, sessions: &mut Slab<Box<Session>>, goal_bps: u64, changes: &mut Changes) {
    let publishers = publishers(room, sessions);
    for key in &room.members {
        if let Some(session) = sessions.get_mut(*key as usize) {
            session.subscribers.iter_mut().for_each(Vec::clear);
        }
    }
    for key in &room.members {
        let Some(session) = sessions.get_mut(*key as usize) else { continue };
        if !session.identity.role.subscribes() {
            continue;
        }
        subscribe(*key, session, room.sharer, &publishers, goal_bps, changes);
        let routes: Vec<_> = session.tracks.iter().filter_map(|t| Some((t.route?, t.sink))).collect();
        for ((publisher, source), sink) in routes {
            if let Some(publisher) = sessions.get_mut(publisher as usize) {
                publisher.subscribers[source as usize].push(Subscription { session: *key, sink });
            }
        }
    }
}

/// Who is out of every room: nothing of theirs goes anywhere, nothing goes to them.
pub(crate) fn unseat(key: u32, session: &mut Session, changes: &mut Changes) {
    session.subscribers.iter_mut().for_each(Vec::clear);
    subscribe(key, session, None, &[], 0, changes);
    session.told_slots = false;
}

/// The connected session of every participant who publishes; the newest, if one is taking over.
fn publishers(room: &Room, sessions: &Slab<Box<Session>>) -> Vec<Publisher> {
    let mut all: Vec<Publisher> = Vec::new();
    for key in &room.members {
        let Some(session) = sessions.get(*key as usize) else { continue };
        if session.connected.is_none() || !session.identity.role.publishes() {
            continue;
        }
        let new = Publisher { participant: session.identity.participant, session: *key, id: session.id };
        match all.iter_mut().find(|p| p.participant == new.participant) {
            Some(known) if known.id < new.id => *known = new,
            Some(_) => {}
            None => all.push(new),
        }
    }
    all
}

fn subscribe(
    key: u32,
    session: &mut Session,
    sharer: Option<ParticipantId>,
    publishers: &[Publisher],
    goal_bps: u64,
    changes: &mut Changes,
) {
    let own = session.identity.participant;
    let visible = |p: &&Publisher| match session.identity.role {
        Role::Subscribe(to) => p.participant == to,
        Role::Both | Role::Publish => p.participant != own,
    };
    let seen: Vec<&Publisher> = publishers.iter().filter(visible).collect();
    let of = |who: ParticipantId| seen.iter().find(|p| p.participant == who).map(|p| p.session);
    let ids: Vec<_> = seen.iter().map(|p| p.participant).collect();
    let moved = session.slots.fit(&ids);
    let screen = sharer.filter(|who| of(*who).is_some());
    let slots = session.slots.as_slice();
    for track in &mut session.tracks {
        let route = match track.sink {
            Sink::Audio(n) => slots.get(n).copied().flatten().and_then(of).map(|p| (p, Source::Microphone)),
            Sink::Video(n) => slots.get(n).copied().flatten().and_then(of).map(|p| (p, Source::Camera)),
            Sink::Screen => screen.and_then(of).map(|p| (p, Source::Screen)),
        };
        // Before it is connected a keyframe would be lost, and the next one is half a second away.
        if track.set_route(route)
            && session.connected.is_some()
            && let Some((publisher, source)) = route
            && source != Source::Microphone
        {
            changes.newly_watched.push((publisher, source));
        }
    }
    session.pulse.expect(session.tracks.iter().any(|t| t.route.is_some()));
    aim(session, goal_bps);
    changes.touched.push(key);
    let seated = session.room.is_some();
    if seated && (moved || !session.told_slots || session.shown_screen != screen) {
        session.told_slots = true;
        session.shown_screen = screen;
        changes.events.push(MediaEvent::Slots {
            session: session.id,
            slots: session.slots.as_slice().to_vec(),
            screen,
        });
    }
}

/// What the estimator is told the session could use, so that it probes for no more, and not at all on the link of
/// somebody who only waits.
fn aim(session: &mut Session, goal_bps: u64) {
    session.useful_bps = Fed::of(session).needs_bps().min(goal_bps);
}

/// What a session is fed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fed {
    sounds: u64,
    pub(super) pictures: u64,
}

impl Fed {
    pub(super) fn of(session: &Session) -> Self {
        let mut fed = Self { sounds: 0, pictures: 0 };
        for (_, source) in session.tracks.iter().filter_map(|track| track.route) {
            match kind(source) {
                Kind::Audio => fed.sounds += 1,
                Kind::Video => fed.pictures += 1,
            }
        }
        fed
    }

    pub(super) const fn sounds_bps(self) -> u64 {
        self.sounds * SOUND_BPS
    }

    pub(super) const fn needs_bps(self) -> u64 {
        self.sounds_bps() + self.pictures * PICTURE_BPS
    }
}

/// Which kind a source is.
pub(crate) const fn kind(source: Source) -> Kind {
    match source {
        Source::Microphone => Kind::Audio,
        Source::Camera | Source::Screen => Kind::Video,
    }
}
