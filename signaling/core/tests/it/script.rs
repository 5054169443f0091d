//! Scripts in plain words, played against one owner with a store and a media node that do their work at
//! once. The transcript says who was told what.
//!
//! ```text
//! 0s alice joins
//! 3s bob checks in
//! 5s alice admits bob
//! ```

use model::{CommandId, ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use sfu_core::port::{Answer, SessionId};
use signaling_core::{
    Owner,
    codec::Stored,
    link::LinkHash,
    owner::{AppendFailure, Appended, ConnectionId, Fresh, Output, Overtaken, ProgramTicket, Stream, Ticket},
    token::{Bearer, JoinClaims, ResumeClaims, Verified},
    waiting_room::Opened,
};
use signaling_protocol::{
    ClientMessage, CloseCode, ServerMessage,
    view::{ClinicView, DeviceHealth, MediaWish, Modality, Outcome, PhaseView, QueueView, VisitView},
};
use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    time::Duration,
};
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(2));

/// Plays a script and returns its transcript.
pub(crate) fn play(script: &str) -> String {
    let mut stage = Stage::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        stage.line(line);
    }
    stage.transcript
}

/// Plays a script and compares its transcript with the recorded one, named after the test.
macro_rules! check {
    ($script:expr) => {
        insta::assert_snapshot!($crate::script::play($script));
    };
}
pub(crate) use check;

struct Person {
    participant: ParticipantId,
    role: Role,
    visit: Option<VisitId>,
    connection: Option<ConnectionId>,
    resume: Option<ResumeClaims>,
}

struct Stage {
    now: Timestamp,
    owner: Owner,
    log: BTreeMap<Stream, Vec<Stored>>,
    keys: HashSet<(Stream, CommandId)>,
    people: BTreeMap<String, Person>,
    connections: BTreeMap<ConnectionId, String>,
    sessions: BTreeMap<SessionId, String>,
    /// What the store answers instead of doing its work, next.
    mood: Option<Mood>,
    /// The store is away, and a journal takes what comes.
    journals: bool,
    /// Who waits until all of it is in the store.
    asked: Option<Ticket>,
    /// What somebody wanted to see of the store.
    listed: Option<String>,
    next: u128,
    last: Option<(String, ClientMessage)>,
    transcript: String,
}

