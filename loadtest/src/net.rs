//! Where a deployment is, and a connection to it: plain TCP, or TLS against the machine's trusted certificates.

use anyhow::{Context as _, Result, bail, ensure};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Scheme, host and port, and how to get there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    tls: bool,
    authority: String,
    /// Where to connect instead of there: one node behind a balancer, for example.
    via: Option<String>,
    /// Address to connect from: one address has ports for some 28,000 connections.
    from: Option<IpAddr>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl Origin {
    /// The origin of an address, and what follows it.
    ///
    /// # Errors
    /// It is not `http://…` or `https://…`.
    pub fn split(url: &str) -> Result<(Self, &str)> {
        let (tls, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => bail!("an address begins with http:// or https://"),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        ensure!(!authority.is_empty() && !authority.contains('@'), "an address names a host");
        Ok((Self { tls, authority: authority.to_owned(), via: None, from: None }, path))
    }

    /// Host and port, the port only where it is not the scheme's.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The same, for WebSockets.
    #[must_use]
    pub fn websocket(&self, path: &str) -> String {
        format!("{}://{}{path}", if self.tls { "wss" } else { "ws" }, self.authority)
    }

    /// The same, reached where `other` is.
    #[must_use]
    pub fn via(mut self, other: &Self) -> Self {
        let there = other.place();
        self.via = (there != self.with_port()).then_some(there);
        self
    }

    /// The same, connected to from this address.
    #[must_use]
    pub fn from(mut self, ip: Option<IpAddr>) -> Self {
        self.from = ip;
        self
    }

    /// Host and port that is connected to.
    #[must_use]
    pub fn place(&self) -> String {
        self.via.clone().unwrap_or_else(|| self.with_port())
    }

    fn with_port(&self) -> String {
        let end_of_ipv6 = self.authority.rfind(']').unwrap_or(0);
        match self.authority[end_of_ipv6..].contains(':') {
            true => self.authority.clone(),
            false => format!("{}:{}", self.authority, if self.tls { 443 } else { 80 }),
        }
    }

    /// Host without port and brackets.
    fn host(&self) -> String {
        let with_port = self.with_port();
        let host = with_port.rsplit_once(':').map_or(with_port.as_str(), |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    /// Connects.
    ///
    /// # Errors
    /// The name is unknown, nobody answers within 10 s, or the certificate is not trusted.
    pub async fn connect(&self) -> Result<Box<dyn Stream>> {
        let place = self.place();
        timeout(PATIENCE, self.reach(&place))
            .await
            .with_context(|| format!("{place} does not answer"))?
            .with_context(|| format!("cannot connect to {place}"))
    }

    async fn reach(&self, place: &str) -> Result<Box<dyn Stream>> {
        let mut last = None;
        let fits = |addr: &SocketAddr| self.from.is_none_or(|from| from.is_ipv4() == addr.is_ipv4());
        for addr in lookup_host(place).await?.filter(fits) {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(from) = self.from {
                socket.bind((from, 0).into())?;
            }
            match socket.connect(addr).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return self.secure(stream).await;
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("the name has no address")?.into())
    }

    async fn secure(&self, stream: tokio::net::TcpStream) -> Result<Box<dyn Stream>> {
        if !self.tls {
            return Ok(Box::new(stream));
        }
        let config = TRUST.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
        let name = ServerName::try_from(self.host()).context("not a host name")?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Ok(Box::new(stream))
    }
}

/// What this machine trusts; `SSL_CERT_FILE` names another set.
static TRUST: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this machine trusts no certificates: install ca-certificates, or set SSL_CERT_FILE".into()
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        let (origin, rest) = Origin::split("https://clinic.example/visit#k=s").unwrap();
        assert_eq!((origin.to_string().as_str(), rest), ("https://clinic.example", "/visit#k=s"));
        assert_eq!(
            (origin.with_port().as_str(), origin.host().as_str()),
            ("clinic.example:443", "clinic.example")
        );
        assert_eq!(origin.websocket("/ws"), "wss://clinic.example/ws");
        let (six, _) = Origin::split("http://[::1]:8080").unwrap();
        assert_eq!((six.with_port().as_str(), six.host().as_str()), ("[::1]:8080", "::1"));
        assert_eq!(Origin::split("http://[::1]").unwrap().0.with_port(), "[::1]:80");
        for bad in ["", "clinic.example", "ftp://x", "https://", "http://a:b@c/"] {
            assert!(Origin::split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_is_reached_under_the_name_of_the_deployment() {
        let (node, _) = Origin::split("http://10.0.0.7:8080").unwrap();
        let (public, _) = Origin::split("https://clinic.example").unwrap();
        let there = public.clone().via(&node);
        assert_eq!((there.via.as_deref(), there.to_string()), (Some("10.0.0.7:8080"), public.to_string()));
        assert_eq!(public.clone().via(&public), public);
    }
}
