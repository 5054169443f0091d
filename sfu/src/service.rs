//! The control side: binds the sockets, starts the shards, passes on what they tell. Nothing here is on the path of a
//! packet.

use crate::{
    addresses,
    config::Config,
    engine::Engine,
    limits,
    metrics::Metrics,
    shard::{self, Parts, Shard, command::Command, udp},
    traces::Traces,
};
use platform::trace::Tracer;
use sfu_core::port::{ClosedReason, MediaEvent, SessionId};
use std::{
    fmt,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{Arc, atomic::Ordering, mpsc::sync_channel},
    time::{Duration, Instant},
};
use str0m::{Candidate, net::TcpType};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How often ending a session is tried again when its shard had no room for the command.
const END_AGAIN: Duration = Duration::from_millis(100);

mod error;
mod handle;

pub use error::Error;
pub use handle::Handle;
use handle::{Inner, Link};

/// The media plane of one node: bound, not yet running.
pub struct Service {
    shards: Vec<Parts>,
    inner: Arc<Inner>,
    from_shards: mpsc::Receiver<MediaEvent>,
    events: mpsc::Sender<MediaEvent>,
    /// Sessions that were shown their first picture. Samples: what has no room is dropped.
    shown: mpsc::Receiver<SessionId>,
}

impl Service {
    /// Binds the sockets. Nothing is received until [`Service::run`].
    ///
    /// # Errors
    /// See [`enum@Error`]; a port in use is named.
    pub fn new(
        config: Config,
        registry: &prometheus::Registry,
    ) -> Result<(Self, Handle, mpsc::Receiver<MediaEvent>), Error> {
        config.check()?;
        let metrics = Metrics::new(config.shards);
        let engine = Engine::new().ok_or_else(|| Error::System {
            what: "make a DTLS certificate",
            source: std::io::Error::other("the crypto provider made none"),
        })?;
        let (to_control, from_shards) = mpsc::channel(limits::EVENT_QUEUE);
        let (_, shown) = mpsc::channel(1);
        let (mut shards, mut links) = (Vec::new(), Vec::new());
        for n in 0..config.shards {
            let port = if config.udp_port == 0 { 0 } else { config.udp_port + n as u16 };
            let (udp, tcp, addr) = bind(&config, port)?;
            let system = |what| move |source| Error::System { what, source };
            let ips =
                addresses::advertised(&config.advertise, addr.ip()).map_err(system("list its addresses"))?;
            let (poll, waker) = shard::poll().map_err(system("make a poll"))?;
            let (commands, receiver) = sync_channel(limits::SHARD_QUEUE);
            let candidates = candidates(&ips, addr.port(), tcp.is_some());
            shards.push(Parts {
                config: config.clone(),
                udp,
                tcp,
                port: addr.port(),
                advertised: ips,
                commands: receiver,
                poll,
                events: to_control.clone(),
                shown: None,
                metrics: metrics.shard(n),
                crypto: engine.crypto(),
            });
            links.push(Link { commands, waker, addr, candidates });
        }
        metrics.register(registry)?;
        let inner = Arc::new(Inner::new(&config, engine, links, metrics));
        let (events, receiver) = mpsc::channel(limits::EVENT_QUEUE);
        let handle = Handle::to(&inner);
        Ok((Self { shards, inner, from_shards, events, shown }, handle, receiver))
    }

