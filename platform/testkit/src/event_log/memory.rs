//! An event log in memory.

use model::{CommandId, TenantId};
use parking_lot::Mutex;
use platform::{
    event_log::{
        Append, AppendError, Appended, EventStore, ReadError, RecordedEvent, StoreFuture, StreamId, Version,
    },
    limits::{MAX_EVENT_BYTES, MAX_EVENTS_PER_APPEND, MAX_READ},
};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// Streams in a map. Forgets everything when dropped; what the durable adapters are compared with.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<(&'static str, TenantId, Uuid), Stream>>);

#[derive(Debug, Default)]
struct Stream {
    events: Vec<RecordedEvent>,
    commands: HashMap<CommandId, Version>,
}

impl MemoryStore {
    fn append_now(&self, append: Append) -> Result<Appended, AppendError> {
        let large = |e: &platform::event_log::NewEvent| {
            e.body.len() + e.phi.as_ref().map_or(0, String::len) > MAX_EVENT_BYTES
        };
        if append.events.is_empty()
            || append.events.len() > MAX_EVENTS_PER_APPEND
            || append.events.iter().any(large)
        {
            return Err(AppendError::TooLarge);
        }
        let mut streams = self.0.lock();
        let key = (append.stream.category, append.stream.tenant, append.stream.id);
        let actual = Version(streams.get(&key).map_or(0, |s| s.events.len() as u64));
        let before = append.key.and_then(|command| streams.get(&key)?.commands.get(&command));
        if let Some(version) = before {
            return Ok(Appended { version: *version, repeated: true });
        }
        if actual != append.expected {
            return Err(AppendError::Conflict { actual });
        }
        let stream = streams.entry(key).or_default();
        for event in append.events {
            stream.events.push(RecordedEvent {
                version: Version(stream.events.len() as u64 + 1),
                kind: event.kind.to_owned(),
                schema: event.schema,
                body: event.body,
                phi: event.phi,
                at: append.at,
            });
        }
        let version = Version(stream.events.len() as u64);
        if let Some(command) = append.key {
            stream.commands.insert(command, version);
        }
        Ok(Appended { version, repeated: false })
    }
}

impl EventStore for MemoryStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move { self.append_now(append) })
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(async move {
            let streams = self.0.lock();
            let events =
                streams.get(&(stream.category, stream.tenant, stream.id)).map(|s| s.events.as_slice());
            let later = events.unwrap_or_default().iter().filter(|e| e.version > after);
            Ok(later.take(limit.min(MAX_READ)).cloned().collect())
        })
    }

    fn streams(
        &self,
        category: &'static str,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        Box::pin(async move {
            let streams = self.0.lock();
            let keys = streams
                .keys()
                .filter(|(c, tenant, id)| *c == category && after.is_none_or(|after| (*tenant, *id) > after));
            let found = keys.map(|(category, tenant, id)| StreamId { tenant: *tenant, category, id: *id });
            Ok(found.take(limit.min(MAX_READ)).collect())
        })
    }
}
