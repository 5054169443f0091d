//! The one function that decides.

use crate::{
    action::{Action, Kind},
    subject::{AccountId, EmergencyId, Participant, Partner, PartnerKeyId, Place, Staff, StaffRole, Subject},
    table::{Grant, grants},
};
use model::{ParticipantId, Role, TenantId, Timestamp};
use std::{marker::PhantomData, time::Duration};
use uuid::Uuid;

/// How long a factor that was shown counts for what demands it fresh.
pub const FRESH: Duration = Duration::from_secs(10 * 60);

/// Leave to do one kind of thing in one place. Only [`permit`] makes one.
#[derive(Debug)]
pub struct Permit<A> {
    place: Place,
    by: Option<By>,
    action: PhantomData<fn() -> A>,
}

/// Whose doing it is, for the auditor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody with an account.
    Account(AccountId),
    /// Somebody with a seat.
    Participant(ParticipantId),
    /// A partner's system.
    Partner(PartnerKeyId),
}

impl By {
    /// As the audit trail names them.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Account(AccountId(id))
            | Self::Participant(ParticipantId(id))
            | Self::Partner(PartnerKeyId(id)) => id,
        }
    }
}

impl<A: Action> Permit<A> {
    /// Where it holds: whoever demands a permit reads and writes nowhere else.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// In which healthcare unit.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.place.tenant
    }

    /// Whose doing it is; none if it is the platform's.
    #[must_use]
    pub const fn by(&self) -> Option<By> {
        self.by
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody knows who asks: they may sign in (HTTP 401).
    #[error("nobody is known to ask")]
    Unknown,
    /// It is none of theirs, so they do not learn whether it exists (HTTP 404).
    #[error("there is nothing here for them")]
    Hidden,
    /// They may know of it and may not do it (HTTP 403).
    #[error("not allowed")]
    NotAllowed,
    /// Not before they have unlocked the session (HTTP 403, `session-locked`).
    #[error("the session is locked")]
    Locked,
    /// Not before they have shown a factor again (HTTP 403, `confirm-first`).
    #[error("a factor must be shown again")]
    ConfirmFirst,
}

/// Judges, and gives leave.
///
/// # Errors
/// [`Denied`]: unless the table says that it is allowed, it is not.
pub fn permit<A: Action>(who: &Subject, place: Place, now: Timestamp) -> Result<Permit<A>, Denied> {
    judge(who, A::KIND, place, now)?;
    let by = match who {
        Subject::Staff(staff) => Some(By::Account(staff.account)),
        Subject::Participant(participant) => Some(By::Participant(participant.participant)),
        Subject::Partner(partner) => Some(By::Partner(partner.key)),
        Subject::Stranger | Subject::Process { .. } => None,
    };
    Ok(Permit { place, by, action: PhantomData })
}

/// Judges.
///
/// # Errors
/// [`Denied`].
pub fn judge(who: &Subject, kind: Kind, place: Place, now: Timestamp) -> Result<(), Denied> {
    match who {
        Subject::Stranger => Err(Denied::Unknown),
        Subject::Participant(seat) => judge_seat(seat, kind, place),
        Subject::Staff(staff) => judge_staff(staff, kind, place, now),
        Subject::Partner(partner) => judge_partner(partner, kind, place),
        Subject::Process { tenant } if *tenant != place.tenant => Err(Denied::Hidden),
        Subject::Process { .. } if grants(kind).contains(&Grant::Process) => Ok(()),
        Subject::Process { .. } => Err(Denied::NotAllowed),
    }
}

fn judge_seat(seat: &Participant, kind: Kind, place: Place) -> Result<(), Denied> {
    let own_room = place.waiting_room == Some(seat.waiting_room);
    // A clinician's seat leads every visit of its waiting room; everybody else's has one visit.
    let own_visit = match (seat.role, seat.visit) {
        (Role::Clinician, None) => true,
        (_, own) => own.is_some() && place.visit == own,
    };
    if place.tenant != seat.tenant || !own_room || !own_visit || place.account.is_some() {
        return Err(Denied::Hidden);
    }
    if grants(kind).contains(&Grant::Seat(seat.role)) { Ok(()) } else { Err(Denied::NotAllowed) }
}

fn judge_partner(partner: &Partner, kind: Kind, place: Place) -> Result<(), Denied> {
    if place.tenant != partner.tenant {
        return Err(Denied::Hidden);
    }
    let within = |grant: &Grant| matches!(grant, Grant::Scope(scope) if partner.scopes.contains(scope));
    if grants(kind).iter().any(within) { Ok(()) } else { Err(Denied::NotAllowed) }
}

fn judge_staff(staff: &Staff, kind: Kind, place: Place, now: Timestamp) -> Result<(), Denied> {
    if place.tenant != staff.tenant {
        return Err(Denied::Hidden);
    }
    let employed = |role: StaffRole| staff.roles.contains(&role);
    let serves = place.waiting_room.is_some_and(|room| staff.duties.contains(&room));
    let granted = grants(kind).iter().any(|grant| match grant {
        Grant::Unit(role) => employed(*role),
        Grant::Duty(role) => employed(*role) && serves,
        Grant::Emergency(role) => employed(*role) && staff.emergencies.iter().any(|e| e.covers(place, now)),
        Grant::Oneself => place.account == Some(staff.account),
        Grant::Seat(_) | Grant::Scope(_) | Grant::Process => false,
    });
    if !granted {
        // Where somebody else's waiting room is, is for them to know who serve it.
        let of_others =
            grants(kind).iter().any(|grant| matches!(grant, Grant::Duty(role) if employed(*role)));
        return Err(if of_others { Denied::Hidden } else { Denied::NotAllowed });
    }
    let demands = kind.demands();
    if staff.locked && !demands.while_locked {
        return Err(Denied::Locked);
    }
    if demands.fresh && now.since(staff.confirmed_at) > FRESH {
        return Err(Denied::ConfirmFirst);
    }
    Ok(())
}

/// The emergency that somebody needs for this, if they would not be allowed without one: for the auditor.
#[must_use]
pub fn needs_emergency(who: &Subject, kind: Kind, place: Place, now: Timestamp) -> Option<EmergencyId> {
    let Subject::Staff(staff) = who else { return None };
    let within = staff.emergencies.iter().find(|emergency| emergency.covers(place, now))?;
    let without = Subject::Staff(Staff { emergencies: Vec::new(), ..staff.clone() });
    judge(&without, kind, place, now).is_err().then_some(within.id)
}

/// What somebody may do in a place, for those who ask "what can this person see?".
#[must_use]
pub fn rights(who: &Subject, place: Place, now: Timestamp) -> Vec<(Kind, Result<(), Denied>)> {
    Kind::ALL.iter().map(|kind| (*kind, judge(who, *kind, place, now))).collect()
}

#[cfg(test)]
mod tests;
