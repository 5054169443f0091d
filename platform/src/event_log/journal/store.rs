//! The journal as a store: what goes where.

use super::{
    Journaled,
    entry::{self, Proof},
    seen::Doubt,
    state::Route,
    taking::Taking,
    writer::Request,
};
use crate::{
    event_log::{
        Append, AppendError, Appended, AuditEnd, AuditPlace, AuditRow, AuditSearch, Category, Change,
        EventStore, Fence, Holder, Moment, OutboxMessage, Owned, Ownership, Partition, Position, Possession,
        ReadError, RecordedEvent, Records, Refusal, Row, Snapshot, Snapshots, Store, StoreFuture, StreamId,
        Table, Tables, TailEvent, Version, append::within_limits,
    },
    lane::{Lane, task::lane_for},
    limits::MAX_READ,
};
use model::{Epoch, TenantId, Timestamp};
use std::time::Duration;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// How often somebody who waits for a scope to be recorded looks.
const LOOK: Duration = Duration::from_millis(100);

impl<S: Store + ?Sized> Journaled<S> {
    async fn append_urgently(&self, append: Append) -> Result<Appended, AppendError> {
        let route = self.shared.state.lock().route(&append);
        let in_doubt = match route {
            Route::Lost => return Err(Refusal::Fenced.into()),
            Route::Journal => return self.journal(append).await,
            Route::Store { in_doubt } => in_doubt,
        };
        let stream = append.stream;
        let doubt = Doubt { key: append.key, expected: append.expected };
        let kept = Proof::of(&append).map(|_| append.clone());
        let asked = timeout(self.patience.store, self.inner.append(append)).await;
        let outcome = asked.unwrap_or(Err(AppendError::Unknown));
        self.shared.state.lock().answered(stream, doubt, in_doubt, &outcome);
        let away = matches!(outcome, Err(AppendError::Unknown | AppendError::Rejected(Refusal::Unavailable)));
        if !away {
            return outcome;
        }
        self.shared.store_is(true);
        let Some(append) = kept else { return outcome };
        match self.journal(append).await {
            Ok(appended) => Ok(appended),
            // What the store may have done is not undone by what the journal refuses.
            Err(_) if outcome == Err(AppendError::Unknown) => outcome,
            Err(error) => Err(error),
        }
    }

    async fn journal(&self, append: Append) -> Result<Appended, AppendError> {
        if Proof::of(&append).is_none() {
            return Err(Refusal::Unavailable.into());
        }
        within_limits(&append)?;
        let body = entry::encode(&append).ok_or(Refusal::Invalid)?;
        let (reply, answer) = oneshot::channel();
        let request = Request::Append { append: Box::new(append), body, reply };
        self.journal.try_send(request).map_err(|_| Refusal::Unavailable)?;
        // The thread died with our append in its hands.
        answer.await.unwrap_or(Err(AppendError::Unknown))
    }

    /// What the store has of a stream, and behind it what the journal has.
    async fn read_both(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        // Looked at first: what is replayed meanwhile is then in both, and not in neither.
        let (journaled, away) = {
            let state = self.shared.state.lock();
            (state.events(stream), state.away)
        };
        let limit = limit.min(MAX_READ);
        if let Some((start, events)) = &journaled
            && away
            && after >= *start
        {
            // All that is asked for stands here.
            let later = events.iter().filter(|event| event.version > after && moment.shows(event));
            return Ok(later.take(limit).cloned().collect());
        }
        let mut page = self.inner.read(stream, after, limit, moment).await?;
        if moment == Moment::NOW && page.len() < limit {
            let head = page.last().map_or(after, |event| event.version);
            self.shared.state.lock().seen.learn(stream, head);
        }
        let Some((_, events)) = journaled else { return Ok(page) };
        let known = |event: &RecordedEvent| page.iter().find(|other| other.version == event.version);
        if events.iter().any(|event| known(event).is_some_and(|other| !is_same(other, event))) {
            // Somebody else has written there: ours will be parked.
            return Ok(page);
        }
        let wanted =
            |event: &RecordedEvent| event.version > after && moment.shows(event) && known(event).is_none();
        let missing: Vec<_> = events.iter().filter(|event| wanted(event)).cloned().collect();
        page.extend(missing);
        page.sort_by_key(|event| event.version);
        page.truncate(limit);
        Ok(page)
    }
}

