//! The owner of one waiting room: holds its durable machines, the appends in flight, who is connected,
//! and whose media is where. Never reads a clock.
//!
//! Contract: after each `handle_*`, drain [`Owner::poll`] to `None`; call [`Owner::handle_timeout`] at
//! [`Owner::poll_timeout`].
//!
//! * Nothing is told to anybody before the append that caused it has returned.
//! * One stream has at most one append in flight; further commands wait in a bounded queue.
//! * What is only in this machine's journal counts as recorded, and the clinician is told that it is not yet.
//! * An outcome that is not known is tried again with the same key until it is.
//! * What media should do is derived from the visits after every step, and the difference is told to
//!   the media node. Nobody who waits or left is seated.
//!
//! Reading order: [`io`] (what goes in and out), `lane` (appends), `hello`, `commands`, `media`, `adopt`,
//! `unrecorded`, `publish`, `deadlines`, `past`, [`program`] (what the rest of the process asks).

mod adopt;
mod commands;
mod deadlines;
mod hello;
pub mod io;
mod lane;
mod media;
mod past;
mod people;
pub mod program;
mod publish;
mod unrecorded;

pub use io::{
    Append, AppendFailure, Appended, ConnectionId, Fresh, Handled, Output, Overtaken, ProgramTicket,
    ReadFailure, Stream, Ticket,
};

