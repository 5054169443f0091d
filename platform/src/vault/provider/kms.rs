//! A key service: it holds the KEK, and wraps and unwraps for whoever may. As clouds have them, behind an agent on this
//! machine that knows the cloud's way of signing requests.
//!
//! ```text
//! POST <url>/wrap    {"key": id, "context": base64, "plaintext": base64}  ─▶ {"key": id and version, "ciphertext": base64}
//! POST <url>/unwrap  {"key": id and version, "context": base64, "ciphertext": base64}  ─▶ {"plaintext": base64}
//! GET  <url>/key     ?id=…  ─▶ {"key": id and version}
//! ```
//!
//! Each over a connection of its own, answered within [`KEYRING_PATIENCE`]; a tenant's key is asked for once in the life of a
//! process.

use super::{KeyProvider, Of, ProviderError, ProviderFuture, Wrapped};
use crate::{
    exchange::exchange,
    limits::{KEYRING_PATIENCE, MAX_KEK_ID_BYTES, MAX_KMS_ANSWER_BYTES, MAX_WRAPPED_BYTES},
    vault::key::Key,
};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fmt, net::IpAddr};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Where the service is.
#[derive(Clone)]
pub struct Config {
    /// `http://127.0.0.1:8200/path`: the agent on this machine, which speaks TLS to the cloud. Other machines are refused:
    /// tenants' keys pass here.
    pub url: String,
    /// Id of the KEK, as the service calls it: `[A-Za-z0-9_.:/-]{1,512}`.
    pub key: String,
    /// Sent as `Authorization: Bearer`, if there is one.
    pub token: Option<SecretString>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &self.url).field("key", &self.key).finish_non_exhaustive()
    }
}

/// The service cannot be used as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConfig(&'static str);

/// A key service.
#[derive(Debug)]
pub struct KeyService {
    authority: String,
    path: String,
    config: Config,
}

impl KeyService {
    /// Does not ask it yet.
    ///
    /// # Errors
    /// [`InvalidConfig`], with what is wrong.
    pub fn new(config: Config) -> Result<Self, InvalidConfig> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.:/-".contains(&b);
        if config.key.is_empty() || config.key.len() > MAX_KEK_ID_BYTES || !config.key.bytes().all(plain) {
            return Err(InvalidConfig(
                "the key's id must be 1 to 512 of A-Z, a-z, 0-9, `_`, `.`, `:`, `/` and `-`",
            ));
        }
        let rest = config.url.strip_prefix("http://").ok_or(InvalidConfig("must begin with http://"))?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (name, port) = host.rsplit_once(':').ok_or(InvalidConfig("must name a port"))?;
        let loopback = name == "localhost"
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !loopback {
            return Err(InvalidConfig("must be on this machine: keys pass there in plain"));
        }
        if port.parse::<u16>().is_err() || !path.bytes().all(|b| b == b'/' || plain(b)) {
            return Err(InvalidConfig("must be http://127.0.0.1:port/path"));
        }
        let (authority, path) = (host.to_owned(), path.trim_end_matches('/').to_owned());
        Ok(Self { authority, path, config })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer, ProviderError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.path))
            .header(header::HOST, &self.authority);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.config.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.body(body).map_err(|_| ProviderError::Refused)?;
        let asked = async {
            let stream = TcpStream::connect(&self.authority).await.map_err(|_| ProviderError::Away)?;
            exchange(stream, request, MAX_KMS_ANSWER_BYTES).await.map_err(|_| ProviderError::Away)
        };
        let answer =
            tokio::time::timeout(KEYRING_PATIENCE, asked).await.map_err(|_| ProviderError::Away)??;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(ProviderError::Missing(self.config.key.clone())),
            StatusCode::BAD_REQUEST => return Err(ProviderError::Damaged),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                return Err(ProviderError::Refused);
            }
            _ => return Err(ProviderError::Away),
        }
        let body = answer.into_body().ok_or(ProviderError::Away)?;
        serde_json::from_slice(&body).map_err(|_| ProviderError::Refused)
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    ciphertext: Option<String>,
    #[serde(default)]
    plaintext: Option<SecretString>,
}

impl Answer {
    fn key(&mut self) -> Result<String, ProviderError> {
        let fits = |key: &String| (1..=MAX_KEK_ID_BYTES).contains(&key.len()) && !key.contains('\0');
        self.key.take().filter(fits).ok_or(ProviderError::Refused)
    }
}

impl KeyProvider for KeyService {
    fn wrap<'a>(&'a self, of: Of, key: &'a Key) -> ProviderFuture<'a, Wrapped> {
        Box::pin(async move {
            let plaintext = Zeroizing::new(STANDARD.encode(key.expose()));
            let context = STANDARD.encode(of.bytes());
            let body = json!({ "key": self.config.key, "context": context, "plaintext": &*plaintext });
            let mut answer = self.ask(Method::POST, "wrap", Some(body)).await?;
            let bytes = answer.ciphertext.as_ref().and_then(|text| STANDARD.decode(text).ok());
            let bytes = bytes.filter(|bytes| !bytes.is_empty() && bytes.len() <= MAX_WRAPPED_BYTES);
            Ok(Wrapped { kek: answer.key()?, bytes: bytes.ok_or(ProviderError::Refused)? })
        })
    }

    fn unwrap<'a>(&'a self, of: Of, wrapped: &'a Wrapped) -> ProviderFuture<'a, Key> {
        Box::pin(async move {
            let (context, ciphertext) = (STANDARD.encode(of.bytes()), STANDARD.encode(&wrapped.bytes));
            let body = json!({ "key": wrapped.kek, "context": context, "ciphertext": ciphertext });
            let answer = self.ask(Method::POST, "unwrap", Some(body)).await?;
            let plaintext = answer.plaintext.ok_or(ProviderError::Refused)?;
            let bytes = Zeroizing::new(
                STANDARD.decode(plaintext.expose_secret()).map_err(|_| ProviderError::Refused)?,
            );
            Key::from_bytes(&bytes).ok_or(ProviderError::Refused)
        })
    }

    fn present(&self) -> ProviderFuture<'_, String> {
        Box::pin(async move {
            let path = format!("key?id={}", self.config.key);
            self.ask(Method::GET, &path, None).await?.key()
        })
    }
}
