//! `nats-server` with JetStream.

use super::{certificate::Certificate, process::Spawned};
use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader},
    net::TcpStream,
    ops::{Deref, DerefMut},
    path::Path,
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
        Self::start_with(&[])
    }

    /// Starts it with TLS, for clients that know a password.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_tls(certificate: &Certificate, user: &str, password: &str) -> Self {
        let (cert, key) = (certificate.cert(), certificate.key());
        let (cert, key) = (cert.to_str().expect("a plain path"), key.to_str().expect("a plain path"));
        let options = ["--tls", "--tlscert", cert, "--tlskey", key, "--user", user, "--pass", password];
        Self::start_with(&options)
    }

    fn start_with(options: &[&str]) -> Self {
        let arguments = |dir: &Path, port: u16| -> Vec<OsString> {
            let (port, store) = (port.to_string(), dir.join("store"));
            let usual = ["--jetstream", "--addr", "127.0.0.1", "--port", &port].map(OsString::from);
            let store = ["--store_dir".into(), store.into()];
            usual.into_iter().chain(store).chain(options.iter().map(OsString::from)).collect()
        };
        Self(Spawned::start("nats-server", arguments, greets))
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
