//! Each limit of the durable machines and of their owner, from both sides.

use model::{CommandId, ParticipantId, Phi, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use sfu_core::port::{Answer, SessionId};
use signaling_core::{
    Owner, Rejection, Visit,
    codec::{self, Encoded, Stored},
    limits,
    link::LinkHash,
    owner::{Appended, ConnectionId, Fresh, Output, ProgramTicket, Stream, program::Done},
    port::LinkError,
    queue::Queue,
    record::{Actor, Recorded},
    token::{Bearer, JoinClaims, Verified},
    views::{Presence, Scene},
    visit::{Booked, Command, Event},
    waiting_room::Opened,
};
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    limits::{MAX_CHAT_CHARS, MAX_LINE_CHARS, MAX_OFFER_BYTES},
    view::{ClinicView, DeviceHealth, MediaWish, Modality, Outcome},
};
use uuid::Uuid;

/// Where the visits of these tests are.
const HOME: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0xA0));
const CLINICIAN: ParticipantId = ParticipantId(Uuid::from_u128(1));
const PATIENT: ParticipantId = ParticipantId(Uuid::from_u128(2));
const BY_CLINICIAN: Actor = Actor::Person { id: CLINICIAN, role: Role::Clinician };
const BY_PATIENT: Actor = Actor::Person { id: PATIENT, role: Role::Patient };
const NOW: Timestamp = Timestamp(1_000);

fn booked() -> Booked {
    Booked {
        waiting_room: WaitingRoomId(Uuid::nil()),
        patient: PATIENT,
        link: LinkHash::of("x"),
        scheduled_at: None,
        name: "Bob".into(),
        reason: "".into(),
    }
}

fn opened() -> Opened {
    Opened {
        clinic: ClinicView { name: "Clinic".into(), phone: "1".into() },
        practitioner: "Dr Lee".into(),
        clinician: CLINICIAN,
        link: LinkHash::of("c"),
    }
}

fn check_in() -> Event {
    Event::CheckedIn { modality: Modality::Video, devices: DeviceHealth::default() }
}

fn happened(visit: &mut Visit, at: i64, event: Event) {
    visit.evolve(&Recorded { at: Timestamp(at), by: None, command: None, event });
}

fn waiting(id: u128) -> Visit {
    let mut visit = Visit::new(VisitId(Uuid::from_u128(id)));
    happened(&mut visit, 0, Event::Booked(booked()));
    happened(&mut visit, i64::try_from(id).unwrap(), check_in());
    visit
}

fn say(text: String) -> Command {
    Command::Say { text: text.into() }
}

#[test]
fn texts() {
    let visit = waiting(1);
    let judge = |by, command: Command| visit.decide(NOW, by, &command).err();
    assert_eq!(judge(BY_PATIENT, say("é".repeat(MAX_CHAT_CHARS))), None);
    assert_eq!(judge(BY_PATIENT, say("é".repeat(MAX_CHAT_CHARS + 1))), Some(Rejection::TextInvalid));
    assert_eq!(judge(BY_PATIENT, say(" \n ".into())), Some(Rejection::TextInvalid));
    assert_eq!(judge(BY_PATIENT, say("two\nlines".into())), None);
    assert_eq!(judge(BY_PATIENT, say("bell\u{7}".into())), Some(Rejection::TextInvalid));
    let deny = |text: String| judge(BY_CLINICIAN, Command::Deny { reason: text.into() });
    assert_eq!(deny("x".repeat(MAX_LINE_CHARS)), None);
    assert_eq!(deny("x".repeat(MAX_LINE_CHARS + 1)), Some(Rejection::TextInvalid));
    assert_eq!(deny("two\nlines".into()), Some(Rejection::TextInvalid));
}

#[test]
fn chat_and_its_history() {
    let mut visit = waiting(1);
    let said = |text: &str| Event::Said { from: PATIENT, role: Role::Patient, text: text.into() };
    for n in 0..limits::MAX_CHAT_PER_VISIT {
        assert_eq!(visit.decide(NOW, BY_PATIENT, &say("x".into())).err(), None, "{n}");
        happened(&mut visit, 5, said("x"));
    }
    assert_eq!(visit.decide(NOW, BY_PATIENT, &say("x".into())).err(), Some(Rejection::Full));
    assert_eq!(visit.chat().history().len(), limits::CHAT_HISTORY_MESSAGES);

    let mut visit = waiting(1);
    let long = "x".repeat(limits::CHAT_HISTORY_BYTES / 4);
    for _ in 0..4 {
        happened(&mut visit, 5, said(&long));
    }
    assert_eq!(visit.chat().history().len(), 4);
    happened(&mut visit, 5, said("one more"));
    assert_eq!(visit.chat().history().len(), 4, "the oldest is left out");
}

