//! Of what is said over HTTP and WebSockets, and kept.

use model::{
    CommandId, Epoch, Generation, ParticipantId, RoomId, TenantId, Timestamp, VisitId, WaitingRoomId,
};
use serde::Serialize;
use sfu_link::protocol::{Ask, Direction, Existing, Hello, Load, Refusal, Tell};
use signaling_core::{
    codec::{Encoded, encode_visit, encode_waiting_room},
    link::LinkHash,
    record::Recorded,
    visit::{Booked, Escalation, Event},
    waiting_room::{self, Opened},
};
use signaling_protocol::{
    ClientMessage,
    view::{ClinicView, DeviceHealth, Modality, Outcome},
};
use testkit::media_client::{MediaClient, Options};
use uuid::Uuid;

const SOMEBODY: ParticipantId = ParticipantId(Uuid::from_u128(2));
const TENANT: TenantId = TenantId(Uuid::from_u128(3));

fn json(messages: &[impl Serialize]) -> Vec<Vec<u8>> {
    messages.iter().map(|message| serde_json::to_vec(message).unwrap()).collect()
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    let (id, visit) = (CommandId(Uuid::from_u128(1)), VisitId(Uuid::from_u128(4)));
    let devices = DeviceHealth::default();
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok();
    json(&[
        ClientMessage::Hello { token: "t".into(), build: "b".into(), can_share_screen: true, traceparent },
        ClientMessage::CheckIn { id, modality: Modality::Sound, devices },
        ClientMessage::Devices { devices },
        ClientMessage::Offer { id, sdp: "v=0\r\n".to_owned().into(), restart: true },
        ClientMessage::MediaState { microphone: true, camera: false },
        ClientMessage::Admit { id, visit },
        ClientMessage::Deny { id, visit, reason: "not today".to_owned().into() },
        ClientMessage::Leave { id },
        ClientMessage::End { id, visit, outcome: Outcome::TechnicalFailure },
        ClientMessage::Chat { id, visit, text: "h\u{e9}llo \u{1f44b}".to_owned().into() },
        ClientMessage::ShareRequest { id, visit },
        ClientMessage::ShareGrant { id, visit, participant: SOMEBODY },
        ClientMessage::ShareStop { id, visit, participant: SOMEBODY },
        ClientMessage::Invite { id, name: "A".to_owned().into(), reason: String::new().into() },
        ClientMessage::Ping { nonce: u32::MAX },
    ])
}

