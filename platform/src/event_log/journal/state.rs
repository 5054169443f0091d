//! What is in the journal, and what may go into it. Pure: time is an argument, and the disk is elsewhere.
//!
//! ```text
//! judge ─▶ in line, not on disk ─commit─▶ durable ─▶ replayed (out of line) | parked with all behind it
//! ```

use super::{
    entry::{self, Entry, Proof},
    seen::{Doubt, Seen},
};
use crate::{
    event_log::{Append, AppendError, Appended, RecordedEvent, Refusal, StreamId, Version, judge::HashMap},
    limits::{MAX_JOURNAL_BYTES, MAX_JOURNAL_ENTRIES, MAX_STREAMS_SEEN},
};
use model::{CommandId, Epoch, TenantId, Timestamp};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use uuid::Uuid;

/// What is owned.
pub(super) type Scope = (TenantId, Uuid);

/// Where an append goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To the store. `in_doubt`: until the store says otherwise.
    Store { in_doubt: bool },
    /// Behind what is in the journal, or because the store is away.
    Journal,
    /// To nobody: this owner's memory is not what the store has.
    Lost,
}

/// What the journal says to an append.
#[derive(Debug)]
pub(super) enum Judgement {
    /// It is in line, and to be written to disk.
    InLine(Arc<Entry>),
    /// Its key is in line already.
    Repeated,
    Refused(Refusal),
}

#[derive(Debug)]
struct Waiting {
    entry: Arc<Entry>,
    durable: bool,
}

/// The entries of one stream, in their order.
#[derive(Debug, Default)]
pub(super) struct Line {
    entries: VecDeque<Waiting>,
    replaying: bool,
}

impl Line {
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().map(|waiting| &waiting.entry)
    }
}

/// How much there is, parked entries included or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) entries: usize,
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    lines: HashMap<StreamId, Line>,
    keys: HashMap<(StreamId, CommandId), Arc<Entry>>,
    /// The first of each line that can be replayed, and is not.
    ready: BTreeMap<u64, StreamId>,
    /// When what is durable was journaled.
    ages: BTreeMap<u64, Timestamp>,
    /// How many entries stand under an owner.
    scopes: HashMap<Scope, usize>,
    /// How many try to take a scope over at this moment.
    taking: HashMap<Scope, usize>,
    /// Owners that had an entry parked, until they take their scope again.
    lost: HashMap<Scope, Epoch>,
    /// Streams of theirs that their memory has further than the store.
    diverged: HashMap<StreamId, Scope>,
    pub(super) seen: Seen,
    /// The store is away.
    pub(super) away: bool,
    pub(super) waiting: Amount,
    pub(super) parked: Amount,
}

impl State {
    /// Where an append goes. What goes to the store is in doubt from now on.
    pub(super) fn route(&mut self, append: &Append) -> Route {
        if let Some(fence) = append.fence
            && self.lost.get(&(append.stream.tenant, fence.scope)) == Some(&fence.epoch)
        {
            return Route::Lost;
        }
        if self.away || self.lines.contains_key(&append.stream) {
            return Route::Journal;
        }
        let doubt = Doubt { key: append.key, expected: append.expected };
        Route::Store { in_doubt: self.seen.begin(append.stream, doubt) }
    }

    /// The store has answered an append that was routed to it, or has not.
    pub(super) fn answered(
        &mut self,
        stream: StreamId,
        doubt: Doubt,
        in_doubt: bool,
        outcome: &Result<Appended, AppendError>,
    ) {
        let settled = match outcome {
            Ok(Appended { repeated: false, version, .. }) => {
                self.seen.learn(stream, *version);
                true
            }
            Ok(Appended { repeated: true, version, .. }) => {
                self.seen.learn_at_least(stream, *version);
                true
            }
            Err(AppendError::Rejected(Refusal::Conflict { actual })) => {
                self.seen.learn(stream, *actual);
                in_doubt
            }
            Err(AppendError::Rejected(_)) => in_doubt,
            Err(AppendError::Unknown) => false,
        };
        if settled {
            self.seen.settle(stream, doubt);
        }
    }

    /// Judges an append for the journal, and puts it in line.
    pub(super) fn judge(&mut self, append: Append, body: usize, seq: u64, now: Timestamp) -> Judgement {
        let refused = Judgement::Refused;
        let Some(proof) = Proof::of(&append) else { return refused(Refusal::Unavailable) };
        let (stream, scope) = (append.stream, (append.stream.tenant, proof.fence.scope));
        if self.keys.contains_key(&(stream, proof.key)) {
            return Judgement::Repeated;
        }
        if self.lost.get(&scope) == Some(&proof.fence.epoch) {
            return refused(Refusal::Fenced);
        }
        match self.lines.get(&stream).and_then(|line| line.entries.back()) {
            Some(last) if last.entry.proof.fence != proof.fence => return refused(Refusal::Fenced),
            Some(last) if last.entry.version() != append.expected => {
                return refused(Refusal::Conflict { actual: last.entry.version() });
            }
            Some(_) => {}
            None if self.seen.is_next(stream, proof.key, append.expected) => {}
            None => return refused(Refusal::Unavailable),
        }
        let bytes = entry::size(body);
        if self.taking.contains_key(&scope) || !self.has_room_for(bytes) {
            return refused(Refusal::Unavailable);
        }
        let entry = Arc::new(Entry { seq, append, proof, since: now, bytes });
        self.enter(&entry, false);
        Judgement::InLine(entry)
    }

