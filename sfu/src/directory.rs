//! What the control side knows: which session is on which shard, and who is in which room. The shards
//! hold the truth about media; this is for placing, limits and answers that cannot wait.

use crate::shard::{rooms::RoomKey, session::Identity};
use model::{ParticipantId, TenantId};
use sfu_core::{
    limits::MAX_EXISTING,
    port::{Affinity, Existing, MediaError, MediaEvent, SessionId, Shown, Transport},
};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) shard: usize,
    pub(crate) identity: Identity,
    pub(crate) affinity: Affinity,
    pub(crate) room: Option<RoomKey>,
    pub(crate) connected: Option<Transport>,
    /// Who was last told to be in its slots.
    pub(crate) shown: Option<Shown>,
    /// The name of a WHIP or WHEP session in its URL.
    pub(crate) resource: Option<Uuid>,
}

impl Entry {
    fn existing(&self, session: SessionId) -> Existing {
        Existing {
            session,
            participant: self.identity.participant,
            affinity: self.affinity,
            direction: self.identity.role.direction(),
            room: self.room.map(|(_, room)| room),
            connected: self.connected,
            shown: self.shown.clone(),
        }
    }
}

#[derive(Debug)]
struct RoomEntry {
    shard: usize,
    members: Vec<(SessionId, ParticipantId)>,
    sharer: Option<ParticipantId>,
}

#[derive(Debug)]
pub(crate) struct Directory {
    sessions: HashMap<SessionId, Entry>,
    rooms: HashMap<RoomKey, RoomEntry>,
    resources: HashMap<Uuid, SessionId>,
    limits: Limits,
}

/// The operator's limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) sessions: usize,
    pub(crate) rooms: usize,
    pub(crate) participants: usize,
}

/// A room is on another shard than the session: they cannot be put together without a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seating {
    /// Seated; who shares a screen there.
    Done(Option<ParticipantId>),
    /// The room is elsewhere.
    Elsewhere,
}

