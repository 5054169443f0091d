//! The desk: opens waiting rooms and invites patients.

use crate::{
    page,
    person::Person,
    world::{ROOMS, World, tag},
};
use model::{CommandId, ParticipantId, Role, VisitId};
use parking_lot::Mutex;
use signaling::{HandleError, NewInvitation, NewWaitingRoom};
use signaling_core::Rejection;
use signaling_protocol::view::ClinicView;
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// Patients of each.
const PATIENTS: usize = 3;
fn name_of(patient: usize) -> String {
    format!("<patient-{patient}>")
}

/// The desk: opens waiting rooms and invites, at whichever process answers, until it is done.
pub(crate) async fn desk(world: Arc<World>) {
    let mut lives = JoinSet::new();
    let mut patients = 0;
    for room in 0..ROOMS.len() {
        let secret = open(&world, room).await;
        let clinician = Person::new(lives.len(), room, Role::Clinician, secret, None);
        enter(&world, &mut lives, clinician, None);
    }
    for _ in 0..PATIENTS {
        for room in 0..ROOMS.len() {
            let (visit, secret) = invite(&world, room, patients).await;
            let patient = Person::new(lives.len(), room, Role::Patient, secret, Some(visit));
            enter(&world, &mut lives, patient, Some(patients));
            patients += 1;
        }
        sleep(world.site.sim.millis(0, 6_000)).await;
    }
    while lives.join_next().await.is_some() {}
}

fn enter(world: &Arc<World>, lives: &mut JoinSet<()>, mut person: Person, patient: Option<usize>) {
    let rooms = (0..ROOMS.len()).filter(|room| *room != person.room).map(tag);
    person.foreign = rooms.collect();
    if let Some(patient) = patient {
        let others = (0..PATIENTS * ROOMS.len()).filter(|other| *other != patient).map(name_of);
        person.foreign.extend(others);
    }
    let person = Arc::new(Mutex::new(person));
    world.people.lock().push(Arc::clone(&person));
    lives.spawn(page::live(Arc::clone(world), person));
}

async fn open(world: &World, room: usize) -> String {
    let (tenant, id) = ROOMS[room];
    let clinic = ClinicView { name: format!("Clinic {}", tag(room)), phone: "+1 555 0100".into() };
    let clinician = ParticipantId(Uuid::from_u128(0xC0 + room as u128));
    loop {
        if let Some(handle) = world.machines[world.any()].handle() {
            let (clinic, practitioner) = (clinic.clone(), format!("Dr {}", tag(room)).into());
            let opened =
                handle.open_waiting_room(NewWaitingRoom { tenant, id, clinic, practitioner, clinician });
            if let Ok(Ok(opened)) = timeout(Duration::from_secs(20), opened).await {
                return secret(&opened.link);
            }
        }
        sleep(world.site.sim.millis(50, 1_000)).await;
    }
}

/// Invites once, however often it is asked, and wherever.
async fn invite(world: &World, room: usize, patient: usize) -> (VisitId, String) {
    let sim = &world.site.sim;
    let (tenant, waiting_room) = ROOMS[room];
    let id = CommandId(sim.draw(|random| random.uuid()));
    let mut first: Option<(VisitId, String)> = None;
    loop {
        if let Some(handle) = world.machines[world.any()].handle() {
            let (name, reason) = (name_of(patient).into(), format!("Check-up {}", tag(room)).into());
            let invited = handle.invite(NewInvitation { tenant, waiting_room, id, name, reason });
            match (timeout(Duration::from_secs(20), invited).await, &first) {
                (Ok(Ok(invited)), None) => {
                    let it = (invited.visit, secret(&invited.link));
                    if !sim.chance(30) {
                        return it;
                    }
                    first = Some(it);
                }
                (Ok(Ok(invited)), Some(it)) => {
                    sim.count("invited-again");
                    if invited.visit != it.0 {
                        world.suspect(it.0, format!("invitation {id} became {} and {}", it.0, invited.visit));
                        return (invited.visit, secret(&invited.link));
                    }
                    return it.clone();
                }
                (Ok(Err(HandleError::Rejected(because))), _) if because != Rejection::Unavailable => {
                    sim.fail(format!("an invitation is refused: {because}"))
                }
                (Ok(Err(_)) | Err(_), _) => {}
            }
        }
        sleep(sim.millis(50, 1_000)).await;
    }
}

impl World {
    fn suspect(&self, visit: VisitId, what: String) {
        if let Some(person) = self.people.lock().first() {
            person.lock().suspects.push((Some(visit), what));
        }
    }
}

fn secret(link: &str) -> String {
    link.split_once("#k=").unwrap().1.to_owned()
}