    fn has_room_for(&self, bytes: u64) -> bool {
        let held = [self.waiting, self.parked];
        held.iter().map(|amount| amount.entries).sum::<usize>() < MAX_JOURNAL_ENTRIES
            && held.iter().map(|amount| amount.bytes).sum::<u64>() + bytes <= MAX_JOURNAL_BYTES
    }

    /// Puts an entry in line that an earlier incarnation of this process has left.
    pub(super) fn found(&mut self, entry: &Arc<Entry>) {
        self.enter(entry, true);
        self.make_durable(entry);
    }

    fn enter(&mut self, entry: &Arc<Entry>, durable: bool) {
        let stream = entry.append.stream;
        let line = self.lines.entry(stream).or_default();
        line.entries.push_back(Waiting { entry: Arc::clone(entry), durable });
        self.keys.insert((stream, entry.proof.key), Arc::clone(entry));
        *self.scopes.entry((stream.tenant, entry.proof.fence.scope)).or_default() += 1;
        self.waiting.entries += 1;
        self.waiting.bytes += entry.bytes;
    }

    fn left(&mut self, entry: &Entry) {
        let (stream, scope) = (entry.append.stream, (entry.append.stream.tenant, entry.proof.fence.scope));
        self.keys.remove(&(stream, entry.proof.key));
        self.ages.remove(&entry.seq);
        decrement(&mut self.scopes, scope);
        self.waiting.entries = self.waiting.entries.saturating_sub(1);
        self.waiting.bytes = self.waiting.bytes.saturating_sub(entry.bytes);
    }

    /// An entry is on disk.
    pub(super) fn make_durable(&mut self, entry: &Entry) {
        let stream = entry.append.stream;
        let Some(line) = self.lines.get_mut(&stream) else { return };
        for waiting in line.entries.iter_mut().rev().filter(|waiting| waiting.entry.seq == entry.seq) {
            waiting.durable = true;
        }
        self.ages.insert(entry.seq, entry.since);
        self.offer(stream);
    }

    /// An entry is not on disk: it is out of line again, and those behind it were not written either.
    pub(super) fn undo(&mut self, entry: &Entry) {
        let stream = entry.append.stream;
        if let Some(line) = self.lines.get_mut(&stream) {
            line.entries.retain(|waiting| waiting.entry.seq != entry.seq);
            self.left(entry);
        }
        self.drop_empty(stream);
    }

    fn offer(&mut self, stream: StreamId) {
        if let Some(line) = self.lines.get(&stream)
            && let Some(Waiting { entry, durable: true }) = line.entries.front()
            && !line.replaying
        {
            self.ready.insert(entry.seq, stream);
        }
    }

    fn drop_empty(&mut self, stream: StreamId) {
        if self.lines.get(&stream).is_some_and(|line| line.entries.is_empty() && !line.replaying) {
            self.lines.remove(&stream);
        }
    }

    /// The stream whose first entry is the oldest of those that nobody replays; from now on somebody does.
    pub(super) fn next_ready(&mut self) -> Option<StreamId> {
        let (_, stream) = self.ready.pop_first()?;
        self.lines.get_mut(&stream)?.replaying = true;
        Some(stream)
    }

    /// Whether there is such a stream.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Nobody replays a stream any more.
    pub(super) fn give_back(&mut self, stream: StreamId) {
        if let Some(line) = self.lines.get_mut(&stream) {
            line.replaying = false;
        }
        self.offer(stream);
        self.drop_empty(stream);
    }

    /// The first entry of a stream that is being replayed.
    pub(super) fn first(&self, stream: StreamId) -> Option<Arc<Entry>> {
        let first = self.lines.get(&stream)?.entries.front()?;
        first.durable.then(|| Arc::clone(&first.entry))
    }

    /// The store has an entry, which was the first of its line.
    pub(super) fn replayed(&mut self, entry: &Entry) {
        let stream = entry.append.stream;
        let Some(line) = self.lines.get_mut(&stream) else { return };
        if line.entries.front().is_some_and(|first| first.entry.seq == entry.seq) {
            line.entries.pop_front();
            self.left(entry);
            self.seen.learn(stream, entry.version());
        }
    }

