//! `nats-server` with JetStream.

use super::process::Spawned;
use std::{
    io::{self, BufRead as _, BufReader},
    net::TcpStream,
    ops::{Deref, DerefMut},
    time::Duration,
};

/// One NATS server with JetStream.
#[derive(Debug)]
pub struct NatsServer(Spawned);

impl NatsServer {
    /// Starts it.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start() -> Self {
        Self(Spawned::start(
            "nats-server",
            |dir, port| {
                let mut arguments: Vec<_> =
                    ["--jetstream", "--addr", "127.0.0.1", "--port"].map(Into::into).into();
                arguments.extend([port.to_string().into(), "--store_dir".into(), dir.join("store").into()]);
                arguments
            },
            greets,
        ))
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }
}

impl Deref for NatsServer {
    type Target = Spawned;
    fn deref(&self) -> &Spawned {
        &self.0
    }
}

impl DerefMut for NatsServer {
    fn deref_mut(&mut self) -> &mut Spawned {
        &mut self.0
    }
}

/// It speaks first, and says whether JetStream is on.
fn greets(port: u16) -> io::Result<bool> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting)?;
    Ok(greeting.starts_with("INFO") && greeting.contains("\"jetstream\":true"))
}