impl Directory {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { sessions: HashMap::new(), rooms: HashMap::new(), resources: HashMap::new(), limits }
    }

    pub(crate) fn get(&self, session: SessionId) -> Option<&Entry> {
        self.sessions.get(&session)
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The shard of a room, if somebody is in it.
    pub(crate) fn shard_of(&self, room: RoomKey) -> Option<usize> {
        self.rooms.get(&room).filter(|room| !room.members.is_empty()).map(|room| room.shard)
    }

    /// Books a session before its offer is read, so that a storm of offers stays within the limits.
    pub(crate) fn add(&mut self, id: SessionId, entry: Entry) -> Result<(), MediaError> {
        if self.sessions.len() >= self.limits.sessions {
            return Err(MediaError::Busy);
        }
        let (room, participant, shard) = (entry.room, entry.identity.participant, entry.shard);
        if let Some(room) = room {
            self.enter(room, id, participant, shard)?;
        }
        if let Some(resource) = entry.resource {
            self.resources.insert(resource, id);
        }
        self.sessions.insert(id, entry);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Entry> {
        let entry = self.sessions.remove(&id)?;
        if let Some(room) = entry.room {
            self.leave(room, id);
        }
        if let Some(resource) = entry.resource {
            self.resources.remove(&resource);
        }
        Some(entry)
    }

    /// Moves a session into a room, or out of all.
    pub(crate) fn seat(&mut self, id: SessionId, room: Option<RoomKey>) -> Result<Seating, MediaError> {
        let entry = self.sessions.get(&id).ok_or(MediaError::NoSuchSession)?;
        let (before, shard, participant) = (entry.room, entry.shard, entry.identity.participant);
        if let Some(room) = room {
            if self.shard_of(room).is_some_and(|there| there != shard) {
                return Ok(Seating::Elsewhere);
            }
            self.enter(room, id, participant, shard)?;
        }
        if let Some(before) = before.filter(|before| Some(*before) != room) {
            self.leave(before, id);
        }
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.room = room;
        }
        Ok(Seating::Done(room.and_then(|room| self.rooms.get(&room)?.sharer)))
    }

    /// Notes who shares; the shard to tell, if somebody is in the room. Kept for an empty room as well:
    /// its people may be on their way back.
    pub(crate) fn set_sharer(
        &mut self,
        room: RoomKey,
        sharer: Option<ParticipantId>,
    ) -> Result<Option<usize>, MediaError> {
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.sharer = sharer;
            if entry.members.is_empty() && sharer.is_none() {
                self.rooms.remove(&room);
                return Ok(None);
            }
            return Ok((!entry.members.is_empty()).then_some(entry.shard));
        }
        if sharer.is_some() {
            self.room_for_one_more()?;
            self.rooms.insert(room, RoomEntry { shard: 0, members: Vec::new(), sharer });
        }
        Ok(None)
    }

    pub(crate) fn sharer(&self, room: RoomKey) -> Option<ParticipantId> {
        self.rooms.get(&room)?.sharer
    }

    /// Keeps what a shard tells, for whoever asks later.
    pub(crate) fn told(&mut self, event: &MediaEvent) {
        let Some(entry) = self.sessions.get_mut(&event.session()) else { return };
        match event {
            MediaEvent::Connected { transport, .. } => entry.connected = Some(*transport),
            MediaEvent::Slots { slots, screen, .. } => {
                entry.shown = Some(Shown { slots: slots.clone(), screen: *screen });
            }
            MediaEvent::Closed { session, .. } => {
                self.remove(*session);
            }
            MediaEvent::Quality { .. } | MediaEvent::Found { .. } => {}
        }
    }

    /// The sessions of an affinity, the oldest first; the newest, if there are too many.
    pub(crate) fn existing(&self, tenant: TenantId, affinity: Affinity) -> Vec<Existing> {
        let of_it = |entry: &Entry| (entry.identity.tenant, entry.affinity) == (tenant, affinity);
        let mut existing: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, entry)| of_it(entry))
            .map(|(session, entry)| entry.existing(*session))
            .collect();
        existing.sort_by_key(|existing| existing.session);
        existing.split_off(existing.len().saturating_sub(MAX_EXISTING))
    }

    /// Older sessions of the same identity, on whatever shard.
    pub(crate) fn older_than(&self, id: SessionId) -> Vec<(SessionId, usize)> {
        let Some(identity) = self.sessions.get(&id).map(|entry| entry.identity) else { return Vec::new() };
        let older = |(other, entry): &(&SessionId, &Entry)| **other < id && entry.identity == identity;
        self.sessions.iter().filter(older).map(|(other, entry)| (*other, entry.shard)).collect()
    }

    pub(crate) fn by_resource(&self, resource: Uuid) -> Option<SessionId> {
        self.resources.get(&resource).copied()
    }

    /// Whether a participant has a connected session that publishes.
    pub(crate) fn publishes(&self, tenant: TenantId, participant: ParticipantId) -> bool {
        self.sessions.values().any(|entry| {
            let identity = entry.identity;
            entry.connected.is_some()
                && identity.role.publishes()
                && (identity.tenant, identity.participant) == (tenant, participant)
        })
    }

    fn enter(
        &mut self,
        room: RoomKey,
        id: SessionId,
        who: ParticipantId,
        shard: usize,
    ) -> Result<(), MediaError> {
        if !self.rooms.contains_key(&room) {
            self.room_for_one_more()?;
        }
        let most = self.limits.participants;
        let entry = self.rooms.entry(room).or_insert(RoomEntry { shard, members: Vec::new(), sharer: None });
        // Somebody who connects anew is not one more.
        let mut others: Vec<_> = entry.members.iter().map(|(_, p)| *p).filter(|p| *p != who).collect();
        others.sort();
        others.dedup();
        if others.len() >= most {
            return Err(MediaError::Busy);
        }
        if entry.members.is_empty() {
            entry.shard = shard;
        }
        if !entry.members.iter().any(|(member, _)| *member == id) {
            entry.members.push((id, who));
        }
        Ok(())
    }

    fn leave(&mut self, room: RoomKey, id: SessionId) {
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.members.retain(|(member, _)| *member != id);
            if entry.members.is_empty() && entry.sharer.is_none() {
                self.rooms.remove(&room);
            }
        }
    }

    /// A room that only remembers a sharer gives way when there are too many.
    fn room_for_one_more(&mut self) -> Result<(), MediaError> {
        if self.rooms.len() < self.limits.rooms {
            return Ok(());
        }
        let empty = self.rooms.iter().find(|(_, entry)| entry.members.is_empty()).map(|(key, _)| *key);
        let Some(empty) = empty else { return Err(MediaError::Busy) };
        self.rooms.remove(&empty);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::session::Role;
    use model::RoomId;

    const LIMITS: Limits = Limits { sessions: 6, rooms: 2, participants: 3 };

    fn who(n: u128) -> ParticipantId {
        ParticipantId(Uuid::from_u128(n))
    }

    fn room(n: u128) -> RoomKey {
        (TenantId(Uuid::from_u128(1)), RoomId(Uuid::from_u128(n)))
    }

    fn entry(participant: u128, shard: usize, room: Option<RoomKey>) -> Entry {
        let identity = Identity {
            tenant: TenantId(Uuid::from_u128(1)),
            participant: who(participant),
            role: Role::Both,
        };
        Entry { shard, identity, affinity: Affinity(7), room, connected: None, shown: None, resource: None }
    }

    fn add(
        directory: &mut Directory,
        n: u64,
        participant: u128,
        at: Option<RoomKey>,
    ) -> Result<(), MediaError> {
        directory.add(SessionId(n), entry(participant, 0, at))
    }

    #[test]
    fn sessions_rooms_and_participants_are_counted() {
        let mut d = Directory::new(LIMITS);
        for n in 0..3 {
            assert_eq!(add(&mut d, n, n.into(), Some(room(1))), Ok(()));
        }
        assert_eq!(add(&mut d, 9, 9, Some(room(1))), Err(MediaError::Busy), "a fourth participant");
        assert_eq!(add(&mut d, 3, 2, Some(room(1))), Ok(()), "the third again, connecting anew");
        assert_eq!(add(&mut d, 4, 4, Some(room(2))), Ok(()));
        assert_eq!(add(&mut d, 9, 9, Some(room(3))), Err(MediaError::Busy), "a third room");
        assert_eq!(add(&mut d, 5, 5, None), Ok(()));
        assert_eq!(add(&mut d, 9, 9, None), Err(MediaError::Busy), "a seventh session");
        d.remove(SessionId(5));
        assert_eq!(add(&mut d, 9, 9, None), Ok(()));
    }

    #[test]
    fn a_room_stays_on_its_shard_while_somebody_is_in_it() {
        let mut d = Directory::new(LIMITS);
        d.add(SessionId(1), entry(1, 0, Some(room(1)))).unwrap();
        d.add(SessionId(2), entry(2, 1, None)).unwrap();
        assert_eq!(d.seat(SessionId(2), Some(room(1))), Ok(Seating::Elsewhere));
        d.remove(SessionId(1));
        assert_eq!(d.seat(SessionId(2), Some(room(1))), Ok(Seating::Done(None)));
        assert_eq!(d.shard_of(room(1)), Some(1));
        assert_eq!(d.seat(SessionId(7), None), Err(MediaError::NoSuchSession));
    }

    #[test]
    fn a_sharer_is_remembered_across_an_empty_room_and_gives_way_when_it_is_crowded() {
        let mut d = Directory::new(LIMITS);
        add(&mut d, 1, 1, Some(room(1))).unwrap();
        assert_eq!(d.set_sharer(room(1), Some(who(1))), Ok(Some(0)));
        d.remove(SessionId(1));
        add(&mut d, 2, 1, None).unwrap();
        assert_eq!(d.seat(SessionId(2), Some(room(1))), Ok(Seating::Done(Some(who(1)))));
        d.set_sharer(room(2), Some(who(1))).unwrap();
        add(&mut d, 3, 3, Some(room(3))).unwrap();
        assert_eq!(d.sharer(room(2)), None);
        assert_eq!(d.sharer(room(1)), Some(who(1)));
    }

    #[test]
    fn older_sessions_of_the_same_identity_are_found_on_every_shard() {
        let mut d = Directory::new(LIMITS);
        for (n, participant, shard) in [(1, 1, 0), (2, 1, 1), (3, 2, 0), (4, 1, 0)] {
            d.add(SessionId(n), entry(participant, shard, None)).unwrap();
        }
        let mut older = d.older_than(SessionId(4));
        older.sort();
        assert_eq!(older, [(SessionId(1), 0), (SessionId(2), 1)]);
    }

    #[test]
    fn who_claims_an_affinity_is_told_of_its_newest_sessions_and_of_nobody_elses() {
        let limits = Limits { sessions: MAX_EXISTING + 3, ..LIMITS };
        let mut d = Directory::new(limits);
        let tenant = TenantId(Uuid::from_u128(1));
        d.add(SessionId(900), Entry { affinity: Affinity(8), ..entry(900, 0, None) }).unwrap();
        for n in 1..=MAX_EXISTING as u64 {
            add(&mut d, n, n.into(), None).unwrap();
        }
        let all = d.existing(tenant, Affinity(7));
        assert_eq!((all.len(), all[0].session), (MAX_EXISTING, SessionId(1)), "as many as may be");
        add(&mut d, 100, 100, None).unwrap();
        let newest = d.existing(tenant, Affinity(7));
        assert_eq!((newest.len(), newest[0].session), (MAX_EXISTING, SessionId(2)), "and one more");
        assert!(d.existing(TenantId(Uuid::from_u128(2)), Affinity(7)).is_empty(), "another unit");
        let (session, transport) = (SessionId(900), Transport::Tcp);
        d.told(&MediaEvent::Connected { session, transport });
        d.told(&MediaEvent::Slots { session, slots: vec![Some(who(1))], screen: None });
        let shown = Some(Shown { slots: vec![Some(who(1))], screen: None });
        let other = d.existing(tenant, Affinity(8)).remove(0);
        assert_eq!((other.connected, other.shown), (Some(Transport::Tcp), shown));
    }
}
