//! Everything together, one step at a time, with the invariants after each.

mod checks;
mod wires;

use crate::{
    browser::Browser,
    media::Media,
    random::Random,
    store::{Event as StoredEvent, Mood, Store},
};
use model::{
    CommandId, Generation, ParticipantId, Role, RoomId, TenantId, Timestamp, VisitId, WaitingRoomId,
};
use sfu_core::port::{Affinity, Answer, ClosedReason, Connect, MediaError, MediaEvent, SessionId, Transport};
use signaling_core::{
    Owner, limits,
    link::LinkHash,
    owner::{
        Append, AppendFailure, Appended, ConnectionId, Fresh, Output, ProgramTicket, ReadFailure, Stream,
        Ticket, io::Page,
    },
    token::{Bearer, JoinClaims, ResumeClaims, Verified},
    visit::{Event, Phase, Visit},
    waiting_room::Opened,
};
use signaling_protocol::{ClientMessage, ErrorCode, ServerMessage, view::ClinicView};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(2));
const START: Timestamp = Timestamp(1_000_000_000);
/// The promise: nobody waits without an owner for longer.
const UNOWNED: Duration = Duration::from_secs(60);
/// How long the media node may be told late, when it says that it is busy.
const MEDIA_LAG: Duration = Duration::from_secs(5);

/// Something that will happen.
enum Soon {
    ToServer { from: ConnectionId, said: Said },
    ToBrowser { to: ConnectionId, told: Told },
    Act(usize),
    Connect(usize),
    Apply(Append, Mood),
    Appended { life: u64, stream: Stream, ticket: Ticket, result: Result<Appended, AppendFailure> },
    Recorded { life: u64, ticket: Ticket },
    Read { life: u64, stream: Stream, ticket: Ticket, after: u64, fails: bool },
    Page { life: u64, stream: Stream, ticket: Ticket, page: Page },
    Answer { life: u64, ticket: Ticket, connect: Connect },
    Restarted { life: u64, ticket: Ticket, session: SessionId },
    Media(MediaEvent),
    LoseMedia,
    Wake,
    Break(ConnectionId),
    Crash,
    Boot,
    Trouble,
    Calm,
}

enum Said {
    Hello(Verified),
    Message(ClientMessage),
    Gone,
}

enum Told {
    Welcome(Generation),
    Message(ServerMessage),
    Close(Option<ErrorCode>),
}

pub(crate) struct World {
    random: Random,
    now: Timestamp,
    soon: BinaryHeap<Reverse<(Timestamp, u64)>>,
    what: BTreeMap<u64, Soon>,
    order: u64,
    store: Store,
    media: Media,
    owner: Option<Owner>,
    /// Which run of the process: answers to an earlier one reach nobody.
    life: u64,
    browsers: Vec<Browser>,
    connections: BTreeMap<ConnectionId, Wire>,
    next_connection: u64,
    calm: bool,
    /// Since when each waiting visit has had no owner.
    unowned: BTreeMap<VisitId, Timestamp>,
    /// Streams a former process wrote to after this one had read them.
    haunted: BTreeSet<Stream>,
    /// Two connections with the same join token: one of them is welcomed.
    thieves: BTreeMap<ConnectionId, ConnectionId>,
    welcomed: BTreeSet<ConnectionId>,
    /// Which generation a connection resumed with.
    resumed: BTreeMap<ConnectionId, Generation>,
    /// Check-ins that were acknowledged.
    promised: BTreeSet<VisitId>,
    /// Who was seated where they should not be alone, since when.
    astray: BTreeMap<SessionId, Timestamp>,
    last_order: Vec<VisitId>,
    happened: BTreeMap<&'static str, u64>,
    story: Vec<String>,
    aloud: bool,
    digest: u64,
}

/// One connection's two directions, each in order.
struct Wire {
    browser: usize,
    broken: bool,
    up: Timestamp,
    down: Timestamp,
}

