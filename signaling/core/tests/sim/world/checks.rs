//! The invariants, looked at after each step.

use super::*;

impl World {
    /// No acknowledged command is lost, nothing is said before it is on disk.
    pub(super) fn check_word(&mut self, to: ConnectionId, message: &ServerMessage) {
        match message {
            ServerMessage::Ok { re } => self.check_acknowledged(to, *re),
            ServerMessage::Chat { visit, message } => {
                let disk = &self.store.streams[&Stream::Visit(*visit)];
                let at = usize::try_from(message.seq).unwrap() - 1;
                assert!(
                    matches!(disk.recorded.get(at), Some(StoredEvent::Visit(r)) if matches!(r.event, Event::Said { .. })),
                    "a chat message was shown that is not on disk"
                );
            }
            _ => {}
        }
    }

    pub(super) fn check_acknowledged(&mut self, to: ConnectionId, re: CommandId) {
        let Some(browser) = self.connections.get(&to).map(|wire| wire.browser) else { return };
        let sent = self.browsers[browser].unanswered.iter().find(|message| message.id() == Some(re)).cloned();
        let times = self.store.times_recorded(re);
        assert!(times <= 1, "a command was carried out {times} times");
        match sent {
            Some(ClientMessage::Chat { .. }) => {
                self.count("said");
                assert_eq!(times, 1, "acknowledged and not on disk");
            }
            Some(ClientMessage::Admit { .. }) => {
                self.count("admitted");
                assert_eq!(times, 1, "acknowledged and not on disk");
            }
            Some(ClientMessage::Deny { .. }) => {
                self.count("denied");
                assert_eq!(times, 1, "acknowledged and not on disk");
            }
            Some(ClientMessage::End { .. }) => {
                self.count("ended");
                assert_eq!(times, 1, "acknowledged and not on disk");
            }
            Some(ClientMessage::CheckIn { .. }) => {
                self.count("checked-in");
                let visit = self.browsers[browser].visit_id.unwrap();
                assert!(*self.store.visits[&visit].phase() != Phase::Booked, "acknowledged and not on disk");
                self.promised.insert(visit);
            }
            Some(ClientMessage::Leave { .. }) => self.count("left"),
            Some(ClientMessage::ShareGrant { .. }) => self.count("share-granted"),
            _ => {}
        }
    }

    pub(super) fn check(&mut self) {
        self.check_owned();
        let Some(owner) = self.owner.take() else { return };
        self.check_memory(&owner);
        self.check_queue(&owner);
        self.check_places(&owner);
        self.check_media(&owner);
        self.owner = Some(owner);
        self.digest = self.digest.rotate_left(5) ^ (self.now.0 as u64) ^ self.order;
    }

    /// Memory is never ahead of the store.
    pub(super) fn check_memory(&self, owner: &Owner) {
        assert!(owner.waiting_room().version() <= self.store.version(Stream::WaitingRoom), "memory is ahead");
        for visit in owner.visits() {
            let (has, disk) = (visit.version(), self.store.version(Stream::Visit(visit.id())));
            assert!(has <= disk, "memory knows {has} events, the disk {disk}");
            if has == disk {
                assert_eq!(
                    visit.phase(),
                    self.store.visits[&visit.id()].phase(),
                    "memory differs from the disk"
                );
            }
        }
    }

