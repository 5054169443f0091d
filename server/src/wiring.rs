//! Which adapter stands behind which port. Nothing else in the workspace knows.
//!
//! | port | adapter |
//! |---|---|
//! | `EventStore` | SQLite in the data directory |
//! | `MediaNode`, `MediaEvent` | the SFU of this process |
//! | `Links` | signaling of this process |
//! | `VerifyToken` | the keys of this process |
//! | `Clock` | the machine's |

use crate::{
    failure::Failure,
    health::Check,
    http::{
        HttpMetrics,
        lanes::{Lanes, routes},
    },
    limits::MEDIA_REQUEST_TIMEOUT,
    media_token,
    plan::Plan,
};
use axum::{Router, http::StatusCode, middleware, response::IntoResponse as _};
use model::TenantId;
use platform::{
    clock::{Clock, SystemClock},
    event_log::sqlite::SqliteStore,
    keys::Keys,
    problem::{self, Problem},
    telemetry,
};
use portal_api::{Assets, Hsts};
use prometheus::Registry;
use std::{fs, net::SocketAddr, os::unix::fs::DirBuilderExt as _, sync::Arc};
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};
use uuid::Uuid;

/// The one healthcare unit that an embedded server serves.
pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));

/// The event log, in the data directory.
pub(crate) const EVENTS: &str = "events.sqlite";

/// Everything built and connected, nothing running.
pub(crate) struct Process {
    pub(crate) registry: Registry,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) media: sfu::Service,
    pub(crate) media_handle: sfu::Handle,
    pub(crate) signaling: signaling::Service,
    pub(crate) signaling_handle: signaling::Handle,
    pub(crate) router: Router,
}

/// Builds the services for a plan whose HTTP sockets are bound.
///
/// # Errors
/// One line that names what cannot be used.
pub(crate) async fn build(plan: &Plan, url: &str, origins: Vec<String>) -> Result<Process, Failure> {
    let config = &plan.config;
    let data = &config.data_dir;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|e| Failure::Usage(format!("data_dir: cannot make {}: {e}", data.display())))?;
    let registry = Registry::new();
    telemetry::register_process_metrics(&registry)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(SqliteStore::open(&data.join(EVENTS), &registry)?);
    let keys = Arc::new(Keys::load_or_create(&data.join("keys"))?);
    let assets = Assets::new(config.portal.web_dir.clone())
        .keep_builds(&data.join("assets"))
        .map_err(|e| Failure::Usage(format!("data_dir: {e}")))?;
    if assets.are_missing() {
        tracing::warn!("The pages are not built: run `make web`");
    }
    let (media, media_handle, media_events) = sfu::Service::new(config.sfu.clone(), &registry)?;
    let deps = signaling::Deps {
        store: store.clone(),
        media: Arc::new(media_handle.clone()),
        media_events,
        keys: Arc::clone(&keys),
        clock: Arc::clone(&clock),
        allowed_origins: origins,
        public_url: url.to_owned(),
        build: assets.build(),
    };
    let (signaling, signaling_handle) =
        signaling::Service::new(config.signaling.clone(), deps, &registry).await?;
    let portal = portal_api::Deps {
        links: Arc::new(signaling_handle.clone()),
        assets: Arc::new(assets),
        clock: Arc::clone(&clock),
        // A certificate made here is not one to insist on.
        hsts: if config.http.tls_certificate.is_some() { Hsts::Insist } else { Hsts::Silent },
    };
    let media_http = sfu::http::router(media_handle.clone(), Arc::new(media_token::Verifier { keys, clock }))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MEDIA_REQUEST_TIMEOUT));
    let router = Router::new()
        .merge(portal_api::router(&config.portal, portal, &registry)?)
        .merge(signaling_handle.router())
        .merge(media_http)
        .fallback_service(portal_api::not_found())
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(problem::INTERNAL).because("a handler panicked").into_response()
        }))
        .layer(middleware::from_fn_with_state(Lanes::start(routes::lane, &registry)?, Lanes::admit))
        .layer(middleware::from_fn_with_state(HttpMetrics::new(&registry)?, HttpMetrics::count));
    Ok(Process { registry, store, media, media_handle, signaling, signaling_handle, router })
}

/// What must be well for the process to do its job.
pub(crate) fn checks(process: &Process, accepting: impl Fn() -> bool + Send + Sync + 'static) -> Vec<Check> {
    let store = Arc::downgrade(&process.store);
    vec![
        Check {
            name: "event log",
            is_ready: Box::new(move || store.upgrade().is_some_and(|store| store.is_writable())),
        },
        Check { name: "accepting", is_ready: Box::new(accepting) },
    ]
}

/// The addresses that sockets got.
pub(crate) fn addresses(listeners: &[tokio::net::TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}