#[test]
fn events_of_one_visit() {
    let mut visit = waiting(1);
    while visit.version() < limits::MAX_EVENTS_PER_VISIT - 1 {
        happened(&mut visit, 5, Event::ShareStopped { participant: PATIENT });
    }
    assert_eq!(visit.decide(NOW, BY_PATIENT, &say("x".into())).err(), None);
    happened(&mut visit, 5, Event::ShareStopped { participant: PATIENT });
    assert_eq!(visit.decide(NOW, BY_PATIENT, &say("x".into())).err(), Some(Rejection::Full));
    assert_eq!(visit.decide(NOW, BY_CLINICIAN, &Command::Admit).err(), None, "it still goes on");
}

#[test]
fn remembered_commands() {
    let mut visit = waiting(1);
    for n in 0..=limits::MAX_HANDLED as u128 {
        let command = Some(CommandId(Uuid::from_u128(n)));
        let event = Event::ShareStopped { participant: PATIENT };
        visit.evolve(&Recorded { at: NOW, by: Some(PATIENT), command, event });
    }
    assert!(!visit.has_handled(Some(PATIENT), CommandId(Uuid::from_u128(0))), "the oldest is forgotten");
    assert!(visit.has_handled(Some(PATIENT), CommandId(Uuid::from_u128(1))));
    assert!(!visit.has_handled(Some(CLINICIAN), CommandId(Uuid::from_u128(1))), "somebody else's id");
}

#[test]
fn lines_of_a_queue() {
    let shown = |waits: usize, ended: usize| {
        let mut visits: Vec<_> = (1..=waits).map(|n| waiting(n as u128)).collect();
        visits.extend((0..ended).map(|n| {
            let mut visit = waiting(10_000 + n as u128);
            happened(&mut visit, 9, Event::Ended { outcome: Outcome::PatientAbsent });
            visit
        }));
        let (opened, queue) = (opened(), Queue::of(visits.iter()));
        let presence = |_| Presence::default();
        let scene = Scene { opened: &opened, queue: &queue, clinician_present: true, presence };
        let view = scene.queue(visits.iter(), MediaWish::Warm);
        (view.entries.len(), view.more)
    };
    assert_eq!(shown(limits::MAX_QUEUE_LINES, 0), (limits::MAX_QUEUE_LINES, 0));
    assert_eq!(shown(limits::MAX_QUEUE_LINES + 1, 0), (limits::MAX_QUEUE_LINES, 1));
    assert_eq!(shown(1, limits::ENDED_LINES), (1 + limits::ENDED_LINES, 0));
    assert_eq!(shown(1, limits::ENDED_LINES + 1), (1 + limits::ENDED_LINES, 0), "only the last few");
}

#[test]
fn a_stranger_sees_nothing_and_a_patient_not_what_the_clinician_does_elsewhere() {
    let (visit, opened) = (waiting(1), opened());
    let queue = Queue::of(std::iter::once(&visit));
    let presence = |_| Presence { connected: true, microphone: true, camera: true, ..Presence::default() };
    let scene = Scene { opened: &opened, queue: &queue, clinician_present: true, presence };
    let stranger = ParticipantId(Uuid::from_u128(77));
    assert_eq!(scene.visit(&visit, stranger, MediaWish::Idle), None);
    let view = scene.visit(&visit, PATIENT, MediaWish::Idle).unwrap();
    let clinician = view.participants.iter().find(|p| p.role == Role::Clinician).unwrap();
    assert!(clinician.connected && !clinician.microphone && !clinician.camera);
}

/// An owner whose store answers at once, unless it is told to be slow.
struct Bench {
    owner: Owner,
    slow: bool,
    sent: Vec<ServerMessage>,
    done: Vec<Result<Done, Rejection>>,
}

