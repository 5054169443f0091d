//! Which adapter stands behind which port. Nothing else in the workspace knows.
//!
//! | port | alone | in a fleet |
//! |---|---|---|
//! | `Store` | SQLite in the data directory | PostgreSQL |
//! | `Keyring` | SQLite in the data directory | PostgreSQL |
//! | `KeyProvider` | a file in the keys directory, the environment, or a key service | the same |
//! | `Bus` | memory | NATS JetStream, or memory |
//! | `Presence` | memory | Redis |
//! | `MediaNode`, `MediaEvent` | the SFU of this process | those of all nodes, over the media link |
//! | `Links` | signaling of this process | the same, or whichever signaling process answers |
//! | `Visits` | signaling of this process | all signaling processes |
//! | `Platform` | what the probes found | the same, and what all processes say of themselves |
//! | `VerifyToken` | the keys of this process | the keys all share |
//! | `People` | accounts, from the event log | the same |
//! | `Clock` | the machine's | the machine's |

mod audit;
mod people;
mod store;
pub(crate) mod vault;

pub(crate) use audit::{Audit, pruner};
pub(crate) use store::{Journal, open_store};

use crate::{
    api,
    callers::Known,
    config::Config,
    devices::{self, Devices},
    failure::Failure,
    health::{
        board::{Board, Sign, Sources},
        probe::{self, Findings, Probe},
    },
    http::{
        HttpMetrics,
        lanes::{Lanes, routes},
        proxies::Proxies,
    },
    limits::MEDIA_REQUEST_TIMEOUT,
    media_token,
    nodes::{Member, Nodes, name_of},
    plan::Plan,
    roles::Role,
    unit_of, units,
};
use axum::{Router, http::StatusCode, middleware, response::IntoResponse as _};
use identity::{Alarm, FailureLog, Identity};
use model::TenantId;
use platform::{
    bus::{
        Bus,
        memory::{self, MemoryBus},
        nats::NatsBus,
    },
    clock::{Clock, SystemClock},
    event_log::{Holder, Store},
    keys::{Keys, jwks},
    outbox::{
        self, Service,
        relay::{self, Relay},
    },
    presence::{Key, redis::RedisPresence},
    problem::{self, Problem},
    telemetry,
    trace::{self, Exporter, Resource, Tracer},
    vault::Vault,
};
use portal_api::{Assets, Hsts, gateway::Gateway};
use prometheus::Registry;
use sfu::http::VerifyToken;
use sfu_core::port::{MediaEvent, MediaNode};
use sfu_link::{Fleet, fleet, node};
use signaling::{RemoteLinks, RemoteVisits};
use signaling_core::port::{Links, Visits};
use std::{fs, net::SocketAddr, os::unix::fs::DirBuilderExt as _, path::PathBuf, sync::Arc};
use tenancy::Directory;
use tokio::sync::mpsc;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use uuid::Uuid;
use webhooks::Deliverer;

/// The healthcare unit that is always there; what a server served before there was a registry of them.
pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));

/// The event log, in the data directory.
pub(crate) const EVENTS: &str = "events.sqlite";

/// The local journal's directory, in the data directory.
pub(crate) const JOURNAL: &str = "journal";

/// Everything built and connected, nothing running. What a process has no role for is not there.
pub(crate) struct Process {
    pub(crate) registry: Registry,
    pub(crate) store: Option<Arc<dyn Store>>,
    /// The keys that PHI is sealed with before it gets to the store.
    pub(crate) vault: Option<Arc<Vault>>,
    /// What stands before a database: it is waited for when the process ends.
    pub(crate) journal: Option<Arc<Journal>>,
    /// What seals the audit trail, and copies it.
    pub(crate) audit: Option<Audit>,
    pub(crate) media: Option<Media>,
    pub(crate) signaling: Option<Signaling>,
    pub(crate) nodes: Option<Nodes>,
    /// For people.
    pub(crate) router: Router,
    /// For other processes.
    pub(crate) inside: Router,
    /// Who works here, and who is signed in.
    pub(crate) identity: Option<Arc<Identity>>,
    /// The healthcare units.
    pub(crate) units: Arc<Directory>,
    /// Who hears of emergencies.
    pub(crate) alarm: Option<Alarm>,
    /// What writes rows about failed sign-ins.
    pub(crate) failures: Option<FailureLog>,
    /// What sends to partners' systems.
    pub(crate) webhooks: Option<Deliverer>,
    /// The way to the trace collector, if there is one.
    pub(crate) traces: Option<Exporter>,
    /// What signs and verifies tokens: rotations are to be looked for.
    pub(crate) keys: Arc<Keys>,
    /// What the probes find.
    pub(crate) findings: Arc<Findings>,
    /// How each part does, for those who look after a unit.
    pub(crate) board: Arc<Board>,
}

