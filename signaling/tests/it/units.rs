//! Several healthcare units in one process.

use crate::{
    client::Client,
    world::{Home, ROOM, TENANT},
};
use model::{CommandId, ParticipantId, TenantId};
use signaling::{NewInvitation, NewWaitingRoom};
use signaling_core::port::{LinkError, Links as _};
use signaling_protocol::view::ClinicView;
use uuid::Uuid;

const OTHER: TenantId = TenantId(Uuid::from_u128(0x2));

fn secret(link: &str) -> model::Phi<String> {
    link.split_once("#k=").unwrap().1.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_units_whose_rooms_have_the_same_id_have_two_rooms_and_links_of_their_own() {
    let home = Home::new();
    let world = home.start().await;
    let first = world.open().await;
    let room = NewWaitingRoom {
        tenant: OTHER,
        id: ROOM,
        clinic: ClinicView { name: "Lakeside Clinic".into(), phone: "+1 555 0200".into() },
        practitioner: "Dr Okafor".into(),
        clinician: ParticipantId(Uuid::from_u128(0xD)),
    };
    let second = world.handle.open_waiting_room(room).await.unwrap().link;
    let invitation = NewInvitation {
        tenant: OTHER,
        waiting_room: ROOM,
        id: CommandId(platform::ids::fresh()),
        name: "Ana".into(),
        reason: "Check-up".into(),
    };
    let patient = world.handle.invite(invitation).await.unwrap().link;
    // Twice: by the rooms that are here, and, started again, by what is recorded.
    let mut world = world;
    for _ in 0..2 {
        let exchange = async |tenant, link: &str| world.handle.exchange(tenant, secret(link)).await;
        for (tenant, link, clinic) in [
            (TENANT, &first, "Harbour Clinic"),
            (OTHER, &second, "Lakeside Clinic"),
            (OTHER, &patient, "Lakeside Clinic"),
        ] {
            assert_eq!(exchange(tenant, link).await.unwrap().clinic.name, clinic);
        }
        for (tenant, link) in [(OTHER, &first), (TENANT, &second), (TENANT, &patient)] {
            assert!(matches!(exchange(tenant, link).await, Err(LinkError::Unknown)));
        }
        // Pages here are those of the first unit: a seat of the other is none.
        let token = exchange(OTHER, &patient).await.unwrap().join_token;
        let mut page = Client::connect(world.addr).await;
        page.hello(&token).await;
        assert_eq!(page.ended().await.code, Some(4401));
        world.stop().await;
        world = home.start().await;
    }
}
