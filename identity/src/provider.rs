//! The hospital's own sign-in (OpenID Connect Core 1.0): authorization code with PKCE, state and nonce, all bound to the
//! browser that began.
//!
//! ```text
//! begin     browser ◀─ cookie: 256 random bits ─ us      nonce and PKCE verifier are derived from them
//!           browser ─ state (signed by us, names the cookie's hash) ─▶ provider
//! come back browser ─ code, state, cookie ─▶ us ─ code, verifier, client secret ─▶ provider ─ ID token ─▶ us
//! ```
//!
//! What the provider says is believed for this sign-in alone: roles are read anew each time, and whoever is mapped to
//! none gets in nowhere. Nothing is remembered between the two steps, so any process of a fleet can take the second.

mod http;
mod token;

use crate::limits::{
    MAX_PROVIDER_KEYS, PROVIDER_DESCRIPTION_TTL, PROVIDER_KEYS_PAUSE, PROVIDER_KEYS_TTL, PROVIDER_PAUSE,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Http;
use jsonwebtoken::jwk::Jwk;
use model::{Phi, Timestamp};
use platform::outbound::Url;
use policy::StaffRole;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

pub(crate) use token::Said;

/// A hospital's own sign-in, as an operator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What people call it: it stands on the button.
    pub name: String,
    /// Its issuer, exactly as it says itself: `https://login.hospital.example`.
    pub issuer: String,
    /// What it knows this unit by.
    pub client_id: String,
    /// A file with the client's secret, readable by this process. Without it, or the next, the client is a public one.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// The same from an environment variable of this name.
    #[serde(default)]
    pub client_secret_env: Option<String>,
    /// PEM certificates of who signs the provider's; without it the system's are trusted.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What is asked for. Default `openid`, `profile`, `email`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that says what somebody is: a text or a list. Dots lead inside. Default `groups`.
    #[serde(default = "groups")]
    pub roles_claim: String,
    /// What its values mean here. Who has none of them gets in nowhere.
    #[serde(default)]
    pub roles: Vec<Mapping>,
}

/// What one value of the claim means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The value, to the letter.
    pub value: String,
    /// As what they work here.
    pub roles: BTreeSet<StaffRole>,
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).into()
}

fn groups() -> String {
    "groups".to_owned()
}

/// Why it cannot be used as it is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not `https://`; plain HTTP is for this machine alone.
    #[error("issuer has to be https://host[:port][/path]")]
    Issuer,
    /// The secret's file or variable is not there.
    #[error("the client's secret cannot be read")]
    Secret,
    /// The certificates to trust cannot be read.
    #[error("ca_file cannot be read")]
    Trust,
    /// It has to name itself and this unit.
    #[error("name and client_id have to be given, and openid has to be among the scopes")]
    Incomplete,
}

/// Why somebody did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// It does not answer, or what it answers cannot be used.
    #[error("the provider does not answer")]
    Away,
    /// It does not take the code: too old, used, or not for this browser.
    #[error("the provider refuses the code")]
    Refused,
    /// What it says is not what it may say: `token::Refused` says what.
    #[error("the ID token is refused: {0}")]
    Token(token::Refused),
}

/// Where its ends are.
#[derive(Clone, Debug)]
struct Description {
    authorization: String,
    token: Url,
    keys: Url,
}

#[derive(Default)]
struct Known {
    description: Option<(Timestamp, Arc<Description>)>,
    keys: Option<(Timestamp, Arc<Vec<Jwk>>)>,
    /// When it last did not answer: it is left alone for a moment.
    away: Option<Timestamp>,
}

/// The hospital's own sign-in.
pub(crate) struct Provider {
    config: Config,
    issuer: Url,
    secret: Option<Phi<String>>,
    http: Http,
    /// One asks at a time; the others wait for what it hears.
    known: Mutex<Known>,
}

/// What is derived from the browser's own random bits.
pub(crate) fn derived(purpose: &str, browser: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("{purpose}.{browser}").as_bytes()))
}

const NONCE: &str = "nonce";
const VERIFIER: &str = "verifier";

impl Provider {
    pub(crate) fn new(config: Config) -> Result<Self, Unusable> {
        let issuer = Url::parse(&config.issuer).ok_or(Unusable::Issuer)?;
        if config.name.trim().is_empty()
            || config.client_id.is_empty()
            || !config.scopes.iter().any(|scope| scope == "openid")
        {
            return Err(Unusable::Incomplete);
        }
        let secret = match (&config.client_secret_file, &config.client_secret_env) {
            (Some(file), _) => Some(std::fs::read_to_string(file).map_err(|_| Unusable::Secret)?),
            (None, Some(name)) => Some(std::env::var(name).map_err(|_| Unusable::Secret)?),
            (None, None) => None,
        };
        let secret = secret.map(|secret| Phi::new(secret.trim().to_owned()));
        let http = Http::new(config.ca_file.as_deref()).ok_or(Unusable::Trust)?;
        Ok(Self { config, issuer, secret, http, known: Mutex::default() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Where a browser goes to sign in.
    pub(crate) async fn address(
        &self,
        browser: &str,
        state: &str,
        redirect: &str,
        now: Timestamp,
    ) -> Result<String, Failed> {
        let description = self.description(&mut *self.known.lock().await, now).await?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, derived(VERIFIER, browser).as_bytes()));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.config.client_id),
            ("redirect_uri", redirect),
            ("scope", &self.config.scopes.join(" ")),
            ("state", state),
            ("nonce", &derived(NONCE, browser)),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if description.authorization.contains('?') { '&' } else { '?' };
        Ok(format!("{}{joint}{query}", description.authorization))
    }

