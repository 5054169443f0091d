//! A service with an outbox, another with an inbox, a bus between them, and any number of processes of each.

use model::TenantId;
use platform::{
    bus::{Bus, BusError, BusFuture, Consumer, ConsumerName, Incarnation, Listener, Message, Pattern},
    clock::{Clock, SystemClock},
    event_log::{AppendError, Category, Change, Partition, Refusal, Row, Store, StreamId, Table},
    lane::Lane,
    outbox::{
        Handler, Inbox, Letter, Metrics, Relay, Service, Unhandled, Waker,
        inbox::{self, Handle, HandlerFuture},
        relay,
    },
};
use prometheus::Registry;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use testkit::{
    event_log::{command, stream},
    wait::eventually,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TABLE: Table = Table { name: "seen.1", generation: 0 };

/// Rows of the handler's own.
const OURS: TenantId = TenantId(Uuid::from_u128(99));

/// Where an inbox gets what the bus did not bring.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Relay,
    Outbox,
}

/// A process.
#[derive(Clone, Copy)]
pub(crate) struct Process(usize);

pub(crate) struct Rig {
    pub(crate) from: Arc<dyn Store>,
    pub(crate) to: Arc<dyn Store>,
    /// What processes that start from now on use.
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) clock: Arc<dyn Clock>,
    appended: AtomicU64,
    wakers: Vec<Waker>,
    tasks: JoinSet<()>,
    processes: Vec<(AbortHandle, Registry)>,
}

impl Rig {
    pub(crate) fn new(from: Arc<dyn Store>, to: Arc<dyn Store>, bus: Arc<dyn Bus>) -> Self {
        let (appended, wakers, tasks, processes) = (AtomicU64::new(0), vec![], JoinSet::new(), vec![]);
        Self { from, to, bus, clock: Arc::new(SystemClock), appended, wakers, tasks, processes }
    }

    pub(crate) fn relay(&mut self) -> Process {
        let (config, registry) =
            (relay::Config { service: service(), consumers: vec![name()] }, Registry::new());
        let (store, bus, clock) = (Arc::clone(&self.from), Arc::clone(&self.bus), Arc::clone(&self.clock));
        let relay = Relay::new(config, store, bus, clock, &Metrics::new(&registry).unwrap());
        self.wakers.push(relay.waker());
        let task = self.tasks.spawn(relay.run(CancellationToken::new()));
        self.start(task, registry)
    }

    pub(crate) fn inbox(&mut self, source: Source) -> Process {
        let counting = Counting(Arc::clone(&self.to));
        self.inbox_with(source, counting).0
    }

    pub(crate) fn inbox_with(
        &mut self,
        source: Source,
        handler: impl Handler,
    ) -> (Process, Handle<dyn Store>) {
        let source = match source {
            Source::Relay => inbox::Source::Relay,
            Source::Outbox => inbox::Source::Outbox(Arc::clone(&self.from)),
        };
        let config = inbox::Config { name: name(), service: service(), table: TABLE.name, source };
        let (store, bus, clock) = (Arc::clone(&self.to), Arc::clone(&self.bus), Arc::clone(&self.clock));
        let registry = Registry::new();
        let inbox = Inbox::new(config, store, bus, handler, clock, &Metrics::new(&registry).unwrap());
        let handle = inbox.handle();
        let task = self.tasks.spawn(inbox.run(CancellationToken::new()));
        (self.start(task, registry), handle)
    }

    fn start(&mut self, task: AbortHandle, registry: Registry) -> Process {
        self.processes.push((task, registry));
        Process(self.processes.len() - 1)
    }

    /// No farewell.
    pub(crate) fn kill(&self, Process(process): Process) {
        self.processes[process].0.abort();
    }

