//! A machine, and the process on it: everything that a signaling process runs, as its wiring puts it together.

use crate::{
    bus::{Line, Transport},
    ledger::Ledger,
    letters::{Counting, TABLE, consumer, service},
    media::{Link, Media},
    net::{Net, Place, Way},
    sim::Sim,
    store::{Cable, Reach, Reached},
    world::{ORIGIN, ROOMS, SkewedClock, WorldKeys},
};
use axum::{
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use model::TenantId;
use parking_lot::Mutex;
use platform::{
    bus::Bus,
    clock::Clock,
    event_log::{
        Holder, Store,
        journal::{Disk, Journaled, Patience},
    },
    outbox::{Inbox, Metrics, Relay, inbox, relay},
};
use prometheus::Registry;
use signaling::{Config, Deps, Handle, Service};
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tempfile::TempDir;
use tenancy::{Base, Directory};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

/// How long a process waits at its start for what an earlier life has journaled.
const REPLAYED_WITHIN: Duration = Duration::from_secs(5);

/// What machines share.
pub(crate) struct Site {
    pub(crate) sim: Arc<Sim>,
    pub(crate) net: Arc<Net>,
    pub(crate) ours: Arc<dyn Store>,
    pub(crate) theirs: Arc<dyn Store>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) heard: Arc<Ledger>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) media: Arc<Media>,
    pub(crate) keys: WorldKeys,
}

/// A machine: what outlives its processes.
pub(crate) struct Machine {
    site: Arc<Site>,
    pub(crate) index: usize,
    pub(crate) clock: Arc<SkewedClock>,
    pub(crate) reach: Arc<Mutex<Reach>>,
    pub(crate) bus_away: Arc<AtomicBool>,
    pub(crate) bus_noisy: Arc<AtomicBool>,
    disk: TempDir,
    running: Mutex<Option<Running>>,
}