use crate::{
    codec::{self, DecodeError, Stored},
    link::LinkHash,
    queue::{Queue, Stamps},
    record::Recorded,
    token::{Bearer, UsedTokens},
    visit::{self, Visit},
    waiting_room::{self, WaitingRoom},
};
use lane::Lane;
use model::{CommandId, ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use people::{Connected, Person};
use signaling_protocol::{ErrorCode, ServerMessage};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use unrecorded::Unrecorded;

/// The owner of one waiting room.
#[derive(Debug)]
pub struct Owner {
    tenant: TenantId,
    id: WaitingRoomId,
    room: WaitingRoom,
    visits: BTreeMap<VisitId, Visit>,
    /// Those that are over, by when.
    ended: BTreeSet<(Timestamp, VisitId)>,
    lanes: BTreeMap<Stream, Lane>,
    people: BTreeMap<ParticipantId, Person>,
    connections: BTreeMap<ConnectionId, Connected>,
    /// Connections whose seat is being recorded.
    joining: BTreeSet<ConnectionId>,
    links: HashMap<LinkHash, Option<VisitId>>,
    /// Which visit an `invite` made, by its command.
    invitations: HashMap<(Option<ParticipantId>, CommandId), VisitId>,
    used_tokens: UsedTokens,
    unrecorded: Unrecorded,
    sharers: BTreeMap<VisitId, media::ToldSharer>,
    stamps: Stamps,
    tickets: u64,
    outputs: VecDeque<Output>,
    /// Connections to be closed once everybody has been told.
    goodbyes: Vec<(ConnectionId, Option<ErrorCode>)>,
    /// Something a view shows has changed.
    dirty: bool,
    /// When the media node is to be told again what it was too busy for.
    media_retry: Option<Timestamp>,
    /// When it was last looked at who still counts as present.
    presence_checked: Timestamp,
    /// The store refused what a deadline wanted; not before this again.
    deadlines_pause: Timestamp,
    draining: Option<ErrorCode>,
    drained: bool,
}

impl Owner {
    /// An owner of a waiting room nothing is known of yet.
    #[must_use]
    pub fn new(tenant: TenantId, id: WaitingRoomId) -> Self {
        Self {
            tenant,
            id,
            room: WaitingRoom::new(id),
            visits: BTreeMap::new(),
            ended: BTreeSet::new(),
            lanes: BTreeMap::new(),
            people: BTreeMap::new(),
            connections: BTreeMap::new(),
            joining: BTreeSet::new(),
            links: HashMap::new(),
            invitations: HashMap::new(),
            used_tokens: UsedTokens::default(),
            unrecorded: Unrecorded::default(),
            sharers: BTreeMap::new(),
            stamps: Stamps::default(),
            tickets: 0,
            outputs: VecDeque::new(),
            goodbyes: Vec::new(),
            dirty: false,
            media_retry: None,
            presence_checked: Timestamp::default(),
            deadlines_pause: Timestamp::default(),
            draining: None,
            drained: false,
        }
    }

    /// Takes one event from the log, in its order, before [`Owner::start`].
    ///
    /// # Errors
    /// [`DecodeError`] when this build cannot read it; the room must then not be opened.
    pub fn restore(&mut self, stream: Stream, stored: &Stored) -> Result<(), DecodeError> {
        match stream {
            Stream::WaitingRoom => self.evolve_room(&codec::decode_waiting_room(stored)?),
            Stream::Visit(visit) => self.evolve_visit(visit, &codec::decode_visit(stored)?),
        }
        Ok(())
    }

    /// Begins work after everything was restored. Whoever was in the waiting room or in a call counts
    /// as gone since now; their place and their seat are kept.
    pub fn start(&mut self, now: Timestamp) {
        let clinician = self.clinician().filter(|id| self.room.generation(*id).0 > 0);
        let patients = self.visits.values().filter_map(|visit| {
            let engaged = matches!(visit.phase(), visit::Phase::Waiting(_) | visit::Phase::InCall(_));
            visit.booked().filter(|_| engaged).map(|booked| (booked.patient, visit.id()))
        });
        let gone: Vec<_> = patients.map(|(patient, visit)| (patient, Role::Patient, Some(visit))).collect();
        for (participant, role, visit) in
            gone.into_iter().chain(clinician.map(|id| (id, Role::Clinician, None)))
        {
            self.person(participant, role, visit).presence.away_since = Some(now);
        }
        self.dirty = true;
        self.finish(now);
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The process goes down: tells everybody with `because`, takes nothing new, and is
    /// [drained](Self::is_drained) when the last append has returned.
    pub fn drain(&mut self, now: Timestamp, because: ErrorCode) {
        self.draining = Some(because);
        self.refuse_waiting_commands();
        let everybody: Vec<_> = self.connections.keys().copied().collect();
        for to in everybody {
            self.goodbyes.push((to, Some(because)));
        }
        self.finish(now);
    }

    /// Another process owns the room: everybody is to come again and will be led there.
    pub fn lose(&mut self, now: Timestamp) {
        if self.draining.is_none() {
            self.drain(now, ErrorCode::Restarting);
        }
    }

    /// True when it was asked to drain and no append is in flight.
    #[must_use]
    pub const fn is_drained(&self) -> bool {
        self.drained
    }

    /// Everything that follows from a step, in the order in which people are told: views, then
    /// goodbyes, then the media node.
    fn finish(&mut self, now: Timestamp) {
        if self.dirty {
            self.dirty = false;
            self.publish(now);
        }
        self.say_goodbye(now);
        self.settle_media(now);
        self.presence_checked = now;
        self.drained = self.draining.is_some() && self.lanes.values().all(Lane::is_idle);
    }

    fn say_goodbye(&mut self, now: Timestamp) {
        for (to, because) in std::mem::take(&mut self.goodbyes) {
            if self.forget_connection(now, to) {
                self.outputs.push_back(Output::Close { to, because });
            }
        }
        if self.dirty {
            self.dirty = false;
            self.publish(now);
        }
    }

    fn evolve_room(&mut self, recorded: &Recorded<waiting_room::Event>) {
        self.stamps.seen(recorded.at);
        self.room.evolve(recorded);
        if let waiting_room::Event::Opened(opened) = &recorded.event {
            self.links.insert(opened.link, None);
            let bearer = self.bearer(opened.clinician, Role::Clinician, None);
            self.outputs.push_back(Output::Link { hash: opened.link, bearer });
        }
        self.dirty = true;
    }

    fn evolve_visit(&mut self, id: VisitId, recorded: &Recorded<visit::Event>) {
        self.stamps.seen(recorded.at);
        self.visits.entry(id).or_insert_with(|| Visit::new(id)).evolve(recorded);
        if let visit::Event::Booked(booked) = &recorded.event {
            self.links.insert(booked.link, Some(id));
            if let Some(command) = recorded.command {
                self.invitations.insert((recorded.by, command), id);
            }
            let bearer = self.bearer(booked.patient, Role::Patient, Some(id));
            self.outputs.push_back(Output::Link { hash: booked.link, bearer });
        }
        self.forget_the_past(id);
        self.dirty = true;
    }

    const fn bearer(&self, participant: ParticipantId, role: Role, visit: Option<VisitId>) -> Bearer {
        Bearer { tenant: self.tenant, waiting_room: self.id, visit, participant, role, held_by: None }
    }

    fn clinician(&self) -> Option<ParticipantId> {
        self.room.opened().map(|opened| opened.clinician)
    }

    fn queue(&self) -> Queue {
        Queue::of(self.visits.values())
    }

    fn person(&mut self, id: ParticipantId, role: Role, visit: Option<VisitId>) -> &mut Person {
        self.people.entry(id).or_insert_with(|| Person::new(role, visit))
    }

    fn send(&mut self, to: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { to, message });
    }

    /// Tells a participant, if they have a connection.
    fn tell(&mut self, participant: ParticipantId, message: ServerMessage) {
        if let Some(to) = self.people.get(&participant).and_then(|person| person.connection) {
            self.send(to, message);
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

/// What can be seen of it: for metrics and for tests.
impl Owner {
    /// Which waiting room.
    #[must_use]
    pub const fn id(&self) -> WaitingRoomId {
        self.id
    }

    /// Whose waiting room it is.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The waiting room.
    #[must_use]
    pub const fn waiting_room(&self) -> &WaitingRoom {
        &self.room
    }

    /// Its visits.
    pub fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.visits.values()
    }

    /// One visit.
    #[must_use]
    pub fn visit(&self, id: VisitId) -> Option<&Visit> {
        self.visits.get(&id)
    }

    /// Who waits, in order of check-in.
    #[must_use]
    pub fn waiting(&self) -> Vec<VisitId> {
        self.queue().waiting().to_vec()
    }

    /// Connections that were welcomed.
    pub fn connected(&self) -> impl Iterator<Item = (ConnectionId, ParticipantId)> + '_ {
        self.connections.iter().map(|(id, connected)| (*id, connected.participant))
    }
}