    pub(crate) fn kill_all(&self) {
        self.processes.iter().for_each(|(task, _)| task.abort());
    }

    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::SeqCst)
    }

    /// Appends messages of several tenants, most of them urgent.
    pub(crate) async fn append(&self, count: u64) {
        for _ in 0..count {
            let n = u128::from(self.appended());
            let lane = if n % 10 == 9 { Lane::Standard } else { Lane::Critical };
            let category = Category { name: if n % 10 == 9 { "errand" } else { "visit" }, lane };
            let id = StreamId { tenant: TenantId(Uuid::from_u128(n % 5)), category, ..stream(n) };
            until_recorded(&*self.from, id, n).await;
            self.appended.fetch_add(1, Ordering::SeqCst);
            self.wakers.iter().for_each(|waker| waker.wake(lane));
        }
    }

    pub(crate) async fn handled(&self) -> u64 {
        let mut handled = 0;
        for partition in self.from.partitions() {
            handled += self.to.applied(TABLE, partition).await.unwrap().0;
        }
        handled
    }

    pub(crate) async fn until_handled(&self, count: u64) {
        eventually("messages are handled", async || self.handled().await >= count).await;
    }

    /// Everything is handled once, and in order.
    pub(crate) async fn judge(&self) {
        self.until_handled(self.appended()).await;
        assert_eq!(self.handled().await, self.appended());
        let mut seen = 0;
        for tenant in 0..5 {
            let rows = self.rows(TenantId(Uuid::from_u128(tenant)), "seen/").await;
            assert!(
                rows.iter().all(|row| row.body == "1"),
                "doubled: {:?}",
                rows.iter().find(|r| r.body != "1")
            );
            seen += rows.len() as u64;
        }
        assert_eq!(seen, self.appended(), "missing");
        let disorder = self.rows(OURS, "disorder/").await;
        assert!(disorder.is_empty(), "{disorder:?}");
    }

    pub(crate) async fn rows(&self, tenant: TenantId, prefix: &str) -> Vec<Row> {
        self.to.rows(TABLE, tenant, prefix.to_owned(), None, 1_000).await.unwrap()
    }

    pub(crate) fn published(&self, process: Process) -> u64 {
        self.count(process, "telehealth_outbox_published_total{published}")
    }

    /// The sum of a metric over all labels, or over those with a value: `name{value}`.
    pub(crate) fn count(&self, Process(process): Process, which: &str) -> u64 {
        let (name, value) = which.trim_end_matches('}').split_once('{').unwrap_or((which, ""));
        let families = self.processes[process].1.gather();
        let metrics = families.iter().filter(|family| family.name() == name).flat_map(|f| f.get_metric());
        let meant = metrics.filter(|m| value.is_empty() || m.get_label().iter().any(|l| l.value() == value));
        meant.map(|m| m.get_counter().get_value() + m.get_gauge().get_value()).sum::<f64>() as u64
    }
}

pub(crate) fn service() -> Service {
    Service::new("signaling").unwrap()
}

fn name() -> ConsumerName {
    ConsumerName::new("counting").unwrap()
}

async fn until_recorded(store: &dyn Store, id: StreamId, n: u128) {
    eventually("it is recorded", async || match store.append(command(id, 0, n)).await {
        Ok(_) => true,
        Err(AppendError::Rejected(Refusal::Unavailable) | AppendError::Unknown) => false,
        Err(other) => panic!("{other}"),
    })
    .await;
}

/// Counts how often it saw each message, and notes where one was not the next. Doing it twice would show.
pub(crate) struct Counting(pub(crate) Arc<dyn Store>);

impl Handler for Counting {
    fn handle<'a>(&'a self, letter: &'a Letter) -> HandlerFuture<'a> {
        Box::pin(async move {
            let read = async |tenant, key: String| {
                let row = self.0.row(TABLE, tenant, key).await.map_err(|_| Unhandled::NotNow)?;
                Ok(row.and_then(|row| row.body.parse().ok()).unwrap_or(0_u64))
            };
            let (Partition(partition), position) = (letter.partition, letter.position.0);
            let body = std::str::from_utf8(&letter.body).map_err(|_| Unhandled::Refused("not text"))?;
            let (seen, newest) = (format!("seen/{body}"), format!("newest/{partition}"));
            let times = read(letter.tenant, seen.clone()).await? + 1;
            let before = read(OURS, newest.clone()).await?;
            let mut changes = vec![put(letter.tenant, seen, times), put(OURS, newest, position)];
            if before + 1 != position {
                changes.push(put(OURS, format!("disorder/{partition}/{position}"), before));
            }
            Ok(changes)
        })
    }
}

/// A bus that counts how many publishes are under way at once, and takes them if it is not deaf.
pub(crate) struct Watched {
    bus: Arc<dyn Bus>,
    deaf: bool,
    under_way: AtomicU64,
    pub(crate) most: AtomicU64,
}

impl Watched {
    pub(crate) fn new(bus: Arc<dyn Bus>, deaf: bool) -> Arc<Self> {
        Arc::new(Self { bus, deaf, under_way: AtomicU64::new(0), most: AtomicU64::new(0) })
    }
}

impl Bus for Watched {
    fn tell(&self, message: Message) -> BusFuture<'_, ()> {
        self.bus.tell(message)
    }

    fn listen(&self, pattern: Pattern) -> BusFuture<'_, Listener> {
        self.bus.listen(pattern)
    }

    fn publish(&self, lane: Lane, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(under_way, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            if self.deaf { Err(BusError::Unavailable) } else { self.bus.publish(lane, message).await }
        })
    }

    fn consume(&self, name: ConsumerName, lane: Lane, pattern: Pattern) -> BusFuture<'_, Consumer> {
        self.bus.consume(name, lane, pattern)
    }

    fn incarnation(&self, lane: Lane) -> watch::Receiver<Option<Incarnation>> {
        self.bus.incarnation(lane)
    }

    fn parked(&self, lane: Lane) -> BusFuture<'_, u64> {
        self.bus.parked(lane)
    }
}

pub(crate) fn put(tenant: TenantId, key: String, body: u64) -> Change {
    Change::Put { tenant, row: Row { key, body: body.to_string(), phi: None } }
}