    /// Takes a stream's line out, to be parked: the store will not have it.
    pub(super) fn take_line(&mut self, stream: StreamId) -> Option<Line> {
        let line = self.lines.remove(&stream)?;
        for waiting in &line.entries {
            self.ready.remove(&waiting.entry.seq);
            self.left(&waiting.entry);
            self.parked.entries += 1;
            self.parked.bytes += waiting.entry.bytes;
        }
        if let Some(Waiting { entry, .. }) = line.entries.front() {
            let scope = (stream.tenant, entry.proof.fence.scope);
            if self.lost.len().max(self.diverged.len()) >= MAX_STREAMS_SEEN {
                // The store refuses them itself, one at a time.
                self.lost.clear();
                self.diverged.clear();
            }
            self.lost.insert(scope, entry.proof.fence.epoch);
            self.diverged.insert(stream, scope);
        }
        self.seen.forget(stream);
        Some(line)
    }

    /// Parking a line did not reach the disk: it stands where it stood.
    pub(super) fn put_back(&mut self, stream: StreamId, line: Line) {
        for Waiting { entry, durable } in &line.entries {
            self.parked.entries = self.parked.entries.saturating_sub(1);
            self.parked.bytes = self.parked.bytes.saturating_sub(entry.bytes);
            self.enter(entry, *durable);
            if *durable {
                self.ages.insert(entry.seq, entry.since);
            }
        }
        self.lines.entry(stream).or_default().replaying = line.replaying;
        if let Some(scope) = self.diverged.remove(&stream)
            && !self.diverged.values().any(|of| *of == scope)
        {
            self.lost.remove(&scope);
        }
        self.offer(stream);
    }

    /// Somebody has looked at a parked entry, and it is gone.
    pub(super) fn discarded(&mut self, bytes: u64) {
        self.parked.entries = self.parked.entries.saturating_sub(1);
        self.parked.bytes = self.parked.bytes.saturating_sub(bytes);
    }

    /// What a command in line is answered with.
    pub(super) fn answer(&self, stream: StreamId, key: CommandId) -> Option<Appended> {
        self.keys.get(&(stream, key)).map(|entry| entry.answer(true))
    }

    /// Whether a command in line is on disk.
    pub(super) fn is_durable(&self, stream: StreamId, key: CommandId) -> bool {
        self.keys.get(&(stream, key)).is_some_and(|entry| self.ages.contains_key(&entry.seq))
    }

    /// The events in line of a stream that are on disk, and the version they begin at.
    pub(super) fn events(&self, stream: StreamId) -> Option<(Version, Vec<RecordedEvent>)> {
        let line = self.lines.get(&stream)?;
        let durable: Vec<_> =
            line.entries.iter().filter(|waiting| waiting.durable).map(|waiting| &waiting.entry).collect();
        let start = durable.first()?.append.expected;
        Some((start, durable.iter().flat_map(|entry| entry.events()).collect()))
    }

    /// Whether the memory of a stream's owner may be further than the store.
    pub(super) fn is_ahead(&self, stream: StreamId) -> bool {
        self.lines.contains_key(&stream) || self.diverged.contains_key(&stream)
    }

    /// Somebody wants to take a scope over: nothing is journaled under its present owner meanwhile.
    pub(super) fn begin_taking(&mut self, scope: Scope) -> Result<(), Refusal> {
        if self.away || self.scopes.contains_key(&scope) {
            return Err(Refusal::Unavailable);
        }
        *self.taking.entry(scope).or_default() += 1;
        Ok(())
    }

    pub(super) fn end_taking(&mut self, scope: Scope) {
        decrement(&mut self.taking, scope);
    }

    /// A scope was taken: its owner begins anew from what the store has.
    pub(super) fn taken(&mut self, scope: Scope) {
        if self.lost.remove(&scope).is_some() {
            self.diverged.retain(|_, of| *of != scope);
        }
    }

    /// What became of all that stood under a scope's owner: all recorded, or some of it never will be. Nothing yet,
    /// while any of it is in line.
    pub(super) fn settled(&self, scope: Scope) -> Option<Result<(), Refusal>> {
        match (self.lost.contains_key(&scope), self.scopes.contains_key(&scope)) {
            (true, _) => Some(Err(Refusal::Fenced)),
            (false, true) => None,
            (false, false) => Some(Ok(())),
        }
    }

    /// When the oldest durable entry was journaled.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.ages.first_key_value().map(|(_, since)| *since)
    }

    /// How many entries are on disk and not in the store.
    pub(super) fn unrecorded(&self) -> usize {
        self.ages.len()
    }
}

fn decrement(counts: &mut HashMap<Scope, usize>, scope: Scope) {
    if let Some(count) = counts.get_mut(&scope) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&scope);
        }
    }
}

#[cfg(test)]
mod tests;
