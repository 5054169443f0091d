//! What must hold when all is well again.

use crate::{
    ledger::name,
    letters,
    person::{Person, rank, waiting},
    store::now,
    world::{ROOMS, World},
};
use model::{CommandId, ParticipantId, VisitId, WaitingRoomId};
use platform::{
    event_log::{Category, Moment, RecordedEvent, Store, StreamId, Version},
    lane::Lane,
    limits::MAX_READ,
};
use signaling_core::{
    Visit,
    codec::{Stored, decode_visit},
    queue::Queue,
    visit::Phase,
};
use signaling_protocol::{ClientMessage, view::PhaseView};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const VISIT: Category = Category { name: "visit", lane: Lane::Critical };
const WAITING_ROOM: Category = Category { name: "waiting-room", lane: Lane::Critical };

/// Everything that is still to become right.
pub(crate) async fn settled(world: &World) -> Result<(), String> {
    for machine in &world.machines {
        let journal = machine.journal().ok_or_else(|| format!("machine {} is down", machine.index))?;
        let left = *journal.unrecorded().borrow();
        if left > 0 {
            return Err(format!("machine {} has {left} appends in its journal", machine.index));
        }
    }
    let people: Vec<_> = world.people.lock().clone();
    if people.len() < 4 * ROOMS.len() {
        return Err("the desk is not done".to_owned());
    }
    for person in &people {
        let person = person.lock();
        if !person.gone && !person.welcomed {
            return Err(format!("person {} is not back", person.n));
        }
        if !person.gone && !person.unanswered.is_empty() {
            return Err(format!("person {} has no answer to {:?}", person.n, person.unanswered[0].0.id()));
        }
    }
    if !letters::all_handled(&*world.site.theirs, &world.site.ledger) {
        return Err("messages are not handled".to_owned());
    }
    let (visits, parked) = (fold(world)?, Parked::of(world).await);
    for person in &people {
        agrees(&person.lock(), &visits, &parked)?;
    }
    for session in world.site.media.sessions() {
        let Some(room) = session.room else { continue };
        let visit = visits.get(&VisitId(room.0));
        if !visit.is_some_and(|visit| may_be_heard(visit, session.participant)) {
            return Err(format!("{} is heard in {} who should not be", session.participant, room.0));
        }
    }
    Ok(())
}

fn may_be_heard(visit: &Visit, participant: ParticipantId) -> bool {
    matches!(visit.phase(), Phase::InCall(_))
        && visit.takes_part(participant)
        && !visit.seats().has_left(participant)
}

/// Every visit, by what the store says.
fn fold(world: &World) -> Result<BTreeMap<VisitId, Visit>, String> {
    let store = &*world.site.ours;
    let mut visits = BTreeMap::new();
    for stream in now(store.streams(VISIT, None, MAX_READ)).map_err(|error| error.to_string())? {
        let mut visit = Visit::new(VisitId(stream.id));
        for event in events(store, stream) {
            let RecordedEvent { version, kind, schema, body, phi, at, .. } = event;
            let stored = Stored { version: version.0, kind, schema, body, phi, at };
            visit.evolve(&decode_visit(&stored).map_err(|error| error.to_string())?);
        }
        visits.insert(visit.id(), visit);
    }
    Ok(visits)
}

fn events(store: &dyn Store, stream: StreamId) -> Vec<RecordedEvent> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = events.last().map_or(Version(0), |last| last.version);
        let page = now(store.read(stream, after, MAX_READ, Moment::NOW)).unwrap();
        let full = page.len() == MAX_READ;
        events.extend(page);
        if !full {
            return events;
        }
    }
}

/// What a person sees is what the store says.
fn agrees(person: &Person, visits: &BTreeMap<VisitId, Visit>, parked: &Parked) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("person {} sees {what}", person.n));
    if person.gone {
        let visit = person.visit_id.and_then(|id| visits.get(&id));
        let over = visit.is_none_or(|visit| {
            matches!(visit.phase(), Phase::Ended { .. })
                || visit.booked().is_some_and(|booked| visit.seats().has_left(booked.patient))
        });
        let made_void = || parked.makes_void(person.room, person.visit_id);
        return if over || made_void() { Ok(()) } else { wrong("an end that is none") };
    }
    let room = ROOMS[person.room].1;
    let queue = Queue::of(visits.values().filter(|visit| lives_in(visit, room)));
    if person.queue.as_ref().is_some_and(|shown| waiting(shown) != queue.waiting()) {
        return wrong("another queue");
    }
    if let Some(view) = &person.visit {
        let Some(visit) = visits.get(&view.id) else { return wrong("a visit that is none") };
        if rank(&view.phase) != rank_of(visit) {
            return Err(format!("person {} sees {:?}, and it is {:?}", person.n, view.phase, rank_of(visit)));
        }
        if let PhaseView::Waiting { ahead, .. } = view.phase
            && queue.ahead(view.id) != Some(ahead as usize)
        {
            return wrong("another place in the queue");
        }
    }
    let Some(visit) = person.visit_id.and_then(|id| visits.get(&id)) else { return Ok(()) };
    if person.visit.is_none() {
        return wrong("nothing");
    }
    let said = visit.chat().history().iter();
    let missed =
        said.filter(|message| person.chat.get(&(visit.id(), message.seq)) != Some(message.text.expose()));
    if missed.count() > 0 { wrong("other words than were said") } else { Ok(()) }
}

