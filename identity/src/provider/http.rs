//! What is asked of the provider: over TLS, with an end to time and bytes, and never where an answer redirects to.

use crate::limits::{MAX_PROVIDER_ANSWER_BYTES, MAX_PROVIDER_URL_CHARS, PROVIDER_TIMEOUT};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use platform::exchange::exchange;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{path::Path, sync::Arc};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// `https://host[:port][/path]`; `http://` to this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    secure: bool,
    authority: String,
    host: String,
    port: u16,
    /// With the query, if there is one.
    path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
        if text.len() > MAX_PROVIDER_URL_CHARS || !text.bytes().all(plain) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let after_brackets = authority.rsplit(']').next()?;
        let (host, port) = match after_brackets.rsplit_once(':') {
            Some((_, port)) => (&authority[..authority.len() - port.len() - 1], Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(named) || port == Some(0) {
            return None;
        }
        let secure = match scheme {
            "https" => true,
            "http" if ["localhost", "127.0.0.1", "[::1]"].contains(&host) => false,
            _ => return None,
        };
        Some(Self {
            secure,
            authority: authority.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        })
    }

    /// Below its path.
    pub(super) fn beside(&self, more: &str) -> Self {
        Self { path: format!("{}{more}", self.path.trim_end_matches('/')), ..self.clone() }
    }
}

/// Asks.
pub(super) struct Http(TlsConnector);

impl Http {
    /// None if the certificates to trust cannot be read.
    pub(super) fn new(ca_file: Option<&Path>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                let certificates =
                    CertificateDer::pem_file_iter(path).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
                (roots.add_parsable_certificates(certificates).0 > 0).then_some(())?;
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(crypto)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(Self(TlsConnector::from(Arc::new(config))))
    }

    /// None if there was no whole answer in time.
    pub(super) async fn get(&self, url: &Url) -> Option<(StatusCode, Bytes)> {
        self.ask(url, request(url, Method::GET).body(Body::empty()).ok()?).await
    }

    /// The same for a form.
    pub(super) async fn post(
        &self,
        url: &Url,
        authorization: Option<String>,
        form: String,
    ) -> Option<(StatusCode, Bytes)> {
        let mut request = request(url, Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONTENT_LENGTH, form.len());
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.ask(url, request.body(Body::from(form)).ok()?).await
    }

    async fn ask(&self, url: &Url, request: Request<Body>) -> Option<(StatusCode, Bytes)> {
        let asked = async {
            let stream = TcpStream::connect((url.host.as_str(), url.port)).await.ok()?;
            let answer = if url.secure {
                let name = ServerName::try_from(url.host.clone()).ok()?;
                let stream = self.0.connect(name, stream).await.ok()?;
                exchange(stream, request, MAX_PROVIDER_ANSWER_BYTES).await
            } else {
                exchange(stream, request, MAX_PROVIDER_ANSWER_BYTES).await
            };
            let answer = answer.ok()?;
            let status = answer.status();
            answer.into_body().map(|body| (status, body))
        };
        timeout(PROVIDER_TIMEOUT, asked).await.ok().flatten()
    }
}

fn request(url: &Url, method: Method) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(&url.path)
        .header(header::HOST, &url.authority)
        .header(header::ACCEPT, "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_secure_or_of_this_machine() {
        let url = Url::parse("https://login.example/realm/").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.secure), ("login.example", 443, true));
        assert_eq!(url.beside("/.well-known/x").path, "/realm/.well-known/x");
        assert_eq!(Url::parse("https://login.example").unwrap().beside("/x").path, "/x");
        assert_eq!(Url::parse("http://localhost:3000/a?b=c").unwrap().path, "/a?b=c");
        assert_eq!(Url::parse("http://[::1]:3000").unwrap().host, "::1");
        let long = format!("https://a/{}", "x".repeat(MAX_PROVIDER_URL_CHARS - 10));
        assert!(Url::parse(&long).is_some());
        for bad in [
            "http://login.example",
            "ftp://a",
            "https://",
            "https://:443",
            "https://u@a",
            "https://a:0",
            "https://a:x",
            "https://a/b c",
            "https://a#b",
            "a",
            &format!("{long}x"),
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }
}
