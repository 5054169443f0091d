//! Every message against every role: a stranger to an action is refused, by one table.

use model::{CommandId, ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use policy::Participant;
use signaling_core::rights::{of, permit};
use signaling_protocol::{
    ClientMessage,
    view::{DeviceHealth, Modality, Outcome},
};
use uuid::Uuid;

/// One of every message. A new one does not compile until it is judged.
fn one_of_each() -> Vec<ClientMessage> {
    let (id, visit) = (CommandId(Uuid::nil()), VisitId(Uuid::nil()));
    let participant = ParticipantId(Uuid::nil());
    let all = vec![
        ClientMessage::Hello {
            token: String::new(),
            build: String::new(),
            can_share_screen: false,
            traceparent: None,
        },
        ClientMessage::CheckIn { id, modality: Modality::Video, devices: DeviceHealth::default() },
        ClientMessage::Devices { devices: DeviceHealth::default() },
        ClientMessage::Offer { id, sdp: "".into(), restart: false },
        ClientMessage::MediaState { microphone: true, camera: true },
        ClientMessage::Admit { id, visit },
        ClientMessage::Deny { id, visit, reason: "".into() },
        ClientMessage::Leave { id },
        ClientMessage::End { id, visit, outcome: Outcome::Done },
        ClientMessage::Chat { id, visit, text: "".into() },
        ClientMessage::ShareRequest { id, visit },
        ClientMessage::ShareGrant { id, visit, participant },
        ClientMessage::ShareStop { id, visit, participant },
        ClientMessage::Invite { id, name: "".into(), reason: "".into() },
        ClientMessage::Ping { nonce: 0 },
    ];
    for message in &all {
        match message {
            ClientMessage::Hello { .. }
            | ClientMessage::CheckIn { .. }
            | ClientMessage::Devices { .. }
            | ClientMessage::Offer { .. }
            | ClientMessage::MediaState { .. }
            | ClientMessage::Admit { .. }
            | ClientMessage::Deny { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::End { .. }
            | ClientMessage::Chat { .. }
            | ClientMessage::ShareRequest { .. }
            | ClientMessage::ShareGrant { .. }
            | ClientMessage::ShareStop { .. }
            | ClientMessage::Invite { .. }
            | ClientMessage::Ping { .. } => {}
        }
    }
    all
}

#[test]
fn every_message_by_every_role() {
    let mut table = format!("{:<14}", "");
    for role in Role::ALL {
        table += &format!("{:<13}", format!("{role:?}").to_lowercase());
    }
    for message in one_of_each() {
        let name = serde_json::to_value(&message).unwrap()["type"].as_str().unwrap().to_owned();
        table += &format!("\n{name:<14}");
        for role in Role::ALL {
            let seat = Participant {
                tenant: TenantId(Uuid::nil()),
                waiting_room: WaitingRoomId(Uuid::nil()),
                visit: (role != Role::Clinician).then_some(VisitId(Uuid::nil())),
                participant: ParticipantId(Uuid::nil()),
                role,
            };
            let verdict = match of(&message) {
                None => "token",
                Some(right) if permit(seat, right, Timestamp(0)).is_ok() => "yes",
                Some(_) => "-",
            };
            table += &format!("{verdict:<13}");
        }
    }
    let table: Vec<_> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"));
}
