//! A store in memory.

use model::{CommandId, Epoch, TenantId, Timestamp};
use parking_lot::Mutex;
use platform::{
    bus::Subject,
    event_log::{
        Append, AppendError, Appended, AuditEnd, AuditPlace, AuditRow, AuditSearch, Category, Change,
        EventStore, Fence, Holder, Moment, NewEvent, OutboxMessage, Owned, Ownership, Partition, Position,
        Possession, ReadError, RecordedEvent, Records, Refusal, Row, Snapshot, Snapshots, StoreFuture,
        StreamId, Table, Tables, TailEvent, Version,
    },
    lane::{Lane, deadline},
    limits::{
        MAX_ADDRESS_BYTES, MAX_ANSWER_BYTES, MAX_AUDITS_PER_APPEND, MAX_CHANGES, MAX_EVENT_BYTES,
        MAX_EVENTS_PER_APPEND, MAX_KEY_BYTES, MAX_MESSAGES_PER_APPEND, MAX_OUTBOX_SUBJECT_BYTES, MAX_READ,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::ready,
};
use uuid::Uuid;

/// Everything in maps. Forgets it all when dropped; what the durable adapters are compared with.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    streams: BTreeMap<(&'static str, TenantId, Uuid), Stream>,
    everything: HashMap<Partition, Vec<TailEvent>>,
    outbox: Vec<OutboxMessage>,
    messages: HashMap<Partition, u64>,
    audits: HashMap<(TenantId, Partition), Vec<AuditRow>>,
    owners: BTreeMap<(TenantId, Uuid), Owned>,
    live: HashMap<&'static str, u32>,
    places: HashMap<(Table, Partition), Position>,
    rows: BTreeMap<(Table, TenantId, String), Row>,
}

#[derive(Debug, Default)]
struct Stream {
    events: Vec<RecordedEvent>,
    commands: HashMap<CommandId, (Version, Option<String>)>,
    snapshot: Option<Snapshot>,
}

/// A partition is a lane.
fn partition_of(stream: &StreamId) -> Partition {
    Partition(stream.category.lane as u16)
}

impl State {
    fn append(&mut self, append: &Append) -> Result<Appended, AppendError> {
        check(append)?;
        let stream = append.stream;
        let found = self.streams.get(&(stream.category.name, stream.tenant, stream.id));
        let actual = Version(found.map_or(0, |s| s.events.len() as u64));
        if let Some((version, answer)) = append.key.and_then(|command| found?.commands.get(&command)) {
            let (version, answer) = (*version, answer.clone());
            return Ok(Appended { version, repeated: true, answer, provisional: false });
        }
        let epoch = |scope| self.owners.get(&(stream.tenant, scope)).map_or(Epoch(0), |owned| owned.epoch);
        if append.fence.is_some_and(|fence| epoch(fence.scope) != fence.epoch) {
            return Err(Refusal::Fenced.into());
        }
        if actual != append.expected {
            return Err(Refusal::Conflict { actual }.into());
        }
        Ok(self.record(append))
    }

    fn record(&mut self, append: &Append) -> Appended {
        let StreamId { tenant, category, id } = append.stream;
        let partition = partition_of(&append.stream);
        let everything = self.everything.entry(partition).or_default();
        let stream = self.streams.entry((category.name, tenant, id)).or_default();
        for event in &append.events {
            let event = recorded(event, stream.events.len() as u64 + 1, append.at);
            stream.events.push(event.clone());
            everything.push(TailEvent {
                position: Position(everything.len() as u64 + 1),
                tenant,
                category: category.name.to_owned(),
                stream: id,
                event,
            });
        }
        let version = Version(stream.events.len() as u64);
        if let Some(command) = append.key {
            stream.commands.insert(command, (version, append.answer.clone()));
        }
        for message in &append.outbox {
            let messages = self.messages.entry(partition).or_default();
            *messages += 1;
            self.outbox.push(OutboxMessage {
                partition,
                position: Position(*messages),
                tenant,
                subject: message.subject.clone(),
                body: message.body.clone(),
                at: append.at,
            });
        }
        let audits = self.audits.entry((tenant, partition)).or_default();
        for audit in &append.audit {
            let number = audits.last().map_or(0, |row| row.number) + 1;
            audits.push(AuditRow {
                partition,
                number,
                at: append.at,
                action: audit.action.to_owned(),
                actor: audit.actor,
                subject: audit.subject,
                body: audit.body.clone(),
                phi: audit.phi.clone(),
            });
        }
        Appended { version, repeated: false, answer: append.answer.clone(), provisional: false }
    }
}

fn recorded(event: &NewEvent, version: u64, at: Timestamp) -> RecordedEvent {
    RecordedEvent {
        version: Version(version),
        kind: event.kind.to_owned(),
        schema: event.schema,
        body: event.body.clone(),
        phi: event.phi.clone(),
        at,
        effective: event.effective.unwrap_or(at),
    }
}

