//! The service: finds out where waiting rooms live, and runs a task for each that lives here until it is told to stop.

use crate::{
    Config, Handle,
    find::{self, Found, Home, Place, Wanted},
    limits, load,
    metrics::Metrics,
    network::Network,
    room::{self, Input},
    searches::Searches,
    shared::{Parts, Shared},
    sweep,
};
use futures_util::StreamExt as _;
use model::Epoch;
use platform::{
    clock::{Clock, SteadyClock},
    event_log::{Behind, Holder, Owned, ReadError, Store},
    keys::Keys,
    lifecycle::Drained,
    outbox::Waker,
    trace::Tracer,
};
use sfu_core::port::{MediaEvent, MediaNode};
use signaling_core::{Owner, codec::DecodeError, port::People};
use signaling_protocol::ErrorCode;
use std::{sync::Arc, time::Duration};
use tenancy::Directory;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// What signaling needs of the rest of the process.
pub struct Deps {
    /// Where events are recorded.
    pub store: Arc<dyn Store>,
    /// This process, as the owner of waiting rooms. Without an address it runs alone: nobody else is asked for any.
    pub me: Holder,
    /// Woken when something for other services was recorded.
    pub waker: Waker,
    /// The media plane.
    pub media: Arc<dyn MediaNode>,
    /// What the media plane tells.
    pub media_events: mpsc::Receiver<MediaEvent>,
    /// Signs tokens, derives links.
    pub keys: Arc<Keys>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// The healthcare units: what their links begin with, and whose pages may connect.
    pub units: Arc<Directory>,
    /// Build of the pages, told to every client.
    pub build: String,
    /// Records traces.
    pub tracer: Tracer,
    /// The way to other processes.
    pub network: Arc<dyn Network>,
    /// Those who have an account; without, nobody has.
    pub people: Option<Arc<dyn People>>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("units", &self.units).finish_non_exhaustive()
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
    /// The store takes nothing.
    #[error("the event log cannot be written")]
    Unwritable,
    /// A metric of this name is registered already.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

impl From<Behind> for Error {
    fn from(_: Behind) -> Self {
        Self::Read(ReadError)
    }
}

/// What the service's own loop is asked: where a waiting room is.
pub(crate) struct Control {
    pub(crate) wanted: Wanted,
    pub(crate) done: oneshot::Sender<Place>,
}

/// Signaling, loaded and not yet running.
pub struct Service {
    shared: Arc<Shared>,
    owners: Vec<(Owner, Epoch)>,
    /// Searches that go on, and who waits for each.
    searching: JoinSet<(Home, Result<Found, Error>)>,
    searches: Searches,
    control: mpsc::Receiver<Control>,
    media_events: mpsc::Receiver<MediaEvent>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("waiting_rooms", &self.owners.len()).finish_non_exhaustive()
    }
}

