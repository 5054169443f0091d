//! `--demo`: a clinic to look at, with one open visit. The same one after a restart; a new one once it
//! has ended.

use crate::{
    announce::{Links, OtherUnit},
    failure::Failure,
    wiring::TENANT,
};
use identity::{FirstAdministrator, Identity};
use identity_core::text::Login;
use model::{CommandId, ParticipantId, TenantId, WaitingRoomId};
use signaling::{Handle, HandleError, NewInvitation, NewWaitingRoom};
use signaling_protocol::view::ClinicView;
use tenancy::{ChangeError, Described, Directory, Host, Language, Rejection};
use uuid::Uuid;

/// Fixed, so that a restart finds the same room and the links still work.
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
const CLINICIAN: ParticipantId = ParticipantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003));
const CLINIC: &str = "Riverside Family Clinic";
const ADMINISTRATOR: &str = "administrator@riverside.example";
/// The second unit's ids are the first one's plus one at this bit, apart from those of rooms and visits.
const UNIT_SHIFT: u32 = 80;
/// The invitation of the n-th demonstration visit is this plus n.
const INVITATION: u128 = 0x0190_0000_0000_7000_8000_0001_0000_0000;
/// Demonstrations on one data directory. Who has ended this many starts with an empty one.
const MAX_VISITS: u128 = 100_000;

/// Opens the clinic's waiting rooms and makes sure that the first has a visit to go to.
///
/// # Errors
/// Signaling does not answer.
pub(crate) async fn open(signaling: &Handle, rooms: u32) -> Result<Links, Failure> {
    open_in(signaling, TENANT, CLINIC, rooms).await
}

async fn open_in(signaling: &Handle, tenant: TenantId, clinic: &str, rooms: u32) -> Result<Links, Failure> {
    let mut clinicians = Vec::new();
    for n in 0..rooms {
        clinicians.push(signaling.open_waiting_room(waiting_room(tenant, clinic, n)).await?.link);
    }
    for n in 0..MAX_VISITS {
        let invitation = NewInvitation {
            tenant,
            waiting_room: WaitingRoomId(of_unit(tenant, ROOM.0)),
            id: CommandId(of_unit(tenant, Uuid::from_u128(INVITATION + n))),
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

/// Another healthcare unit of the demonstration, with twins of what the first has.
///
/// # Errors
/// The registry or signaling does not answer.
pub(crate) async fn open_unit(
    signaling: &Handle,
    units: &Directory,
    identity: Option<&Identity>,
    number: u32,
) -> Result<OtherUnit, Failure> {
    let id = TenantId(Uuid::from_u128(TENANT.0.as_u128() + (u128::from(number - 1) << UNIT_SHIFT)));
    let (name, host) = (format!("Lakeside Clinic {number}"), format!("unit-{number}.localhost"));
    let broken = |error: &dyn std::fmt::Display| Failure::Broken(format!("--demo-units: {error}"));
    let described = Described {
        name: name.clone(),
        slug: format!("unit-{number}"),
        hosts: vec![Host::name(&host).map_err(|error| broken(&error))?],
        zone: "America/New_York".into(),
        language: Language::Es,
    };
    let unit = match units.change(tenancy::Command::Add { unit: id, described }).await {
        Ok(unit) => unit,
        Err(ChangeError::Rejected(Rejection::Exists)) => {
            units.now().get(id).cloned().ok_or_else(|| broken(&ChangeError::Later))?
        }
        Err(error) => return Err(broken(&error)),
    };
    let links = open_in(signaling, id, &name, 1).await?;
    let administrator = match identity {
        None => None,
        Some(identity) => {
            let login = Login::new(ADMINISTRATOR).map_err(|error| broken(&error))?;
            match identity.in_unit(&unit).invite_administrator(login).await {
                Ok(FirstAdministrator::Invited(link)) => Some(link.into_exposed()),
                Ok(FirstAdministrator::Nobody) => None,
                Err(error) => return Err(broken(&error)),
            }
        }
    };
    Ok(OtherUnit { id, host, links, administrator })
}

/// The same id in another unit: ids of two units are never the same.
fn of_unit(tenant: TenantId, id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128() + (tenant.0.as_u128() - TENANT.0.as_u128()))
}

/// The clinic's name, and somebody who may be its administrator, unless the operator named them.
pub(crate) fn name(identity: &mut identity::Config) {
    if *identity == identity::Config::default() {
        CLINIC.clone_into(&mut identity.unit_name);
    }
    identity.first_administrator.get_or_insert_with(|| ADMINISTRATOR.to_owned());
}

/// The n-th waiting room of the clinic, counted from 0; the same one after a restart.
fn waiting_room(tenant: TenantId, clinic: &str, n: u32) -> NewWaitingRoom {
    let nth = |first: Uuid| of_unit(tenant, Uuid::from_u128(first.as_u128() + (u128::from(n) << 16)));
    NewWaitingRoom {
        tenant,
        id: WaitingRoomId(nth(ROOM.0)),
        clinic: ClinicView { name: clinic.into(), phone: "555-0100".into() },
        practitioner: "Dr Lee".into(),
        clinician: ParticipantId(nth(CLINICIAN.0)),
    }
}

impl From<HandleError> for Failure {
    fn from(error: HandleError) -> Self {
        Self::Broken(format!("the demonstration cannot be opened: {error}"))
    }
}
