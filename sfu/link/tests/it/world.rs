//! Media nodes and signaling processes of one test, all on loopback.

use model::{Epoch, ParticipantId, RoomId, TenantId};
use parking_lot::Mutex;
use platform::{clock::SystemClock, keys::Keys};
use prometheus::Registry;
use sfu_core::port::{
    Affinity, Answer, Claim, Connect, Direction, Existing, MediaError, MediaEvent, MediaNode, SessionId,
};
use sfu_link::{
    Metrics, NodeInfo, RemoteNode,
    node::{self, Identity},
    protocol::Load,
    remote,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::media_client::{MediaClient, Options, PATIENCE};
use tokio::{runtime::Runtime, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const WAITING_ROOM: Affinity = Affinity(7);

pub(crate) fn tenant() -> TenantId {
    TenantId(Uuid::from_u128(1))
}

pub(crate) fn who(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

pub(crate) fn room(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(n))
}

pub(crate) fn claim(epoch: u64) -> Claim {
    Claim { tenant: tenant(), affinity: WAITING_ROOM, epoch: Epoch(epoch) }
}

/// Every process of the fleet shares these.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) keys: Arc<Keys>,
}

impl World {
    pub(crate) fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { runtime, keys: Arc::new(Keys::ephemeral()) }
    }

    /// A node with a real media plane.
    pub(crate) fn node(&self, name: &str) -> Node {
        self.node_with_room_for(name, 100)
    }

    pub(crate) fn node_with_room_for(&self, name: &str, capacity: u32) -> Node {
        let config = sfu::Config {
            advertise: sfu::Advertise::These(vec![Ipv4Addr::LOCALHOST.into()]),
            ..sfu::Config::ephemeral()
        };
        let (service, handle, events) = sfu::Service::new(config, &Registry::new()).unwrap();
        let forwarding = CancellationToken::new();
        let media = self.runtime.spawn(service.run(forwarding.clone()));
        let media = self.runtime.spawn(async move { media.await.unwrap().unwrap() });
        let counted = handle.clone();
        let load = move || Load {
            sessions: counted.sessions() as u32,
            capacity,
            forwarded_bps: None,
            draining: counted.draining(),
        };
        let mut node = self.node_of(name, Arc::new(handle.clone()), events, load);
        node.sfu = Some((handle, forwarding, media));
        node
    }

    /// A node in front of any media plane.
    pub(crate) fn node_of(
        &self,
        name: &str,
        media: Arc<dyn MediaNode>,
        events: mpsc::Receiver<MediaEvent>,
        load: impl Fn() -> Load + Send + Sync + 'static,
    ) -> Node {
        let shutdown = CancellationToken::new();
        let registry = Registry::new();
        let deps = node::Deps {
            media,
            events,
            load: Box::new(load),
            keys: Arc::clone(&self.keys),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(&registry).unwrap(),
        };
        let identity =
            Identity { node: name.to_owned(), boot: platform::ids::fresh(), region: "here".to_owned() };
        let service = node::Service::new(identity, deps);
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let (addr, router) = (listener.local_addr().unwrap(), service.router());
        let stop = shutdown.clone();
        let http = self.runtime.spawn(async move {
            let stopped = async move { stop.cancelled().await };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
        });
        let link = self.runtime.spawn(service.run(shutdown.clone()));
        Node { name: name.to_owned(), addr, sfu: None, registry, shutdown, tasks: vec![http, link] }
    }

    /// A signaling process that knows one node.
    pub(crate) fn process(&self, at: SocketAddr) -> Process<RemoteNode> {
        let registry = Registry::new();
        let (events, receiver) = mpsc::channel(sfu_link::limits::EVENT_QUEUE);
        let deps = remote::Deps {
            keys: Arc::clone(&self.keys),
            clock: Arc::new(SystemClock),
            process: platform::ids::fresh(),
            events,
            metrics: Metrics::new(&registry).unwrap(),
        };
        let media = RemoteNode::new(info("one", at), 1, deps);
        let (stop, running) = (CancellationToken::new(), media.clone());
        let task = self.runtime.spawn({
            let stop = stop.clone();
            async move { running.run(stop).await }
        });
        Process::new(self, media, receiver, registry, stop, task)
    }
}

