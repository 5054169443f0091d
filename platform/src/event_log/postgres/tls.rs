//! TLS to the database, by rustls. Whoever answers has to prove the name it was called by: a mode that encrypts for
//! whoever is there does not exist here. There is no channel binding: the certificate is what is verified.

use super::Error;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    convert::Infallible,
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::{
    config::{Config, Host, SslMode},
    tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream},
};
use tokio_rustls::{TlsConnector, client};

/// Reads the modes that this program has: `disable`, and `require` or `verify-full`, which both verify. What is left
/// is the default, which depends on where the database is.
pub(super) fn parse(url: &str) -> Result<Config, Error> {
    // `verify-full` is what libpq calls it, and tokio-postgres does not know.
    let options = url.rfind('?').unwrap_or(0);
    let (place, options) = url.split_at(options);
    let url = format!("{place}{}", options.replace("sslmode=verify-full", "sslmode=require"));
    url.parse().map_err(|_| Error::Config("the URL is not one of PostgreSQL"))
}

/// Without a word in the URL, TLS is for databases on other machines and for those who say whose certificates to trust.
pub(super) fn decide(config: &mut Config, ca_file: Option<&Path>) {
    if config.get_ssl_mode() == SslMode::Prefer {
        let verified = ca_file.is_some() || !is_here(config);
        config.ssl_mode(if verified { SslMode::Require } else { SslMode::Disable });
    }
}

/// Whether nothing leaves this machine.
fn is_here(config: &Config) -> bool {
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_loopback())
        }
        Host::Unix(_) => true,
    });
    named && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// Makes encrypted connections.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts who signs in a PEM file, or whom the system trusts.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                for certificate in read(path)? {
                    roots.add(certificate).map_err(|error| unusable(path, error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| Error::Config("TLS cannot be set up"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| unusable(path, error))?;
    if certificates.is_empty() {
        return Err(unusable(path, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn unusable(path: &Path, why: impl ToString) -> Error {
    Error::Certificates { path: PathBuf::from(path), why: why.to_string() }
}

/// The handshake failed: the certificate is not one that is trusted, or not for this name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Handshake(io::Error);

/// Says what a failed connection means, where TLS is why.
pub(super) fn explain(error: tokio_postgres::Error, mode: SslMode) -> Error {
    let cause = std::error::Error::source(&error);
    if let Some(handshake) = cause.and_then(|cause| cause.downcast_ref::<Handshake>()) {
        return Error::Untrusted(handshake.to_string());
    }
    if mode == SslMode::Require && cause.is_some_and(|c| c.to_string().contains("does not support TLS")) {
        return Error::NoTls;
    }
    let refused = error.as_db_error().is_some_and(|said| said.message().contains("no encryption"));
    if mode == SslMode::Disable && refused { Error::TlsDemanded } else { Error::Database(error) }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Named;
    type Error = Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Named, Infallible> {
        // A directory of sockets is no name; TLS is not for those.
        let name = ServerName::try_from(domain.to_owned());
        Ok(Named { connector: self.0.clone(), name: name.ok() })
    }
}

/// For one server.
pub(super) struct Named {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Named {
    type Stream = Encrypted<S>;
    type Error = Handshake;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted<S>, Handshake>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let nameless = || Handshake(io::Error::other("the host's name cannot be one of a certificate"));
            let name = self.name.ok_or_else(nameless)?;
            self.connector.connect(name, stream).await.map(Encrypted).map_err(Handshake)
        })
    }
}

/// What goes through TLS.
pub(super) struct Encrypted<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_url_says_otherwise() {
        for (url, ca_file, wanted) in [
            ("postgresql://u@127.0.0.1/db", None, SslMode::Disable),
            ("postgresql://u@localhost,[::1]/db", None, SslMode::Disable),
            ("postgresql://u@%2Frun%2Fpostgresql/db", None, SslMode::Disable),
            ("postgresql://u@127.0.0.1/db", Some("ca.pem"), SslMode::Require),
            ("postgresql://u@127.0.0.1/db?sslmode=verify-full", None, SslMode::Require),
            ("postgresql://u@127.0.0.1/db?sslmode=disable", Some("ca.pem"), SslMode::Disable),
            ("postgresql://u@db.internal/db", None, SslMode::Require),
            ("postgresql://u@localhost,db.internal/db", None, SslMode::Require),
            ("postgresql://u@localhost/db?hostaddr=10.0.0.1", None, SslMode::Require),
            ("postgresql://u@db.internal/db?sslmode=prefer", None, SslMode::Require),
            ("postgresql://u@db.internal/db?sslmode=disable", None, SslMode::Disable),
            ("host=db.internal user=u sslmode=verify-full", None, SslMode::Require),
        ] {
            let mut config = parse(url).unwrap();
            decide(&mut config, ca_file.map(Path::new));
            assert_eq!(config.get_ssl_mode(), wanted, "{url}");
        }
        assert!(parse("postgresql://u@db.internal/db?sslmode=allow").is_err());
    }
}
