//! What is asked of the provider: over TLS, with an end to time and bytes, and never where an answer redirects to.

use crate::limits::{MAX_PROVIDER_ANSWER_BYTES, PROVIDER_TIMEOUT};
use axum::{
    body::{Body, Bytes},
    http::{Method, Request, StatusCode, header},
};
use platform::{
    exchange::exchange,
    outbound::{Url, connector},
};
use rustls::pki_types::ServerName;
use std::path::Path;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// Asks.
pub(super) struct Http(TlsConnector);

impl Http {
    /// None if the certificates to trust cannot be read.
    pub(super) fn new(ca_file: Option<&Path>) -> Option<Self> {
        connector(ca_file).map(Self)
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
            let stream = TcpStream::connect((url.host(), url.port())).await.ok()?;
            let answer = if url.is_secure() {
                let name = ServerName::try_from(url.host().to_owned()).ok()?;
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
        .uri(url.path())
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/json")
}
