//! Everything together, one step at a time, with the invariants after each.

use crate::{
    browser::Browser,
    media::Media,
    random::Random,
    store::{Event as StoredEvent, Mood, Store},
};
use model::{
    CommandId, Generation, ParticipantId, Role, RoomId, TenantId, Timestamp, VisitId, WaitingRoomId,
};
use sfu_core::port::{Answer, ClosedReason, Connect, MediaError, MediaEvent, SessionId, Transport};
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
    Read { life: u64, stream: Stream, ticket: Ticket, after: u64, fails: bool },
    Page { life: u64, stream: Stream, ticket: Ticket, page: Page },
    Answer { life: u64, ticket: Ticket, connect: Connect },
    Restarted { life: u64, ticket: Ticket, session: SessionId },
    Media { life: u64, event: MediaEvent },
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
        self.owner = Some(owner);
        self.tell(|| "the process starts".to_owned());
        self.carry_out();
    }

    fn crash(&mut self) {
        if self.owner.take().is_none() {
            return;
        }
        self.count("crash");
        self.tell(|| "the process is killed".to_owned());
        self.media.crash();
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
            Soon::Media { life, event } if life == self.life => {
                if let MediaEvent::Closed { session, .. } = event {
                    self.media.sessions.remove(&session);
                }
                self.owner(|owner, now| owner.handle_media(now, event));
            }
            Soon::LoseMedia => {
                let sessions: Vec<_> = self.media.sessions.keys().copied().collect();
                if let Some(session) = self.random.pick(&sessions) {
                    self.count("media-lost");
                    let event = MediaEvent::Closed { session, reason: ClosedReason::Timeout };
                    self.later(Duration::ZERO, Soon::Media { life: self.life, event });
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
            | Soon::Page { .. }
            | Soon::Answer { .. }
            | Soon::Restarted { .. }
            | Soon::Media { .. } => {}
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

    // ---- browsers and their wires ----

    fn connect(&mut self, browser: usize) {
        let page = &self.browsers[browser];
        if page.connection.is_some() || page.gone {
            return;
        }
        let Some(owner) = &self.owner else {
            let again = self.random.millis(100, 2_000);
            return self.later(again, Soon::Connect(browser));
        };
        let token = match page.seat {
            Some(generation) => {
                let (visit, participant, role) = (page.visit_id, page.participant, page.role);
                let bearer = Bearer { tenant: TENANT, waiting_room: ROOM, visit, participant, role };
                Verified::Resume { claims: ResumeClaims { bearer, generation } }
            }
            None => match owner.greet(&page.link) {
                Ok(greeting) => Verified::Join {
                    claims: JoinClaims { bearer: greeting.bearer },
                    jti: self.random.uuid(),
                    expires_at: self.now + Duration::from_secs(60),
                },
                Err(_) => {
                    self.browsers[browser].gone = true;
                    return;
                }
            },
        };
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.connections.insert(connection, Wire { browser, broken: false, up: self.now, down: self.now });
        self.browsers[browser].connection = Some(connection);
        self.hello(connection, token);
    }

    fn hello(&mut self, connection: ConnectionId, token: Verified) {
        if let Verified::Resume { claims } = token {
            self.resumed.insert(connection, claims.generation);
        } else if self.random.chance(5) {
            // A join token that was seen on its way, used by somebody else too.
            self.next_connection += 1;
            let thief = ConnectionId(self.next_connection);
            let browser = self.connections[&connection].browser;
            self.connections.insert(thief, Wire { browser, broken: false, up: self.now, down: self.now });
            self.thieves.insert(connection, thief);
            self.say(thief, Said::Hello(token));
        }
        self.say(connection, Said::Hello(token));
    }

    fn second_tab(&mut self, browser: usize) {
        let page = &mut self.browsers[browser];
        if page.gone {
            return;
        }
        // From now on the person looks at the new tab; the old one's wire is left to the server.
        let (before, visit, participant, role) = (page.seat, page.visit_id, page.participant, page.role);
        page.cut(true);
        page.seat = None;
        self.count("second-tab");
        self.connect(browser);
        if let Some(generation) = before
            && self.random.chance(50)
        {
            // The old tab comes back by itself, which it must not.
            let bearer = Bearer { tenant: TENANT, waiting_room: ROOM, visit, participant, role };
            self.next_connection += 1;
            let old = ConnectionId(self.next_connection);
            self.connections.insert(old, Wire { browser, broken: false, up: self.now, down: self.now });
            self.hello(old, Verified::Resume { claims: ResumeClaims { bearer, generation } });
        }
    }

    fn say(&mut self, from: ConnectionId, said: Said) {
        let delay = self.random.millis(1, 200);
        let Some(wire) = self.connections.get_mut(&from) else { return };
        wire.up = wire.up.max(self.now + delay);
        let at = wire.up;
        self.at(at, Soon::ToServer { from, said });
    }

    fn reach_server(&mut self, from: ConnectionId, said: Said) {
        let broken = self.connections.get(&from).is_none_or(|wire| wire.broken);
        match said {
            Said::Gone => {
                self.owner(|owner, now| owner.handle_disconnected(now, from));
                self.connections.remove(&from);
            }
            // What was on the way when the connection broke may or may not have arrived before.
            _ if broken && self.random.chance(50) => {}
            Said::Hello(token) => self.owner(|owner, now| owner.handle_hello(now, from, &token, true)),
            Said::Message(message) => self.owner(|owner, now| owner.handle_message(now, from, message, None)),
        }
    }

    /// Both ends will notice, the server perhaps much later.
    fn break_wire(&mut self, connection: ConnectionId) {
        let Some(wire) = self.connections.get_mut(&connection) else { return };
        if wire.broken {
            return;
        }
        wire.broken = true;
        let browser = wire.browser;
        self.count("connection-broken");
        // A server may take as long as its idle timeout to notice.
        let slow = self.random.chance(20);
        let notices = self.random.millis(10, if slow { 40_000 } else { 500 });
        let at = self.connections[&connection].up.max(self.now + notices);
        if let Some(wire) = self.connections.get_mut(&connection) {
            wire.up = at;
        }
        self.at(at, Soon::ToServer { from: connection, said: Said::Gone });
        if self.browsers[browser].connection == Some(connection) {
            let reload = self.random.chance(30);
            self.browsers[browser].cut(reload);
            let back = self.random.millis(50, 3_000);
            self.later(back, Soon::Connect(browser));
        }
    }

    fn reach_browser(&mut self, to: ConnectionId, told: Told) {
        let Some(wire) = self.connections.get(&to) else { return };
        if wire.broken {
            return;
        }
        let browser = wire.browser;
        let current = self.browsers[browser].connection == Some(to);
        match told {
            Told::Close(because) => self.closed(to, browser, current, because),
            // A tab nobody looks at any more.
            _ if !current => {}
            Told::Welcome(generation) => {
                let page = &mut self.browsers[browser];
                page.welcomed = true;
                page.seat = Some(generation);
                for message in page.unanswered.clone() {
                    self.count("command-sent-again");
                    self.say(to, Said::Message(message));
                }
            }
            Told::Message(message) => {
                let again = matches!(
                    &message,
                    ServerMessage::Error { re: Some(_), code: ErrorCode::Unavailable, .. }
                );
                self.browsers[browser].hear(message);
                if again {
                    for message in self.browsers[browser].unanswered.clone() {
                        self.say(to, Said::Message(message));
                    }
                }
            }
        }
    }

    fn closed(&mut self, to: ConnectionId, browser: usize, current: bool, because: Option<ErrorCode>) {
        self.connections.remove(&to);
        if because == Some(ErrorCode::Replaced) {
            self.count("replaced");
        }
        if !current {
            return;
        }
        let page = &mut self.browsers[browser];
        page.cut(false);
        match because {
            None => page.gone |= page.role != Role::Clinician,
            Some(ErrorCode::Replaced) => {
                // Only this person's newest tab is looked at: taking over is joining anew.
                page.seat = None;
            }
            Some(ErrorCode::NotAuthorized) => page.seat = None,
            Some(_) => {}
        }
        if self.browsers[browser].role == Role::Clinician {
            self.browsers[browser].gone = false;
        }
        let back = self.random.millis(100, 5_000);
        self.later(back, Soon::Connect(browser));
    }

    fn act(&mut self, browser: usize) {
        let page = &mut self.browsers[browser];
        if let Some(connection) = page.connection
            && page.welcomed
            && !self.calm
            && let Some(message) = page.act(&mut self.random)
        {
            // Some press twice.
            let twice = self.random.chance(10);
            if twice {
                self.say(connection, Said::Message(message.clone()));
            }
            self.tell(|| format!("browser {browser} says {message:?}"));
            self.say(connection, Said::Message(message));
            if self.random.chance(8) {
                let breaks = self.random.millis(1, 300);
                self.later(breaks, Soon::Break(connection));
            }
        }
        // A few go for a walk, so that some waits grow old.
        let next = if self.random.chance(4) { 900_000 } else { 8_000 };
        let next = self.random.millis(50, next);
        if !self.calm {
            self.later(next, Soon::Act(browser));
        }
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
        };
        self.count(match (mood, &result) {
            (Mood::Unavailable, _) => "append-unavailable",
            (Mood::UnknownLost, _) => "append-unknown-lost",
            (Mood::UnknownLate, _) => "append-unknown-late",
            (Mood::UnknownApplied, _) => "append-unknown-applied",
            (Mood::Twice, Ok(_)) => "append-delivered-twice",
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
        let life = self.life;
        let up = self.random.millis(5, 300);
        for session in older {
            let event = MediaEvent::Closed { session, reason: ClosedReason::Replaced };
            self.later(up, Soon::Media { life, event });
        }
        let event = MediaEvent::Connected { session, transport: Transport::Udp };
        self.later(up, Soon::Media { life, event });
        self.owner(|owner, now| owner.handle_answer(now, ticket, Ok(answer(session))));
    }

    /// Does what the owner asks for, checking each word against what is on disk.
    fn carry_out(&mut self) {
        while let Some(output) = self.owner.as_mut().and_then(Owner::poll) {
            match output {
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

    // ---- invariants ----

    /// No acknowledged command is lost, nothing is said before it is on disk.
    fn check_word(&mut self, to: ConnectionId, message: &ServerMessage) {
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

    fn check_acknowledged(&mut self, to: ConnectionId, re: CommandId) {
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

    fn check(&mut self) {
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
    fn check_memory(&self, owner: &Owner) {
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
    fn check_queue(&mut self, owner: &Owner) {
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
    fn check_places(&self, owner: &Owner) {
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
    fn check_media(&mut self, owner: &Owner) {
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

    /// Waiting and unowned for more than a minute never happens: somebody has every waiting visit in a
    /// queue, with a time at which the next in line is told.
    fn check_owned(&mut self) {
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
    fn check_the_end(&mut self) {
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
            }
        }
    }
}

fn may_be_heard(visit: &Visit, participant: ParticipantId) -> bool {
    matches!(visit.phase(), Phase::InCall(_))
        && visit.takes_part(participant)
        && !visit.seats().has_left(participant)
}

fn answer(session: SessionId) -> Answer {
    Answer { session, sdp: "v=0".into() }
}
