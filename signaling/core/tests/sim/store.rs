//! An event store with optimistic concurrency and idempotency keys, and every way to misbehave that the
//! port allows.

use crate::random::Random;
use model::CommandId;
use signaling_core::{
    Visit, WaitingRoom,
    codec::{self, Stored},
    owner::{Append, AppendFailure, Appended, Stream},
    record::Recorded,
    visit, waiting_room,
};
use std::collections::BTreeMap;

/// What is on disk.
pub(crate) struct Store {
    pub(crate) streams: BTreeMap<Stream, Disk>,
    /// The machines, rebuilt from what is on disk and nothing else.
    pub(crate) room: WaitingRoom,
    pub(crate) visits: BTreeMap<model::VisitId, Visit>,
}

#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) events: Vec<Stored>,
    /// Keys used, with the version they led to.
    keys: BTreeMap<CommandId, u64>,
    pub(crate) recorded: Vec<Event>,
}

#[derive(Clone)]
pub(crate) enum Event {
    Room(Recorded<waiting_room::Event>),
    Visit(Recorded<visit::Event>),
}

impl Event {
    pub(crate) fn command(&self) -> Option<CommandId> {
        match self {
            Self::Room(recorded) => recorded.command,
            Self::Visit(recorded) => recorded.command,
        }
    }
}

/// What the store will do with an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Fine,
    /// Delivered twice by its own transport.
    Twice,
    Unavailable,
    UnknownApplied,
    UnknownLost,
    /// Says that it does not know, and applies it afterwards.
    UnknownLate,
    /// Away: the journal of this machine has it.
    Journaled,
}

impl Mood {
    pub(crate) fn roll(random: &mut Random, calm: bool) -> Self {
        if calm {
            return Self::Fine;
        }
        match random.below(100) {
            0..4 => Self::Unavailable,
            4..8 => Self::UnknownApplied,
            8..12 => Self::UnknownLost,
            12..15 => Self::UnknownLate,
            15..18 => Self::Twice,
            18..30 => Self::Journaled,
            _ => Self::Fine,
        }
    }
}

impl Store {
    pub(crate) fn new(room: model::WaitingRoomId) -> Self {
        Self { streams: BTreeMap::new(), room: WaitingRoom::new(room), visits: BTreeMap::new() }
    }

    pub(crate) fn append(&mut self, append: &Append) -> Result<Appended, AppendFailure> {
        let disk = self.streams.entry(append.stream).or_default();
        if let Some(version) = disk.keys.get(&append.key) {
            return Ok(Appended { version: *version, repeated: true, provisional: false });
        }
        if disk.events.len() as u64 != append.expected {
            return Err(AppendFailure::Conflict);
        }
        for encoded in &append.events {
            let stored = Stored {
                version: disk.events.len() as u64 + 1,
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                body: encoded.body.clone(),
                phi: encoded.phi.clone(),
                at: append.at,
            };
            let event = match append.stream {
                Stream::WaitingRoom => {
                    let recorded = codec::decode_waiting_room(&stored).unwrap();
                    self.room.evolve(&recorded);
                    Event::Room(recorded)
                }
                Stream::Visit(id) => {
                    let recorded = codec::decode_visit(&stored).unwrap();
                    self.visits.entry(id).or_insert_with(|| Visit::new(id)).evolve(&recorded);
                    Event::Visit(recorded)
                }
            };
            disk.events.push(stored);
            disk.recorded.push(event);
        }
        let version = disk.events.len() as u64;
        disk.keys.insert(append.key, version);
        Ok(Appended { version, repeated: false, provisional: false })
    }

    pub(crate) fn read(&self, stream: Stream, after: u64, limit: usize) -> Vec<Stored> {
        let Some(disk) = self.streams.get(&stream) else { return Vec::new() };
        disk.events.iter().skip(usize::try_from(after).unwrap()).take(limit).cloned().collect()
    }

    pub(crate) fn version(&self, stream: Stream) -> u64 {
        self.streams.get(&stream).map_or(0, |disk| disk.events.len() as u64)
    }

    /// How many separate appends carry this command.
    pub(crate) fn times_recorded(&self, command: CommandId) -> usize {
        let mut times = 0;
        for disk in self.streams.values() {
            let carries: Vec<_> =
                disk.recorded.iter().map(|event| event.command() == Some(command)).collect();
            times += carries
                .iter()
                .zip([false].iter().chain(&carries))
                .filter(|(now, before)| **now && !**before)
                .count();
        }
        times
    }
}