pub(crate) fn info(id: &str, at: SocketAddr) -> NodeInfo {
    NodeInfo {
        id: id.to_owned(),
        url: format!("ws://{at}{}", node::PATH),
        region: "here".to_owned(),
        draining: false,
    }
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    sfu: Option<(sfu::Handle, CancellationToken, JoinHandle<()>)>,
    pub(crate) registry: Registry,
    shutdown: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    pub(crate) fn sfu(&self) -> &sfu::Handle {
        &self.sfu.as_ref().unwrap().0
    }

    pub(crate) fn info(&self) -> NodeInfo {
        info(&self.name, self.addr)
    }

    /// Stops the process, the link first: nobody hears a goodbye of the media plane, as when it is killed.
    pub(crate) fn stop(self, world: &World) {
        self.shutdown.cancel();
        wait(world, self.tasks);
        if let Some((_, forwarding, media)) = self.sfu {
            forwarding.cancel();
            wait(world, vec![media]);
        }
    }
}

fn wait(world: &World, tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        let ended = world.runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await });
        ended.expect("a node stops").unwrap();
    }
}

/// A signaling process, as far as media goes.
pub(crate) struct Process<M> {
    pub(crate) media: M,
    pub(crate) registry: Registry,
    events: Arc<Mutex<Vec<MediaEvent>>>,
    runtime: tokio::runtime::Handle,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl<M: MediaNode> Process<M> {
    pub(crate) fn new(
        world: &World,
        media: M,
        mut receiver: mpsc::Receiver<MediaEvent>,
        registry: Registry,
        stop: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        world.runtime.spawn(async move {
            while let Some(event) = receiver.recv().await {
                sink.lock().push(event);
            }
        });
        let runtime = world.runtime.handle().clone();
        Self { media, registry, events, runtime, stop, task: Some(task) }
    }

    pub(crate) fn claim(&self, epoch: u64) -> Result<Vec<Existing>, MediaError> {
        self.runtime.block_on(self.media.claim(claim(epoch)))
    }

    pub(crate) fn connect(&self, n: u128, at: Option<u128>, offer: String) -> Result<Answer, MediaError> {
        self.connect_in(WAITING_ROOM, n, at, offer)
    }

    pub(crate) fn connect_in(
        &self,
        affinity: Affinity,
        n: u128,
        at: Option<u128>,
        offer: String,
    ) -> Result<Answer, MediaError> {
        self.runtime.block_on(self.media.connect(Connect {
            tenant: tenant(),
            participant: who(n),
            affinity,
            direction: Direction::Both,
            room: at.map(room),
            offer,
        }))
    }

    /// A client of this participant, connected, in a room or waiting.
    pub(crate) fn join(&self, n: u128, at: Option<u128>) -> (MediaClient, SessionId) {
        self.join_in(WAITING_ROOM, n, at)
    }

    pub(crate) fn join_in(&self, affinity: Affinity, n: u128, at: Option<u128>) -> (MediaClient, SessionId) {
        let (client, offer) = MediaClient::offer(Options::default()).unwrap();
        let answer = self.connect_in(affinity, n, at, offer).unwrap();
        client.answer(&answer.sdp).unwrap();
        client.connected().unwrap();
        let session = answer.session;
        self.wait_event(|e| matches!(e, MediaEvent::Connected { session: s, .. } if *s == session));
        (client, session)
    }

    pub(crate) fn events(&self) -> Vec<MediaEvent> {
        self.events.lock().clone()
    }

    pub(crate) fn forget_events(&self) {
        self.events.lock().clear();
    }

    pub(crate) fn wait_event(&self, what: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        let mut found = None;
        let came = eventually(|| {
            found = self.events().into_iter().find(&what);
            found.is_some()
        });
        assert!(came, "that event did not come; these did: {:?}", self.events());
        found.unwrap()
    }

    pub(crate) fn closed(&self, session: SessionId) -> MediaEvent {
        self.wait_event(|e| matches!(e, MediaEvent::Closed { session: s, .. } if *s == session))
    }

    /// The process goes: no session is ended.
    pub(crate) fn stop(mut self) {
        self.stop.cancel();
        let task = self.task.take().unwrap();
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await }).unwrap().unwrap();
    }

    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        metric(&self.registry, name, label)
    }
}

/// A metric's value, summed over labels of which one is `label`.
pub(crate) fn metric(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().filter(|family| family.name() == format!("telehealth_media_link_{name}"));
    let metrics = family.flat_map(|family| family.get_metric());
    metrics
        .filter(|metric| label.is_empty() || metric.get_label().iter().any(|l| l.value() == label))
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// Looks again and again until it is so; whether it was in time.
pub(crate) fn eventually(mut so: impl FnMut() -> bool) -> bool {
    let until = now() + PATIENCE;
    while now() < until {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    so()
}

#[expect(clippy::disallowed_methods, reason = "a test waits for a condition, by the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