/// Whether it is one event. Encrypted PHI looks another way each time that an append is tried, so it is left out: what else
/// an event says, with when it was decided, is another's.
fn is_same(one: &RecordedEvent, other: &RecordedEvent) -> bool {
    let RecordedEvent { version, kind, schema, body, phi, at, effective } = one;
    (*version, *schema, *at, *effective) == (other.version, other.schema, other.at, other.effective)
        && (kind, body) == (&other.kind, &other.body)
        && phi.is_some() == other.phi.is_some()
}

impl<S: Store + ?Sized> EventStore for Journaled<S> {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        if append.stream.category.lane == Lane::Critical {
            return Box::pin(self.append_urgently(append));
        }
        if self.shared.is_away() {
            return Box::pin(std::future::ready(Err(Refusal::Unavailable.into())));
        }
        self.inner.append(append)
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        self.inner.streams(category, after, limit)
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(async move {
            // What is not urgent sees what the store has: the journal is the critical lane's.
            if lane_for(stream.category.lane) == Lane::Critical {
                return self.read_both(stream, after, limit, moment).await;
            }
            self.inner.read(stream, after, limit, moment).await
        })
    }

    fn partitions(&self) -> Vec<Partition> {
        self.inner.partitions()
    }

    fn lane(&self, partition: Partition) -> Lane {
        self.inner.lane(partition)
    }

    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>> {
        self.inner.tail(partition, after, limit)
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.head(partition)
    }
}

impl<S: Store + ?Sized> Records for Journaled<S> {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        self.inner.outbox(partition, after, limit)
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.outbox_head(partition)
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.prune_outbox(partition, up_to)
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        self.inner.audit(tenant, partition, after, limit)
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        self.inner.search_audit(tenant, search, before, limit)
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.prune_audit(tenant, partition, up_to)
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        self.inner.audited(after, limit)
    }
}

impl<S: Store + ?Sized> Snapshots for Journaled<S> {
    /// # Errors
    /// `Unavailable` also while the owner's memory may be further than the store: a snapshot must not be of what will
    /// perhaps never be recorded.
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        if self.shared.state.lock().is_ahead(snapshot.stream) {
            return Box::pin(std::future::ready(Err(Refusal::Unavailable.into())));
        }
        self.inner.save(snapshot)
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        self.inner.snapshot(stream)
    }
}

impl<S: Store + ?Sized> Tables for Journaled<S> {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.apply(table, partition, from, to, changes)
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.applied(table, partition)
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        self.inner.live(name)
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.go_live(table)
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        self.inner.row(table, tenant, key)
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        self.inner.rows(table, tenant, prefix, after, limit)
    }
}

impl<S: Store + ?Sized> Ownership for Journaled<S> {
    /// # Errors
    /// `Unavailable` also while the store is away, and while the journal holds appends under the scope's present
    /// owner: taking it would fence them.
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        Box::pin(async move {
            let taking = Taking::begin(&self.shared, (tenant, scope))?;
            let fence = self.inner.take(tenant, scope, expected, holder, at).await?;
            taking.succeeded();
            Ok(fence)
        })
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        self.inner.owner(tenant, scope)
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        self.inner.holders()
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        self.inner.owned_by(process, after, limit)
    }

    /// Looks at most once in [`LOOK`]: each room with something provisional waits here.
    fn recorded(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let mut changes = self.shared.changes.subscribe();
            loop {
                changes.mark_unchanged();
                let settled = self.shared.state.lock().settled((tenant, scope));
                if let Some(settled) = settled {
                    return settled;
                }
                if changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
                sleep(LOOK).await;
            }
        })
    }
}
