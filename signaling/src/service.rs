//! The service: loads everything, then runs a task per waiting room until it is told to stop.

use crate::{
    Config, Handle, limits, load,
    metrics::Metrics,
    room::{self, Input},
    shared::{Parts, Shared},
};
use model::{Epoch, TenantId, WaitingRoomId};
use platform::{
    clock::Clock,
    event_log::{EventStore, ReadError},
    keys::Keys,
    lifecycle::Drained,
};
use sfu_core::port::{MediaEvent, MediaNode};
use signaling_core::{Owner, codec::DecodeError};
use signaling_protocol::ErrorCode;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// What signaling needs of the rest of the process.
pub struct Deps {
    /// Where events are recorded.
    pub store: Arc<dyn EventStore>,
    /// The media plane.
    pub media: Arc<dyn MediaNode>,
    /// What the media plane tells.
    pub media_events: mpsc::Receiver<MediaEvent>,
    /// Signs tokens, derives links.
    pub keys: Arc<Keys>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Origins whose pages may connect: `https://clinic.example`, without a path.
    pub allowed_origins: Vec<String>,
    /// What links begin with: `https://clinic.example`.
    pub public_url: String,
    /// Build of the pages, told to every client.
    pub build: String,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

/// Why signaling cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A knob has a value that cannot work.
    #[error(transparent)]
    Config(#[from] crate::config::InvalidConfig),
    /// The store cannot be read.
    #[error("the event log cannot be read")]
    Read(#[from] ReadError),
    /// A recorded event is not one this build can read. Starting would show people a false queue.
    #[error("the event log holds what this build cannot read, in {category} {id}")]
    Decode {
        /// Which kind of stream.
        category: &'static str,
        /// Which one.
        id: uuid::Uuid,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A visit of a waiting room that was never opened.
    #[error("visit {0} belongs to no waiting room")]
    Homeless(uuid::Uuid),
    /// A metric of this name is registered already.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// What the service's own loop is asked.
pub(crate) enum Control {
    /// Make sure that this waiting room has a task.
    Host { tenant: TenantId, room: WaitingRoomId, done: oneshot::Sender<mpsc::Sender<Input>> },
}

/// Signaling, loaded and not yet running.
pub struct Service {
    shared: Arc<Shared>,
    owners: Vec<Owner>,
    control: mpsc::Receiver<Control>,
    media_events: mpsc::Receiver<MediaEvent>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("waiting_rooms", &self.owners.len()).finish_non_exhaustive()
    }
}

impl Service {
    /// Loads every waiting room and visit from the store. Nobody is accepted before [`Service::run`].
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub async fn new(
        config: Config,
        mut deps: Deps,
        registry: &prometheus::Registry,
    ) -> Result<(Self, Handle), Error> {
        config.check()?;
        let metrics = Metrics::new(registry, Arc::clone(&deps.clock))?;
        let owners = load::all(&*deps.store).await?;
        let (control, requests) = mpsc::channel(limits::CONTROL_QUEUE);
        let (_, closed) = mpsc::channel(1);
        let media_events = std::mem::replace(&mut deps.media_events, closed);
        let shared = Shared::new(Parts { config, deps, metrics, control });
        let handle = Handle::new(Arc::clone(&shared));
        Ok((Self { shared, owners, control: requests, media_events }, handle))
    }

    /// Hosts every waiting room there and then: whoever is let in after this call finds their room and
    /// their link, and nobody is turned away because a process has only just begun. The future serves until
    /// `shutdown`, then tells everybody, finishes the appends in flight and returns, at the latest after
    /// `drain_timeout_ms`.
    pub fn run(mut self, shutdown: CancellationToken) -> impl Future<Output = ()> + Send {
        let mut rooms = JoinSet::new();
        for owner in std::mem::take(&mut self.owners) {
            self.host(&mut rooms, owner);
        }
        self.serve(rooms, shutdown)
    }

    async fn serve(mut self, mut rooms: JoinSet<()>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(control) = self.control.recv() => self.control(&mut rooms, control),
                Some(event) = self.media_events.recv() => self.media(event).await,
                Some(ended) = rooms.join_next(), if !rooms.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "A waiting room's task failed");
                    }
                }
            }
        }
        self.drain(rooms).await;
    }

    fn host(&self, rooms: &mut JoinSet<()>, owner: Owner) -> mpsc::Sender<Input> {
        let id = owner.id();
        // One process owns every room. Where several do, the epoch in which it owns this one stands here.
        let epoch = Epoch::default();
        let (room, inbox) = room::Room::new(Arc::clone(&self.shared), owner, epoch);
        rooms.spawn(room.run());
        self.shared.rooms.write().insert(id, inbox.clone());
        inbox
    }

    fn control(&self, rooms: &mut JoinSet<()>, control: Control) {
        let Control::Host { tenant, room, done } = control;
        let hosted = self.shared.room(room);
        let inbox = hosted.unwrap_or_else(|| self.host(rooms, Owner::new(tenant, room)));
        // Who asked may have given up.
        let _ = done.send(inbox);
    }

    async fn media(&self, event: MediaEvent) {
        let room = self.shared.sessions.lock().route(&event);
        let Some(inbox) = room.and_then(|room| self.shared.room(room)) else { return };
        if matches!(event, MediaEvent::Quality { .. }) {
            // A sample: the next one says it again.
            let _ = inbox.try_send(Input::Media(event));
        } else {
            let _ = inbox.send(Input::Media(event)).await;
        }
    }

    async fn drain(self, mut rooms: JoinSet<()>) {
        self.shared.draining.cancel();
        self.shared.sockets.close();
        let inboxes: Vec<_> = self.shared.rooms.read().values().cloned().collect();
        let deadline = Duration::from_millis(self.shared.config.drain_timeout_ms);
        let quiet = async {
            for inbox in inboxes {
                let _ = inbox.send(Input::Drain(ErrorCode::Restarting)).await;
            }
            while rooms.join_next().await.is_some() {}
            self.shared.sockets.wait().await;
        };
        let drained = match tokio::time::timeout(deadline, quiet).await {
            Ok(()) => Drained::Clean,
            Err(_) => Drained::Cut(rooms.len() + self.shared.sockets.len()),
        };
        tracing::info!(?drained, "Signaling drained");
        self.shared.rooms.write().clear();
        rooms.shutdown().await;
    }
}