    /// Who came back with a code.
    pub(crate) async fn who(
        &self,
        browser: &str,
        code: &str,
        redirect: &str,
        now: Timestamp,
    ) -> Result<Said, Failed> {
        let description = self.description(&mut *self.known.lock().await, now).await?;
        let verifier = derived(VERIFIER, browser);
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", &verifier),
        ];
        let basic = self.secret.as_ref().map(|secret| {
            let (id, secret) = (percent(&self.config.client_id), percent(secret.expose()));
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
        });
        if basic.is_none() {
            fields.push(("client_id", &self.config.client_id));
        }
        let (status, body) =
            self.http.post(&description.token, basic, form(&fields)).await.ok_or(Failed::Away)?;
        if status.is_client_error() {
            return Err(Failed::Refused);
        }
        #[derive(Deserialize)]
        struct Answer {
            id_token: Phi<String>,
        }
        let answer: Answer =
            serde_json::from_slice(&body).ok().filter(|_| status.is_success()).ok_or(Failed::Away)?;
        let expected = token::Expected {
            issuer: &self.config.issuer,
            client_id: &self.config.client_id,
            nonce: &derived(NONCE, browser),
            now,
        };
        let mut known = self.known.lock().await;
        let keys = self.keys(&mut known, &description, now).await?;
        match token::verify(answer.id_token.expose(), &keys, &expected) {
            // It has changed its keys since: once more, with those of now.
            Err(token::Refused::UnknownKey) => {
                let asked = known.keys.as_ref().map(|(at, _)| *at);
                if asked.is_some_and(|at| now.since(at) < PROVIDER_KEYS_PAUSE && now >= at) {
                    return Err(Failed::Token(token::Refused::UnknownKey));
                }
                known.keys = None;
                let keys = self.keys(&mut known, &description, now).await?;
                token::verify(answer.id_token.expose(), &keys, &expected).map_err(Failed::Token)
            }
            other => other.map_err(Failed::Token),
        }
    }

    /// As what somebody works here: every value that is mapped counts.
    pub(crate) fn roles(&self, said: &Said) -> BTreeSet<StaffRole> {
        let values = said.values(&self.config.roles_claim);
        let mapped = self.config.roles.iter().filter(|mapping| values.contains(&mapping.value.as_str()));
        mapped.flat_map(|mapping| mapping.roles.iter().copied()).collect()
    }

    async fn description(&self, known: &mut Known, now: Timestamp) -> Result<Arc<Description>, Failed> {
        if let Some((at, description)) = &known.description
            && now >= *at
            && now.since(*at) < PROVIDER_DESCRIPTION_TTL
        {
            return Ok(Arc::clone(description));
        }
        let description = Arc::new(
            self.ask(known, now, &self.issuer.beside("/.well-known/openid-configuration"), |body| {
                #[derive(Deserialize)]
                struct Document {
                    issuer: String,
                    authorization_endpoint: String,
                    token_endpoint: String,
                    jwks_uri: String,
                }
                let document: Document = serde_json::from_slice(body).ok()?;
                // Discovery 1.0, 4.3: to the letter, or somebody else speaks for it.
                (document.issuer == self.config.issuer).then_some(())?;
                Url::parse(&document.authorization_endpoint)?;
                Some(Description {
                    authorization: document.authorization_endpoint,
                    token: Url::parse(&document.token_endpoint)?,
                    keys: Url::parse(&document.jwks_uri)?,
                })
            })
            .await?,
        );
        known.description = Some((now, Arc::clone(&description)));
        Ok(description)
    }

    async fn keys(
        &self,
        known: &mut Known,
        description: &Description,
        now: Timestamp,
    ) -> Result<Arc<Vec<Jwk>>, Failed> {
        if let Some((at, keys)) = &known.keys
            && now >= *at
            && now.since(*at) < PROVIDER_KEYS_TTL
        {
            return Ok(Arc::clone(keys));
        }
        let read = |body: &[u8]| {
            #[derive(Deserialize)]
            struct Set {
                keys: Vec<Value>,
            }
            let set: Set = serde_json::from_slice(body).ok()?;
            // Keys of kinds that nobody here knows stand beside those that count.
            let keys = set.keys.into_iter().take(MAX_PROVIDER_KEYS);
            Some(keys.filter_map(|key| serde_json::from_value(key).ok()).collect::<Vec<Jwk>>())
        };
        let keys = Arc::new(self.ask(known, now, &description.keys, read).await?);
        known.keys = Some((now, Arc::clone(&keys)));
        Ok(keys)
    }

    async fn ask<T>(
        &self,
        known: &mut Known,
        now: Timestamp,
        url: &Url,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Failed> {
        if known.away.is_some_and(|at| now >= at && now.since(at) < PROVIDER_PAUSE) {
            return Err(Failed::Away);
        }
        let answer = self.http.get(url).await.filter(|(status, _)| status.is_success());
        let read = answer.and_then(|(_, body)| read(&body));
        known.away = if read.is_none() { Some(now) } else { None };
        read.ok_or(Failed::Away)
    }
}

/// Fields as a form has them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", percent(value))).collect();
    pairs.join("&")
}

/// A text as a part of a query or a form.
pub(crate) fn percent(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
