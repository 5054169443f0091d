//! The way from one process of the fleet to another.

use std::{future::Future, io, pin::Pin};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A connection to another process.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A future that [`Network::connect`] returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send + 'a>>;

/// The network between processes: [`Tcp`], except where a simulation decides what arrives.
pub trait Network: Send + Sync + 'static {
    /// Connects to a process at its address, `host:port`. Whoever calls sets the time limit.
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a>;
}

/// The machine's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Network for Tcp {
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