/// The media plane of this process.
pub(crate) struct Media {
    pub(crate) service: sfu::Service,
    pub(crate) handle: sfu::Handle,
    /// The end of the media link, in a fleet.
    pub(crate) link: Option<node::Service>,
}

/// Signaling of this process.
pub(crate) struct Signaling {
    pub(crate) service: signaling::Service,
    pub(crate) handle: signaling::Handle,
    /// The way to the media nodes, in a fleet.
    pub(crate) fleet: Option<Fleet>,
    /// Tells other services what was recorded.
    pub(crate) relay: Relay<dyn Store, dyn Bus>,
}

/// What every part of a process is given.
struct Base<'a> {
    config: &'a Config,
    registry: Registry,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Another one each time the process starts.
    process: Uuid,
    tracer: Tracer,
}

/// Builds the services for a plan whose sockets are bound. `inside` is where other processes reach this one.
///
/// # Errors
/// One line that names what cannot be used.
pub(crate) async fn build(
    plan: &Plan,
    url: &str,
    origins: Vec<String>,
    inside: Option<String>,
) -> Result<Process, Failure> {
    let config = &plan.config;
    let data = &config.data_dir;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|e| Failure::Usage(format!("data_dir: cannot make {}: {e}", data.display())))?;
    let (registry, process) = (Registry::new(), platform::ids::fresh());
    let resource = Resource {
        version: env!("CARGO_PKG_VERSION"),
        instance: process,
        node: config.fleet.name.clone().or_else(|| inside.as_deref().map(name_of)).unwrap_or_default(),
        roles: config.roles.names(),
    };
    let (tracer, traces) = trace::start(&config.telemetry.traces(), resource, &registry)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let base = Base {
        config,
        registry,
        tracer,
        keys: Arc::new(Keys::load_or_create(&keys_dir(config))?),
        clock: Arc::new(SystemClock),
        process,
    };
    telemetry::register_process_metrics(&base.registry)?;
    let link_metrics = match &inside {
        Some(_) => Some(sfu_link::Metrics::new(&base.registry)?),
        None => None,
    };
    let (mut nodes, presence) = base.nodes(inside.as_deref())?.unzip();
    if let Some(nodes) = &mut nodes {
        nodes.look().await;
    }
    let assets = Assets::new(config.portal.web_dir.clone())
        .keep_builds(&data.join("assets"))
        .map_err(|e| Failure::Usage(format!("data_dir: {e}")))?;
    if assets.are_missing() && config.roles.has(Role::Portal) {
        tracing::warn!("The pages are not built: run `make web`");
    }
    let (media, mut events) = base.media(nodes.as_ref().zip(link_metrics.clone()))?;
    // A portal that is a process of its own has people sign in only where it shares the others' database.
    let has_people = config.roles.has(Role::Portal)
        && (config.roles.has(Role::Signaling) || config.store.postgres().is_some());
    let log = match config.roles.has(Role::Signaling) || has_people {
        true => Some(store::open(config, Arc::clone(&base.clock), &base.registry).await?),
        false => None,
    };
    let audit = match &log {
        Some(log) => Some(audit::wire(&base, &log.raw)?),
        None => None,
    };
    let vault = log.as_ref().map(|log| Arc::clone(log.store.vault()));
    let raw = log.as_ref().map(|log| Arc::clone(&log.raw));
    let (store, journal) = match log {
        Some(log) => (Some(log.store as Arc<dyn Store>), log.journal),
        None => (None, None),
    };
    let unit = units::base(config, url, &origins);
    let units = Arc::new(match &store {
        Some(store) => {
            let (store, clock) = (Arc::clone(store), Arc::clone(&base.clock));
            let opened = Directory::open(store, vault.clone(), clock, unit).await;
            opened.map_err(|_| Failure::Broken("the registry of healthcare units cannot be read".into()))?
        }
        None => Directory::of_one(unit),
    });
    let identity = match &store {
        Some(store) => Some(Arc::new(base.identity(store, url, audit.as_ref())?)),
        None => None,
    };
    let audit = match (audit, &identity) {
        (Some(audit), Some(identity)) => Some(audit.pruning(&base, identity.holds())?),
        (audit, _) => audit,
    };
    // Signaling asks whose a token is; people are served, and heard, only where that is this process's.
    let people = identity.clone();
    let identity = identity.filter(|_| has_people);
    let alarm = match &identity {
        Some(identity) => {
            Some(Alarm::new(Arc::clone(identity), &base.registry)?.of_units(Arc::clone(&units)))
        }
        None => None,
    };
    let failures = match &identity {
        Some(identity) => Some(FailureLog::new(Arc::clone(identity), &base.registry)?),
        None => None,
    };
    let webhooks = match (&identity, &store, raw) {
        (Some(_), Some(store), Some(raw)) => Some(base.webhooks(store, raw).await?),
        _ => None,
    };
    // Pages are served without it.
    let people_store = store.clone();
    let store = store.filter(|_| config.roles.has(Role::Signaling));
    let mut bus = None;
    let signaling = match &store {
        None => None,
        Some(store) => {
            let fleet = nodes.as_ref().zip(link_metrics).map(|(nodes, metrics)| base.fleet(nodes, metrics));
            let (node, media_events, fleet): (Arc<dyn MediaNode>, _, _) = match (fleet, &media) {
                (Some((fleet, events)), _) => (Arc::new(fleet.clone()), events, Some(fleet)),
                (None, Some(media)) => {
                    let events = events.take().unwrap_or_else(|| mpsc::channel(1).1);
                    (Arc::new(media.handle.clone()), events, None)
                }
                (None, None) => {
                    return Err(Failure::Usage("roles: signaling alone needs sfu beside it".into()));
                }
            };
            let (relay, up) = base.relay(store).await?;
            bus = up;
            let deps = signaling::Deps {
                store: Arc::clone(store),
                waker: relay.waker(),
                me: Holder { process: base.process, address: inside.clone().unwrap_or_default() },
                media: node,
                media_events,
                keys: Arc::clone(&base.keys),
                clock: Arc::clone(&base.clock),
                units: Arc::clone(&units),
                build: assets.build(),
                tracer: base.tracer.clone(),
                network: Arc::new(signaling::network::Tcp),
                people: people.map(|people| Arc::new(people::Accounts(people)) as Arc<_>),
            };
            let config = config.signaling.clone();
            let (service, handle) = signaling::Service::new(config, deps, &base.registry).await?;
            Some(Signaling { service, handle, fleet, relay })
        }
    };
    let links: Option<Arc<dyn Links>> = match (&signaling, &nodes) {
        (Some(signaling), _) => Some(Arc::new(signaling.handle.clone())),
        (None, Some(nodes)) => {
            let (keys, clock) = (Arc::clone(&base.keys), Arc::clone(&base.clock));
            Some(Arc::new(RemoteLinks::new(keys, clock, base.process, nodes.signaling())))
        }
        (None, None) => None,
    };
    let devices = nodes.as_ref().zip(media.as_ref()).map(|(nodes, media)| {
        let (me, nodes) = (nodes.name().to_owned(), nodes.media());
        Arc::new(Devices { media: media.handle.clone(), verifier: base.verifier(), me, nodes })
    });
    let visits: Option<Arc<dyn Visits>> = match (&nodes, &signaling) {
        (Some(nodes), _) => {
            let (keys, clock) = (Arc::clone(&base.keys), Arc::clone(&base.clock));
            Some(Arc::new(RemoteVisits::new(keys, clock, base.process, nodes.signaling())))
        }
        (None, Some(signaling)) => Some(Arc::new(signaling.handle.clone())),
        (None, None) => None,
    };
    let findings = Arc::<Findings>::default();
    let sources = Sources {
        findings: Arc::clone(&findings),
        journal: journal.clone(),
        bus,
        presence,
        fleet: nodes.as_ref().map(Nodes::strength),
        has_rooms: signaling.is_some(),
    };
    let board = Arc::new(Board::new(sources, Arc::clone(&base.clock)));
    let webhook_routes = match identity.as_ref().zip(people_store.as_ref()) {
        Some((identity, store)) => Some(base.webhook_routes(identity, store)?),
        None => None,
    };
    let staff = identity.as_ref().zip(people_store).map(|(identity, store)| portal_api::Staffed {
        identity: Arc::clone(identity),
        rooms: Arc::new(signaling::Rooms::new(store, Arc::clone(&base.keys), Arc::clone(&base.clock))),
        visits,
        platform: Arc::clone(&board) as _,
    });
    let parts = Parts {
        media: media.as_ref(),
        devices: devices.as_ref(),
        signaling: signaling.as_ref(),
        identity: identity.as_ref(),
        units: &units,
        webhooks: webhook_routes,
        staff,
    };
    let router = base.router(links, assets, parts)?;
    let mut inside = Router::new();
    if let Some(link) = media.as_ref().and_then(|media| media.link.as_ref()) {
        inside = inside.merge(link.router());
    }
    if let Some(devices) = &devices {
        inside = inside.merge(devices::inside(devices));
    }
    if let Some(signaling) = &signaling {
        inside = inside.merge(signaling.handle.inside());
    }
    Ok(Process {
        registry: base.registry,
        store,
        vault,
        journal,
        audit,
        media,
        signaling,
        nodes,
        router,
        inside,
        identity,
        units,
        alarm,
        failures,
        webhooks,
        traces,
        keys: base.keys,
        findings,
        board,
    })
}