struct Running {
    handle: Handle,
    journal: Arc<Journaled<Reached>>,
    theirs: Arc<Reached>,
    ours: Arc<Reached>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Machine {
    pub(crate) fn new(site: &Arc<Site>, index: usize) -> Arc<Self> {
        Arc::new(Self {
            clock: SkewedClock::new(&site.sim),
            site: Arc::clone(site),
            index,
            reach: Arc::default(),
            bus_away: Arc::default(),
            bus_noisy: Arc::default(),
            disk: disk(),
            running: Mutex::default(),
        })
    }

    /// Where pages connect.
    pub(crate) fn pages(&self) -> String {
        format!("machine-{}:443", self.index)
    }

    /// Where other processes do.
    fn inside(&self) -> String {
        format!("machine-{}:7000", self.index)
    }

    pub(crate) fn handle(&self) -> Option<Handle> {
        self.running.lock().as_ref().map(|running| running.handle.clone())
    }

    pub(crate) fn journal(&self) -> Option<Arc<Journaled<Reached>>> {
        self.running.lock().as_ref().map(|running| Arc::clone(&running.journal))
    }

    fn reached(&self, store: &Arc<dyn Store>, ledger: &Arc<Ledger>) -> Arc<Reached> {
        Arc::new(Reached::new(Arc::new(Cable {
            machine: self.index,
            sim: Arc::clone(&self.site.sim),
            store: Arc::clone(store),
            ledger: Arc::clone(ledger),
            reach: Arc::clone(&self.reach),
        })))
    }

    /// Starts a process. It tries until it can.
    pub(crate) async fn start(&self) {
        let site = &self.site;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<_>;
        let (ours, theirs) =
            (self.reached(&site.ours, &site.ledger), self.reached(&site.theirs, &site.heard));
        let registry = Registry::new();
        let journal = loop {
            let (patience, inner, registry) = (Patience::default(), Arc::clone(&ours), Registry::new());
            let clock = Arc::clone(&clock);
            let opened =
                Journaled::open_on(Disk::Caller, patience, self.disk.path(), inner, clock, &registry);
            match at_once(opened) {
                Ok(journal) => break Arc::new(journal),
                // The process before has not let go of it yet.
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        if journal.replayed(REPLAYED_WITHIN).await.is_err() {
            site.sim.count("started-with-a-journal");
        }
        let store: Arc<dyn Store> = Arc::clone(&journal) as Arc<_>;
        let line = || {
            let (transport, away) = (Arc::clone(&site.transport), Arc::clone(&self.bus_away));
            Arc::new(Line { transport, away, noisy: Arc::clone(&self.bus_noisy) }) as Arc<dyn Bus>
        };
        let metrics = Metrics::new(&registry).unwrap();
        let config = relay::Config { service: service(), consumers: vec![consumer()] };
        let relay = Relay::new(config, Arc::clone(&store), line(), Arc::clone(&clock), &metrics);
        let config = inbox::Config {
            name: consumer(),
            service: service(),
            table: TABLE.name,
            source: if self.index == 0 {
                inbox::Source::Outbox(Arc::clone(&store))
            } else {
                inbox::Source::Relay
            },
        };
        let counting = Counting(Arc::clone(&theirs) as Arc<_>);
        let into: Arc<dyn Store> = Arc::clone(&theirs) as Arc<_>;
        let inbox = Inbox::new(config, into, line(), counting, Arc::clone(&clock), &metrics);
        let deps = Deps {
            store,
            me: Holder { process: platform::ids::fresh(), address: self.inside() },
            waker: relay.waker(),
            media: Arc::new(Link { media: Arc::clone(&site.media), machine: self.index }),
            media_events: site.media.listen(self.index),
            keys: Arc::clone(&site.keys),
            clock,
            units: Arc::new(Directory::of_one(unit(ROOMS[0].0))),
            build: "sim".to_owned(),
            tracer: platform::trace::Tracer::off(),
            network: Arc::new(Way { net: Arc::clone(&site.net), from: Place::Machine(self.index) }),
            people: None,
        };
        let (service, handle) = Service::new(Config::default(), deps, &registry).await.unwrap();
        let (shutdown, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(service.run(shutdown.clone()));
        tasks.spawn(relay.run(shutdown.clone()));
        tasks.spawn(inbox.run(shutdown.clone()));
        let pages = handle.router().layer(middleware::from_fn(of_unit));
        for (address, router) in [(self.pages(), pages), (self.inside(), handle.inside())] {
            let listener = site.net.listen(&address, self.index);
            tasks.spawn(async move { drop(axum::serve(listener, router).await) });
        }
        site.sim.tell(|| format!("machine {} is up", self.index));
        *self.running.lock() = Some(Running { handle, journal, theirs, ours, shutdown, tasks });
    }

    /// `kill -9`, or the plug: at whatever await it stands, nothing of it goes on.
    pub(crate) fn crash(&self) {
        let Some(running) = self.running.lock().take() else { return };
        running.ours.die();
        running.theirs.die();
        self.site.net.silence(self.index);
        self.site.sim.count("crash");
        self.site.sim.tell(|| format!("machine {} crashes", self.index));
    }

    /// Goes down as a rolling restart asks it to.
    pub(crate) async fn drain(&self) {
        let Some(mut running) = self.running.lock().take() else { return };
        self.site.sim.count("drained");
        self.site.sim.tell(|| format!("machine {} drains", self.index));
        running.shutdown.cancel();
        self.site.net.refuse(self.index);
        // Service, relay and inbox; who listens is cut off.
        for _ in 0..3 {
            let _ = tokio::time::timeout(Duration::from_secs(9), running.tasks.join_next()).await;
        }
        running.ours.die();
        running.theirs.die();
        self.site.net.silence(self.index);
    }
}

/// A place that costs no disk, if the machine has one.
pub(crate) fn disk() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Waits here and now: nothing else happens in the world meanwhile.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(tokio::task::unconstrained(future));
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(answer) = future.as_mut().poll(&mut context) {
            return answer;
        }
        std::thread::yield_now();
    }
}

/// Of a page's request: its unit, as a listener finds it by the host.
pub(crate) const UNIT: &str = "x-unit";

async fn of_unit(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(UNIT).and_then(|id| id.to_str().ok()?.parse().ok());
    if let Some(id) = id {
        let unit = Directory::of_one(unit(id)).now().home().clone();
        request.extensions_mut().insert(unit);
    }
    next.run(request).await
}

fn unit(id: TenantId) -> Base {
    Base { id, name: "Clinic".into(), url: ORIGIN.into(), origins: vec![ORIGIN.into()], hosts: Vec::new() }
}
