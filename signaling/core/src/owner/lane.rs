//! One stream's commands: one append in flight, the others in line behind it.
//!
//! ```text
//!            ┌──────────── Conflict, repeated ───────────▶ Reading ──┐
//! Idle ─▶ Appending ──Ok──▶ evolve, effects, answer ─▶ next          │ decide again, or
//!            │  ▲                                                    │ answer: it is recorded
//!            └──┴─ Unknown: again, same key, after a pause ◀─────────┘
//! ```

use super::{
    Append, AppendFailure, Appended, ConnectionId, Handled, Output, Owner, ProgramTicket, Stream, Ticket,
    io::Page,
};
use crate::{
    codec::{self, Stored},
    limits,
    record::{Actor, Recorded},
    rejection::Rejection,
    token::Bearer,
    visit::{self, Visit},
    waiting_room,
};
use model::{CommandId, Timestamp};
use sha2::{Digest, Sha256};
use std::{collections::VecDeque, time::Duration};
use uuid::Uuid;

/// A command on its way into a stream.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    pub(super) by: Actor,
    pub(super) key: CommandId,
    pub(super) origin: Origin,
}

/// A command for either kind of machine.
#[derive(Debug)]
pub(super) enum Command {
    Room(waiting_room::Command),
    Visit(visit::Command),
}

/// Who is told how it went.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// A participant's command, on whichever connection they have then.
    Participant { kind: &'static str },
    /// A connection that is being accepted.
    Hello { from: ConnectionId, bearer: Bearer, jti: Uuid, can_share_screen: bool },
    /// A program.
    Program(ProgramTicket),
    /// Nobody: a deadline, which stands until it is met.
    Deadline,
}

/// A decision being recorded.
#[derive(Debug)]
pub(super) struct Flight {
    job: Job,
    at: Timestamp,
    events: Vec<AnyEvent>,
    /// An outcome was not known: from then on only the store can say what is true.
    doubtful: bool,
    pause: Duration,
}

#[derive(Clone, Debug)]
enum AnyEvent {
    Room(Recorded<waiting_room::Event>),
    Visit(Recorded<visit::Event>),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Appending(Ticket, Flight),
    Reading(Ticket, Flight),
    /// A pause before the next try.
    Pausing {
        until: Timestamp,
        read: bool,
        flight: Flight,
    },
}

/// One stream's commands.
#[derive(Debug, Default)]
pub(super) struct Lane {
    state: State,
    waiting: VecDeque<Job>,
}

impl Lane {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The command being recorded.
    pub(super) fn in_flight(&self) -> Option<&Command> {
        self.flight().map(|flight| &flight.job.command)
    }

    pub(super) const fn next_try(&self) -> Option<Timestamp> {
        match &self.state {
            State::Pausing { until, .. } => Some(*until),
            State::Idle | State::Appending(..) | State::Reading(..) => None,
        }
    }

    fn flight(&self) -> Option<&Flight> {
        match &self.state {
            State::Idle => None,
            State::Appending(_, flight) | State::Reading(_, flight) | State::Pausing { flight, .. } => {
                Some(flight)
            }
        }
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.flight().map(|flight| &flight.job).into_iter().chain(&self.waiting)
    }

    /// Takes the flight out if this ticket is the one it waits for.
    fn land(&mut self, ticket: Ticket) -> Option<Flight> {
        match std::mem::take(&mut self.state) {
            State::Appending(t, flight) | State::Reading(t, flight) if t == ticket => Some(flight),
            other => {
                self.state = other;
                None
            }
        }
    }
}

