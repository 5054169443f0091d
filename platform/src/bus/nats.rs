//! The bus over NATS and JetStream.
//!
//! ```text
//! tell, listen      connection `live`        subjects th.tell.>
//! critical          its own connection       stream TH_CRITICAL, subjects th.critical.>
//! standard, batch   likewise
//! parked            each lane's connection   stream TH_PARKED_<LANE>
//! ```
//!
//! JetStream acknowledges before its disk has it, and may be wiped: it is transport. Streams and
//! consumers are made again by themselves, and [`Bus::incarnation`] says that it happened.

use super::{
    Bus, BusError, BusFuture, Consumer, ConsumerName, Incarnation, Listener, Message, Pattern,
    metrics::BusMetrics,
};
use crate::{clock::Clock, lane::Lane, limits::BUS_TIME_LIMIT};
use consumer::PullSource;
use lane::LaneLink;
use link::Link;
use live::Live;
use prometheus::Registry;
use secrecy::SecretString;
use std::{fmt, future::Future, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::timeout};

mod consumer;
mod lane;
mod link;
mod live;
mod refusal;
mod stream;
mod wire;

/// The connection for what is told and not kept.
const LIVE: &str = "live";

/// Where the servers are and how they are used.
#[derive(Clone)]
pub struct Config {
    /// Servers, `nats://host:4222` or `tls://host:4222`. Without a user or password in them: the client
    /// would not use them.
    pub urls: Vec<String>,
    /// Who we are, where the servers ask for a user and password.
    pub user: Option<(String, SecretString)>,
    /// A file with the user's JWT and seed, as `nsc` writes it. Without it none are sent.
    pub creds_file: Option<PathBuf>,
    /// PEM certificates of who signs the servers' certificates. With it, TLS is required; without it,
    /// the system's are trusted where TLS is used.
    pub ca_file: Option<PathBuf>,
    /// After it an unsettled delivery comes again. Longer than any handler takes.
    pub ack_wait: Duration,
    /// How many servers hold each stream: 1, or 3 where NATS is a cluster.
    pub replicas: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            urls: vec!["nats://127.0.0.1:4222".into()],
            user: None,
            creds_file: None,
            ca_file: None,
            ack_wait: Duration::from_secs(30),
            replicas: 1,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("servers", &self.urls.len()).finish_non_exhaustive()
    }
}

/// Why the bus cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The credentials cannot be read.
    #[error("cannot read the NATS credentials {}", path.display())]
    Credentials {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An address, certificate or the like is wrong. An unreachable server is not: see
    /// [`NatsBus::start`].
    #[error("cannot use the NATS configuration")]
    Config(#[source] async_nats::ConnectError),
    /// The metrics are registered already.
    #[error("the bus's metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
    /// The server holds streams that are set up differently and cannot be changed.
    #[error(transparent)]
    Bus(BusError),
}

/// The bus. Cheap to share behind an `Arc`; dropped, its tasks and connections end.
pub struct NatsBus {
    lanes: [Arc<LaneLink>; 3],
    live: Live,
    clock: Arc<dyn Clock>,
    metrics: BusMetrics,
    _guardians: JoinSet<()>,
}

impl NatsBus {
    /// Connects and makes sure of the streams. A server that cannot be reached within
    /// `limits::BUS_TIME_LIMIT` is no error: the bus is unavailable until it comes.
    ///
    /// # Errors
    /// By variant of [`StartError`].
    pub async fn start(
        config: Config,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, StartError> {
        let metrics = BusMetrics::new(registry).map_err(StartError::Metrics)?;
        let live = Live::new(Link::open(LIVE, &config, &metrics).await?, metrics.clone());
        let mut lanes = Vec::new();
        let mut guardians = JoinSet::new();
        for lane in Lane::ALL {
            let link = Link::open(lane.as_str(), &config, &metrics).await?;
            let link = Arc::new(LaneLink::new(lane, link, &config, metrics.clone()));
            match within(link.ensure()).await {
                Ok(()) => {}
                Err(BusError::Unavailable) => tracing::warn!(%lane, "NATS does not answer yet"),
                Err(error) => return Err(StartError::Bus(error)),
            }
            guardians.spawn(Arc::clone(&link).guard());
            lanes.push(link);
        }
        let lanes: [_; 3] = lanes.try_into().map_err(|_| StartError::Bus(BusError::Unavailable))?;
        Ok(Self { lanes, live, clock, metrics, _guardians: guardians })
    }

    /// Whether every connection is up, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.metrics.is_connected(LIVE)
            && Lane::ALL.iter().all(|lane| self.metrics.is_connected(lane.as_str()))
    }

    fn lane(&self, lane: Lane) -> &Arc<LaneLink> {
        &self.lanes[lane.index()]
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.lanes.iter().for_each(|lane| lane.closed.cancel());
    }
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus").finish_non_exhaustive()
    }
}

impl Bus for NatsBus {
    fn tell(&self, message: Message) -> BusFuture<'_, ()> {
        Box::pin(within(self.live.tell(message)))
    }

    fn listen(&self, pattern: Pattern) -> BusFuture<'_, Listener> {
        Box::pin(within(self.live.listen(pattern)))
    }

    fn publish(&self, lane: Lane, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            let outcome = within(self.lane(lane).publish(message)).await;
            self.metrics.published(lane, &outcome);
            outcome.map(drop)
        })
    }

    fn consume(&self, name: ConsumerName, lane: Lane, pattern: Pattern) -> BusFuture<'_, Consumer> {
        Box::pin(async move {
            let link = self.lane(lane);
            let pull = within(link.consumer(&name, &pattern)).await?;
            let source = Box::new(PullSource::new(Arc::clone(link), name, pattern, pull));
            Ok(Consumer { source, lane, clock: Arc::clone(&self.clock), metrics: self.metrics.clone() })
        })
    }

    fn incarnation(&self, lane: Lane) -> watch::Receiver<Option<Incarnation>> {
        self.lane(lane).incarnation()
    }

    fn parked(&self, lane: Lane) -> BusFuture<'_, u64> {
        Box::pin(within(self.lane(lane).parked()))
    }
}

/// Nobody waits longer than the limit.
async fn within<T>(operation: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    timeout(BUS_TIME_LIMIT, operation).await.unwrap_or(Err(BusError::Unavailable))
}
