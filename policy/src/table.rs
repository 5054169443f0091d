//! The table. What is not in it is not allowed.

use crate::{
    action::Kind,
    subject::{Scope, StaffRole},
};
use model::Role;

/// To whom something is granted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Anybody with a seat in this role, in their own visit (a clinician: in their own waiting room).
    Seat(Role),
    /// Anybody who is employed as this, in their own healthcare unit.
    Unit(StaffRole),
    /// Anybody who is employed as this, in a waiting room that they serve.
    Duty(StaffRole),
    /// Anybody who is employed as this, within an emergency that they declared and that lasts.
    Emergency(StaffRole),
    /// Everybody who is signed in, about themselves.
    Oneself,
    /// A partner's key with this scope, in its healthcare unit.
    Scope(Scope),
    /// Another process of this platform.
    Process,
}

/// What each kind is granted to. A kind without a line is nobody's.
pub const RIGHTS: &[(Kind, &[Grant])] = {
    use Grant::{Duty, Emergency, Oneself, Process, Seat, Unit};
    use Role::{Caregiver, Clinician, Device, Interpreter, Observer, Patient};
    use Scope::{People, Visits, WaitingRooms};
    use StaffRole::{Administrator, Auditor, Sre};
    &[
        (
            Kind::Report,
            &[
                Seat(Patient),
                Seat(Clinician),
                Seat(Interpreter),
                Seat(Caregiver),
                Seat(Device),
                Seat(Observer),
            ],
        ),
        (
            Kind::ConnectMedia,
            &[
                Seat(Patient),
                Seat(Clinician),
                Seat(Interpreter),
                Seat(Caregiver),
                Seat(Device),
                Seat(Observer),
            ],
        ),
        (Kind::CheckIn, &[Seat(Patient)]),
        (
            Kind::Leave,
            &[
                Seat(Patient),
                Seat(Clinician),
                Seat(Interpreter),
                Seat(Caregiver),
                Seat(Device),
                Seat(Observer),
            ],
        ),
        (Kind::Chat, &[Seat(Patient), Seat(Clinician), Seat(Interpreter), Seat(Caregiver)]),
        (Kind::Share, &[Seat(Patient), Seat(Clinician)]),
        (Kind::DirectShare, &[Seat(Clinician)]),
        (Kind::Lead, &[Seat(Clinician)]),
        (Kind::StreamDevice, &[Seat(Device), Seat(Observer)]),
        (Kind::JoinWaitingRoom, &[Duty(StaffRole::Clinician), Emergency(StaffRole::Clinician)]),
        (
            Kind::ReadHistory,
            &[
                Seat(Clinician),
                Duty(StaffRole::Clinician),
                Emergency(StaffRole::Clinician),
                Grant::Scope(Visits),
            ],
        ),
        (Kind::ReadOwnAccess, &[Seat(Patient)]),
        (
            Kind::SeeWaitingRooms,
            &[
                Unit(StaffRole::Clinician),
                Unit(StaffRole::Scheduler),
                Unit(Administrator),
                Unit(Auditor),
                Grant::Scope(WaitingRooms),
            ],
        ),
        (Kind::ManageOwnAccount, &[Oneself]),
        (Kind::ReadPeople, &[Unit(Administrator), Unit(Auditor), Grant::Scope(People)]),
        (Kind::InvitePerson, &[Unit(Administrator)]),
        (Kind::ChangePerson, &[Unit(Administrator)]),
        (Kind::ReadRights, &[Unit(Administrator), Unit(Auditor), Oneself]),
        (Kind::ReadAudit, &[Unit(Auditor)]),
        (Kind::SeeHolds, &[Unit(Administrator), Unit(Auditor)]),
        // Not an administrator: what they did is in the trail that it keeps.
        (Kind::ManageHolds, &[Unit(Auditor)]),
        (Kind::BreakGlass, &[Unit(StaffRole::Clinician)]),
        (Kind::SeeBreakGlass, &[Unit(Administrator), Unit(Auditor)]),
        (Kind::ReviewBreakGlass, &[Unit(Auditor)]),
        (Kind::SeePartnerKeys, &[Unit(Administrator), Unit(Auditor)]),
        (Kind::ManagePartnerKeys, &[Unit(Administrator)]),
        (Kind::SeeUnit, &[Unit(Administrator), Unit(Auditor)]),
        (Kind::ChangeUnit, &[Unit(Administrator)]),
        (Kind::SeeWebhooks, &[Unit(Administrator), Unit(Auditor)]),
        (Kind::ManageWebhooks, &[Unit(Administrator)]),
        (Kind::ReadStatus, &[Unit(Administrator), Unit(Auditor), Unit(Sre), Process]),
    ]
};

/// Who is granted a kind.
#[must_use]
pub fn grants(kind: Kind) -> &'static [Grant] {
    RIGHTS.iter().find(|(of, _)| *of == kind).map_or(&[], |(_, grants)| grants)
}
