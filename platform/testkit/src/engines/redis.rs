//! `redis-server`, and the few words of its protocol that tests need.

use super::{
    certificate::Certificate,
    process::{Spawned, free_port},
};
use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    ops::{Deref, DerefMut},
    time::Duration,
};

/// One Redis server. It keeps nothing on disk.
#[derive(Debug)]
pub struct RedisServer(Spawned);

impl RedisServer {
    /// Starts it.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with further options, `["--replicaof", "127.0.0.1 6379"]` for example.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_with(options: &[&str]) -> Self {
        let arguments = |_: &std::path::Path, port: u16| -> Vec<OsString> {
            let port = port.to_string();
            let usual = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
            usual.iter().chain(options).map(Into::into).collect()
        };
        Self(Spawned::start("redis-server", arguments, pongs))
    }

    /// Starts it with a second port that speaks TLS, for clients that know the password; the URL of that
    /// port.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start_tls(certificate: &Certificate, password: &str) -> (Self, String) {
        let (cert, key) = (certificate.cert(), certificate.key());
        let (cert, key) = (cert.to_str().expect("a plain path"), key.to_str().expect("a plain path"));
        let port = free_port().to_string();
        let url = format!("rediss://:{password}@127.0.0.1:{port}");
        let tls = ["--tls-port", &port, "--tls-cert-file", cert, "--tls-key-file", key];
        let strangers = ["--tls-auth-clients", "no", "--requirepass", password];
        (Self::start_with(&[&tls[..], &strangers[..]].concat()), url)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Deletes everything in it, without ending it or any connection.
    ///
    /// # Panics
    /// It does not answer.
    pub fn flush(&self) {
        assert_eq!(self.say("FLUSHALL").trim(), "+OK");
    }

    /// Says one line to it; the answer as it comes.
    ///
    /// # Panics
    /// It does not answer.
    pub fn say(&self, line: &str) -> String {
        say(self.port(), line).expect("Redis answers")
    }
}

impl Deref for RedisServer {
    type Target = Spawned;
    fn deref(&self) -> &Spawned {
        &self.0
    }
}

impl DerefMut for RedisServer {
    fn deref_mut(&mut self) -> &mut Spawned {
        &mut self.0
    }
}

/// Loading servers, and replicas that are not ready, answer with another error.
pub(super) fn pongs(port: u16) -> io::Result<bool> {
    let answer = say(port, "PING")?;
    Ok(answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
}

/// One inline command, and all of its answer: Redis answers before it sees that nothing more will come,
/// and then closes. (`QUIT` would do, if Sentinels knew it.)
pub(super) fn say(port: u16, line: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
