//! A running media plane for one test.

use model::{ParticipantId, RoomId, TenantId};
use sfu::{Config, Handle, Service};
use sfu_core::port::{
    Affinity, Answer, Connect, Direction, MediaError, MediaEvent, MediaNode as _, SessionId,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use testkit::media_client::{MediaClient, Options, PATIENCE};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) runtime: Runtime,
    events: Arc<Mutex<Vec<MediaEvent>>>,
    shutdown: CancellationToken,
    running: Option<tokio::task::JoinHandle<Result<(), sfu::Error>>>,
}

pub(crate) fn tenant() -> TenantId {
    TenantId(Uuid::from_u128(1))
}

pub(crate) fn who(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

pub(crate) fn room(n: u128) -> RoomId {
    RoomId(Uuid::from_u128(n))
}

pub(crate) fn config() -> Config {
    Config { advertise: sfu::Advertise::These(vec![Ipv4Addr::LOCALHOST.into()]), ..Config::ephemeral() }
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        // RUST_LOG=debug shows what the engines say.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (service, handle, mut receiver) = Service::new(config, &prometheus::Registry::new()).unwrap();
        let shutdown = CancellationToken::new();
        let running = runtime.spawn(service.run(shutdown.clone()));
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        runtime.spawn(async move {
            while let Some(event) = receiver.recv().await {
                sink.lock().unwrap().push(event);
            }
        });
        Self { handle, runtime, events, shutdown, running: Some(running) }
    }

    pub(crate) fn shut_down(&self) {
        self.shutdown.cancel();
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.handle.local_addrs()[0].port())
    }

    pub(crate) fn connect(
        &self,
        participant: u128,
        direction: Direction,
        at: Option<u128>,
        offer: String,
    ) -> Result<Answer, MediaError> {
        self.runtime.block_on(self.handle.connect(Connect {
            tenant: tenant(),
            participant: who(participant),
            affinity: Affinity(7),
            direction,
            room: at.map(room),
            offer,
        }))
    }

    /// A client of this participant, connected, in a room or waiting.
    pub(crate) fn join(&self, participant: u128, at: Option<u128>) -> (MediaClient, SessionId) {
        self.join_as(participant, at, Options::default())
    }

    pub(crate) fn join_as(
        &self,
        participant: u128,
        at: Option<u128>,
        options: Options,
    ) -> (MediaClient, SessionId) {
        let direction = match (options.sends, options.slots) {
            (true, 0) => Direction::Publish,
            _ => Direction::Both,
        };
        let (client, offer) = MediaClient::offer(options).unwrap();
        let answer = self.connect(participant, direction, at, offer).unwrap();
        client.answer(&answer.sdp).unwrap();
        client.connected().unwrap();
        (client, answer.session)
    }

    pub(crate) fn events(&self) -> Vec<MediaEvent> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn wait_event(&self, what: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        let mut found = None;
        let ok = eventually(PATIENCE, || {
            found = self.events().into_iter().find(&what);
            found.is_some()
        });
        assert!(ok, "that event did not come; these did: {:?}", self.events());
        found.unwrap()
    }

    pub(crate) fn value(&self, name: &str, label: Option<&str>) -> f64 {
        self.handle.metrics().value(&format!("telehealth_sfu_{name}"), label).unwrap()
    }
}

/// Looks again and again until it is so; whether it was in time.
pub(crate) fn eventually(patience: Duration, mut so: impl FnMut() -> bool) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a test waits for a condition, by the clock")]
    let now = std::time::Instant::now;
    let until = now() + patience;
    while now() < until {
        if so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    so()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(running) = self.running.take() {
            let ended = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, running).await });
            if !std::thread::panicking() {
                ended.expect("the service stops").unwrap().unwrap();
                assert_eq!(
                    self.value("caught_panics_total", None),
                    0.0,
                    "a session's state machine panicked"
                );
            }
        }
    }
}