fn check(append: &Append) -> Result<(), Refusal> {
    let phi = |phi: &Option<String>| phi.as_ref().map_or(0, String::len);
    let too_many = append.events.is_empty()
        || append.events.len() > MAX_EVENTS_PER_APPEND
        || append.outbox.len() > MAX_MESSAGES_PER_APPEND
        || append.audit.len() > MAX_AUDITS_PER_APPEND;
    let too_long = append.events.iter().any(|e| e.body.len() + phi(&e.phi) > MAX_EVENT_BYTES)
        || append.audit.iter().any(|a| a.body.len() + phi(&a.phi) > MAX_EVENT_BYTES)
        || append
            .outbox
            .iter()
            .any(|m| m.body.len() > MAX_EVENT_BYTES || m.subject.len() > MAX_OUTBOX_SUBJECT_BYTES)
        || phi(&append.answer) > MAX_ANSWER_BYTES;
    if too_many || too_long {
        return Err(Refusal::TooLarge);
    }
    let nul = |text: &str| text.contains('\0');
    let invalid = append.events.iter().any(|e| nul(&e.body) || e.phi.as_deref().is_some_and(nul))
        || append.audit.iter().any(|a| nul(&a.body) || a.phi.as_deref().is_some_and(nul))
        || append.outbox.iter().any(|m| nul(&m.body) || Subject::new(&m.subject).is_err())
        || append.answer.as_deref().is_some_and(nul);
    if invalid { Err(Refusal::Invalid) } else { Ok(()) }
}

impl EventStore for MemoryStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            if deadline::has_passed() {
                return Err(Refusal::Overdue.into());
            }
            self.0.lock().append(&append)
        })
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        let state = self.0.lock();
        let here = |(name, tenant, id): &&(&'static str, TenantId, Uuid)| {
            *name == category.name && after.is_none_or(|after| (*tenant, *id) > after)
        };
        let streams = state.streams.keys().filter(here);
        let streams = streams.map(|(_, tenant, id)| StreamId { tenant: *tenant, category, id: *id });
        Box::pin(ready(Ok(streams.take(limit.min(MAX_READ)).collect())))
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        let state = self.0.lock();
        let found = state.streams.get(&(stream.category.name, stream.tenant, stream.id));
        let events = found.map(|s| s.events.as_slice()).unwrap_or_default().iter();
        let shown = events.filter(|event| event.version > after && moment.shows(event));
        let events = shown.take(limit.min(MAX_READ)).cloned().collect();
        Box::pin(async move { if deadline::has_passed() { Err(ReadError) } else { Ok(events) } })
    }

    fn partitions(&self) -> Vec<Partition> {
        Lane::ALL.map(|lane| Partition(lane as u16)).to_vec()
    }

    fn lane(&self, partition: Partition) -> Lane {
        Lane::ALL[usize::from(partition.0)]
    }

    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>> {
        let state = self.0.lock();
        let everything = state.everything.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let later = everything.iter().filter(|event| event.position > after);
        Box::pin(ready(Ok(later.take(limit.min(MAX_READ)).cloned().collect())))
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        let head = Position(self.0.lock().everything.get(&partition).map_or(0, Vec::len) as u64);
        Box::pin(ready(Ok(head)))
    }
}

impl Records for MemoryStore {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        let state = self.0.lock();
        let here = |message: &&OutboxMessage| message.partition == partition && message.position > after;
        let later = state.outbox.iter().filter(here);
        Box::pin(ready(Ok(later.take(limit.min(MAX_READ)).cloned().collect())))
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        let head = self.0.lock().messages.get(&partition).copied().unwrap_or(0);
        Box::pin(ready(Ok(Position(head))))
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.0.lock().outbox.retain(|message| message.partition != partition || message.position > up_to);
        Box::pin(ready(Ok(())))
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        let state = self.0.lock();
        let rows = state.audits.get(&(tenant, partition)).map(Vec::as_slice).unwrap_or_default().iter();
        let later = rows.filter(|row| row.number > after);
        Box::pin(ready(Ok(later.take(limit.min(MAX_READ)).cloned().collect())))
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        let state = self.0.lock();
        let of_tenant = state.audits.iter().filter(|((of, _), _)| *of == tenant);
        let wanted = |row: &&AuditRow| {
            let earlier = before.is_none_or(|before| row.place() < before);
            earlier && row.at >= search.from && search.of.has(row)
        };
        let mut rows: Vec<_> = of_tenant.flat_map(|(_, rows)| rows).filter(wanted).cloned().collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.place()));
        rows.truncate(limit.min(MAX_READ));
        Box::pin(ready(Ok(rows)))
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        if let Some(rows) = self.0.lock().audits.get_mut(&(tenant, partition)) {
            let newest = rows.last().map_or(0, |row| row.number);
            rows.retain(|row| row.number > up_to || row.number == newest);
        }
        Box::pin(ready(Ok(())))
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        let state = self.0.lock();
        let ends = state.audits.iter().filter(|(of, _)| after.is_none_or(|after| **of > after));
        let last = |rows: &Vec<AuditRow>| rows.last().map(|row| row.number);
        let mut ends: Vec<_> = ends
            .filter_map(|((tenant, partition), rows)| {
                Some(AuditEnd { tenant: *tenant, partition: *partition, number: last(rows)? })
            })
            .collect();
        ends.sort_unstable_by_key(|end| (end.tenant, end.partition));
        ends.truncate(limit.min(MAX_READ));
        Box::pin(ready(Ok(ends)))
    }
}