impl Service {
    /// Alone, takes every waiting room over and loads it; in a fleet, each when it is asked for or its owner is gone.
    /// Nobody is accepted before [`Service::run`].
    ///
    /// # Errors
    /// See [`enum@Error`].
    pub async fn new(
        config: Config,
        mut deps: Deps,
        registry: &prometheus::Registry,
    ) -> Result<(Self, Handle), Error> {
        config.check()?;
        let steady: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::clone(&deps.clock)));
        let metrics = Metrics::new(registry, Arc::clone(&steady))?;
        let (control, requests) = mpsc::channel(limits::CONTROL_QUEUE);
        let (_, closed) = mpsc::channel(1);
        let media_events = std::mem::replace(&mut deps.media_events, closed);
        let shared = Shared::new(Parts { config, deps, steady, metrics, control });
        let handle = Handle::new(Arc::clone(&shared));
        let owners = if shared.me.address.is_empty() { take_all(&shared).await? } else { Vec::new() };
        let service = Self {
            shared,
            owners,
            searching: JoinSet::new(),
            searches: Searches::default(),
            control: requests,
            media_events,
        };
        Ok((service, handle))
    }

    /// Hosts every waiting room there and then: whoever is let in after this call finds their room and
    /// their link, and nobody is turned away because a process has only just begun. The future serves until
    /// `shutdown`, then tells everybody, finishes the appends in flight and returns, at the latest after
    /// `drain_timeout_ms`.
    pub fn run(mut self, shutdown: CancellationToken) -> impl Future<Output = ()> + Send {
        let mut rooms = Rooms::new();
        for (owner, epoch) in std::mem::take(&mut self.owners) {
            self.host(&mut rooms, owner, epoch);
        }
        self.serve(rooms, shutdown)
    }

    async fn serve(mut self, mut rooms: Rooms, shutdown: CancellationToken) {
        let mut chores = JoinSet::new();
        chores.spawn(sweep::keep_index(Arc::clone(&self.shared)));
        if !self.shared.me.address.is_empty() {
            chores.spawn(sweep::sweep(Arc::clone(&self.shared)));
        }
        loop {
            // Nothing here takes long, and what comes in most is looked at last.
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(found) = self.searching.join_next(), if !self.searching.is_empty() => match found {
                    Ok((room, found)) => self.found(&mut rooms, room, found),
                    Err(error) => tracing::error!(%error, "A search for a waiting room failed"),
                },
                Some(ended) = rooms.join_next(), if !rooms.is_empty() => {
                    match ended {
                        Ok(room) => self.shared.forget(room),
                        Err(error) => self.shared.forget_the_dead(&error),
                    }
                }
                Some(control) = self.control.recv() => self.control(control),
                Some(event) = self.media_events.recv() => self.media(event).await,
            }
        }
        drop(chores);
        self.drain(rooms).await;
    }

    fn host(&self, rooms: &mut Rooms, owner: Owner, epoch: Epoch) -> mpsc::Sender<Input> {
        let id = Home { tenant: owner.tenant(), room: owner.id() };
        let (room, inbox) = room::Room::new(Arc::clone(&self.shared), owner, epoch);
        rooms.spawn(async move {
            room.run().await;
            id
        });
        self.shared.rooms.write().insert(id, inbox.clone());
        inbox
    }

    /// Begins a search, or joins one for the same waiting room.
    fn control(&mut self, control: Control) {
        let Control { wanted, done } = control;
        let room = wanted.home();
        if let Some(inbox) = self.shared.room(room) {
            let _ = done.send(Place::Here(inbox));
            return;
        }
        let Some(done) = self.searches.join(room, done) else { return };
        if wanted.only_here {
            let _ = done.send(Place::Nowhere);
            return;
        }
        self.searches.begin(room, done);
        let shared = Arc::clone(&self.shared);
        self.searching.spawn(async move {
            let search = tokio::time::timeout(limits::FIND_TIMEOUT, find::search(&shared, wanted));
            (room, search.await.unwrap_or(Err(Error::Read(ReadError))))
        });
    }

    /// A search is over: everybody who waits for it is told.
    fn found(&mut self, rooms: &mut Rooms, room: Home, found: Result<Found, Error>) {
        let place = match found {
            Ok(Found::Ours { owner, epoch }) => {
                self.searches.forget(room);
                tracing::info!(waiting_room.id = %room.room, epoch = epoch.0, "A waiting room is owned by this process now");
                self.shared.metrics.taken();
                Place::Here(self.host(rooms, *owner, epoch))
            }
            Ok(Found::Theirs(owned)) => {
                let place = there(&owned);
                self.searches.remember(room, owned);
                place
            }
            Ok(Found::Nowhere) => Place::Nowhere,
            Err(error) => {
                tracing::warn!(waiting_room.id = %room.room, %error, "A waiting room's owner cannot be found now");
                self.searches.recall(room).map_or(Place::Unknown, there)
            }
        };
        self.searches.end(room, &place);
    }

    async fn media(&self, event: MediaEvent) {
        let here = |home| self.shared.rooms.read().contains_key(&home);
        let room = self.shared.sessions.lock().route(&event, here);
        let Some(inbox) = room.and_then(|room| self.shared.room(room)) else { return };
        if matches!(event, MediaEvent::Quality { .. }) {
            // A sample: the next one says it again.
            let _ = inbox.try_send(Input::Media(event));
        } else {
            let _ = inbox.send(Input::Media(event)).await;
        }
    }

    async fn drain(mut self, mut rooms: Rooms) {
        self.searching.shutdown().await;
        self.searches.give_up();
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

/// The tasks of waiting rooms; each ends with its room.
type Rooms = JoinSet<Home>;

fn there(owned: &Owned) -> Place {
    Place::There { address: owned.holder.address.clone(), epoch: owned.epoch }
}

/// Every waiting room there is: nobody else could have any.
async fn take_all(shared: &Arc<Shared>) -> Result<Vec<(Owner, Epoch)>, Error> {
    let rooms = load::rooms(&*shared.store).await?;
    shared.index.catch_up().await?;
    let taken = futures_util::stream::iter(rooms).map(async |(tenant, room)| {
        match find::search(shared, Wanted::new(tenant, room)).await? {
            Found::Ours { owner, epoch } => Ok(Some((*owner, epoch))),
            Found::Theirs(_) | Found::Nowhere => Ok(None),
        }
    });
    let taken: Vec<Result<Option<(Owner, Epoch)>, Error>> =
        taken.buffer_unordered(limits::ROOMS_AT_ONCE).collect().await;
    taken.into_iter().filter_map(Result::transpose).collect()
}