impl Bench {
    fn new() -> Self {
        let owner = Owner::new(TenantId(Uuid::nil()), WaitingRoomId(Uuid::nil()));
        let mut bench = Self { owner, slow: false, sent: Vec::new(), done: Vec::new() };
        bench.owner.start(NOW);
        bench.owner.handle_open(NOW, ProgramTicket(0), opened());
        bench.carry_out();
        bench
    }

    fn carry_out(&mut self) -> Vec<Output> {
        let mut rest = Vec::new();
        while let Some(output) = self.owner.poll() {
            match output {
                Output::Append(append) if !self.slow => {
                    let version = append.expected + append.events.len() as u64;
                    let appended = Appended { version, repeated: false, provisional: false };
                    self.owner.handle_appended(NOW, append.stream, append.ticket, Ok(appended));
                }
                Output::Send { message, .. } => self.sent.push(message),
                Output::Answer { result, .. } => self.done.push(result),
                other => rest.push(other),
            }
        }
        rest
    }

    fn invite(&mut self, n: u128) -> Option<Rejection> {
        let fresh = Fresh {
            visit: VisitId(Uuid::from_u128(n)),
            patient: ParticipantId(Uuid::from_u128(1_000_000 + n)),
            link: LinkHash::of(&n.to_string()),
        };
        let id = CommandId(Uuid::from_u128(n));
        self.owner.handle_invite(NOW, ProgramTicket(1), id, Phi::from("Bob"), Phi::from(""), fresh);
        self.carry_out();
        self.done.pop().and_then(Result::err)
    }

    fn join(&mut self, connection: u64, participant: ParticipantId, role: Role, visit: Option<VisitId>) {
        let bearer = Bearer {
            tenant: TenantId(Uuid::nil()),
            waiting_room: WaitingRoomId(Uuid::nil()),
            visit,
            participant,
            role,
            held_by: None,
        };
        let token = Verified::Join {
            claims: JoinClaims { bearer },
            jti: Uuid::from_u128(u128::from(connection)),
            expires_at: Timestamp(60_000),
        };
        self.owner.handle_hello(NOW, ConnectionId(connection), &token, true);
        self.carry_out();
    }

    fn errors(&mut self) -> Vec<ErrorCode> {
        let errors = self.sent.drain(..).filter_map(|message| match message {
            ServerMessage::Error { code, .. } => Some(code),
            _ => None,
        });
        errors.collect()
    }
}

#[test]
fn open_visits_of_a_waiting_room() {
    let mut bench = Bench::new();
    for n in 1..=limits::MAX_OPEN_VISITS as u128 {
        assert_eq!(bench.invite(n), None, "{n}");
    }
    assert_eq!(bench.invite(limits::MAX_OPEN_VISITS as u128 + 1), Some(Rejection::Full));
    assert_eq!(bench.invite(1), None, "one invited before is answered again");
}

#[test]
fn ended_visits_in_memory() {
    let mut bench = Bench::new();
    let stored = |version, at, event| {
        let recorded = Recorded { at: Timestamp(at), by: None, command: None, event };
        let Encoded { kind, schema, body, phi } = codec::encode_visit(&recorded, HOME);
        Stored { version, kind: kind.to_owned(), schema, body, phi, at: recorded.at }
    };
    let visit = |n: u128| VisitId(Uuid::from_u128(n));
    let link = |n: u128| LinkHash::of(&n.to_string());
    let over = |bench: &mut Bench, n: u128| {
        let booked = Booked { link: link(n), ..booked() };
        let at = i64::try_from(n).unwrap();
        for (version, event) in [(1, Event::Booked(booked)), (2, Event::Ended { outcome: Outcome::Done })] {
            bench.owner.restore(Stream::Visit(visit(n)), &stored(version, at, event)).unwrap();
        }
        let unlinked = bench.carry_out().into_iter().filter_map(|output| match output {
            Output::Unlink { hash } => Some(hash),
            _ => None,
        });
        unlinked.collect::<Vec<_>>()
    };
    bench.owner.restore(Stream::Visit(visit(9_999)), &stored(1, 1, Event::Booked(booked()))).unwrap();
    // In no order of time, as the store gives them.
    for n in (1..=limits::MAX_ENDED_VISITS as u128).rev() {
        assert_eq!(over(&mut bench, n), [], "{n}");
    }
    assert!(matches!(bench.owner.greet(&link(1)), Err(LinkError::Over { .. })));
    assert_eq!(over(&mut bench, 5_000), [link(1)], "the one that ended first");
    assert!(matches!(bench.owner.greet(&link(1)), Err(LinkError::Unknown)));
    assert!(bench.owner.visit(visit(1)).is_none() && bench.owner.visit(visit(2)).is_some());
    assert!(bench.owner.visit(visit(9_999)).is_some(), "not over, however old");
}