fn lives_in(visit: &Visit, room: WaitingRoomId) -> bool {
    visit.booked().is_some_and(|booked| booked.waiting_room == room)
}

const fn rank_of(visit: &Visit) -> u8 {
    match visit.phase() {
        Phase::Booked => 0,
        Phase::Waiting(_) => 1,
        Phase::InCall(_) => 2,
        Phase::Ended { .. } => 3,
    }
}

/// What was acknowledged while the store was away, and another owner made void: kept, and told to operators.
struct Parked {
    keys: BTreeSet<CommandId>,
    streams: BTreeSet<Uuid>,
}

impl Parked {
    async fn of(world: &World) -> Self {
        let mut parked = Self { keys: BTreeSet::new(), streams: BTreeSet::new() };
        for machine in &world.machines {
            let Some(journal) = machine.journal() else { continue };
            let mut page = journal.parked(0).await.unwrap();
            while let Some(last) = page.last().map(|last| last.seq) {
                for entry in page {
                    parked.keys.insert(entry.key);
                    parked.streams.insert(entry.stream);
                }
                page = journal.parked(last).await.unwrap();
            }
        }
        parked
    }

    /// Whether what somebody was told of a visit, or of the seat they sit in, may be no longer so.
    fn makes_void(&self, room: usize, visit: Option<VisitId>) -> bool {
        self.streams.contains(&ROOMS[room].1.0) || visit.is_some_and(|visit| self.streams.contains(&visit.0))
    }
}

/// What must hold of everything that ever happened.
pub(crate) async fn judge(world: &World) {
    let (sim, store) = (&world.site.sim, &*world.site.ours);
    let parked = Parked::of(world).await;
    parked.keys.iter().for_each(|_| sim.count("parked"));
    let visits = fold(world).unwrap();
    for person in world.people.lock().iter() {
        let person = person.lock();
        for (visit, what) in &person.suspects {
            if !parked.makes_void(person.room, *visit) {
                sim.fail(what.clone());
            }
        }
        for message in &person.acknowledged {
            let by_itself = message.id().is_some_and(|id| parked.keys.contains(&id));
            // What was so already left no event; it is void with what had made it so.
            let with_another =
                || parked.makes_void(person.room, aim(&person, message).map(|(visit, _)| visit));
            let is_chat = matches!(message, ClientMessage::Chat { .. });
            if !is_kept(world, &person, message, &visits) && !by_itself && (is_chat || !with_another()) {
                sim.fail(format!("person {} has lost what was acknowledged: {:?}", person.n, message.id()));
            }
        }
    }
    for (category, kept) in [(VISIT, "visit"), (WAITING_ROOM, "waiting-room")] {
        let streams = now(store.streams(category, None, MAX_READ)).unwrap();
        let recorded = world.site.ledger.recorded.lock();
        let ledger = recorded.events.iter().filter(|((name, ..), _)| *name == kept).count();
        if streams.len() != ledger {
            sim.fail(format!("{ledger} streams were recorded, and there are {}", streams.len()));
        }
        for stream in streams {
            let found = events(store, stream);
            if found.windows(2).any(|pair| pair[0].at > pair[1].at) {
                sim.fail(format!("{} does not say when what happened first", stream.id));
            }
            let gapless = found.iter().zip(1..).all(|(event, version)| event.version.0 == version);
            let found: Vec<_> = found.into_iter().map(|event| (event.kind, event.body)).collect();
            if !gapless || recorded.events.get(&name(stream)) != Some(&found) {
                sim.fail(format!("{} is not what was recorded", stream.id));
            }
        }
    }
    letters::judge(sim, &*world.site.theirs, &world.site.ledger);
}

/// Whether what was acknowledged is in the store.
fn is_kept(
    world: &World,
    person: &Person,
    message: &ClientMessage,
    visits: &BTreeMap<VisitId, Visit>,
) -> bool {
    let (Some((visit, least)), Some(key)) = (aim(person, message), message.id()) else { return true };
    let stream = StreamId { tenant: ROOMS[person.room].0, category: VISIT, id: visit.0 };
    let recorded = world.site.ledger.recorded.lock();
    recorded.keys.get(&name(stream)).is_some_and(|keys| keys.contains(&key))
        || visits.get(&visit).is_some_and(|visit| rank_of(visit) >= least)
}

/// Which visit a command is about, and how far that has come at least once it is acknowledged. What does not bring it
/// further leaves an event each time.
const fn aim(person: &Person, message: &ClientMessage) -> Option<(VisitId, u8)> {
    match (message, person.visit_id) {
        (ClientMessage::CheckIn { .. }, Some(visit)) => Some((visit, 1)),
        (ClientMessage::Admit { visit, .. }, _) => Some((*visit, 2)),
        (ClientMessage::Deny { visit, .. } | ClientMessage::End { visit, .. }, _) => Some((*visit, 3)),
        (ClientMessage::Chat { visit, .. }, _) => Some((*visit, u8::MAX)),
        _ => None,
    }
}