/// Where the keys are.
pub(crate) fn keys_dir(config: &Config) -> PathBuf {
    config.fleet.keys_dir.clone().unwrap_or_else(|| config.data_dir.join("keys"))
}

impl Base<'_> {
    /// The list of the fleet's processes; none when this one is alone.
    fn nodes(&self, inside: Option<&str>) -> Result<Option<(Nodes, Sign)>, Failure> {
        let (Some(address), Some(redis)) = (inside, self.config.presence.redis()) else { return Ok(None) };
        let presence = RedisPresence::start(redis, &self.registry)
            .map_err(|error| Failure::Usage(format!("presence.redis: {error}")))?;
        let presence = Arc::new(presence);
        let up: Sign = {
            let presence = Arc::downgrade(&presence);
            Box::new(move || presence.upgrade().is_some_and(|presence| presence.is_connected()))
        };
        let name = self.config.fleet.name.clone().unwrap_or_else(|| name_of(address));
        if Key::new("process", None, name.clone()).is_err() {
            return Err(Failure::Usage("fleet.name: 1 to 64 of A-Z, a-z, 0-9, `_`, `.` and `-`".into()));
        }
        let me = Member {
            process: self.process,
            address: address.to_owned(),
            roles: self.config.roles.clone(),
            region: self.config.fleet.region.clone(),
            draining: false,
            well: true,
        };
        Ok(Some((Nodes::new(presence, name, me), up)))
    }

    /// The media plane of this process, and what it tells where nobody else listens.
    fn media(
        &self,
        fleet: Option<(&Nodes, sfu_link::Metrics)>,
    ) -> Result<(Option<Media>, Option<mpsc::Receiver<MediaEvent>>), Failure> {
        if !self.config.roles.has(Role::Sfu) {
            return Ok((None, None));
        }
        let (service, handle, events) = sfu::Service::new(self.config.sfu.clone(), &self.registry)?;
        let service = service.traced(self.tracer.clone());
        let Some((nodes, metrics)) = fleet else {
            return Ok((Some(Media { service, handle, link: None }), Some(events)));
        };
        let identity = node::Identity {
            node: nodes.name().to_owned(),
            boot: self.process,
            region: self.config.fleet.region.clone(),
        };
        let (counted, capacity) = (handle.clone(), self.config.sfu.max_sessions);
        let load = move || sfu_link::protocol::Load {
            sessions: u32::try_from(counted.sessions()).unwrap_or(u32::MAX),
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
            forwarded_bps: None,
            draining: counted.draining(),
        };
        let deps = node::Deps {
            media: Arc::new(handle.clone()),
            events,
            load: Box::new(load),
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            metrics,
        };
        Ok((Some(Media { service, handle, link: Some(node::Service::new(identity, deps)) }), None))
    }

    fn fleet(&self, nodes: &Nodes, metrics: sfu_link::Metrics) -> (Fleet, mpsc::Receiver<MediaEvent>) {
        let deps = fleet::Deps {
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            process: self.process,
            region: self.config.fleet.region.clone(),
            metrics,
        };
        Fleet::new(deps, nodes.media())
    }

    /// What tells other services what signaling has recorded.
    async fn relay(
        &self,
        store: &Arc<dyn Store>,
    ) -> Result<(Relay<dyn Store, dyn Bus>, Option<Sign>), Failure> {
        let clock = Arc::clone(&self.clock);
        let mut up: Option<Sign> = None;
        let bus: Arc<dyn Bus> = match self.config.bus.nats() {
            Some(config) => {
                let started = NatsBus::start(config, clock, &self.registry).await;
                let nats = Arc::new(
                    started.map_err(|error| Failure::Usage(format!("bus.nats: {error}{}", cause(&error))))?,
                );
                let there = Arc::downgrade(&nats);
                up = Some(Box::new(move || there.upgrade().is_some_and(|nats| nats.is_connected())));
                nats
            }
            None => Arc::new(MemoryBus::new(memory::Config::default(), clock, &self.registry)?),
        };
        let service = Service::new("signaling").map_err(|error| Failure::Broken(error.to_string()))?;
        let config = relay::Config { service, consumers: Vec::new() };
        let metrics = outbox::Metrics::new(&self.registry)?;
        Ok((Relay::new(config, Arc::clone(store), bus, Arc::clone(&self.clock), &metrics), up))
    }

    /// Who checks the tokens of devices.
    fn verifier(&self) -> Arc<dyn VerifyToken> {
        Arc::new(media_token::Verifier { keys: Arc::clone(&self.keys), clock: Arc::clone(&self.clock) })
    }

    /// Whose word on the client's address is taken.
    fn proxies(&self) -> Result<Proxies, Failure> {
        let http = &self.config.http;
        Proxies::new(http.trusted_proxies.as_deref().unwrap_or_default(), http.forwarded_header)
            .map_err(|error| Failure::Usage(format!("http.trusted_proxies: {error}")))
    }

    /// Who works here.
    fn identity(
        &self,
        store: &Arc<dyn Store>,
        url: &str,
        audit: Option<&Audit>,
    ) -> Result<Identity, Failure> {
        let identity = identity_of(self.config, store, Arc::clone(&self.keys), Arc::clone(&self.clock), url)?;
        Ok(match audit {
            Some(audit) => identity.with_chains(audit.chains()),
            None => identity,
        })
    }

    /// What sends to partners' systems.
    async fn webhooks(&self, store: &Arc<dyn Store>, raw: Arc<dyn Store>) -> Result<Deliverer, Failure> {
        let config = &self.config.webhooks;
        let sender = webhooks::Sender::new(config).ok_or_else(|| {
            Failure::Usage("webhooks.ca_file: cannot be read, or holds no certificate".into())
        })?;
        let deps = webhooks::deliverer::Deps {
            store: Arc::clone(store),
            raw,
            clock: Arc::clone(&self.clock),
            post: Arc::new(sender),
            visits: signaling::VISIT,
            alone: self.config.store.postgres().is_none(),
        };
        let opened = Deliverer::open(deps, &self.registry).await;
        opened.map_err(|error| Failure::Broken(error.to_string()))
    }

    /// Where partners' systems are registered.
    fn webhook_routes(
        &self,
        identity: &Arc<Identity>,
        store: &Arc<dyn Store>,
    ) -> Result<webhooks::Routes, Failure> {
        let (identity, store, clock) = (Arc::clone(identity), Arc::clone(store), Arc::clone(&self.clock));
        webhooks::Routes::new(&self.config.webhooks, identity, store, clock, TENANT).ok_or_else(|| {
            Failure::Usage("webhooks.ports: ports separated by commas, `443` for example".into())
        })
    }

    /// What people's browsers ask.
    fn router(
        &self,
        links: Option<Arc<dyn Links>>,
        assets: Assets,
        parts: Parts<'_>,
    ) -> Result<Router, Failure> {
        let Parts { media, devices, signaling, identity, units, webhooks, staff } = parts;
        let (mut router, mut counted) = (Router::new(), None);
        if self.config.roles.has(Role::Portal) {
            router = router.merge(jwks::router(Arc::clone(&self.keys), Arc::clone(&self.clock)));
        }
        if let Some(identity) = identity {
            let known = Arc::new(Known(Identity::clone(identity)));
            router = router.merge(identity::router(Arc::clone(identity)));
            router =
                router.merge(portal_api::graphql::router(Arc::clone(&known) as _, Arc::clone(&self.clock)));
            let clock = Arc::clone(&self.clock);
            counted = Some(Gateway::new(&self.config.portal, known, clock, &self.registry)?);
        }
        if let Some(webhooks) = webhooks {
            router = router.merge(webhooks.router());
        }
        if let Some(links) = links.filter(|_| self.config.roles.has(Role::Portal)) {
            let portal = portal_api::Deps {
                links,
                staff,
                units: Arc::clone(units),
                assets: Arc::new(assets),
                clock: Arc::clone(&self.clock),
                tracer: self.tracer.clone(),
            };
            router = router.merge(portal_api::router(&self.config.portal, portal, &self.registry)?);
            router = router.merge(described()?);
        }
        if let Some(signaling) = signaling {
            router = router.merge(signaling.handle.router());
        }
        if let Some(media) = media {
            let devices = match devices {
                Some(devices) => devices::router(devices),
                None => sfu::http::router(media.handle.clone(), self.verifier()),
            };
            let devices = unit_of::judge_devices(devices, self.verifier(), Arc::clone(&self.clock), units);
            let patience = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MEDIA_REQUEST_TIMEOUT);
            router = router.merge(devices.layer(patience));
        }
        // A certificate made here is not one to insist on.
        let hsts = if self.config.http.tls_certificate.is_some() { Hsts::Insist } else { Hsts::Silent };
        router = router.fallback_service(portal_api::not_found());
        if let Some(gateway) = counted {
            router = router.layer(middleware::from_fn_with_state(gateway, Gateway::admit));
        }
        Ok(router
            .layer(middleware::from_fn_with_state(Arc::clone(units), unit_of::find))
            .layer(CatchPanicLayer::custom(|_| {
                Problem::new(problem::INTERNAL).because("a handler panicked").into_response()
            }))
            .layer(middleware::from_fn_with_state(Lanes::start(routes::lane, &self.registry)?, Lanes::admit))
            .layer(middleware::from_fn_with_state(hsts, portal_api::secure))
            .layer(middleware::from_fn_with_state(HttpMetrics::new(&self.registry)?, HttpMetrics::count))
            .layer(middleware::from_fn_with_state(self.proxies()?, Proxies::look)))
    }
}

