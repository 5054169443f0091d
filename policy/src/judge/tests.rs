use super::*;
use crate::subject::{Emergency, EmergencyId, Scope, SessionId, StaffRoles};
use model::{VisitId, WaitingRoomId};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HERE: TenantId = TenantId(Uuid::from_u128(1));
const ELSEWHERE: TenantId = TenantId(Uuid::from_u128(2));
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(3));
const OTHER_ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(4));
const VISIT: VisitId = VisitId(Uuid::from_u128(5));
const OTHER_VISIT: VisitId = VisitId(Uuid::from_u128(6));
const ME: AccountId = AccountId(Uuid::from_u128(7));
const SOMEBODY: AccountId = AccountId(Uuid::from_u128(8));

fn staff(roles: &[StaffRole]) -> Staff {
    Staff {
        tenant: HERE,
        account: ME,
        session: SessionId(Uuid::from_u128(9)),
        roles: roles.iter().copied().collect::<StaffRoles>(),
        duties: [ROOM].into(),
        locked: false,
        confirmed_at: NOW,
        emergencies: Vec::new(),
    }
}

fn partner(scopes: &[Scope]) -> Subject {
    let key = PartnerKeyId(Uuid::from_u128(11));
    Subject::Partner(Partner { tenant: HERE, key, scopes: scopes.iter().copied().collect() })
}

fn seat(role: Role) -> Participant {
    let visit = (role != Role::Clinician).then_some(VISIT);
    Participant {
        tenant: HERE,
        waiting_room: ROOM,
        visit,
        participant: ParticipantId(Uuid::from_u128(10)),
        role,
    }
}

