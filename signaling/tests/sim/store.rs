//! The shared store as one machine reaches it: late, refusing, forgetful, or not at all.

use crate::{ledger::Ledger, sim::Sim};
use model::{Epoch, TenantId, Timestamp};
use parking_lot::Mutex;
use platform::{
    event_log::{
        Append, AppendError, Appended, AuditEnd, AuditPlace, AuditRow, AuditSearch, Category, Change,
        EventStore, Fence, Holder, Moment, OutboxMessage, Owned, Ownership, Partition, Position, Possession,
        ReadError, RecordedEvent, Records, Refusal, Row, Snapshot, Snapshots, Store, StoreFuture, StreamId,
        Table, Tables, TailEvent, Version,
    },
    lane::Lane,
};
use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::sleep;
use uuid::Uuid;

/// How long an adapter waits for a database that says nothing.
const GIVES_UP: Duration = Duration::from_secs(6);

/// How a machine reaches the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    #[default]
    Well,
    /// It refuses, forgets to answer and loses what it is told, often.
    Badly,
    /// It takes long.
    Slowly,
    /// It refuses everything at once.
    Away,
    /// Nothing is heard of it; some of what it is told it does later.
    Silent,
}

/// The store, and how this machine reaches it now. It outlives the processes on it.
pub(crate) struct Cable {
    pub(crate) machine: usize,
    pub(crate) sim: Arc<Sim>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) reach: Arc<Mutex<Reach>>,
}

/// The store of one process. A process that is dead hears nothing any more.
pub(crate) struct Reached {
    cable: Arc<Cable>,
    dead: AtomicBool,
}

/// What becomes of a request.
enum Fate {
    /// Refused, and nothing is done.
    Refused,
    /// Not done, and nobody knows.
    Lost,
    /// Not answered, and not done.
    Silent,
    /// Not answered, and done later, if it is an append.
    Late(Duration),
    Done {
        after: Duration,
        forgotten: bool,
    },
}

impl Reached {
    pub(crate) fn new(cable: Arc<Cable>) -> Self {
        Self { cable, dead: AtomicBool::new(false) }
    }

    pub(crate) fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    async fn alive(&self) {
        if self.dead.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
    }

    async fn fate(&self) -> Fate {
        self.alive().await;
        let Cable { sim, reach, .. } = &*self.cable;
        let reach = *reach.lock();
        let (before, fate) = sim.draw(|random| {
            let mut before = Duration::from_millis(random.below(4));
            let after = Duration::from_millis(random.below(3));
            let done = |forgotten| Fate::Done { after, forgotten };
            let fate = match (reach, random.below(1_000)) {
                (Reach::Well, 0..3) | (Reach::Badly, 0..120) => Fate::Refused,
                (Reach::Well, 3..6) | (Reach::Badly, 120..240) => Fate::Lost,
                (Reach::Well, 6..10) | (Reach::Badly, 240..400) => done(true),
                (Reach::Well | Reach::Badly, _) => done(false),
                (Reach::Slowly, _) => {
                    before += random.millis(50, 2_500);
                    Fate::Done { after: random.millis(0, 500), forgotten: false }
                }
                (Reach::Away, _) => Fate::Refused,
                (Reach::Silent, 0..500) => Fate::Late(random.millis(200, 8_000)),
                (Reach::Silent, _) => Fate::Silent,
            };
            (before, fate)
        });
        match &fate {
            Fate::Refused => sim.count("store-refused"),
            Fate::Lost => sim.count("store-lost"),
            Fate::Silent | Fate::Late(_) => sim.count("store-silent"),
            Fate::Done { forgotten: true, .. } => sim.count("store-did-and-forgot"),
            Fate::Done { .. } => {}
        }
        if !before.is_zero() {
            sleep(before).await;
            self.alive().await;
        }
        fate
    }

    async fn pause(&self, after: Duration) {
        if !after.is_zero() {
            sleep(after).await;
            self.alive().await;
        }
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, Result<T, ReadError>> + Send + 'a,
    ) -> StoreFuture<'a, Result<T, ReadError>> {
        Box::pin(async move {
            match self.fate().await {
                Fate::Refused | Fate::Lost => Err(ReadError),
                Fate::Silent | Fate::Late(_) => {
                    self.pause(GIVES_UP).await;
                    Err(ReadError)
                }
                Fate::Done { after, forgotten } => {
                    let answer = now(read(&*self.cable.store));
                    self.pause(after).await;
                    if forgotten { Err(ReadError) } else { answer }
                }
            }
        })
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        write: impl FnOnce(&'a dyn Store) -> StoreFuture<'a, Result<T, AppendError>> + Send + 'a,
        note: impl FnOnce(&T) + Send + 'a,
    ) -> StoreFuture<'a, Result<T, AppendError>> {
        Box::pin(async move {
            match self.fate().await {
                Fate::Refused => Err(Refusal::Unavailable.into()),
                Fate::Lost => Err(AppendError::Unknown),
                Fate::Silent | Fate::Late(_) => {
                    self.pause(GIVES_UP).await;
                    Err(AppendError::Unknown)
                }
                Fate::Done { after, forgotten } => {
                    let answer = now(write(&*self.cable.store));
                    if let Ok(done) = &answer {
                        note(done);
                    }
                    self.pause(after).await;
                    if forgotten { answer.and(Err(AppendError::Unknown)) } else { answer }
                }
            }
        })
    }
}