/// A genuine token cannot be a seed (its key is made anew each time), so these say what is done to one.
pub(super) fn tokens() -> Vec<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let part = |mode: u8, text: &str| [vec![mode], BASE64.encode(text).into_bytes()].concat();
    let claims =
        r#"{"aud":"join","iat":1,"exp":99999999999,"jti":"00000000-0000-0000-0000-000000000001","room":7}"#;
    vec![
        vec![1, 0, 0],
        vec![1, 5, 1, b'A'],
        vec![1, 255, 0, b'='],
        part(2, r#"{"alg":"none"}"#),
        part(2, r#"{"typ":"JWT","alg":"HS256"}"#),
        part(2, r#"{"alg":"EdDSA","kid":"../../key","jku":"http://example.org","crit":["b64"],"b64":false}"#),
        part(3, claims),
        part(3, &claims.replace("99999999999", "\"99999999999\"")),
        vec![4],
        [&[0], BASE64.encode(r#"{"alg":"none"}"#).as_bytes(), b".", BASE64.encode(claims).as_bytes(), b"."]
            .concat(),
    ]
}

pub(super) fn offers() -> Vec<Vec<u8>> {
    let simulcast = Options { rids: vec!["h".into(), "l".into()], slots: 1, ..Options::default() };
    [Options { slots: 1, ..Options::default() }, Options::whip(), Options::whep(), simulcast]
        .into_iter()
        .map(|options| MediaClient::offer(options).unwrap().1.into_bytes())
        .collect()
}

pub(super) fn requests() -> Vec<Vec<u8>> {
    let room = Uuid::from_u128(1);
    let offer = |options| MediaClient::offer(options).unwrap().1;
    let (publish, watch) = (offer(Options::whip()), offer(Options::whep()));
    let sdp = "application/sdp";
    [
        format!("POST /whip/{room}\npublish\n{sdp}\n{publish}"),
        format!("POST /whep/{room}/{room}\nwatch\n{sdp}; charset=utf-8\n{watch}"),
        format!("POST /whip/{room}\nwatch\n{sdp}\n{publish}"),
        format!("DELETE /whip/session/{room}\npublish\n\n"),
        format!("OPTIONS /whep/{room}/{room}\n\n\n"),
        format!("GET /whip/{room}?x=%2e%2e\npublish\ntext/plain\nv=0"),
        "POST /whip/%00\npublish\napplication/sdp\nv=0".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

pub(super) fn queries() -> Vec<Vec<u8>> {
    let person = "id name email roles duties state";
    let of = Uuid::from_u128(1);
    let asked = |query: &str| serde_json::json!({ "query": query });
    [
        asked("{ me { person { id name } sessions { id current } ways { password } recoveryCodesLeft } }"),
        asked(&format!("{{ people(limit: 3) {{ people {{ {person} }} next }} }}")),
        asked(&format!("query Q {{ a: person(id: \"{of}\") {{ ...p }} b: person(id: \"{of}\") {{ ...p }} }} fragment p on Person {{ {person} }}")),
        serde_json::json!({
            "query": "query Q($id: ID!, $all: Boolean!) { rights(id: $id) { action allowed places @include(if: $all) } }",
            "operationName": "Q",
            "variables": { "id": of, "all": true },
        }),
        asked("{ __schema { types { name fields { name } } } }"),
        asked("{ people { people { ... on Person { __typename } } } }"),
        asked("mutation { me { recoveryCodesLeft } }"),
    ]
    .map(|body| body.to_string().into_bytes())
    .to_vec()
}

pub(super) fn links() -> Vec<Vec<u8>> {
    let (call, session, epoch, room) = (1, 2, Epoch(3), Some(RoomId(Uuid::from_u128(4))));
    let (tenant, affinity, direction) = (TENANT, Uuid::from_u128(5), Direction::Subscribe { to: SOMEBODY });
    let existing = Existing {
        session,
        participant: SOMEBODY,
        direction,
        room,
        connected: Some("udp".into()),
        slots: Some(vec![None, Some(SOMEBODY)]),
        screen: None,
    };
    let load = Load { sessions: 1, capacity: 2, forwarded_bps: Some(3), draining: false };
    let hello = Hello {
        version: 1,
        capabilities: vec!["x".into()],
        node: "a".into(),
        boot: affinity,
        region: String::new(),
        load,
    };
    let asked = json(&[
        Ask::Hello { version: 1, process: affinity, capabilities: Vec::new() },
        Ask::Claim { call, tenant, affinity, epoch },
        Ask::Connect {
            call,
            tenant,
            affinity,
            epoch,
            participant: SOMEBODY,
            direction,
            room,
            offer: "v=0".to_owned().into(),
            traceparent: None,
        },
        Ask::Restart { call, session, epoch, offer: "v=0".to_owned().into() },
        Ask::Seat { call, session, epoch, room, traceparent: None },
        Ask::SetSharer { call, tenant, affinity, epoch, room: RoomId(affinity), sharer: Some(SOMEBODY) },
        Ask::Disconnect { call, session, epoch },
        Ask::Beat,
    ]);
    let mut told = json(&[
        Tell::Hello(hello),
        Tell::Load(load),
        Tell::Claimed { call, sessions: vec![existing] },
        Tell::Answer { call, session, sdp: "v=0".to_owned().into() },
        Tell::Done { call },
        Tell::Refused { call, error: Refusal { code: "busy".into() } },
        Tell::Fenced { tenant, affinity, epoch },
        Tell::Slots { session, slots: vec![None], screen: Some(SOMEBODY) },
    ]);
    for text in [
        r#"{"type":"connected","session":1,"transport":"tcp"}"#,
        r#"{"type":"closed","session":1,"reason":"left"}"#,
        r#"{"type":"quality","session":1,"estimate":1000,"sent":2,"received":3,"loss":0.25,"rttMs":20}"#,
    ] {
        told.push(text.into());
    }
    [asked, told].concat()
}

pub(super) fn events() -> Vec<Vec<u8>> {
    let home = WaitingRoomId(Uuid::from_u128(6));
    fn recorded<E>(event: E) -> Recorded<E> {
        let (by, command) = (Some(SOMEBODY), Some(CommandId(Uuid::from_u128(7))));
        Recorded { at: Timestamp(1_000), by, command, event }
    }
    let participant = SOMEBODY;
    let visits = [
        Event::Booked(Booked {
            waiting_room: home,
            patient: participant,
            link: LinkHash::of("seed"),
            scheduled_at: Some(Timestamp(5)),
            name: "A".into(),
            reason: "B".into(),
        }),
        Event::SeatTaken { participant, generation: Generation(3) },
        Event::CheckedIn { modality: Modality::Sound, devices: DeviceHealth::default() },
        Event::Escalated { to: Escalation::Desk },
        Event::Admitted { by: participant },
        Event::Denied { reason: "C".into() },
        Event::Ended { outcome: Outcome::TechnicalFailure },
        Event::Said { from: participant, role: model::Role::Patient, text: "D".into() },
        Event::ShareGranted { participant },
    ];
    let opened = waiting_room::Event::Opened(Opened {
        clinic: ClinicView { name: "Harbour Clinic".into(), phone: "+1 555 0100".into() },
        practitioner: "E".into(),
        clinician: participant,
        link: LinkHash::of("seed"),
    });
    let lines = |Encoded { kind, body, phi, .. }: Encoded| {
        format!("{kind}\n{body}\n{}", phi.unwrap_or_default()).into_bytes()
    };
    let visits = visits.into_iter().map(|event| lines(encode_visit(&recorded(event), home)));
    visits.chain([lines(encode_waiting_room(&recorded(opened)))]).collect()
}