    /// Records traces from now on.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        if tracer.is_on() && self.inner.traces.set(Traces::new(tracer)).is_ok() {
            let (tell, shown) = mpsc::channel(limits::EVENT_QUEUE);
            self.shown = shown;
            for shard in &mut self.shards {
                shard.shown = Some(tell.clone());
            }
        }
        self
    }

    /// Forwards until `shutdown`, then says goodbye to every session.
    ///
    /// # Errors
    /// A shard's thread could not be started.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut threads = Vec::new();
        for (n, parts) in self.shards.drain(..).enumerate() {
            threads.push(start(n, parts)?);
        }
        for link in &self.inner.links {
            tracing::info!(port = link.addr.port(), "Media on port {} (UDP and ICE-TCP)", link.addr.port());
        }
        let mut again = tokio::time::interval(END_AGAIN);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = again.tick() => self.inner.end_again(),
                event = self.from_shards.recv() => match event {
                    Some(event) => self.told(event, &shutdown).await,
                    // Every shard has stopped: nothing is forwarded any more.
                    None => break,
                },
                Some(session) = self.shown.recv() => {
                    if let Some(traces) = self.inner.traces.get() {
                        traces.shown(session);
                    }
                }
            }
        }
        self.inner.draining.store(true, Ordering::Relaxed);
        self.stop(threads).await;
        Ok(())
    }

    async fn told(&mut self, event: MediaEvent, shutdown: &CancellationToken) {
        self.inner.directory().told(&event);
        self.inner.trace(&event);
        if let MediaEvent::Connected { session, .. } = &event {
            let older = self.inner.directory().older_than(*session);
            for (older, shard) in older {
                self.inner.end(shard, older, ClosedReason::Replaced);
            }
        }
        if let MediaEvent::Quality { .. } = event {
            // A sample: whoever is slow misses it.
            let _ = self.events.try_send(event);
            return;
        }
        tokio::select! {
            _ = self.events.send(event) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn stop(&mut self, threads: Vec<std::thread::JoinHandle<()>>) {
        let inner = Arc::clone(&self.inner);
        let stopping = tokio::task::spawn_blocking(move || {
            for link in &inner.links {
                // Blocks for as long as the shard's queue is full; it is being emptied.
                let _ = link.commands.send(Command::Stop);
                let _ = link.waker.wake();
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                _ = &mut stopping => break,
                // Goodbyes, for whoever still listens.
                Some(event) = self.from_shards.recv() => {
                    if let MediaEvent::Closed { session, .. } = &event {
                        self.inner.directory().remove(*session);
                    }
                    let _ = self.events.try_send(event);
                }
            }
        }
        while let Ok(event) = self.from_shards.try_recv() {
            let _ = self.events.try_send(event);
        }
    }
}

/// Binds UDP and, on the same number, TCP.
fn bind(config: &Config, port: u16) -> Result<(UdpSocket, Option<TcpListener>, SocketAddr), Error> {
    let refused = |transport, port| move |source| Error::Bind { transport, port, source };
    // With port 0 the number UDP got may be taken for TCP: try another.
    let attempts = if port == 0 { 16 } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        let udp = udp::bind(config.bind, port).map_err(refused("UDP", port))?;
        let addr = udp.local_addr().map_err(refused("UDP", port))?;
        if !config.tcp {
            return Ok((udp, None, addr));
        }
        match listen(addr) {
            Ok(listener) => return Ok((udp, Some(listener), addr)),
            Err(source) => last = Some(Error::Bind { transport: "TCP", port: addr.port(), source }),
        }
    }
    Err(last.unwrap_or_else(|| Error::Bind {
        transport: "TCP",
        port,
        source: std::io::ErrorKind::AddrInUse.into(),
    }))
}

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the last process's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(256)?;
    Ok(socket.into())
}

fn candidates(ips: &[IpAddr], port: u16, tcp: bool) -> Vec<Candidate> {
    let addrs = || ips.iter().map(|ip| SocketAddr::new(*ip, port));
    let udp = addrs().filter_map(|addr| Candidate::builder().udp().host(addr).build().ok());
    let passive = addrs()
        .filter_map(|addr| Candidate::builder().tcp().host(addr).tcptype(TcpType::Passive).build().ok());
    udp.chain(passive.filter(|_| tcp)).collect()
}

#[expect(clippy::disallowed_methods, reason = "a shard's time begins here")]
fn start(n: usize, parts: Parts) -> Result<std::thread::JoinHandle<()>, Error> {
    let system = |source| Error::System { what: "start a shard", source };
    let pin = parts.config.pin;
    let shard = Shard::new(parts, Instant::now()).map_err(system)?;
    std::thread::Builder::new()
        .name(format!("sfu-shard-{n}"))
        .spawn(move || {
            if pin && let Err(e) = shard::pin(n) {
                tracing::warn!(error = %e, "A media shard is not pinned to a core");
            }
            shard.run();
        })
        .map_err(system)
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("shards", &self.inner.links.len()).finish_non_exhaustive()
    }
}