impl Snapshots for MemoryStore {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        let StreamId { tenant, category, id } = snapshot.stream;
        if let Some(stream) = self.0.lock().streams.get_mut(&(category.name, tenant, id))
            && stream.snapshot.as_ref().is_none_or(|kept| kept.version <= snapshot.version)
        {
            stream.snapshot = Some(snapshot);
        }
        Box::pin(ready(Ok(())))
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        let state = self.0.lock();
        let found = state.streams.get(&(stream.category.name, stream.tenant, stream.id));
        Box::pin(ready(Ok(found.and_then(|stream| stream.snapshot.clone()))))
    }
}

impl Tables for MemoryStore {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let fits = |change: &Change| match change {
                Change::Put { row, .. } => {
                    row.key.len() <= MAX_KEY_BYTES
                        && row.body.len() + row.phi.as_ref().map_or(0, String::len) <= MAX_EVENT_BYTES
                }
                Change::Delete { key, .. } => key.len() <= MAX_KEY_BYTES,
            };
            if changes.len() > MAX_CHANGES || !changes.iter().all(fits) {
                return Err(Refusal::TooLarge.into());
            }
            let mut state = self.0.lock();
            let place = state.places.entry((table, partition)).or_default();
            if *place != from {
                return Err(Refusal::Conflict { actual: Version(0) }.into());
            }
            *place = to;
            for change in changes {
                match change {
                    Change::Put { tenant, row } => state.rows.insert((table, tenant, row.key.clone()), row),
                    Change::Delete { tenant, key } => state.rows.remove(&(table, tenant, key)),
                };
            }
            Ok(())
        })
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        let place = self.0.lock().places.get(&(table, partition)).copied().unwrap_or_default();
        Box::pin(ready(Ok(place)))
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        let live = self.0.lock().live.get(name).copied().unwrap_or(0);
        Box::pin(ready(Ok(live)))
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        let mut state = self.0.lock();
        state.live.insert(table.name, table.generation);
        let keep = |other: &Table| other.name != table.name || *other == table;
        state.rows.retain(|(other, _, _), _| keep(other));
        state.places.retain(|(other, _), _| keep(other));
        Box::pin(ready(Ok(())))
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        let row = self.0.lock().rows.get(&(table, tenant, key)).cloned();
        Box::pin(ready(Ok(row)))
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        let state = self.0.lock();
        let here = state.rows.range((table, tenant, prefix.clone())..);
        let here =
            here.take_while(|((t, of, key), _)| (*t, *of) == (table, tenant) && key.starts_with(&prefix));
        let rows = here.map(|(_, row)| row).filter(|row| after.as_ref().is_none_or(|after| row.key > *after));
        Box::pin(ready(Ok(rows.take(limit.min(MAX_READ)).cloned().collect())))
    }
}

impl Ownership for MemoryStore {
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        Box::pin(async move {
            if holder.address.len() > MAX_ADDRESS_BYTES {
                return Err(Refusal::TooLarge.into());
            }
            let mut state = self.0.lock();
            let epoch = state.owners.get(&(tenant, scope)).map_or(Epoch(0), |owned| owned.epoch);
            if epoch != expected {
                return Err(Refusal::Fenced.into());
            }
            let epoch = Epoch(epoch.0 + 1);
            state.owners.insert((tenant, scope), Owned { holder, epoch, at });
            Ok(Fence { scope, epoch })
        })
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        let owned = self.0.lock().owners.get(&(tenant, scope)).cloned();
        Box::pin(ready(Ok(owned)))
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        let state = self.0.lock();
        let holders = state.owners.values().map(|owned| owned.holder.clone());
        let holders: BTreeSet<_> = holders.filter(|holder| !holder.process.is_nil()).collect();
        Box::pin(ready(Ok(holders.into_iter().take(MAX_READ).collect())))
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        let state = self.0.lock();
        let his = state.owners.iter().filter(|(_, owned)| owned.holder.process == process);
        let his = his.filter(|(key, _)| after.is_none_or(|after| **key > after));
        let his = his.map(|((tenant, scope), owned)| {
            let epoch = owned.epoch;
            Possession { tenant: *tenant, scope: *scope, epoch }
        });
        Box::pin(ready(Ok(his.take(limit.min(MAX_READ)).collect())))
    }
}
