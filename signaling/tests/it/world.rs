//! A running service, and how to stop and start it again on the same data.

use crate::{client::Client, media::FakeMedia};
use model::{CommandId, ParticipantId, Phi, TenantId, WaitingRoomId};
use platform::{
    clock::{Clock as _, SystemClock},
    event_log::{Holder, Store, sqlite::SqliteStore},
    keys::Keys,
    outbox::Waker,
};
use policy::{AccountId, Subject};
use prometheus::Registry;
use sfu_core::port::MediaEvent;
use signaling::{Config, Deps, Handle, Invitation, NewInvitation, NewWaitingRoom, Service};
use signaling_core::{
    port::{LinkError, LinkGrant, Links as _, NotNow, People, PortFuture},
    token::HeldBy,
};
use signaling_protocol::view::ClinicView;
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "http://clinic.test";
pub(crate) const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(0xA));
pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(0x1));
pub(crate) const CLINICIAN: ParticipantId = ParticipantId(Uuid::from_u128(0xC));

/// A data directory that outlives the services started on it.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::new(Keys::load_or_create(&self.path("keys")).unwrap())
    }

    /// Opens the event log. The process before may take a moment to let go of it.
    async fn open_store(&self, registry: &Registry) -> SqliteStore {
        let path = self.path("events.db");
        let opened = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                match SqliteStore::open(&path, registry) {
                    Ok(store) => return store,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        opened.await.unwrap()
    }

    pub(crate) async fn start(&self) -> World {
        self.start_with(Config::default()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> World {
        let (media, media_events) = FakeMedia::new();
        self.start_beside(config, media, media_events).await
    }

    /// The media node is another process, and has sessions already.
    pub(crate) async fn start_beside(
        &self,
        config: Config,
        media: Arc<FakeMedia>,
        media_events: mpsc::Receiver<MediaEvent>,
    ) -> World {
        let registry = Registry::new();
        let store = Arc::new(self.open_store(&registry).await);
        self.start_on(config, media, media_events, store, registry, None).await
    }

    /// The event log, for who looks into it beside the service.
    pub(crate) async fn store(&self) -> Arc<SqliteStore> {
        Arc::new(self.open_store(&Registry::new()).await)
    }

    /// The service on an event log that is open already.
    pub(crate) async fn start_over(&self, store: Arc<dyn Store>) -> World {
        let (media, media_events) = FakeMedia::new();
        self.start_on(Config::default(), media, media_events, store, Registry::new(), None).await
    }

    /// One of the processes that share a store and media nodes.
    pub(crate) async fn start_in_fleet(
        &self,
        store: Arc<dyn Store>,
        media: Arc<FakeMedia>,
        media_events: mpsc::Receiver<MediaEvent>,
    ) -> World {
        let inside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.start_on(Config::default(), media, media_events, store, Registry::new(), Some(inside)).await
    }

    async fn start_on(
        &self,
        config: Config,
        media: Arc<FakeMedia>,
        media_events: mpsc::Receiver<MediaEvent>,
        store: Arc<dyn Store>,
        registry: Registry,
        inside: Option<tokio::net::TcpListener>,
    ) -> World {
        let address = inside.as_ref().map(|inside| inside.local_addr().unwrap().to_string());
        let me = Holder { process: Uuid::now_v7(), address: address.unwrap_or_default() };
        let deps = Deps {
            store,
            me: me.clone(),
            waker: Waker::default(),
            media: Arc::clone(&media) as Arc<_>,
            media_events,
            keys: self.keys(),
            clock: Arc::new(SystemClock),
            units: Arc::new(tenancy::Directory::of_one(tenancy::Base {
                id: TENANT,
                name: "Clinic".into(),
                url: ORIGIN.to_owned(),
                origins: vec![ORIGIN.to_owned()],
                hosts: Vec::new(),
            })),
            build: "test".to_owned(),
            tracer: platform::trace::Tracer::off(),
            network: Arc::new(signaling::network::Tcp),
            people: Some(Arc::new(Staff)),
        };
        let (service, handle) = Service::new(config, deps, &registry).await.unwrap();
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(service.run(shutdown.clone()));
        // Small buffers, so that a slow reader is noticed after kilobytes rather than megabytes.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_send_buffer_size(8 * 1024).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(128).unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(socket.into()).unwrap();
        let addr = listener.local_addr().unwrap();
        let http = CancellationToken::new();
        let mut serve = |listener, router| {
            let stopped = http.clone();
            tasks.spawn(async move {
                let stop = async move { stopped.cancelled().await };
                axum::serve(listener, router).with_graceful_shutdown(stop).await.unwrap();
            });
        };
        serve(listener, handle.router());
        if let Some(inside) = inside {
            serve(inside, handle.inside());
        }
        World { handle, media, addr, me, registry, shutdown, http, tasks }
    }
}

pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) media: Arc<FakeMedia>,
    pub(crate) addr: SocketAddr,
    /// As the owner of waiting rooms.
    pub(crate) me: Holder,
    pub(crate) registry: Registry,
    shutdown: CancellationToken,
    http: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    /// Drains and stops; the next service may use the same data.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
        self.http.cancel();
        tokio::time::timeout(Duration::from_secs(10), async {
            while self.tasks.join_next().await.is_some() {}
        })
        .await
        .unwrap();
    }

    /// Cut off in the middle: nothing is drained, nobody is told.
    pub(crate) async fn kill(self) {
        let mut tasks = self.tasks;
        tasks.shutdown().await;
        drop((self.handle, self.media));
    }

    pub(crate) fn begin_drain(&self) {
        self.shutdown.cancel();
    }

    /// The clinician's link.
    pub(crate) async fn open(&self) -> String {
        let room = NewWaitingRoom {
            tenant: TENANT,
            id: ROOM,
            clinic: ClinicView { name: "Harbour Clinic".into(), phone: "+1 555 0100".into() },
            practitioner: "Dr Lee".into(),
            clinician: CLINICIAN,
        };
        self.handle.open_waiting_room(room).await.unwrap().link
    }

    pub(crate) async fn invite(&self, name: &str) -> Invitation {
        let invitation = NewInvitation {
            tenant: TENANT,
            waiting_room: ROOM,
            id: CommandId(platform::ids::fresh()),
            name: name.into(),
            reason: "Check-up".into(),
        };
        self.handle.invite(invitation).await.unwrap()
    }

    pub(crate) async fn exchange(&self, link: &str) -> Result<LinkGrant, LinkError> {
        self.handle.exchange(TENANT, link.split_once("#k=").unwrap().1.into()).await
    }

    /// Exchanges any text.
    pub(crate) async fn handle_exchange(&self, secret: &str) -> Result<LinkGrant, LinkError> {
        self.handle.exchange(TENANT, secret.into()).await
    }

    /// Joins through a link, up to `welcome`.
    pub(crate) async fn join(&self, link: &str) -> Client {
        let token = self.exchange(link).await.unwrap().join_token;
        Client::join(self.addr, &token).await
    }

    /// A metric's value, summed over labels that contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().filter(|family| family.name() == name);
        let metrics = family.flat_map(|family| family.get_metric());
        metrics
            .filter(|metric| label.is_empty() || metric.get_label().iter().any(|l| l.value() == label))
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }
}