/// A key for what the platform itself does, the same whenever it is derived again.
pub(super) fn derived_key(what: &str, of: Uuid, version: u64) -> CommandId {
    let hash =
        Sha256::new().chain_update(what).chain_update(of).chain_update(version.to_be_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    CommandId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

impl Owner {
    /// The store has answered an [`Output::Append`].
    pub fn handle_appended(
        &mut self,
        now: Timestamp,
        stream: Stream,
        ticket: Ticket,
        result: Result<Appended, AppendFailure>,
    ) {
        if let Some(flight) = self.lanes.get_mut(&stream).and_then(|lane| lane.land(ticket)) {
            self.land(now, stream, flight, result);
            self.advance(now, stream);
        }
        self.finish(now);
    }

    /// The store has answered an [`Output::Read`].
    pub fn handle_page(&mut self, now: Timestamp, stream: Stream, ticket: Ticket, page: Page) {
        if let Some(flight) = self.lanes.get_mut(&stream).and_then(|lane| lane.land(ticket)) {
            self.catch_up(now, stream, flight, page);
            self.advance(now, stream);
        }
        self.finish(now);
    }

    /// Puts a command in line. Answers at once what needs no append.
    pub(super) fn submit(&mut self, now: Timestamp, stream: Stream, job: Job) {
        let by = job.by.id();
        if self.has_handled(stream, by, job.key) {
            self.answer(now, stream, &job, Ok(()));
            return self.leave_again(now, stream, &job);
        }
        let lane = self.lanes.get(&stream);
        if lane.is_some_and(|lane| lane.jobs().any(|other| other.key == job.key && other.by.id() == by)) {
            // Sent again while it is being recorded: it will be answered.
            return;
        }
        let full = lane.is_some_and(|lane| lane.waiting.len() >= limits::MAX_WAITING_COMMANDS);
        if self.draining.is_some() || full {
            return self.answer(now, stream, &job, Err(Rejection::Unavailable));
        }
        self.lanes.entry(stream).or_default().waiting.push_back(job);
        self.advance(now, stream);
    }

    /// Somebody whose answer to `leave` was lost with their connection says it once more, on a new one, by which they
    /// count as back: they are to have left all the same.
    fn leave_again(&mut self, now: Timestamp, stream: Stream, said: &Job) {
        let Stream::Visit(id) = stream else { return };
        let Command::Visit(visit::Command::Leave) = said.command else { return };
        let version = match self.visits.get(&id) {
            Some(visit) if matches!(visit.phase(), visit::Phase::InCall(_)) => visit.version(),
            _ => return,
        };
        let key = derived_key("leave", said.key.0, version);
        let command = Command::Visit(visit::Command::Leave);
        self.submit(now, stream, Job { command, by: said.by, key, origin: Origin::Deadline });
    }

    /// Decides the next commands in line until one needs an append.
    fn advance(&mut self, now: Timestamp, stream: Stream) {
        while let Some(lane) = self.lanes.get_mut(&stream) {
            if !lane.is_idle() {
                return;
            }
            let Some(job) = lane.waiting.pop_front() else { break };
            self.begin(now, stream, job);
        }
        self.lanes.remove(&stream);
    }

    fn begin(&mut self, now: Timestamp, stream: Stream, job: Job) {
        let at = self.stamps.next(now);
        match self.decide(at, stream, &job) {
            Ok(events) if events.is_empty() => self.answer(now, stream, &job, Ok(())),
            Ok(events) => {
                let flight = Flight { job, at, events, doubtful: false, pause: limits::RETRY_MIN };
                self.append(stream, flight);
            }
            Err(rejection) => self.answer(now, stream, &job, Err(rejection)),
        }
    }

    fn decide(&self, at: Timestamp, stream: Stream, job: &Job) -> Result<Vec<AnyEvent>, Rejection> {
        let (by, command) = (job.by.id(), Some(job.key));
        match (&job.command, stream) {
            (Command::Room(wanted), Stream::WaitingRoom) => {
                let events = self.room.decide(job.by, wanted)?;
                Ok(events
                    .into_iter()
                    .map(|event| AnyEvent::Room(Recorded { at, by, command, event }))
                    .collect())
            }
            (Command::Visit(wanted), Stream::Visit(id)) => {
                if matches!(wanted, visit::Command::Admit) && self.clinician_is_taken(id) {
                    return Err(Rejection::WrongState);
                }
                let unknown = Visit::new(id);
                let visit = self.visits.get(&id).unwrap_or(&unknown);
                let events = visit.decide(at, job.by, wanted)?;
                Ok(events
                    .into_iter()
                    .map(|event| AnyEvent::Visit(Recorded { at, by, command, event }))
                    .collect())
            }
            (Command::Room(_), Stream::Visit(_)) | (Command::Visit(_), Stream::WaitingRoom) => {
                Err(Rejection::NotFound)
            }
        }
    }

    /// A clinician is in at most one visit, counting one that is being recorded.
    fn clinician_is_taken(&self, except: model::VisitId) -> bool {
        let in_call = |visit: &Visit| matches!(visit.phase(), visit::Phase::InCall(_));
        let admitting = |lane: &Lane| matches!(lane.in_flight(), Some(Command::Visit(visit::Command::Admit)));
        self.visits.values().any(|visit| visit.id() != except && in_call(visit))
            || self.lanes.iter().any(|(stream, lane)| *stream != Stream::Visit(except) && admitting(lane))
    }

    fn append(&mut self, stream: Stream, flight: Flight) {
        let ticket = self.ticket();
        let events = flight
            .events
            .iter()
            .map(|event| match event {
                AnyEvent::Room(recorded) => codec::encode_waiting_room(recorded),
                AnyEvent::Visit(recorded) => codec::encode_visit(recorded, self.id),
            })
            .collect();
        let expected = self.version(stream);
        let (key, by, at) = (flight.job.key, flight.job.by, flight.at);
        self.outputs.push_back(Output::Append(Append { stream, ticket, expected, key, by, events, at }));
        self.lanes.entry(stream).or_default().state = State::Appending(ticket, flight);
    }

    fn read(&mut self, stream: Stream, flight: Flight) {
        let ticket = self.ticket();
        let after = self.version(stream);
        self.outputs.push_back(Output::Read { stream, ticket, after });
        self.lanes.entry(stream).or_default().state = State::Reading(ticket, flight);
    }

    fn pause(&mut self, now: Timestamp, stream: Stream, mut flight: Flight, read: bool) {
        let until = now + flight.pause;
        flight.pause = (flight.pause * 2).min(limits::RETRY_MAX);
        self.lanes.entry(stream).or_default().state = State::Pausing { until, read, flight };
    }

    /// Tries again what pauses and is due.
    pub(super) fn retry(&mut self, now: Timestamp) {
        let due: Vec<_> = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.next_try().is_some_and(|at| at <= now))
            .map(|(stream, _)| *stream)
            .collect();
        for stream in due {
            let state = self.lanes.get_mut(&stream).map(|lane| std::mem::take(&mut lane.state));
            match state {
                Some(State::Pausing { read: true, flight, .. }) => self.read(stream, flight),
                Some(State::Pausing { read: false, flight, .. }) => self.append(stream, flight),
                _ => {}
            }
        }
    }

    fn land(
        &mut self,
        now: Timestamp,
        stream: Stream,
        mut flight: Flight,
        result: Result<Appended, AppendFailure>,
    ) {
        let expected = self.version(stream) + flight.events.len() as u64;
        if let Ok(Appended { provisional: true, .. }) = result {
            self.is_unrecorded(stream, self.version(stream) + 1);
        }
        match result {
            Ok(Appended { version, repeated: false, .. }) if version == expected => {
                for event in std::mem::take(&mut flight.events) {
                    self.recorded(now, stream, &event);
                }
                self.answer(now, stream, &flight.job, Ok(()));
            }
            // Recorded by an earlier try, or beside somebody else's: the log says what happened.
            Ok(_) | Err(AppendFailure::Conflict) => self.read(stream, flight),
            Err(AppendFailure::Unknown) => {
                flight.doubtful = true;
                self.pause(now, stream, flight, false);
            }
            Err(AppendFailure::Unavailable) if flight.doubtful => self.pause(now, stream, flight, false),
            Err(AppendFailure::Unavailable) => {
                self.answer(now, stream, &flight.job, Err(Rejection::Unavailable));
            }
            Err(AppendFailure::Fenced) => {
                self.answer(now, stream, &flight.job, Err(Rejection::Unavailable));
                self.lose(now);
            }
            Err(AppendFailure::TooLarge) => self.answer(now, stream, &flight.job, Err(Rejection::Full)),
        }
    }

    fn catch_up(&mut self, now: Timestamp, stream: Stream, flight: Flight, page: Page) {
        let Ok(page) = page else { return self.pause(now, stream, flight, true) };
        let full = page.len() >= limits::READ_PAGE;
        for stored in &page {
            if stored.version != self.version(stream) + 1 {
                continue;
            }
            let Ok(event) = decode(stream, stored) else {
                return self.pause(now, stream, flight, true);
            };
            self.recorded(now, stream, &event);
        }
        if full {
            self.read(stream, flight);
        } else if self.has_handled(stream, flight.job.by.id(), flight.job.key) {
            self.answer(now, stream, &flight.job, Ok(()));
        } else {
            self.begin(now, stream, flight.job);
        }
    }

    /// The one place where memory follows the log.
    fn recorded(&mut self, now: Timestamp, stream: Stream, event: &AnyEvent) {
        match (stream, event) {
            (Stream::WaitingRoom, AnyEvent::Room(recorded)) => {
                self.evolve_room(recorded);
                if let waiting_room::Event::SeatTaken { participant, generation } = recorded.event {
                    self.replace(now, participant, generation);
                }
            }
            (Stream::Visit(id), AnyEvent::Visit(recorded)) => {
                self.evolve_visit(id, recorded);
                let effects: Vec<_> = self
                    .visits
                    .get(&id)
                    .into_iter()
                    .flat_map(|visit| visit.effects(&recorded.event))
                    .collect();
                for effect in effects {
                    self.carry_out(now, id, effect);
                }
            }
            (Stream::WaitingRoom, AnyEvent::Visit(_)) | (Stream::Visit(_), AnyEvent::Room(_)) => {}
        }
    }

    fn version(&self, stream: Stream) -> u64 {
        match stream {
            Stream::WaitingRoom => self.room.version(),
            Stream::Visit(id) => self.visits.get(&id).map_or(0, Visit::version),
        }
    }

    fn has_handled(&self, stream: Stream, by: Option<model::ParticipantId>, key: CommandId) -> bool {
        match stream {
            Stream::WaitingRoom => self.room.has_handled(by, key),
            Stream::Visit(id) => self.visits.get(&id).is_some_and(|visit| visit.has_handled(by, key)),
        }
    }

    /// Draining: what is in line is not begun any more.
    pub(super) fn refuse_waiting_commands(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        for (stream, mut lane) in lanes {
            for job in std::mem::take(&mut lane.waiting) {
                self.answer(Timestamp::default(), stream, &job, Err(Rejection::Unavailable));
            }
            if !lane.is_idle() {
                self.lanes.insert(stream, lane);
            }
        }
    }

    pub(super) fn handled(&mut self, kind: &'static str, result: Result<(), Rejection>) {
        let outcome = result.err().map(Rejection::code);
        self.outputs.push_back(Output::Handled(Handled { kind, outcome }));
    }
}

fn decode(stream: Stream, stored: &Stored) -> Result<AnyEvent, codec::DecodeError> {
    match stream {
        Stream::WaitingRoom => codec::decode_waiting_room(stored).map(AnyEvent::Room),
        Stream::Visit(_) => codec::decode_visit(stored).map(AnyEvent::Visit),
    }
}
