//! Sitting down in a room, getting up, and what follows for everybody in it.

use super::{
    Shard,
    command::Seat,
    drive::Want,
    rooms::{self, Changes, RoomKey},
};
use std::time::Instant;

impl Shard {
    pub(super) fn seat(&mut self, key: u32, seat: Option<Seat>, now: Instant) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let (before, after) = (session.room, seat.map(|seat| seat.room));
        session.room = after;
        if before != after {
            session.milestones.shown_here = false;
            if let Some(before) = before {
                self.leave(key, before, now);
            }
            if let Some(session) = self.sessions.get_mut(key as usize) {
                let mut changes = Changes::default();
                rooms::unseat(key, session, &mut changes);
                self.apply(changes, now);
            }
        }
        if let Some(seat) = seat {
            let room = self.rooms.entry(seat.room).or_default();
            room.sharer = seat.sharer;
            if !room.members.contains(&key) {
                room.members.push(key);
            }
            self.rebuild(seat.room, now);
        }
        self.count_rooms();
    }

    pub(super) fn leave(&mut self, key: u32, room_key: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        room.members.retain(|member| *member != key);
        if room.members.is_empty() {
            self.rooms.remove(&room_key);
        } else {
            self.rebuild(room_key, now);
        }
    }

    pub(super) fn rebuild(&mut self, room: RoomKey, now: Instant) {
        let mut changes = Changes::default();
        if let Some(room) = self.rooms.get(&room) {
            rooms::rebuild(room, &mut self.sessions, self.goal_bps, &mut changes);
        }
        self.apply(changes, now);
    }

    pub(super) fn apply(&mut self, changes: Changes, now: Instant) {
        for event in changes.events {
            self.outbox.tell(event);
        }
        for key in changes.touched {
            self.with_session(key, now, |session, with| {
                session.egress.aim(session.useful_bps, with.now_us);
                Ok(())
            });
        }
        for (publisher, source) in changes.newly_watched {
            self.turn.wants.push(Want { publisher, source, ssrc: None });
        }
    }

    pub(super) fn count_rooms(&self) {
        self.metrics.rooms.set(self.rooms.len() as u64);
        let seated = self.rooms.values().map(|room| room.members.len()).sum::<usize>();
        self.metrics.seated.set(seated as u64);
    }
}