fn places() -> [(&'static str, Place); 7] {
    [
        ("own unit", Place::unit(HERE)),
        ("own room", Place::waiting_room(HERE, ROOM)),
        ("own visit", Place::visit(HERE, ROOM, VISIT)),
        ("other visit", Place::visit(HERE, ROOM, OTHER_VISIT)),
        ("other room", Place::waiting_room(HERE, OTHER_ROOM)),
        ("own account", Place::account(HERE, ME)),
        ("other account", Place::account(HERE, SOMEBODY)),
    ]
}

/// Everything that everybody may do anywhere: a change of the table is a change of this picture.
#[test]
fn everybody_may_do_exactly_this() {
    let mut people: Vec<(String, Subject)> = vec![("stranger".into(), Subject::Stranger)];
    people.extend(
        Role::ALL.iter().map(|role| (format!("seat of a {role:?}"), Subject::Participant(seat(*role)))),
    );
    people.extend(StaffRole::ALL.iter().map(|role| (format!("{role:?}"), Subject::Staff(staff(&[*role])))));
    people.extend(Scope::ALL.iter().map(|scope| (format!("partner with {scope:?}"), partner(&[*scope]))));
    people.push(("process".into(), Subject::Process { tenant: HERE }));
    let mut picture = String::new();
    for (name, who) in people {
        for (place_name, place) in places() {
            let allowed = rights(&who, place, NOW).into_iter().filter(|(_, judged)| judged.is_ok());
            let allowed: Vec<String> = allowed.map(|(kind, _)| format!("{kind:?}")).collect();
            if !allowed.is_empty() {
                picture.push_str(&format!("{name}, {place_name}: {}\n", allowed.join(" ")));
            }
        }
    }
    insta::assert_snapshot!(picture);
}

#[test]
fn nobody_learns_whether_anything_exists_in_another_unit() {
    let mut people: Vec<Subject> = Role::ALL.iter().map(|role| Subject::Participant(seat(*role))).collect();
    people.push(Subject::Staff(staff(&StaffRole::ALL)));
    people.push(partner(&Scope::ALL));
    people.push(Subject::Process { tenant: HERE });
    for who in people {
        for (_, place) in places() {
            let place = Place { tenant: ELSEWHERE, ..place };
            for (kind, judged) in rights(&who, place, NOW) {
                assert_eq!(judged, Err(Denied::Hidden), "{who:?} {kind:?} {place:?}");
            }
        }
    }
}

#[test]
fn a_stranger_may_nothing_and_is_told_only_to_sign_in() {
    for (_, place) in places() {
        assert!(rights(&Subject::Stranger, place, NOW).iter().all(|(_, j)| *j == Err(Denied::Unknown)));
    }
}

#[test]
fn somebody_elses_visit_or_room_is_hidden_from_a_seat_and_from_who_does_not_serve_it() {
    for role in Role::ALL {
        let who = Subject::Participant(seat(role));
        assert_eq!(judge(&who, Kind::Chat, Place::waiting_room(HERE, OTHER_ROOM), NOW), Err(Denied::Hidden));
        let leads = if role == Role::Clinician { Ok(()) } else { Err(Denied::Hidden) };
        for wider in [Place::visit(HERE, ROOM, OTHER_VISIT), Place::waiting_room(HERE, ROOM)] {
            assert_eq!(judge(&who, Kind::Report, wider, NOW), leads, "{role:?}");
        }
        assert_eq!(judge(&who, Kind::Report, Place::unit(HERE), NOW), Err(Denied::Hidden), "{role:?}");
    }
    let clinician = Subject::Staff(staff(&[StaffRole::Clinician]));
    let room = |room| judge(&clinician, Kind::JoinWaitingRoom, Place::waiting_room(HERE, room), NOW);
    assert_eq!((room(ROOM), room(OTHER_ROOM)), (Ok(()), Err(Denied::Hidden)));
}

#[test]
fn a_locked_session_shows_nothing_of_patients_and_does_not_end_a_call() {
    let locked = Subject::Staff(Staff { locked: true, ..staff(&StaffRole::ALL) });
    let open = Subject::Staff(staff(&StaffRole::ALL));
    for (_, place) in places() {
        for (kind, judged) in rights(&locked, place, NOW) {
            let before = judge(&open, kind, place, NOW);
            match before {
                Ok(()) if !kind.demands().while_locked => assert_eq!(judged, Err(Denied::Locked), "{kind:?}"),
                _ => assert_eq!(judged, before, "{kind:?}"),
            }
        }
    }
}

#[test]
fn what_demands_a_fresh_factor_is_refused_a_moment_after_it_is_none() {
    let confirmed =
        |ago| Subject::Staff(Staff { confirmed_at: NOW - ago, ..staff(&[StaffRole::Administrator]) });
    let invite = |ago| judge(&confirmed(ago), Kind::InvitePerson, Place::unit(HERE), NOW);
    assert_eq!(invite(FRESH), Ok(()));
    assert_eq!(invite(FRESH + Duration::from_millis(1)), Err(Denied::ConfirmFirst));
    assert_eq!(judge(&confirmed(FRESH * 2), Kind::ReadPeople, Place::unit(HERE), NOW), Ok(()));
}

#[test]
fn a_permit_says_where_it_holds_and_whose_doing_it_is() {
    let who = Subject::Staff(staff(&[StaffRole::Administrator]));
    let permit = permit::<crate::action::ReadPeople>(&who, Place::unit(HERE), NOW).unwrap();
    assert_eq!((permit.tenant(), permit.by()), (HERE, Some(By::Account(ME))));
}

fn in_emergency(visit: Option<VisitId>) -> Subject {
    let until = NOW + Duration::from_millis(1);
    let emergency =
        Emergency { id: EmergencyId(Uuid::from_u128(11)), waiting_room: OTHER_ROOM, visit, until };
    Subject::Staff(Staff { emergencies: vec![emergency], ..staff(&[StaffRole::Clinician]) })
}

#[test]
fn an_emergency_opens_its_place_for_its_time_and_nothing_else() {
    let room = Place::waiting_room(HERE, OTHER_ROOM);
    let judged = |who: &Subject, place, now| judge(who, Kind::ReadHistory, place, now);
    let who = in_emergency(None);
    assert_eq!(judged(&who, room, NOW), Ok(()));
    assert_eq!(judged(&who, Place::visit(HERE, OTHER_ROOM, VISIT), NOW), Ok(()));
    assert_eq!(judged(&who, room, NOW + Duration::from_millis(1)), Err(Denied::Hidden));
    let third = Place::waiting_room(HERE, WaitingRoomId(Uuid::from_u128(12)));
    assert_eq!(judged(&who, third, NOW), Err(Denied::Hidden));
    assert_eq!(judged(&who, Place { tenant: ELSEWHERE, ..room }, NOW), Err(Denied::Hidden));
    let of_visit = in_emergency(Some(VISIT));
    assert_eq!(judged(&of_visit, Place::visit(HERE, OTHER_ROOM, VISIT), NOW), Ok(()));
    assert_eq!(judged(&of_visit, Place::visit(HERE, OTHER_ROOM, OTHER_VISIT), NOW), Err(Denied::Hidden));
    assert_eq!(judged(&of_visit, room, NOW), Err(Denied::Hidden));
    // Who is no clinician any more has none either.
    let Subject::Staff(clinician) = who.clone() else { unreachable!("staff") };
    let scheduler = Subject::Staff(Staff { roles: [StaffRole::Scheduler].into(), ..clinician.clone() });
    assert_eq!(judged(&scheduler, room, NOW), Err(Denied::NotAllowed));
    let locked = Subject::Staff(Staff { locked: true, ..clinician });
    assert_eq!(judged(&locked, room, NOW), Err(Denied::Locked));
    // What it does not open stays as it was, everywhere.
    let before = Subject::Staff(staff(&[StaffRole::Clinician]));
    for (_, place) in places() {
        for ((kind, with), (_, without)) in
            rights(&who, place, NOW).into_iter().zip(rights(&before, place, NOW))
        {
            let opened = [Kind::ReadHistory, Kind::JoinWaitingRoom].contains(&kind)
                && place.waiting_room == Some(OTHER_ROOM);
            assert_eq!(with, if opened { Ok(()) } else { without }, "{kind:?} {place:?}");
        }
    }
}

#[test]
fn the_auditor_is_told_of_an_emergency_only_where_it_was_needed() {
    let needed = |place| needs_emergency(&in_emergency(None), Kind::ReadHistory, place, NOW).is_some();
    assert!(needed(Place::waiting_room(HERE, OTHER_ROOM)));
    assert!(!needed(Place::waiting_room(HERE, ROOM)), "they serve it");
    let Subject::Staff(on_duty) = in_emergency(None) else { unreachable!("staff") };
    let on_duty = Subject::Staff(Staff { duties: [OTHER_ROOM].into(), ..on_duty });
    let room = Place::waiting_room(HERE, OTHER_ROOM);
    assert_eq!(needs_emergency(&on_duty, Kind::ReadHistory, room, NOW), None);
}

#[test]
fn every_kind_has_one_line_in_the_table() {
    for kind in Kind::ALL {
        let lines = crate::table::RIGHTS.iter().filter(|(of, _)| of == kind).count();
        assert_eq!(lines, 1, "{kind:?}");
    }
}