/// Waits for a condition, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "never happened: {what}");
}

/// Those with an account: their token says what they may.
struct Staff;

impl People for Staff {
    fn whose(
        &self,
        tenant: TenantId,
        token: Phi<String>,
        _: Option<IpAddr>,
    ) -> PortFuture<'_, Result<Subject, NotNow>> {
        let found = staff_of(token.expose()).filter(|staff| staff.tenant == tenant);
        Box::pin(std::future::ready(Ok(found.map_or(Subject::Stranger, Subject::Staff))))
    }

    fn keeps_seat(
        &self,
        _: TenantId,
        held_by: HeldBy,
        _: WaitingRoomId,
    ) -> PortFuture<'_, Result<bool, NotNow>> {
        let keeps = !LET_IN_NO_MORE.lock().unwrap().contains(&held_by.account);
        Box::pin(std::future::ready(Ok(keeps)))
    }

    fn name(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> PortFuture<'_, Result<Option<Phi<String>>, NotNow>> {
        let name = (tenant == TENANT && account == DOCTOR).then(|| "Dr Noor".into());
        Box::pin(std::future::ready(Ok(name)))
    }
}

/// Those with an account who may have no seat.
pub(crate) static LET_IN_NO_MORE: Mutex<BTreeSet<AccountId>> = Mutex::new(BTreeSet::new());

/// Somebody with an account.
pub(crate) const DOCTOR: AccountId = AccountId(Uuid::from_u128(0xd0c));

/// `on-duty`, `elsewhere`, `emergency`, `emergency-over` or `auditor`.
fn staff_of(token: &str) -> Option<policy::Staff> {
    let now = SystemClock.now();
    let until = if token == "emergency" { now + std::time::Duration::from_secs(60) } else { now };
    let emergency = policy::Emergency {
        id: policy::EmergencyId(Uuid::from_u128(0xe)),
        waiting_room: ROOM,
        visit: None,
        until,
    };
    let (role, duties, emergencies) = match token {
        "on-duty" => (policy::StaffRole::Clinician, vec![ROOM], vec![]),
        "elsewhere" => (policy::StaffRole::Clinician, vec![], vec![]),
        "emergency" | "emergency-over" => (policy::StaffRole::Clinician, vec![], vec![emergency]),
        "auditor" => (policy::StaffRole::Auditor, vec![], vec![]),
        _ => return None,
    };
    Some(policy::Staff {
        tenant: TENANT,
        account: DOCTOR,
        session: policy::SessionId(Uuid::from_u128(1)),
        roles: [role].into(),
        duties: duties.into_iter().collect(),
        locked: false,
        confirmed_at: now,
        emergencies,
    })
}
