//! `--demo`: a clinic to look at, with one open visit. The same one after a restart; a new one once it
//! has ended.

use crate::{announce::Links, failure::Failure, wiring::TENANT};
use model::{CommandId, ParticipantId, WaitingRoomId};
use signaling::{Handle, HandleError, NewInvitation, NewWaitingRoom};
use signaling_protocol::view::ClinicView;
use uuid::Uuid;

/// Fixed, so that a restart finds the same room and the links still work.
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
const CLINICIAN: ParticipantId = ParticipantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003));
const CLINIC: &str = "Riverside Family Clinic";
/// The invitation of the n-th demonstration visit is this plus n.
const INVITATION: u128 = 0x0190_0000_0000_7000_8000_0001_0000_0000;
/// Demonstrations on one data directory. Who has ended this many starts with an empty one.
const MAX_VISITS: u128 = 100_000;

/// Opens the clinic's waiting rooms and makes sure that the first has a visit to go to.
///
/// # Errors
/// Signaling does not answer.
pub(crate) async fn open(signaling: &Handle, rooms: u32) -> Result<Links, Failure> {
    let mut clinicians = Vec::new();
    for n in 0..rooms {
        clinicians.push(signaling.open_waiting_room(waiting_room(n)).await?.link);
    }
    for n in 0..MAX_VISITS {
        let invitation = NewInvitation {
            tenant: TENANT,
            waiting_room: ROOM,
            id: CommandId(Uuid::from_u128(INVITATION + n)),
            name: "Marisol Vega".into(),
            reason: "Follow-up, knee".into(),
        };
        let invited = signaling.invite(invitation).await?;
        if !invited.over {
            let clinician = clinicians.first().cloned().unwrap_or_default();
            return Ok(Links { clinician, patient: invited.link, clinicians });
        }
    }
    Err(Failure::Broken("--demo: this data directory has seen too many demonstrations; use another".into()))
}

/// The clinic's name, and somebody who may be its administrator, unless the operator named them.
pub(crate) fn name(identity: &mut identity::Config) {
    if *identity == identity::Config::default() {
        CLINIC.clone_into(&mut identity.unit_name);
    }
    identity.first_administrator.get_or_insert_with(|| "administrator@riverside.example".to_owned());
}

/// The n-th waiting room of the clinic, counted from 0; the same one after a restart.
fn waiting_room(n: u32) -> NewWaitingRoom {
    let nth = |first: Uuid| Uuid::from_u128(first.as_u128() + (u128::from(n) << 16));
    NewWaitingRoom {
        tenant: TENANT,
        id: WaitingRoomId(nth(ROOM.0)),
        clinic: ClinicView { name: CLINIC.into(), phone: "555-0100".into() },
        practitioner: "Dr Lee".into(),
        clinician: ParticipantId(nth(CLINICIAN.0)),
    }
}

impl From<HandleError> for Failure {
    fn from(error: HandleError) -> Self {
        Self::Broken(format!("the demonstration cannot be opened: {error}"))
    }
}
