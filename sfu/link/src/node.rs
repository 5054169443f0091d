//! A media node's end: lets signaling processes in, carries out what they ask, and tells each what is its own.
//!
//! * A session belongs to its affinity, and an affinity to the stream that claimed it last.
//! * A stream that ends leaves everything as it is. What nobody claims again, and nobody talks in, ends after
//!   [`limits::ORPHAN_AFTER`].
//! * A process with both roles connects to its own node like any other: there is one door, and the fence is there.

mod answers;
mod claims;
mod door;
mod stream;

use crate::{limits, metrics::Metrics, protocol::Load};
use axum::{Router, routing::get};
use claims::Claims;
use model::Epoch;
use parking_lot::Mutex;
use platform::{clock::Clock, keys::Keys};
use sfu_core::port::{Claim, MediaEvent, MediaNode};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
};
use stream::{Out, StreamId};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

/// Where the stream is on the node's HTTP server.
pub const PATH: &str = "/media-link";

/// Who this node is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name in the fleet, at most [`limits::MAX_NAME_BYTES`].
    pub node: String,
    /// A new id each time the process starts.
    pub boot: Uuid,
    /// Where it stands, at most [`limits::MAX_NAME_BYTES`].
    pub region: String,
}

/// What the node's end needs of its process.
pub struct Deps {
    /// The media plane.
    pub media: Arc<dyn MediaNode>,
    /// What it tells.
    pub events: mpsc::Receiver<MediaEvent>,
    /// How loaded it is now.
    pub load: Box<dyn Fn() -> Load + Send + Sync>,
    /// The fleet's keys.
    pub keys: Arc<Keys>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Registered by the process.
    pub metrics: Metrics,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

pub(crate) struct Shared {
    identity: Identity,
    media: Arc<dyn MediaNode>,
    load: Box<dyn Fn() -> Load + Send + Sync>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    claims: Mutex<Claims>,
    streams: Mutex<HashMap<StreamId, Out>>,
    next_stream: AtomicU64,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// A node's end of the link: routes events while it [runs](Service::run).
pub struct Service {
    shared: Arc<Shared>,
    events: mpsc::Receiver<MediaEvent>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("identity", &self.shared.identity).finish_non_exhaustive()
    }
}

impl Service {
    /// Ready to be served by [`Service::router`] and run.
    #[must_use]
    pub fn new(identity: Identity, deps: Deps) -> Self {
        let Deps { media, events, load, keys, clock, metrics } = deps;
        let shared = Arc::new(Shared {
            identity,
            media,
            load,
            keys,
            clock,
            metrics,
            claims: Mutex::new(Claims::default()),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(1),
            places: Arc::new(Semaphore::new(limits::MAX_STREAMS)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        Self { shared, events }
    }

    /// `GET` [`PATH`], for an HTTP server on the network between processes. Its sockets should have `TCP_NODELAY`:
    /// messages are small, and each would otherwise wait for the one before to be acknowledged.
    pub fn router(&self) -> Router {
        Router::new().route(PATH, get(door::open)).with_state(Arc::clone(&self.shared))
    }

    /// Tells every process what is its own, until `shutdown`; then ends the streams, and no session.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut beat = interval(limits::BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orphans = interval(limits::ORPHANS_EVERY);
        orphans.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(event) = self.events.recv() => self.shared.tell(event),
                _ = beat.tick() => self.shared.beat(),
                _ = orphans.tick() => self.shared.end_orphans(Instant::now()).await,
            }
        }
        self.shared.stopping.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    /// An event goes to whoever claimed its session; nowhere, if that is nobody now.
    fn tell(&self, event: MediaEvent) {
        let to = self.claims.lock().route(&event);
        if let Some(to) = to {
            self.tell_stream(to, event);
        }
    }

    fn tell_stream(&self, to: StreamId, event: MediaEvent) {
        let Some(out) = self.streams.lock().get(&to).cloned() else { return };
        let sample = matches!(event, MediaEvent::Quality { .. });
        let Some(tell) = answers::event(event) else { return };
        if !out.send(tell) && !sample {
            self.cut(&out);
        }
    }

    /// Who reads too slowly comes again and asks what is there.
    fn cut(&self, out: &Out) {
        self.metrics.stream_cut();
        out.cut();
    }

    fn beat(&self) {
        let load = (self.load)();
        let streams: Vec<Out> = self.streams.lock().values().cloned().collect();
        for out in streams {
            let _ = out.send(crate::protocol::Tell::Load(load));
        }
    }

    /// Ends what nobody claimed for long and nobody talks in: warm seats, and those that never connected.
    async fn end_orphans(&self, now: Instant) {
        let abandoned = self.claims.lock().abandoned(now);
        for (tenant, affinity) in abandoned {
            // Nobody is fenced off by this: it only asks what is there.
            let claim = Claim { tenant, affinity, epoch: Epoch::default() };
            let Ok(existing) = self.media.claim(claim).await else { continue };
            let (calls, orphans): (Vec<_>, Vec<_>) = existing
                .into_iter()
                .partition(|existing| existing.room.is_some() && existing.connected.is_some());
            for orphan in orphans {
                self.media.disconnect(orphan.session);
            }
            if calls.is_empty() {
                self.claims.lock().forget((tenant, affinity));
            }
        }
    }
}

#[cfg(test)]
mod tests;
