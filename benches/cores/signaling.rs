//! A visit through the owner of its waiting room, with a store that has recorded at once; and the words on the wire.

use crate::single;
use criterion::{BatchSize, Criterion};
use model::{CommandId, ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use serde_json::Value;
use signaling_core::{
    LinkHash, Owner,
    owner::{Appended, ConnectionId, Fresh, Output, ProgramTicket, Stream},
    token::{Bearer, JoinClaims, Verified},
    waiting_room::Opened,
};
use signaling_protocol::{
    ClientMessage, ServerMessage,
    view::{ClinicView, DeviceHealth, Modality, Outcome},
};
use std::{collections::HashMap, hint::black_box, time::Duration};
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(2));

/// Who waits already.
const WAITING: usize = 10;

/// The protocol's literals, which its own tests keep true.
const DOCUMENT: &str = include_str!("../../docs/signaling-protocol.md");

pub(crate) fn all(criterion: &mut Criterion) {
    journey(criterion);
    wire(criterion);
}

struct Clinic {
    now: Timestamp,
    owner: Owner,
    /// Events that each stream has.
    versions: HashMap<Stream, u64>,
    next: u128,
    clinician: ConnectionId,
}

struct Patient {
    seat: Bearer,
    visit: VisitId,
}

impl Clinic {
    /// A waiting room with its clinician, and people in it.
    fn open() -> Self {
        let mut clinic = Self {
            now: Timestamp(1_795_335_000_000),
            owner: Owner::new(TENANT, ROOM),
            versions: HashMap::new(),
            next: 100,
            clinician: ConnectionId(0),
        };
        clinic.owner.start(clinic.now);
        let participant = ParticipantId(clinic.fresh());
        let opened = Opened {
            clinic: ClinicView { name: "Harbour Clinic".into(), phone: "+1 555 0100".into() },
            practitioner: "Dr Lee".into(),
            clinician: participant,
            link: LinkHash::of("clinician"),
        };
        clinic.owner.handle_open(clinic.now, ProgramTicket(0), opened);
        clinic.carry_out();
        let role = Role::Clinician;
        clinic.clinician = clinic.join(Bearer {
            tenant: TENANT,
            waiting_room: ROOM,
            visit: None,
            participant,
            role,
            held_by: None,
        });
        for _ in 0..WAITING {
            let patient = clinic.invite();
            clinic.come(&patient);
        }
        clinic
    }

    fn fresh(&mut self) -> Uuid {
        self.next += 1;
        Uuid::from_u128(self.next)
    }

    fn command(&mut self) -> CommandId {
        CommandId(self.fresh())
    }

    fn invite(&mut self) -> Patient {
        let fresh = Fresh {
            visit: VisitId(self.fresh()),
            patient: ParticipantId(self.fresh()),
            link: LinkHash::of(&self.next.to_string()),
        };
        let id = self.command();
        let (name, reason) = ("Marisol Vega".into(), "Cough".into());
        self.owner.handle_invite(self.now, ProgramTicket(0), id, name, reason, fresh);
        self.carry_out();
        let (visit, participant, role) = (fresh.visit, fresh.patient, Role::Patient);
        let seat = Bearer {
            tenant: TENANT,
            waiting_room: ROOM,
            visit: Some(visit),
            participant,
            role,
            held_by: None,
        };
        Patient { seat, visit }
    }

    fn join(&mut self, bearer: Bearer) -> ConnectionId {
        let connection = ConnectionId(self.next as u64);
        let (jti, expires_at) = (self.fresh(), self.now + Duration::from_secs(60));
        let token = Verified::Join { claims: JoinClaims { bearer }, jti, expires_at };
        self.owner.handle_hello(self.now, connection, &token, true);
        self.carry_out();
        connection
    }

    fn say(&mut self, from: ConnectionId, message: ClientMessage) {
        self.now = self.now + Duration::from_secs(1);
        self.owner.handle_message(self.now, from, message, None);
        self.carry_out();
    }