    /// Nobody who waits disappears; the order is the order of check-ins and never changes.
    pub(super) fn check_queue(&mut self, owner: &Owner) {
        let waiting = owner.waiting();
        for visit in &self.promised {
            let on_disk = matches!(self.store.visits[visit].phase(), Phase::Waiting(_));
            assert!(!on_disk || waiting.contains(visit), "a waiting patient disappeared");
        }
        let checked_in = |visit: &VisitId| {
            let disk = &self.store.streams[&Stream::Visit(*visit)];
            disk.events.iter().find(|event| event.kind == "checked-in").map(|event| event.at)
        };
        let times: Vec<_> = waiting.iter().map(checked_in).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "the queue is not in order of check-in");
        let stayed: Vec<_> = self.last_order.iter().filter(|visit| waiting.contains(visit)).collect();
        let now: Vec<_> = waiting.iter().filter(|visit| stayed.contains(visit)).collect();
        assert_eq!(stayed, now, "two people changed places");
        self.last_order = waiting;
    }

    /// Nobody is in two places.
    pub(super) fn check_places(&self, owner: &Owner) {
        let mut connected = BTreeSet::new();
        for (_, participant) in owner.connected() {
            assert!(connected.insert(participant), "a participant has two connections");
        }
        let in_call = |visit: &&Visit| matches!(visit.phase(), Phase::InCall(_));
        assert!(self.store.visits.values().filter(in_call).count() <= 1, "a clinician is in two visits");
        let mut places = BTreeMap::<ParticipantId, RoomId>::new();
        for session in self.media.sessions.values() {
            if let Some(room) = session.room {
                let before = places.insert(session.participant, room);
                assert!(before.is_none_or(|before| before == room), "somebody is heard in two rooms");
            }
        }
    }

    /// Nobody who waits or left is heard, and only the one sharer's screen is shown.
    pub(super) fn check_media(&mut self, owner: &Owner) {
        for (room, people) in self.media.rooms() {
            if people.len() < 2 {
                continue;
            }
            let visit = owner.visit(VisitId(room.0)).unwrap();
            for participant in people {
                assert!(may_be_heard(visit, participant), "somebody is heard who should not be");
            }
        }
        let astray: Vec<_> = self
            .media
            .sessions
            .iter()
            .filter(|(_, session)| {
                session.room.is_some_and(|room| {
                    !owner
                        .visit(VisitId(room.0))
                        .is_some_and(|visit| may_be_heard(visit, session.participant))
                })
            })
            .map(|(id, _)| *id)
            .collect();
        self.astray.retain(|session, _| astray.contains(session));
        for session in astray {
            let since = *self.astray.entry(session).or_insert(self.now);
            assert!(self.now.since(since) < MEDIA_LAG, "a session stays where it does not belong");
        }
        for (room, sharer) in &self.media.sharers {
            let Some(visit) = owner.visit(VisitId(room.0)) else { continue };
            if let (Phase::InCall(_), Some(sharer)) = (visit.phase(), sharer) {
                assert!(visit.takes_part(*sharer), "a stranger shares");
            }
        }
    }

    /// Who is connected and where they belong: the newest session of each that is in the call.
    pub(super) fn talking(&self, owner: &Owner) -> BTreeMap<ParticipantId, SessionId> {
        let existing = self.media.existing(Affinity(ROOM.0.as_u128())).into_iter();
        let seated = existing.filter(|existing| existing.connected.is_some()).filter(|existing| {
            let visit = existing.room.and_then(|room| owner.visit(VisitId(room.0)));
            visit.is_some_and(|visit| may_be_heard(visit, existing.participant))
        });
        seated.map(|existing| (existing.participant, existing.session)).collect()
    }

    /// Waiting and unowned for more than a minute never happens: somebody has every waiting visit in a
    /// queue, with a time at which the next in line is told.
    pub(super) fn check_owned(&mut self) {
        for (id, visit) in &self.store.visits {
            let Phase::Waiting(wait) = visit.phase() else {
                self.unowned.remove(id);
                continue;
            };
            let owned = self.owner.as_ref().is_some_and(|owner| {
                let next = owner.visit(*id).and_then(Visit::next_deadline);
                owner.waiting().contains(id)
                    && next.is_some()
                    && owner.poll_timeout().is_some_and(|at| at + Duration::from_secs(30) > self.now)
            });
            if owned {
                self.unowned.remove(id);
            } else {
                let since = *self.unowned.entry(*id).or_insert(self.now);
                assert!(self.now.since(since) <= UNOWNED, "somebody waits without an owner");
            }
            let late = self.now.since(wait.next_escalation());
            assert!(late < Duration::from_secs(120), "an escalation is {late:?} late");
        }
    }

    /// After the calm: everybody has their answer, and sees what the disk says.
    pub(super) fn check_the_end(&mut self) {
        let Some(owner) = &self.owner else { panic!("the process did not come back") };
        for visit in owner.visits() {
            let disk = &self.store.visits[&visit.id()];
            let haunted = self.haunted.contains(&Stream::Visit(visit.id()));
            assert!(haunted || visit.version() == disk.version(), "memory did not catch up");
        }
        for (n, page) in self.browsers.iter().enumerate() {
            if page.gone {
                continue;
            }
            assert!(page.welcomed, "browser {n} never got back in");
            assert!(page.unanswered.is_empty(), "browser {n} has no answer to {:?}", page.unanswered);
            if let (Some(id), Some(view)) = (page.visit_id, &page.visit) {
                let same = matches!(
                    (&view.phase, self.store.visits[&id].phase()),
                    (signaling_protocol::view::PhaseView::Booked, Phase::Booked)
                        | (signaling_protocol::view::PhaseView::Waiting { .. }, Phase::Waiting(_))
                        | (signaling_protocol::view::PhaseView::InCall { .. }, Phase::InCall(_))
                        | (signaling_protocol::view::PhaseView::Ended { .. }, Phase::Ended { .. })
                );
                assert!(same, "browser {n} sees {:?}", view.phase);
                let said = self.store.visits[&id].chat().history();
                let missed = said.iter().filter(|message| !page.chat.contains(&(id, message.seq))).count();
                let haunted = self.haunted.contains(&Stream::Visit(id));
                assert!(haunted || missed == 0, "browser {n} missed chat messages");
            }
            if let Some(queue) = &page.queue {
                let shown: Vec<_> = queue
                    .entries
                    .iter()
                    .filter(|entry| {
                        matches!(entry.phase, signaling_protocol::view::PhaseView::Waiting { .. })
                    })
                    .map(|entry| entry.visit)
                    .collect();
                assert_eq!(shown, owner.waiting(), "the clinician sees another queue");
                let unrecorded =
                    queue.unrecorded || queue.entries.iter().any(|e| e.unrecorded_from.is_some());
                assert!(!unrecorded, "all was recorded, and the clinician was not told");
            }
        }
    }
}

fn may_be_heard(visit: &Visit, participant: ParticipantId) -> bool {
    matches!(visit.phase(), Phase::InCall(_))
        && visit.takes_part(participant)
        && !visit.seats().has_left(participant)
}