#[derive(Clone, Copy)]
enum Mood {
    Refuses,
    Forgets { applied: bool },
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self {
            now: Timestamp(0),
            owner: Owner::new(TENANT, ROOM),
            log: BTreeMap::new(),
            keys: HashSet::new(),
            people: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            mood: None,
            journals: false,
            asked: None,
            listed: None,
            next: 100,
            last: None,
            transcript: String::new(),
        };
        stage.owner.start(stage.now);
        let clinician = ParticipantId(stage.fresh());
        let opened = Opened {
            clinic: ClinicView { name: "Harbour Clinic".into(), phone: "+1 555 0100".into() },
            practitioner: "Dr Lee".into(),
            clinician,
            link: LinkHash::of("alice"),
        };
        stage.owner.handle_open(stage.now, ProgramTicket(0), opened);
        stage.people.insert(
            "alice".into(),
            Person {
                participant: clinician,
                role: Role::Clinician,
                visit: None,
                connection: None,
                resume: None,
            },
        );
        stage.carry_out();
        stage
    }

    fn fresh(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    fn line(&mut self, line: &str) {
        let (time, rest) = line.split_once(' ').unwrap();
        let at = Timestamp(time.strip_suffix('s').unwrap().parse::<i64>().unwrap() * 1_000);
        self.sleep_until(at);
        let (name, what) = rest.split_once(' ').unwrap();
        let role = if name == "alice" { "clinician" } else { "patient" };
        let who = if matches!(name, "store" | "server" | "everybody" | "media") {
            name.to_owned()
        } else {
            format!("{name}({role})")
        };
        self.act(name, what);
        let mut told = self.carry_out();
        told.extend(self.listed.take());
        self.write(&format!("{who} {what}"), &told);
    }

    fn write(&mut self, what: &str, told: &[String]) {
        let seconds = self.now.as_millis() as f64 / 1_000.0;
        writeln!(self.transcript, "{seconds}s {what}").unwrap();
        for line in told {
            writeln!(self.transcript, "    → {line}").unwrap();
        }
    }

    /// Wakes the owner whenever it asked to be woken.
    fn sleep_until(&mut self, at: Timestamp) {
        while let Some(wake) = self.owner.poll_timeout().filter(|wake| *wake <= at) {
            self.now = self.now.max(wake);
            self.owner.handle_timeout(self.now);
            let told = self.carry_out();
            if !told.is_empty() {
                self.write("…", &told);
            }
        }
        self.now = at;
    }

    /// A person is invited when the script first names them.
    fn person(&mut self, name: &str) -> &mut Person {
        if !self.people.contains_key(name) {
            let fresh = Fresh {
                visit: VisitId(self.fresh()),
                patient: ParticipantId(self.fresh()),
                link: LinkHash::of(name),
            };
            let id = CommandId(self.fresh());
            self.owner.handle_invite(self.now, ProgramTicket(0), id, name.into(), "Check-up".into(), fresh);
            let person = Person {
                participant: fresh.patient,
                role: Role::Patient,
                visit: Some(fresh.visit),
                connection: None,
                resume: None,
            };
            self.people.insert(name.to_owned(), person);
            self.carry_out();
        }
        self.people.get_mut(name).unwrap()
    }

    fn act(&mut self, name: &str, what: &str) {
        let words: Vec<_> = what.split(' ').collect();
        match (name, words.as_slice()) {
            ("store", ["refuses", ..]) => self.mood = Some(Mood::Refuses),
            ("store", ["records", ..]) => self.mood = Some(Mood::Forgets { applied: true }),
            ("store", ["loses", ..]) => self.mood = Some(Mood::Forgets { applied: false }),
            ("store", ["goes", "away"]) => self.journals = true,
            ("store", ["answers", "again"]) => {
                self.journals = false;
                self.settle(Ok(()));
            }
            // What was journaled before somebody asked: more may have come.
            ("store", ["catches", "up"]) => self.settle(Ok(())),
            ("store", ["was", "overtaken"]) => self.settle(Err(Overtaken)),
            ("server", ["restarts"]) => self.restart(),
            ("store", ["lists", whom]) => {
                let stream = Stream::Visit(self.person(whom).visit.unwrap());
                let kinds: Vec<_> = self.log[&stream].iter().map(|event| event.kind.to_string()).collect();
                self.listed = Some(kinds.join(", "));
            }
            ("everybody", ["waits"]) => {}
            (_, ["joins"]) => {
                self.join(name);
            }
            // A second tab, closed before its seat is recorded.
            (_, ["glances"]) => {
                let tab = self.join(name);
                self.connections.remove(&tab);
                self.owner.handle_disconnected(self.now, tab);
            }
            (_, ["resumes"]) => {
                let claims = self.person(name).resume.unwrap();
                self.hello(name, Verified::Resume { claims });
            }
            (_, ["drops"]) => {
                let connection = self.person(name).connection.take().unwrap();
                self.connections.remove(&connection);
                self.owner.handle_disconnected(self.now, connection);
            }
            (_, ["repeats", ..]) => {
                let (who, message) = self.last.clone().unwrap();
                assert_eq!(who, name);
                self.say(name, message);
            }
            _ => {
                let message = self.message(name, &words);
                self.last = Some((name.to_owned(), message.clone()));
                self.say(name, message);
            }
        }
    }

    fn settle(&mut self, result: Result<(), Overtaken>) {
        let ticket = self.asked.take().unwrap();
        self.owner.handle_recorded(self.now, ticket, result);
    }

    fn message(&mut self, name: &str, words: &[&str]) -> ClientMessage {
        let id = CommandId(self.fresh());
        let own = self.person(name).visit;
        let visit_of = |stage: &mut Self, name: &str| stage.person(name).visit.unwrap();
        match words {
            ["checks", "in"] => {
                ClientMessage::CheckIn { id, modality: Modality::Video, devices: DeviceHealth::default() }
            }
            ["admits", whom] => ClientMessage::Admit { id, visit: visit_of(self, whom) },
            ["denies", whom] => {
                ClientMessage::Deny { id, visit: visit_of(self, whom), reason: "Please call us.".into() }
            }
            ["ends", whom] => ClientMessage::End { id, visit: visit_of(self, whom), outcome: Outcome::Done },
            ["closes", whom] => {
                ClientMessage::End { id, visit: visit_of(self, whom), outcome: Outcome::PatientAbsent }
            }
            ["leaves"] => ClientMessage::Leave { id },
            ["offers"] => ClientMessage::Offer { id, sdp: "v=0".into(), restart: false },
            ["says", text] => ClientMessage::Chat { id, visit: own.unwrap(), text: (*text).into() },
            ["tells", whom, text] => {
                ClientMessage::Chat { id, visit: visit_of(self, whom), text: (*text).into() }
            }
            ["asks", "to", "share"] => ClientMessage::ShareRequest { id, visit: own.unwrap() },
            ["shares", "with", whom] => ClientMessage::ShareRequest { id, visit: visit_of(self, whom) },
            ["lets", whom, "share"] => {
                let visit = visit_of(self, whom);
                ClientMessage::ShareGrant { id, visit, participant: self.person(whom).participant }
            }
            ["stops", whom] => {
                // A clinician is in no visit of their own: theirs is bob's.
                let visit =
                    own.unwrap_or_else(|| visit_of(self, if *whom == "alice" { "bob" } else { whom }));
                ClientMessage::ShareStop { id, visit, participant: self.person(whom).participant }
            }
            other => panic!("no such line: {other:?}"),
        }
    }

    fn join(&mut self, name: &str) -> ConnectionId {
        let person = self.person(name);
        let (participant, role, visit) = (person.participant, person.role, person.visit);
        let claims = JoinClaims {
            bearer: Bearer { tenant: TENANT, waiting_room: ROOM, visit, participant, role, held_by: None },
        };
        let (jti, expires_at) = (self.fresh(), self.now + Duration::from_secs(60));
        self.hello(name, Verified::Join { claims, jti, expires_at })
    }

    fn hello(&mut self, name: &str, token: Verified) -> ConnectionId {
        let connection = ConnectionId(u64::try_from(self.fresh().as_u128()).unwrap());
        self.connections.insert(connection, name.to_owned());
        self.owner.handle_hello(self.now, connection, &token, true);
        connection
    }

    fn say(&mut self, name: &str, message: ClientMessage) {
        let connection = self.person(name).connection.expect("connected");
        self.owner.handle_message(self.now, connection, message, None);
    }

    fn restart(&mut self) {
        self.connections.clear();
        self.sessions.clear();
        for person in self.people.values_mut() {
            person.connection = None;
        }
        self.owner = Owner::new(TENANT, ROOM);
        for (stream, events) in &self.log {
            for stored in events {
                self.owner.restore(*stream, stored).unwrap();
            }
        }
        self.owner.start(self.now);
    }

    /// Does what the owner asks; says who was told what.
    fn carry_out(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(output) = self.owner.poll() {
            match output {
                Output::Append(append) => {
                    let (stream, ticket) = (append.stream, append.ticket);
                    let result = self.append(append);
                    self.owner.handle_appended(self.now, stream, ticket, result);
                }
                Output::Read { stream, ticket, after } => {
                    let events = self.log.get(&stream).cloned().unwrap_or_default();
                    let page = events.into_iter().filter(|stored| stored.version > after).collect();
                    self.owner.handle_page(self.now, stream, ticket, Ok(page));
                }
                Output::AwaitRecord { ticket } if self.journals => self.asked = Some(ticket),
                Output::AwaitRecord { ticket } => self.owner.handle_recorded(self.now, ticket, Ok(())),
                Output::Welcome { to, bearer, generation } => {
                    let name = self.connections[&to].clone();
                    told.push(format!("{name}: welcome to seat {generation}"));
                    let person = self.people.get_mut(&name).unwrap();
                    person.connection = Some(to);
                    person.resume = Some(ResumeClaims { bearer, generation });
                }
                Output::Send { to, message } => {
                    if let Some(name) = self.connections.get(&to) {
                        told.push(format!("{name}: {}", self.words(&message)));
                    }
                }
                Output::Close { to, because } => {
                    let name = self.connections.remove(&to).unwrap();
                    let person = self.people.get_mut(&name).unwrap();
                    if person.connection == Some(to) {
                        person.connection = None;
                    }
                    let code = because.map_or(CloseCode::Normal, CloseCode::for_error);
                    told.push(format!("{name}: closed {}", u16::from(code)));
                }
                Output::Connect { ticket, connect } => {
                    self.media(ticket, &connect.participant, connect.room.is_some(), &mut told);
                }
                Output::Seat { session, room } => {
                    let name = &self.sessions[&session];
                    let place = if room.is_some() { "in the room" } else { "warm" };
                    told.push(format!("media: {name} is {place}"));
                }
                Output::SetSharer { sharer, .. } => {
                    let name = sharer.map_or_else(|| "nobody".to_owned(), |id| self.name(id));
                    told.push(format!("media: {name} shares"));
                }
                Output::Disconnect { session } => {
                    told.push(format!("media: {} is gone", self.sessions[&session]));
                }
                Output::Escalated { to, .. } => {
                    told.push(format!("{to:?}: told of a long wait").to_lowercase())
                }
                Output::Restart { .. }
                | Output::Invited { .. }
                | Output::Answer { .. }
                | Output::Link { .. }
                | Output::Unlink { .. }
                | Output::Handled(_) => {}
            }
        }
        told
    }

    fn media(&mut self, ticket: Ticket, who: &ParticipantId, seated: bool, told: &mut Vec<String>) {
        let session = SessionId(u64::try_from(self.fresh().as_u128()).unwrap());
        let name = self.name(*who);
        told.push(format!("media: {name} connects {}", if seated { "into the room" } else { "warm" }));
        self.sessions.insert(session, name);
        self.owner.handle_answer(self.now, ticket, Ok(Answer { session, sdp: "v=0".into() }));
    }

    fn append(&mut self, append: signaling_core::owner::Append) -> Result<Appended, AppendFailure> {
        match self.mood.take() {
            Some(Mood::Refuses) => return Err(AppendFailure::Unavailable),
            Some(Mood::Forgets { applied }) => {
                if applied {
                    let _ = self.record(append);
                }
                return Err(AppendFailure::Unknown);
            }
            None => {}
        }
        self.record(append)
    }

    fn record(&mut self, append: signaling_core::owner::Append) -> Result<Appended, AppendFailure> {
        let events = self.log.entry(append.stream).or_default();
        if !self.keys.insert((append.stream, append.key)) {
            return Ok(Appended { version: events.len() as u64, repeated: true, provisional: self.journals });
        }
        if events.len() as u64 != append.expected {
            return Err(AppendFailure::Conflict);
        }
        for encoded in append.events {
            events.push(Stored {
                version: events.len() as u64 + 1,
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                body: encoded.body,
                phi: encoded.phi,
                at: append.at,
            });
        }
        Ok(Appended { version: events.len() as u64, repeated: false, provisional: self.journals })
    }

    fn name(&self, id: ParticipantId) -> String {
        self.people.iter().find(|(_, person)| person.participant == id).map(|(name, _)| name.clone()).unwrap()
    }

    fn words(&self, message: &ServerMessage) -> String {
        match message {
            ServerMessage::Visit { visit: None } => "no visit".into(),
            ServerMessage::Visit { visit: Some(visit) } => self.visit(visit),
            ServerMessage::Queue { queue } => self.queue(queue),
            ServerMessage::ChatHistory { messages, .. } => format!("history of {}", messages.len()),
            ServerMessage::Chat { message, .. } => {
                format!("{} said {}", self.name(message.from), message.text.expose())
            }
            ServerMessage::Answer { .. } => "answer".into(),
            ServerMessage::MediaClosed => "media closed".into(),
            ServerMessage::Slots { .. } => "slots".into(),
            ServerMessage::Ok { .. } => "ok".into(),
            ServerMessage::Error { code, .. } => {
                format!("error {}", serde_json::to_value(code).unwrap().as_str().unwrap())
            }
            ServerMessage::Welcome { .. } | ServerMessage::Invited { .. } | ServerMessage::Pong { .. } => {
                "…".into()
            }
        }
    }

    fn visit(&self, visit: &VisitView) -> String {
        let mut text = format!("visit {}", phase(&visit.phase));
        if visit.media != MediaWish::Idle {
            text += &format!(", {}", wish(visit.media));
        }
        if let Some(sharer) = visit.sharer {
            text += &format!(", {} shares", self.name(sharer));
        }
        for asks in &visit.share_requests {
            text += &format!(", {} asks to share", self.name(*asks));
        }
        for participant in &visit.participants {
            if participant.away_since.is_some() {
                text += &format!(", {} away", self.name(participant.id));
            }
        }
        text
    }

    fn queue(&self, queue: &QueueView) -> String {
        let lines: Vec<_> = queue
            .entries
            .iter()
            .map(|entry| {
                let away = if entry.away_since.is_some() { ", away" } else { "" };
                let desk = if entry.escalated_at.is_some() { ", desk" } else { "" };
                let unrecorded =
                    entry.unrecorded_from.map_or(String::new(), |from| format!(", unrecorded from {from}"));
                format!("{} {}{away}{desk}{unrecorded}", entry.name.expose(), phase(&entry.phase))
            })
            .collect();
        let unrecorded = if queue.unrecorded { ", not all recorded" } else { "" };
        format!("queue [{}]{unrecorded}", lines.join("; "))
    }
}

fn phase(phase: &PhaseView) -> String {
    match phase {
        PhaseView::Booked => "booked".into(),
        PhaseView::Waiting { ahead, minutes, .. } => {
            let minutes = minutes.map_or(String::new(), |(from, to)| format!(" {from}–{to} min"));
            format!("waiting behind {ahead}{minutes}")
        }
        PhaseView::InCall { .. } => "in call".into(),
        PhaseView::Ended { outcome, .. } => {
            format!("ended {}", serde_json::to_value(outcome).unwrap().as_str().unwrap())
        }
    }
}

const fn wish(wish: MediaWish) -> &'static str {
    match wish {
        MediaWish::Idle => "idle",
        MediaWish::Warm => "warm",
        MediaWish::Live => "live",
    }
}
