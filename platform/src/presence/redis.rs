//! Presence over Redis: one server, Sentinel or Cluster.
//!
//! ```text
//! announce ─▶ remembered here ─▶ Redis
//!                  └─ keeper: again at TTL/3, and at once when Redis was wiped, restarted or replaced
//! ```
//!
//! Redis holds nothing that is not remembered by a process that lives. Sentinel loses acknowledged
//! writes by design; they are back with the next refresh.

use super::{Key, Listing, Presence, PresenceError, PresenceFuture, within_limits};
use crate::limits::{MAX_LISTED, PRESENCE_TIME_LIMIT};
use ::redis::RedisError;
use bytes::Bytes;
use held::Held;
use keeper::Keeper;
use metrics::PresenceMetrics;
use model::TenantId;
use prometheus::Registry;
use route::Route;
use secrecy::SecretString;
use std::{fmt, future::Future, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};

mod commands;
mod held;
mod keeper;
mod metrics;
mod route;

/// How Redis is run. Prints without its addresses, which may hold secrets.
#[derive(Clone)]
pub enum Mode {
    /// One server.
    Single {
        /// `redis://host:6379` or `rediss://host:6379`.
        url: String,
    },
    /// A master that Sentinels watch over and replace. They should call it down after at most 1,500 ms:
    /// their default of 30 s is too long.
    Sentinel {
        /// `redis://host:26379` or `rediss://host:26379`, of each Sentinel. With `rediss` the master is
        /// reached over TLS, too.
        urls: Vec<String>,
        /// The name they know the master by.
        master: String,
        /// Who we are at the master.
        username: Option<String>,
        /// And our password there.
        password: Option<SecretString>,
    },
    /// A cluster.
    Cluster {
        /// Some of its nodes, as in `Single`.
        urls: Vec<String>,
    },
}

/// Where Redis is. A user and password in a URL are secrets: they are not logged.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it is run.
    pub mode: Mode,
    /// PEM certificates of who signs the servers' certificates, for `rediss` URLs; the system's are
    /// trusted without it.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single { .. } => "Single",
            Self::Sentinel { .. } => "Sentinel",
            Self::Cluster { .. } => "Cluster",
        })
    }
}

/// Why presence cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificates cannot be read.
    #[error("cannot read the certificates {}", path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A URL or certificate is wrong. An unreachable server is not an error.
    #[error("cannot use the Redis configuration")]
    Config(#[source] RedisError),
    /// The metrics are registered already.
    #[error("the metrics of presence cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

/// Presence. Dropped, nothing is kept up any more, and goes when its TTL is over.
pub struct RedisPresence {
    route: Arc<Route>,
    held: Arc<Held>,
    metrics: PresenceMetrics,
    _keeper: JoinSet<()>,
}

impl RedisPresence {
    /// Starts to keep up what will be announced. Does not wait for Redis.
    ///
    /// # Errors
    /// By variant of [`StartError`].
    pub fn start(config: Config, registry: &Registry) -> Result<Self, StartError> {
        let metrics = PresenceMetrics::new(registry).map_err(StartError::Metrics)?;
        let route = Arc::new(Route::new(&config)?);
        let held = Arc::<Held>::default();
        let keeper = Keeper { route: Arc::clone(&route), held: Arc::clone(&held), metrics: metrics.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run());
        Ok(Self { route, held, metrics, _keeper: tasks })
    }

    /// Whether Redis answered when it was last asked.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.metrics.connected.get() == 1
    }

    /// Runs an operation within the time limit and counts when it fails.
    async fn within<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, PresenceError>>,
    ) -> Result<T, PresenceError> {
        let outcome =
            timeout(PRESENCE_TIME_LIMIT, operation).await.unwrap_or(Err(PresenceError::Unavailable));
        if outcome.is_err() {
            self.metrics.failed(name);
        }
        outcome
    }
}

impl fmt::Debug for RedisPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPresence").finish_non_exhaustive()
    }
}

impl Presence for RedisPresence {
    fn announce(&self, key: Key, value: Bytes, ttl: Duration) -> PresenceFuture<'_, ()> {
        Box::pin(self.within("announce", async move {
            let ttl = within_limits(&value, ttl)?;
            let fresh = self.held.put(&key, value, ttl)?;
            let answer = self.route.run(commands::announce(&key, &fresh)).await?;
            self.held.announced(&key, &fresh, commands::stamp(&answer)?);
            Ok(())
        }))
    }

    fn withdraw(&self, key: Key) -> PresenceFuture<'_, ()> {
        Box::pin(self.within("withdraw", async move {
            let Some(stamp) = self.held.remove(&key) else { return Ok(()) };
            self.route.run(commands::withdraw(&key, stamp)).await.map(drop)
        }))
    }

    fn get(&self, key: Key) -> PresenceFuture<'_, Option<Bytes>> {
        Box::pin(
            self.within("get", async move { commands::value(self.route.run(commands::get(&key)).await?) }),
        )
    }

    fn list(&self, kind: &'static str, tenant: Option<TenantId>) -> PresenceFuture<'_, Listing> {
        Box::pin(self.within("list", async move {
            let answer = self.route.run(commands::list(kind, tenant, MAX_LISTED + 1)).await?;
            let mut entries = commands::entries(answer)?;
            let cut = entries.len() > MAX_LISTED;
            entries.truncate(MAX_LISTED);
            entries.sort();
            Ok(Listing { entries, cut })
        }))
    }
}