/// Waits here and now, so that whatever threads a store has, nothing else happens in the world meanwhile.
pub(crate) fn now<T>(future: StoreFuture<'_, T>) -> T {
    let mut future = pin!(tokio::task::unconstrained(future));
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
        std::thread::yield_now();
    }
}

impl Cable {
    fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let noted = append.clone();
        let answer = now(self.store.append(append));
        match &answer {
            Ok(appended) => {
                let lane = noted.stream.category.lane;
                let partition = self.store.partitions().into_iter().find(|p| self.store.lane(*p) == lane);
                self.ledger.appended(self.machine, &noted, partition.unwrap_or(Partition(0)), appended);
            }
            Err(AppendError::Rejected(Refusal::Fenced)) => {
                self.sim.count("fenced");
                self.sim.tell(|| format!("machine {} is fenced off {}", self.machine, noted.stream.id));
            }
            Err(_) => {}
        }
        answer
    }
}

impl EventStore for Reached {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            match self.fate().await {
                Fate::Refused => Err(Refusal::Unavailable.into()),
                Fate::Lost => Err(AppendError::Unknown),
                Fate::Silent => {
                    self.pause(GIVES_UP).await;
                    Err(AppendError::Unknown)
                }
                Fate::Late(by) => {
                    let cable = Arc::clone(&self.cable);
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "it outlives the process, as what is on its way does"
                    )]
                    tokio::spawn(async move {
                        sleep(by).await;
                        cable.sim.count("append-late");
                        let _ = cable.append(append);
                    });
                    self.pause(GIVES_UP).await;
                    Err(AppendError::Unknown)
                }
                Fate::Done { after, forgotten } => {
                    let answer = self.cable.append(append);
                    self.pause(after).await;
                    if forgotten { answer.and(Err(AppendError::Unknown)) } else { answer }
                }
            }
        })
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        self.read(move |store| store.streams(category, after, limit))
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Reached::read(self, move |store| store.read(stream, after, limit, moment))
    }

    fn partitions(&self) -> Vec<Partition> {
        self.cable.store.partitions()
    }

    fn lane(&self, partition: Partition) -> Lane {
        self.cable.store.lane(partition)
    }

    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>> {
        Reached::read(self, move |store| store.tail(partition, after, limit))
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Reached::read(self, move |store| store.head(partition))
    }
}

impl Records for Reached {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        Reached::read(self, move |store| store.outbox(partition, after, limit))
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Reached::read(self, move |store| store.outbox_head(partition))
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(move |store| store.prune_outbox(partition, up_to), |()| {})
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Reached::read(self, move |store| store.audit(tenant, partition, after, limit))
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Reached::read(self, move |store| store.search_audit(tenant, search, before, limit))
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(move |store| store.prune_audit(tenant, partition, up_to), |()| {})
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        Reached::read(self, move |store| store.audited(after, limit))
    }
}

impl Snapshots for Reached {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(move |store| store.save(snapshot), |()| {})
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        Reached::read(self, move |store| store.snapshot(stream))
    }
}

impl Tables for Reached {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(move |store| store.apply(table, partition, from, to, changes), |()| {})
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Reached::read(self, move |store| store.applied(table, partition))
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        Reached::read(self, move |store| store.live(name))
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(move |store| store.go_live(table), |()| {})
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        Reached::read(self, move |store| store.row(table, tenant, key))
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        Reached::read(self, move |store| store.rows(table, tenant, prefix, after, limit))
    }
}

impl Ownership for Reached {
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        let taken =
            move |fence: &Fence| self.cable.ledger.taken(self.cable.machine, tenant, scope, expected, *fence);
        self.write(move |store| store.take(tenant, scope, expected, holder, at), taken)
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        Reached::read(self, move |store| store.owner(tenant, scope))
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        Reached::read(self, move |store| store.holders())
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        Reached::read(self, move |store| store.owned_by(process, after, limit))
    }
}