#[test]
fn commands_behind_a_slow_append() {
    let mut bench = Bench::new();
    bench.invite(1);
    let (visit, patient) = (VisitId(Uuid::from_u128(1)), ParticipantId(Uuid::from_u128(1_000_001)));
    bench.join(1, patient, Role::Patient, Some(visit));
    bench.slow = true;
    let devices = DeviceHealth::default();
    let send = |bench: &mut Bench, n: u128| {
        let id = CommandId(Uuid::from_u128(5_000 + n));
        let check_in = ClientMessage::CheckIn { id, modality: Modality::Video, devices };
        bench.owner.handle_message(NOW, ConnectionId(1), check_in, None);
        bench.carry_out();
    };
    // One is being recorded, the others wait behind it.
    for n in 0..=limits::MAX_WAITING_COMMANDS as u128 {
        send(&mut bench, n);
    }
    assert_eq!(bench.errors(), []);
    send(&mut bench, 999);
    assert_eq!(bench.errors(), [ErrorCode::Unavailable]);
}

#[test]
fn of_two_answers_that_overtake_each_other_the_newer_offer_counts() {
    let mut bench = Bench::new();
    bench.join(1, CLINICIAN, Role::Clinician, None);
    let tickets: Vec<_> = (0..2)
        .map(|n| {
            let id = CommandId(Uuid::from_u128(7 + n));
            let offer = ClientMessage::Offer { id, sdp: "v=0".into(), restart: false };
            bench.owner.handle_message(NOW, ConnectionId(1), offer, None);
            let asked = bench.carry_out().into_iter().find_map(|output| match output {
                Output::Connect { ticket, .. } => Some(ticket),
                _ => None,
            });
            asked.unwrap()
        })
        .collect();
    let answer = |session| Ok(Answer { session: SessionId(session), sdp: "v=0".into() });
    bench.owner.handle_answer(NOW, tickets[1], answer(2));
    bench.carry_out();
    bench.owner.handle_answer(NOW, tickets[0], answer(1));
    let ended: Vec<_> = bench
        .carry_out()
        .into_iter()
        .filter_map(|output| match output {
            Output::Disconnect { session } => Some(session),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [SessionId(1)], "the late answer's session is of no use");
}

#[test]
fn offers_and_their_length() {
    let mut bench = Bench::new();
    bench.join(1, CLINICIAN, Role::Clinician, None);
    let offer = |bench: &mut Bench, bytes: usize| {
        let id = CommandId(Uuid::from_u128(7));
        let offer = ClientMessage::Offer { id, sdp: "x".repeat(bytes).into(), restart: false };
        bench.owner.handle_message(NOW, ConnectionId(1), offer, None);
        bench.carry_out()
    };
    offer(&mut bench, MAX_OFFER_BYTES + 1);
    assert_eq!(bench.errors(), [ErrorCode::OfferTooLarge]);
    let mut tickets = Vec::new();
    for _ in 0..limits::MAX_PENDING_OFFERS {
        let outputs = offer(&mut bench, MAX_OFFER_BYTES);
        tickets.extend(outputs.iter().filter_map(|output| match output {
            Output::Connect { ticket, .. } => Some(*ticket),
            _ => None,
        }));
    }
    assert_eq!(bench.errors(), []);
    offer(&mut bench, 10);
    assert_eq!(bench.errors(), [ErrorCode::TooManyRequests]);
    // The first is superseded: its session is of no use to anybody.
    let answer = |session| Ok(Answer { session: SessionId(session), sdp: "v=0".into() });
    bench.owner.handle_answer(NOW, tickets[0], answer(1));
    let outputs = bench.carry_out();
    assert!(outputs.iter().any(|o| matches!(o, Output::Disconnect { session: SessionId(1) })));
    bench.owner.handle_answer(NOW, tickets[1], answer(2));
    bench.carry_out();
    assert!(bench.sent.iter().any(|message| matches!(message, ServerMessage::Answer { .. })));
}
