//! The HTTP listener: sockets, TLS, time limits, and an orderly end.
//!
//! Hyper's own connections instead of a framework's `serve`, because a connection that never finishes
//! its handshake or its headers must not live for ever.

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lanes::Seat;
use limits::{HANDSHAKE_TIMEOUT, HEADER_TIMEOUT, IDLE_GRACE, MAX_CONNECTIONS, MAX_HEAD_BYTES, MAX_STREAMS};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub mod lanes;
pub mod limits;
mod listen;
mod metrics;
pub mod proxies;

pub use listen::{ListenError, bind, parse};
pub use metrics::HttpMetrics;

/// How long a peer may dawdle.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// In a TLS handshake.
    pub handshake: Duration,
    /// Over the headers of a request, or before it sends a next one.
    pub headers: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { handshake: HANDSHAKE_TIMEOUT, headers: HEADER_TIMEOUT }
    }
}

/// Serves until `shutdown`; then stops accepting, lets requests finish, and returns.
pub async fn serve(
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
    router: Router,
    patience: Patience,
    shutdown: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let server = Arc::new(Server { tls, router, room, patience, shutdown });
    let mut accepting = JoinSet::new();
    let mut connections = JoinSet::new();
    let (arrived, mut arrivals) = mpsc::channel(16);
    for listener in listeners {
        let (server, arrived) = (Arc::clone(&server), arrived.clone());
        accepting.spawn(async move {
            tokio::select! {
                () = server.shutdown.cancelled() => {}
                () = server.accept(listener, arrived) => {}
            }
        });
    }
    drop(arrived);
    while let Some(arrival) = arrivals.recv().await {
        let server = Arc::clone(&server);
        connections.spawn(async move { server.connection(arrival).await });
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

struct Server {
    tls: Option<TlsAcceptor>,
    router: Router,
    room: Arc<Semaphore>,
    patience: Patience,
    shutdown: CancellationToken,
}

struct Arrival {
    stream: TcpStream,
    peer: SocketAddr,
    _room: OwnedSemaphorePermit,
}

impl Server {
    async fn accept(&self, listener: TcpListener, arrived: mpsc::Sender<Arrival>) {
        loop {
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    if arrived.send(Arrival { stream, peer, _room: room }).await.is_err() {
                        return;
                    }
                }
                // Out of file descriptors, or the peer was gone before it was taken: neither ends the
                // listener, and the first would spin.
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(&self, arrival: Arrival) {
        // Signaling's small messages must not wait for one another's acknowledgements.
        let _ = arrival.stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.http1(arrival.stream, arrival.peer).await;
        };
        let handshake = tokio::time::timeout(self.patience.handshake, tls.accept(arrival.stream)).await;
        let Ok(Ok(stream)) = handshake else { return };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, arrival.peer).await;
        } else {
            self.http1(stream, arrival.peer).await;
        }
    }

    async fn http1(&self, stream: impl Stream, peer: SocketAddr) {
        let (asked, seat) = (Requests::default(), Seat::default());
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.headers)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|r| asked.clone().counted(answer(self.router.clone(), r, peer, seat.clone()))),
            )
            .with_upgrades();
        let mut connection = pin!(connection);
        // Whatever ends a connection is its peer's business.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = asked.none_for(IDLE_GRACE) => {}
        }
    }

    async fn http2(&self, stream: impl Stream, peer: SocketAddr) {
        let asked = Requests::default();
        let (router, count, seat) = (self.router.clone(), asked.clone(), Seat::default());
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(self.patience.headers)
            .keep_alive_timeout(self.patience.headers)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |r| count.clone().counted(answer(router.clone(), r, peer, seat.clone()))),
            );
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = asked.none_for(IDLE_GRACE) => {}
        }
    }
}

/// Requests of one connection that are being answered.
#[derive(Clone, Default)]
struct Requests(Arc<AtomicUsize>);

impl Requests {
    async fn counted<T>(self, answer: impl Future<Output = T>) -> T {
        self.0.fetch_add(1, Ordering::Relaxed);
        let answer = answer.await;
        self.0.fetch_sub(1, Ordering::Relaxed);
        answer
    }

    /// Returns once there has been none at two looks, so far apart.
    async fn none_for(&self, grace: Duration) {
        let mut quiet = false;
        loop {
            tokio::time::sleep(grace / 2).await;
            let now = self.0.load(Ordering::Relaxed) == 0;
            if quiet && now {
                return;
            }
            quiet = now;
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    seat: Seat,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    request.extensions_mut().insert(seat);
    router.oneshot(request).await
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// Says which key asked for an address that cannot be had.
pub fn bind_error(key: &str, address: SocketAddr, source: &io::Error) -> String {
    if source.kind() == io::ErrorKind::AddrInUse {
        format!("{key}: {address} is in use by another program")
    } else {
        format!("{key}: cannot listen on {address}: {source}")
    }
}

#[cfg(test)]
mod tests;