    /// Joins and checks in.
    fn come(&mut self, patient: &Patient) -> ConnectionId {
        let connection = self.join(patient.seat);
        let id = self.command();
        let devices = DeviceHealth::default();
        self.say(connection, ClientMessage::CheckIn { id, modality: Modality::Video, devices });
        connection
    }

    /// What the owner asks of the store is done at once; everything else goes nowhere.
    fn carry_out(&mut self) {
        while let Some(output) = self.owner.poll() {
            let Output::Append(append) = output else {
                black_box(output);
                continue;
            };
            let version = self.versions.entry(append.stream).or_default();
            *version += append.events.len() as u64;
            let appended = Appended { version: *version, repeated: false, provisional: false };
            self.owner.handle_appended(self.now, append.stream, append.ticket, Ok(appended));
        }
    }

    /// From the door to the end.
    fn visit(&mut self, patient: &Patient) {
        let (visit, clinician) = (patient.visit, self.clinician);
        let connection = self.come(patient);
        let id = self.command();
        self.say(clinician, ClientMessage::Admit { id, visit });
        let id = self.command();
        self.say(connection, ClientMessage::Leave { id });
        let id = self.command();
        self.say(clinician, ClientMessage::End { id, visit, outcome: Outcome::Done });
    }
}

fn journey(criterion: &mut Criterion) {
    let mut group = single(criterion, "waiting room");
    group.sample_size(50);
    let prepare = || {
        let mut clinic = Clinic::open();
        let patient = clinic.invite();
        (clinic, patient)
    };
    let (mut clinic, patient) = prepare();
    clinic.visit(&patient);
    let ended = clinic.owner.visit(patient.visit).unwrap();
    assert!(
        matches!(ended.phase(), signaling_core::visit::Phase::Ended { .. }),
        "the journey comes to its end"
    );
    group.bench_function("joins and checks in, behind ten", |b| {
        b.iter_batched_ref(prepare, |(clinic, patient)| clinic.come(patient), BatchSize::LargeInput);
    });
    group.bench_function("a visit: joins, checks in, is admitted, leaves, ended", |b| {
        b.iter_batched_ref(prepare, |(clinic, patient)| clinic.visit(patient), BatchSize::LargeInput);
    });
    group.finish();
}

/// The first literal of this message.
fn literal(kind: &str) -> &'static str {
    let begin = format!("{{\"type\": \"{kind}\"");
    let mut blocks = DOCUMENT.split("```json\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.find(|block| block.starts_with(&begin)).unwrap()
}

fn wire(criterion: &mut Criterion) {
    let mut group = single(criterion, "protocol");
    let text = literal("check-in");
    group.bench_function("parse check-in", |b| b.iter(|| ClientMessage::parse(black_box(text)).unwrap()));
    let sdp = include_str!("../../sfu/tests/fixtures/sdp/chromium.sdp");
    let offer = ClientMessage::Offer { id: CommandId(Uuid::from_u128(7)), sdp: sdp.into(), restart: false };
    let text = serde_json::to_string(&offer).unwrap();
    group.bench_function("parse offer", |b| b.iter(|| ClientMessage::parse(black_box(&text)).unwrap()));
    let visit: ServerMessage = serde_json::from_str(literal("visit")).unwrap();
    group.bench_function("write a patient's view", |b| {
        b.iter(|| serde_json::to_string(black_box(&visit)).unwrap());
    });
    let mut queue: Value = serde_json::from_str(literal("queue")).unwrap();
    let entry = queue["queue"]["entries"][0].clone();
    queue["queue"]["entries"] = vec![entry; 20].into();
    let queue: ServerMessage = serde_json::from_value(queue).unwrap();
    group.bench_function("write a queue of twenty", |b| {
        b.iter(|| serde_json::to_string(black_box(&queue)).unwrap());
    });
    group.finish();
}
