//! One event to one receiver: a connection of its own, to an address that was judged, over TLS, with an end to time and bytes.

use crate::{
    Config,
    limits::{MAX_ANSWER_BYTES, SEND_TIMEOUT},
};
use axum::{
    body::Body,
    http::{Request, header},
};
use model::Phi;
use platform::{
    exchange::exchange,
    outbound::{Reach, Unreached, Url, connect, connector},
};
use rustls::pki_types::ServerName;
use std::{future::Future, pin::Pin};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use webhooks_core::Answer;

/// What is sent.
#[derive(Debug)]
pub struct Parcel {
    /// Where to.
    pub url: Phi<String>,
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`, seconds.
    pub timestamp_s: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// JSON without PHI.
    pub body: String,
}

/// Whoever sends.
pub trait Post: Send + Sync + 'static {
    /// Sends, and says what came of it.
    fn post(&self, parcel: Parcel) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// Over the network.
pub struct Sender {
    tls: TlsConnector,
    reach: Reach,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl Sender {
    /// None if the certificates to trust cannot be read.
    #[must_use]
    pub fn new(config: &Config) -> Option<Self> {
        Some(Self { tls: connector(config.ca_file.as_deref())?, reach: config.reach() })
    }

    async fn send(&self, parcel: Parcel) -> Answer {
        let Parcel { url, id, timestamp_s, signature, body } = parcel;
        let Some(url) = Url::parse(url.expose()).filter(Url::is_secure) else { return Answer::Unreadable };
        let Ok(name) = ServerName::try_from(url.host().to_owned()) else { return Answer::NoName };
        let request = Request::post(url.path())
            .header(header::HOST, url.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::USER_AGENT, "Telehealth-Webhooks/1")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_s)
            .header("webhook-signature", signature)
            .body(Body::from(body));
        let Ok(request) = request else { return Answer::Unreadable };
        let stream = match connect(url.host(), url.port(), self.reach).await {
            Ok(stream) => stream,
            Err(Unreached::NoName) => return Answer::NoName,
            Err(Unreached::Forbidden) => return Answer::Forbidden,
            Err(Unreached::NoAnswer) => return Answer::NoConnection,
        };
        let stream = match self.tls.connect(name, stream).await {
            Ok(stream) => stream,
            Err(error) if error.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
                return Answer::NotTrusted;
            }
            Err(_) => return Answer::Broken,
        };
        match exchange(stream, request, MAX_ANSWER_BYTES).await {
            Ok(answer) if answer.status().is_success() => Answer::Accepted(answer.status().as_u16()),
            Ok(answer) => Answer::Refused(answer.status().as_u16()),
            Err(_) => Answer::Broken,
        }
    }
}

impl Post for Sender {
    fn post(&self, parcel: Parcel) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        Box::pin(async move { timeout(SEND_TIMEOUT, self.send(parcel)).await.unwrap_or(Answer::TooLate) })
    }
}
