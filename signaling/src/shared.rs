//! What every task of the service knows.

use crate::{
    Config, find::Home, index::Index, metrics::Metrics, peers::Peers, room::Input, sessions::Sessions,
};
use futures_util::FutureExt as _;
use model::{TenantId, WaitingRoomId};
use parking_lot::{Mutex, RwLock};
use platform::{
    clock::Clock,
    event_log::{Holder, Store},
    keys::Keys,
    outbox::Waker,
    trace::Tracer,
};
use sfu_core::port::MediaNode;
use signaling_core::{link::LinkHash, port::People};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tenancy::Directory;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) index: Index,
    /// This process, as an owner.
    pub(crate) me: Holder,
    pub(crate) peers: Peers,
    /// Of whoever relays what was recorded for other services.
    pub(crate) waker: Waker,
    pub(crate) media: Arc<dyn MediaNode>,
    pub(crate) keys: Arc<Keys>,
    /// The machine's: for tokens, which other machines judge.
    pub(crate) clock: Arc<dyn Clock>,
    /// What waiting rooms go by: nobody has waited longer because somebody has set the clock.
    pub(crate) steady: Arc<dyn Clock>,
    /// Where links lead, and whose pages may connect.
    pub(crate) units: Arc<Directory>,
    pub(crate) build: String,
    pub(crate) people: Option<Arc<dyn People>>,
    pub(crate) metrics: Metrics,
    pub(crate) tracer: Tracer,
    /// In their order, so that they are told in one.
    pub(crate) rooms: RwLock<BTreeMap<Home, mpsc::Sender<Input>>>,
    pub(crate) links: RwLock<HashMap<LinkHash, Home>>,
    pub(crate) sessions: Mutex<Sessions>,
    pub(crate) control: mpsc::Sender<crate::service::Control>,
    /// Cancelled when the service drains: no new connections.
    pub(crate) draining: CancellationToken,
    /// Waiting rooms that drained with something acknowledged that was not recorded.
    pub(crate) owed: Mutex<Vec<(TenantId, WaitingRoomId)>>,
    /// Every socket's task: a shutdown waits for them.
    pub(crate) sockets: TaskTracker,
    /// One permit per open socket.
    pub(crate) seats: Arc<Semaphore>,
    /// What the grid of deadlines counts from.
    pub(crate) began: Instant,
    next: AtomicU64,
}

/// The parts of [`Shared`] that the service is given.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) deps: crate::Deps,
    pub(crate) steady: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) control: mpsc::Sender<crate::service::Control>,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { config, deps, steady, metrics, control } = parts;
        Arc::new(Self {
            seats: Arc::new(Semaphore::new(config.max_connections)),
            config,
            index: Index::new(Arc::clone(&deps.store)),
            peers: Peers::new(Arc::clone(&deps.keys), Arc::clone(&deps.clock), deps.me.process, deps.network),
            me: deps.me,
            waker: deps.waker,
            store: deps.store,
            media: deps.media,
            keys: deps.keys,
            steady,
            clock: deps.clock,
            units: deps.units,
            build: deps.build,
            people: deps.people,
            metrics,
            tracer: deps.tracer,
            rooms: RwLock::default(),
            links: RwLock::default(),
            sessions: Mutex::default(),
            control,
            draining: CancellationToken::new(),
            owed: Mutex::default(),
            sockets: TaskTracker::new(),
            began: Instant::now(),
            next: AtomicU64::new(1),
        })
    }

    /// A number that no other connection or question of this process has.
    pub(crate) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The way to a waiting room's task.
    pub(crate) fn room(&self, id: Home) -> Option<mpsc::Sender<Input>> {
        self.rooms.read().get(&id).cloned()
    }
}

/// What this process has acknowledged and the store does not have yet.
impl Shared {
    /// Whether there is any of a waiting room.
    pub(crate) fn owes(&self, tenant: TenantId, room: WaitingRoomId) -> bool {
        self.store.recorded(tenant, room.0).now_or_never().is_none()
    }

    /// Whether there is any of a waiting room that drained.
    pub(crate) fn owes_anybody(&self) -> bool {
        let mut owed = self.owed.lock();
        owed.retain(|(tenant, room)| self.owes(*tenant, *room));
        !owed.is_empty()
    }

    /// A waiting room drains, or has drained.
    pub(crate) fn note_owed(&self, tenant: TenantId, room: WaitingRoomId) {
        if self.owes(tenant, room) {
            self.owed.lock().push((tenant, room));
        }
    }
}

/// Waiting rooms that are no longer here.
impl Shared {
    /// A waiting room's task has ended: it drained, or another process owns it now.
    pub(crate) fn forget(&self, room: Home) {
        self.rooms.write().remove(&room);
        self.links.write().retain(|_, home| *home != room);
        self.sessions.lock().forget(room);
    }

    /// A task failed, and nobody knows which: whoever is asked for again is taken over anew.
    pub(crate) fn forget_the_dead(&self, error: &tokio::task::JoinError) {
        tracing::error!(%error, "A waiting room's task failed");
        let dead: Vec<_> =
            self.rooms.read().iter().filter(|(_, inbox)| inbox.is_closed()).map(|(room, _)| *room).collect();
        for room in dead {
            self.forget(room);
        }
    }
}
