//! How each part of the platform does and since when, in the words of `GET /api/v1/status`.

use super::probe::{EVENT_LOG, Findings, MEDIA};
use crate::{nodes::Strength, wiring::Journal};
use model::{TenantId, Timestamp};
use parking_lot::Mutex;
use platform::clock::Clock;
use portal_api::status::{Part, PartState, PartView, Platform, Seen};
use signaling_core::port::PortFuture;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// Whether a connection is up.
pub(crate) type Sign = Box<dyn Fn() -> bool + Send + Sync>;

/// What a process can look at. What it has not is not looked at.
pub(crate) struct Sources {
    pub(crate) findings: Arc<Findings>,
    pub(crate) journal: Option<Arc<Journal>>,
    /// To NATS.
    pub(crate) bus: Option<Sign>,
    /// To Redis.
    pub(crate) presence: Option<Sign>,
    /// Who does what in the fleet.
    pub(crate) fleet: Option<watch::Receiver<Strength>>,
    /// This process has waiting rooms.
    pub(crate) has_rooms: bool,
}

/// Looks, and remembers since when it is so.
pub(crate) struct Board {
    sources: Sources,
    clock: Arc<dyn Clock>,
    seen: Mutex<BTreeMap<Part, PartView>>,
}

/// How a part does, and how many of how many do it.
type Found = (PartState, Option<(u32, u32)>);

impl Board {
    pub(crate) fn new(sources: Sources, clock: Arc<dyn Clock>) -> Self {
        Self { sources, clock, seen: Mutex::default() }
    }

    /// After the probes were made.
    pub(crate) fn look(&self) {
        note(&mut self.seen.lock(), self.found(), self.clock.now());
    }

    fn found(&self) -> Vec<(Part, Found)> {
        let Sources { findings, journal, bus, presence, fleet, has_rooms } = &self.sources;
        let (_, probed) = findings.look(false);
        let mut found = Vec::new();
        let journaled = journal.as_ref().map(|journal| journal.is_away());
        if let Some(answers) = probed.get(EVENT_LOG) {
            found.push((Part::Records, (records(*answers, journaled), None)));
        }
        match fleet.as_ref().map(|fleet| *fleet.borrow()) {
            Some(Strength { rooms, media }) => {
                found.push((Part::WaitingRooms, of_fleet(rooms)));
                found.push((Part::Media, of_fleet(media)));
            }
            None => {
                if *has_rooms {
                    // It answers: whoever reads this has just been answered.
                    found.push((Part::WaitingRooms, (PartState::Well, None)));
                }
                let answers = probed.get(MEDIA).map(|answers| (Part::Media, (well_or_away(*answers), None)));
                found.extend(answers);
            }
        }
        found.extend(bus.as_ref().map(|up| (Part::Messages, (well_or_away(up()), None))));
        found.extend(presence.as_ref().map(|up| (Part::Presence, (well_or_away(up()), None))));
        found
    }
}

impl Platform for Board {
    fn seen(&self, tenant: TenantId) -> PortFuture<'_, Seen> {
        Box::pin(async move {
            let parts = self.seen.lock().values().copied().collect();
            let Some(journal) = &self.sources.journal else { return Seen { parts, ..Seen::default() } };
            let catching_up = *journal.unrecorded().borrow() > 0;
            // A journal that cannot be asked shows with the records.
            let parked = journal.parked(0).await.unwrap_or_default();
            let parked = parked.iter().filter(|entry| entry.tenant == tenant).count();
            Seen { parts, catching_up, parked }
        })
    }
}

fn note(seen: &mut BTreeMap<Part, PartView>, found: Vec<(Part, Found)>, now: Timestamp) {
    for (part, (state, of)) in found {
        let before = seen.get(&part).filter(|before| before.state == state);
        let since = before.map_or(now, |before| before.since);
        let (working, of) = of.unzip();
        seen.insert(part, PartView { part, state, since, working, of });
    }
}

/// While the database is away, owners of waiting rooms write into a journal of their own.
const fn records(answers: bool, journaled: Option<bool>) -> PartState {
    match (answers, journaled) {
        (true, None | Some(false)) => PartState::Well,
        (_, Some(_)) => PartState::Strained,
        (false, None) => PartState::Away,
    }
}

const fn well_or_away(is_well: bool) -> PartState {
    if is_well { PartState::Well } else { PartState::Away }
}

const fn of_fleet((working, of): (u32, u32)) -> Found {
    let state = match working {
        0 => PartState::Away,
        some if some < of => PartState::Strained,
        _ => PartState::Well,
    };
    (state, Some((working, of)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_the_job_with_less_is_strained_and_what_does_not_is_away() {
        use PartState::{Away, Strained, Well};
        assert_eq!(records(true, None), Well);
        assert_eq!(records(true, Some(false)), Well);
        assert_eq!(records(true, Some(true)), Strained);
        assert_eq!(records(false, Some(false)), Strained);
        assert_eq!(records(false, None), Away);
        for (working, of, state) in [(2, 2, Well), (1, 2, Strained), (0, 2, Away), (0, 0, Away)] {
            assert_eq!(of_fleet((working, of)), (state, Some((working, of))));
        }
    }

    #[test]
    fn since_when_is_the_first_look_that_found_it_so() {
        let (mut seen, at) = (BTreeMap::new(), Timestamp::from_millis);
        let mut look = |state, now| {
            note(&mut seen, vec![(Part::Media, (state, Some((1, 2))))], at(now));
            seen.get(&Part::Media).map(|view| view.since.as_millis())
        };
        assert_eq!(look(PartState::Well, 1), Some(1));
        assert_eq!(look(PartState::Well, 2), Some(1));
        assert_eq!(look(PartState::Strained, 3), Some(3));
        assert_eq!(look(PartState::Strained, 4), Some(3));
        assert_eq!(look(PartState::Well, 5), Some(5));
    }
}