/// What the public routes are made of.
struct Parts<'a> {
    media: Option<&'a Media>,
    devices: Option<&'a Arc<Devices>>,
    signaling: Option<&'a Signaling>,
    identity: Option<&'a Arc<Identity>>,
    units: &'a Arc<Directory>,
    webhooks: Option<webhooks::Routes>,
    staff: Option<portal_api::Staffed>,
}

/// Identity, in the unit that is always there.
///
/// # Errors
/// One line that names the key.
pub(crate) fn identity_of(
    config: &Config,
    store: &Arc<dyn Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    url: &str,
) -> Result<Identity, Failure> {
    let deps =
        identity::Deps { store: Arc::clone(store), keys, clock, tenant: TENANT, public_url: url.to_owned() };
    Identity::new(&config.identity, deps).map_err(|error| Failure::Usage(error.to_string()))
}

/// The description of the interface, served.
fn described() -> Result<Router, Failure> {
    let document = api::openapi()
        .map_err(|clashes| Failure::Broken(format!("schemas of one name: {}", clashes.join(", "))))?;
    portal_api::described(&document).map_err(|problem| Failure::Broken(format!("{problem:?}")))
}

pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// What shows that the process can do its job.
pub(crate) fn probes(process: &Process) -> Vec<Probe> {
    let mut probes = Vec::new();
    if let Some(store) = &process.store {
        probes.push(Probe { name: probe::EVENT_LOG, run: probe::store(store) });
    }
    if let Some(media) = &process.media {
        probes.push(Probe { name: probe::MEDIA, run: probe::media(media.handle.clone()) });
    }
    probes
}

/// The addresses that sockets got.
pub(crate) fn addresses(listeners: &[tokio::net::TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}
