//! The inbox: handles each message of another service's outbox once and in order, whatever the bus does to them.

use super::{
    letter::{Letter, Service},
    metrics::Metrics,
    turn::PLATFORM,
};
use crate::{
    bus::{Bus, ConsumerName},
    clock::Clock,
    event_log::{AppendError, Behind, Change, Partition, Position, Refusal, Row, Store, Table},
    lane::Lane,
};
use lane_inbox::LaneInbox;
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt, future::Future, pin::Pin, sync::Arc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod handling;
mod lane_inbox;
mod order;

pub use order::Astray;

/// A future that a handler returns.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Change>, Unhandled>> + Send + 'a>>;

/// What an inbox does with messages.
///
/// The rows that a message changes, and that it is handled, are recorded in one transaction. Whatever else a handler
/// does, it may do again: after a crash, or when two processes handle the same message at once and one of them is
/// refused. It may read rows: those of all messages before this one of its partition are there.
pub trait Handler: Send + Sync + 'static {
    /// What a message changes; nothing, if it is of no interest. At most `limits::MAX_CHANGES`, and within
    /// `limits::HANDLER_LIMIT`.
    ///
    /// # Errors
    /// By variant of [`Unhandled`].
    fn handle<'a>(&'a self, letter: &'a Letter) -> HandlerFuture<'a>;
}

/// What follows from the message alone.
impl<F: Fn(&Letter) -> Result<Vec<Change>, Unhandled> + Send + Sync + 'static> Handler for F {
    fn handle<'a>(&'a self, letter: &'a Letter) -> HandlerFuture<'a> {
        Box::pin(async move { self(letter) })
    }
}

/// Why a message is not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unhandled {
    /// It never will be: it is parked with this reason, and the next one's turn comes.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// Not now: it is tried again, and those after it in its partition wait.
    #[error("not now")]
    NotNow,
}

/// Where an inbox gets what the bus did not bring.
#[derive(Clone)]
pub enum Source {
    /// It asks the relay.
    Relay,
    /// It reads the outbox itself.
    Outbox(Arc<dyn Store>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relay => "Relay",
            Self::Outbox(_) => "Outbox",
        })
    }
}

/// Whose messages an inbox handles, and as whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name, which is its durable consumer's, too: another one for each service it hears. The relay's configuration
    /// has it among its consumers.
    pub name: ConsumerName,
    /// Whose outbox. All of it: a handler passes over what is of no interest to it.
    pub service: Service,
    /// The table of its places and rows, `visits-seen.1` for example. Generation 0 of it.
    pub table: &'static str,
    /// Where it gets what the bus did not bring.
    pub source: Source,
}

/// An inbox. Made once in each process that shares the consuming service's store.
pub struct Inbox<S: ?Sized, B: ?Sized> {
    config: Config,
    store: Arc<S>,
    bus: Arc<B>,
    handler: Arc<dyn Handler>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    astray: Arc<AstrayList>,
}

/// Where lanes cannot go on.
type AstrayList = Mutex<BTreeMap<Partition, Astray>>;

impl<S: Store + ?Sized, B: Bus + ?Sized> Inbox<S, B> {
    /// An inbox that does nothing before it runs.
    pub fn new(
        config: Config,
        store: Arc<S>,
        bus: Arc<B>,
        handler: impl Handler,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        let (handler, metrics) = (Arc::new(handler), metrics.clone());
        Self { config, store, bus, handler, clock, metrics, astray: Arc::default() }
    }

    /// For whoever looks after it.
    pub fn handle(&self) -> Handle<S> {
        let (table, store) = (table(&self.config), Arc::clone(&self.store));
        Handle { table, store, astray: Arc::clone(&self.astray) }
    }

    /// Handles what comes until it is told to stop, which takes as long as the message that is being handled. May be
    /// dropped at any time.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in Lane::ALL {
            lanes.spawn(LaneInbox::new(&self, lane).run(shutdown.clone()));
        }
        lanes.join_all().await;
    }
}

impl<S: ?Sized, B: ?Sized> fmt::Debug for Inbox<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("name", &self.config.name).finish_non_exhaustive()
    }
}

const fn table(config: &Config) -> Table {
    Table { name: config.table, generation: 0 }
}

/// Looks into an inbox, and helps it on.
pub struct Handle<S: ?Sized> {
    store: Arc<S>,
    table: Table,
    astray: Arc<AstrayList>,
}

impl<S: Store + ?Sized> Handle<S> {
    /// Where it cannot go on by itself, as far as this process knows: that whose turn it is does.
    pub fn astray(&self) -> BTreeMap<Partition, Astray> {
        self.astray.lock().clone()
    }

    /// Up to where a partition is handled.
    ///
    /// # Errors
    /// [`Behind`]: the store cannot be read.
    pub async fn handled(&self, partition: Partition) -> Result<Position, Behind> {
        Ok(self.store.applied(self.table, partition).await?)
    }

    /// What all messages of a partition up to a position would have made was made otherwise, from events: the inbox goes
    /// on after it. Does nothing where it is further already.
    ///
    /// # Errors
    /// [`Behind`]: it is not known whether it does.
    pub async fn resume(&self, partition: Partition, after: Position) -> Result<(), Behind> {
        loop {
            let place = self.store.applied(self.table, partition).await?;
            if place >= after {
                return Ok(());
            }
            match self.store.apply(self.table, partition, place, after, Vec::new()).await {
                Ok(()) => return Ok(()),
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => {}
                Err(_) => return Err(Behind),
            }
        }
    }

    /// Messages that the handler refused for ever, after a key, at most `limit`: ids, places and reasons, no bodies. Of
    /// each partition at most `limits::MAX_PARKED` are kept.
    ///
    /// # Errors
    /// [`Behind`]: the store cannot be read.
    pub async fn parked(&self, after: Option<String>, limit: usize) -> Result<Vec<Row>, Behind> {
        Ok(self.store.rows(self.table, PLATFORM, PARKED.to_owned(), after, limit).await?)
    }
}

/// What the keys of parked messages begin with.
const PARKED: &str = "parked/";

impl<S: ?Sized> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), table: self.table, astray: Arc::clone(&self.astray) }
    }
}

impl<S: ?Sized> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("table", &self.table).finish_non_exhaustive()
    }
}