impl World {
    pub(crate) fn new(seed: u64, aloud: bool) -> Self {
        Self {
            random: Random::new(seed),
            now: START,
            soon: BinaryHeap::new(),
            what: BTreeMap::new(),
            order: 0,
            store: Store::new(ROOM),
            media: Media::default(),
            owner: None,
            life: 0,
            browsers: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            calm: false,
            unowned: BTreeMap::new(),
            haunted: BTreeSet::new(),
            thieves: BTreeMap::new(),
            welcomed: BTreeSet::new(),
            resumed: BTreeMap::new(),
            promised: BTreeSet::new(),
            astray: BTreeMap::new(),
            last_order: Vec::new(),
            happened: BTreeMap::new(),
            story: Vec::new(),
            aloud,
            digest: 0,
        }
    }

    pub(crate) fn happened(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.happened.iter().map(|(what, times)| (*what, *times))
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.digest
    }

    /// Half an hour to two hours of trouble, then a calm, then everything must have come right.
    pub(crate) fn run(&mut self) {
        self.boot();
        self.open();
        let patients = 1 + self.random.below(5);
        for n in 0..patients {
            self.invite(n);
        }
        let trouble = self.random.millis(240_000, 2_400_000);
        self.later(Duration::from_secs(1), Soon::Trouble);
        self.later(trouble, Soon::Calm);
        let end = self.now + trouble + Duration::from_secs(150);
        while let Some(Reverse((at, order))) = self.soon.pop() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            let soon = self.what.remove(&order).unwrap();
            self.step(soon);
            self.check();
        }
        self.check_the_end();
    }

    fn later(&mut self, after: Duration, what: Soon) {
        self.at(self.now + after, what);
    }

    fn at(&mut self, at: Timestamp, what: Soon) {
        self.order += 1;
        self.soon.push(Reverse((at, self.order)));
        self.what.insert(self.order, what);
    }

    fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.aloud {
            let line = format!("{:>9.3}s {}", self.now.since(START).as_secs_f64(), line());
            eprintln!("{line}");
            self.story.push(line);
        }
    }

    // ---- the process ----

    fn boot(&mut self) {
        self.life += 1;
        let mut owner = Owner::new(TENANT, ROOM);
        for (stream, disk) in &self.store.streams {
            for stored in &disk.events {
                owner.restore(*stream, stored).unwrap();
            }
        }
        owner.start(self.now);
        let talking = self.talking(&owner);
        if !talking.is_empty() {
            self.count("call-adopted");
        }
        owner.adopt(self.now, self.media.existing(Affinity(ROOM.0.as_u128())));
        self.owner = Some(owner);
        self.tell(|| "the process starts".to_owned());
        self.carry_out();
        let still = self.owner.as_ref().map(|owner| self.talking(owner)).unwrap_or_default();
        // Others may join them: who was admitted in the last moment of the process before.
        let goes_on = talking.iter().all(|(who, session)| still.get(who) == Some(session));
        assert!(goes_on, "a call was interrupted by who took it over");
    }

    fn crash(&mut self) {
        if self.owner.take().is_none() {
            return;
        }
        self.count("crash");
        self.tell(|| "the process is killed".to_owned());
        if self.random.chance(50) {
            // The media node is a process of its own, and goes on. Nobody could move anybody meanwhile.
            self.count("crash-beside-media");
            self.astray.clear();
        } else {
            self.media.crash();
        }
        // What was on its way to the disk arrives now or never; nothing of it outlives the process.
        let on_the_way: Vec<_> = self
            .what
            .iter()
            .filter(|(_, soon)| matches!(soon, Soon::Apply(..)))
            .map(|(order, _)| *order)
            .collect();
        for order in on_the_way {
            let Some(Soon::Apply(append, _)) = self.what.insert(order, Soon::Wake) else { continue };
            match self.random.below(3) {
                0 => {}
                1 => drop(self.store.append(&append)),
                _ => self.leave_a_ghost(append),
            }
        }
        let open: Vec<_> = self.connections.keys().copied().collect();
        for connection in open {
            self.break_wire(connection);
        }
        let down = self.random.millis(50, 20_000);
        self.later(down, Soon::Boot);
    }

    /// An append of the killed process that lands when the next one has read the log already. Only
    /// where nothing is promised to anybody: keeping a former owner from deciding at all takes an epoch
    /// in the store, which comes with more than one process.
    fn leave_a_ghost(&mut self, append: Append) {
        if append.events.iter().all(|event| matches!(event.kind, "said" | "seat-taken" | "share-requested")) {
            self.count("late-writer");
            self.haunted.insert(append.stream);
            let lands = self.random.millis(1, 25_000);
            self.later(lands, Soon::Apply(append, Mood::Fine));
        }
    }

    fn open(&mut self) {
        let clinician = ParticipantId(Uuid::from_u128(0xC));
        let link = LinkHash::of("clinician");
        let opened = Opened {
            clinic: ClinicView { name: "Clinic".into(), phone: "1".into() },
            practitioner: "Dr Lee".into(),
            clinician,
            link,
        };
        let begun = self.now;
        while self.store.room.opened().is_none() {
            assert!(self.now.since(begun) < UNOWNED, "the waiting room was never opened");
            if let Some(owner) = &mut self.owner {
                owner.handle_open(self.now, ProgramTicket(0), opened.clone());
            }
            self.settle(Duration::from_secs(5));
        }
        self.browsers.push(Browser::new(link, Role::Clinician, clinician, None));
        self.later(Duration::from_millis(10), Soon::Connect(0));
        self.later(Duration::from_millis(500), Soon::Act(0));
    }

    fn invite(&mut self, n: u64) {
        let id = CommandId(self.random.uuid());
        let fresh = Fresh {
            visit: VisitId(self.random.uuid()),
            patient: ParticipantId(self.random.uuid()),
            link: LinkHash::of(&format!("patient {n}")),
        };
        let begun = self.now;
        while !self.store.visits.contains_key(&fresh.visit) {
            assert!(self.now.since(begun) < UNOWNED, "a visit was never booked");
            if let Some(owner) = &mut self.owner {
                owner.handle_invite(self.now, ProgramTicket(0), id, "Bob".into(), "".into(), fresh);
            }
            self.settle(Duration::from_secs(5));
        }
        let browser = self.browsers.len();
        self.browsers.push(Browser::new(fresh.link, Role::Patient, fresh.patient, Some(fresh.visit)));
        let comes = self.random.millis(10, 120_000);
        self.later(comes, Soon::Connect(browser));
        self.later(comes + Duration::from_millis(500), Soon::Act(browser));
    }

    /// Lets some time pass while nobody does anything yet.
    fn settle(&mut self, how_long: Duration) {
        self.carry_out();
        let until = self.now + how_long;
        while let Some(Reverse((at, _))) = self.soon.peek()
            && *at <= until
        {
            let Some(Reverse((at, order))) = self.soon.pop() else { return };
            self.now = self.now.max(at);
            let soon = self.what.remove(&order).unwrap();
            self.step(soon);
            self.check();
        }
        self.now = until;
    }

    fn step(&mut self, soon: Soon) {
        match soon {
            Soon::ToServer { from, said } => self.reach_server(from, said),
            Soon::ToBrowser { to, told } => self.reach_browser(to, told),
            Soon::Act(browser) => self.act(browser),
            Soon::Connect(browser) => self.connect(browser),
            Soon::Apply(append, mood) => self.apply(&append, mood),
            Soon::Appended { life, stream, ticket, result } if life == self.life => {
                self.owner(|owner, now| owner.handle_appended(now, stream, ticket, result));
            }
            Soon::Recorded { life, ticket } if life == self.life => {
                self.owner(|owner, now| owner.handle_recorded(now, ticket, Ok(())));
            }
            Soon::Read { life, stream, ticket, after, fails } => {
                let page = if fails {
                    Err(ReadFailure)
                } else {
                    Ok(self.store.read(stream, after, limits::READ_PAGE))
                };
                if fails {
                    self.count("read-failed");
                }
                let takes = self.random.millis(0, 20);
                self.later(takes, Soon::Page { life, stream, ticket, page });
            }
            Soon::Page { life, stream, ticket, page } if life == self.life => {
                self.owner(|owner, now| owner.handle_page(now, stream, ticket, page));
            }
            Soon::Answer { life, ticket, connect } if life == self.life && self.owner.is_some() => {
                self.answer(ticket, &connect);
            }
            Soon::Restarted { life, ticket, session } if life == self.life => {
                let known = self.media.sessions.contains_key(&session);
                let result = if known { Ok(answer(session)) } else { Err(MediaError::NoSuchSession) };
                self.owner(|owner, now| owner.handle_answer(now, ticket, result));
            }
            Soon::Media(event) => {
                self.media.happens(&event);
                self.owner(|owner, now| owner.handle_media(now, event));
            }
            Soon::LoseMedia => {
                let sessions: Vec<_> = self.media.sessions.keys().copied().collect();
                if let Some(session) = self.random.pick(&sessions) {
                    self.count("media-lost");
                    let event = MediaEvent::Closed { session, reason: ClosedReason::Timeout };
                    self.later(Duration::ZERO, Soon::Media(event));
                }
            }
            Soon::Wake => self.owner(|owner, now| {
                if owner.poll_timeout().is_some_and(|at| at <= now) {
                    owner.handle_timeout(now);
                }
            }),
            Soon::Crash => self.crash(),
            Soon::Break(connection) => self.break_wire(connection),
            Soon::Boot => {
                if self.owner.is_none() {
                    self.boot();
                }
            }
            Soon::Trouble => self.trouble(),
            Soon::Calm => {
                self.calm = true;
                self.tell(|| "all is calm".to_owned());
            }
            Soon::Appended { .. }
            | Soon::Recorded { .. }
            | Soon::Page { .. }
            | Soon::Answer { .. }
            | Soon::Restarted { .. } => {}
        }
        self.carry_out();
    }

    fn owner(&mut self, call: impl FnOnce(&mut Owner, Timestamp)) {
        if let Some(owner) = &mut self.owner {
            call(owner, self.now);
        }
    }

    fn trouble(&mut self) {
        if self.calm {
            return;
        }
        match self.random.below(100) {
            0..5 => self.crash(),
            5..30 => {
                let open: Vec<_> = self.connections.keys().copied().collect();
                if let Some(connection) = self.random.pick(&open) {
                    self.break_wire(connection);
                }
            }
            30..36 => self.step(Soon::LoseMedia),
            36..48 => {
                // A second tab: the same link once more.
                let browser = usize::try_from(self.random.below(self.browsers.len() as u64)).unwrap();
                self.second_tab(browser);
            }
            _ => {}
        }
        let next = self.random.millis(500, 20_000);
        self.later(next, Soon::Trouble);
    }

    // ---- the store and the media node ----

    fn apply(&mut self, append: &Append, mood: Mood) {
        let (stream, ticket, life) = (append.stream, append.ticket, self.life);
        let result = match mood {
            Mood::Unavailable => Err(AppendFailure::Unavailable),
            Mood::UnknownLost => Err(AppendFailure::Unknown),
            Mood::UnknownLate => {
                let lands = self.random.millis(1, 3_000);
                self.later(lands, Soon::Apply(append.clone(), Mood::Twice));
                Err(AppendFailure::Unknown)
            }
            Mood::UnknownApplied => {
                let _ = self.store.append(append);
                Err(AppendFailure::Unknown)
            }
            Mood::Twice => {
                let first = self.store.append(append);
                let _ = self.store.append(append);
                first
            }
            Mood::Fine => self.store.append(append),
            Mood::Journaled => {
                self.store.append(append).map(|appended| Appended { provisional: true, ..appended })
            }
        };
        self.count(match (mood, &result) {
            (Mood::Unavailable, _) => "append-unavailable",
            (Mood::UnknownLost, _) => "append-unknown-lost",
            (Mood::UnknownLate, _) => "append-unknown-late",
            (Mood::UnknownApplied, _) => "append-unknown-applied",
            (Mood::Twice, Ok(_)) => "append-delivered-twice",
            (Mood::Journaled, Ok(_)) => "append-journaled",
            (_, Err(_)) => "append-conflict",
            (_, Ok(Appended { repeated: true, .. })) => "append-repeated",
            (_, Ok(_)) => "append",
        });
        self.tell(|| format!("the store answers {mood:?} {result:?} for {stream:?}"));
        let takes = self.random.millis(0, 30);
        self.later(takes, Soon::Appended { life, stream, ticket, result });
    }

    fn answer(&mut self, ticket: Ticket, connect: &Connect) {
        if !self.calm && self.random.chance(5) {
            return self.owner(|owner, now| owner.handle_answer(now, ticket, Err(MediaError::Busy)));
        }
        let (session, older) = self.media.connect(connect);
        let up = self.random.millis(5, 300);
        for session in older {
            let event = MediaEvent::Closed { session, reason: ClosedReason::Replaced };
            self.later(up, Soon::Media(event));
        }
        let event = MediaEvent::Connected { session, transport: Transport::Udp };
        self.later(up, Soon::Media(event));
        self.owner(|owner, now| owner.handle_answer(now, ticket, Ok(answer(session))));
    }

    /// Does what the owner asks for, checking each word against what is on disk.
    fn carry_out(&mut self) {
        while let Some(output) = self.owner.as_mut().and_then(Owner::poll) {
            match output {
                Output::AwaitRecord { ticket } => {
                    let (takes, life) = (self.random.millis(1, 4_000), self.life);
                    self.later(takes, Soon::Recorded { life, ticket });
                }
                Output::Append(append) => {
                    let mood = Mood::roll(&mut self.random, self.calm);
                    let takes = self.random.millis(0, 40);
                    self.later(takes, Soon::Apply(append, mood));
                    if !self.calm && self.random.chance(2) {
                        // The worst moment to be killed.
                        let dies = self.random.millis(0, 60);
                        self.later(dies, Soon::Crash);
                    }
                }
                Output::Read { stream, ticket, after } => {
                    let fails = !self.calm && self.random.chance(10);
                    let takes = self.random.millis(0, 20);
                    self.later(takes, Soon::Read { life: self.life, stream, ticket, after, fails });
                }
                Output::Welcome { to, bearer, generation } => {
                    let recorded = match bearer.visit {
                        None => self.store.room.generation(bearer.participant),
                        Some(visit) => self.store.visits[&visit].seats().generation(bearer.participant),
                    };
                    assert!(generation <= recorded, "welcomed to a seat that is not on disk");
                    let claimed = self.resumed.get(&to);
                    assert!(
                        claimed.is_none_or(|claimed| *claimed == generation),
                        "an older tab took the seat back"
                    );
                    self.welcomed.insert(to);
                    let both = self
                        .thieves
                        .iter()
                        .any(|(a, b)| self.welcomed.contains(a) && self.welcomed.contains(b));
                    assert!(!both, "a join token counted twice");
                    self.send(to, Told::Welcome(generation));
                }
                Output::Send { to, message } => {
                    self.check_word(to, &message);
                    self.send(to, Told::Message(message));
                }
                Output::Close { to, because } => self.send(to, Told::Close(because)),
                Output::Connect { ticket, connect } => {
                    let takes = self.random.millis(1, 200);
                    self.later(takes, Soon::Answer { life: self.life, ticket, connect });
                }
                Output::Restart { ticket, session, .. } => {
                    let takes = self.random.millis(1, 200);
                    self.later(takes, Soon::Restarted { life: self.life, ticket, session });
                }
                Output::Seat { session, room } => {
                    let busy = !self.calm && self.random.chance(10);
                    let result = if busy { Err(MediaError::Busy) } else { self.media.seat(session, room) };
                    if let Err(error) = result {
                        self.count("seat-busy");
                        self.owner(|owner, now| owner.handle_seat_failed(now, session, &error));
                    }
                }
                Output::SetSharer { visit, sharer } => {
                    if !self.calm && self.random.chance(10) {
                        self.owner(|owner, now| owner.handle_sharer_failed(now, visit));
                    } else {
                        self.media.sharers.insert(RoomId::from(visit), sharer);
                    }
                }
                Output::Disconnect { session } => {
                    self.media.sessions.remove(&session);
                }
                Output::Escalated { .. } => self.count("escalated"),
                Output::Invited { .. }
                | Output::Answer { .. }
                | Output::Link { .. }
                | Output::Unlink { .. }
                | Output::Handled(_) => {}
            }
        }
        if let Some(at) = self.owner.as_ref().and_then(Owner::poll_timeout) {
            // Shells wake a little late.
            let late = self.random.millis(0, 20);
            self.at(at.max(self.now) + late + Duration::from_millis(1), Soon::Wake);
        }
    }

    fn send(&mut self, to: ConnectionId, told: Told) {
        let delay = self.random.millis(1, 200);
        let Some(wire) = self.connections.get_mut(&to) else { return };
        wire.down = wire.down.max(self.now + delay);
        let at = wire.down;
        self.at(at, Soon::ToBrowser { to, told });
    }
}

fn answer(session: SessionId) -> Answer {
    Answer { session, sdp: "v=0".into() }
}
