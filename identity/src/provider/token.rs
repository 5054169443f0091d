//! The ID token (OpenID Connect Core 1.0, 3.1.3.7): signed by a key of the provider's, for us, now, and for this browser.

use crate::limits::{MAX_ID_TOKEN_BYTES, PROVIDER_CLOCK_SKEW};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, PublicKeyUse},
};
use model::{Phi, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What is taken: signatures by a key that only the provider has. Nothing that a client's secret could sign.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];

/// Longest subject (OpenID Connect Core 1.0, 2).
const MAX_SUBJECT_BYTES: usize = 255;

pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// Why it is refused: for the log, without a word of what stood in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("malformed")]
    Malformed,
    #[error("signed by an algorithm that is not taken")]
    Algorithm,
    #[error("signed by a key that the provider does not publish")]
    UnknownKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("of another issuer")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("too old, or of the future")]
    Time,
    #[error("for another sign-in")]
    Nonce,
}

/// What it says of somebody.
#[derive(Debug, Deserialize)]
pub(crate) struct Said {
    iss: String,
    pub(crate) sub: Phi<String>,
    aud: Value,
    #[serde(default)]
    azp: Option<String>,
    exp: f64,
    iat: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<Phi<String>>,
    #[serde(default)]
    pub(crate) email: Option<Phi<String>>,
    #[serde(flatten)]
    more: Phi<Map<String, Value>>,
}

impl Said {
    /// The texts of a claim: one, or a list. Dots lead inside, unless the claim's own name has them.
    pub(super) fn values(&self, claim: &str) -> Vec<&str> {
        let more = self.more.expose();
        let found = more.get(claim).or_else(|| {
            let mut path = claim.split('.');
            let first = more.get(path.next()?)?;
            path.try_fold(first, |value, name| value.get(name))
        });
        match found {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

pub(super) fn verify(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Said, Refused> {
    if token.len() > MAX_ID_TOKEN_BYTES {
        return Err(Refused::Malformed);
    }
    // `none` is no algorithm at all here, and does not get further than this.
    let header = decode_header(token).map_err(|_| Refused::Algorithm)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refused::Algorithm);
    }
    let signs = |key: &&Jwk| key.common.public_key_use != Some(PublicKeyUse::Encryption);
    let key = match &header.kid {
        Some(kid) => keys.iter().filter(signs).find(|key| key.common.key_id.as_ref() == Some(kid)),
        // Without a name there has to be one only.
        None => {
            let mut all = keys.iter().filter(signs);
            all.next().filter(|_| all.next().is_none())
        }
    };
    let key = DecodingKey::from_jwk(key.ok_or(Refused::UnknownKey)?).map_err(|_| Refused::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    // Everything else is judged here, by the clock that was passed in.
    (validation.validate_exp, validation.validate_aud, validation.validate_nbf) = (false, false, false);
    validation.required_spec_claims.clear();
    let said = decode::<Said>(token, &key, &validation).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => Refused::Signature,
        jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Refused::Algorithm,
        _ => Refused::Malformed,
    })?;
    judge(said.claims, expected)
}

fn judge(said: Said, expected: &Expected<'_>) -> Result<Said, Refused> {
    if !(1..=MAX_SUBJECT_BYTES).contains(&said.sub.expose().len()) {
        return Err(Refused::Malformed);
    }
    if said.iss != expected.issuer {
        return Err(Refused::Issuer);
    }
    let (named, others) = match &said.aud {
        Value::String(one) => (one == expected.client_id, false),
        Value::Array(all) => (all.iter().any(|one| one == expected.client_id), all.len() > 1),
        _ => (false, false),
    };
    // Who is one of several has to be the one it was made for.
    let made_for = said.azp.as_deref().map_or(!others, |party| party == expected.client_id);
    if !named || !made_for {
        return Err(Refused::Audience);
    }
    // Whole seconds of two clocks, which may differ; a float holds those of the next 200 million years exactly.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    let now = expected.now.as_millis() as f64 / 1_000.0;
    let skew = PROVIDER_CLOCK_SKEW.as_secs_f64();
    if !(now < said.exp + skew && said.iat <= now + skew && said.nbf.is_none_or(|nbf| nbf <= now + skew)) {
        return Err(Refused::Time);
    }
    if said.nonce.as_deref() == Some(expected.nonce) { Ok(said) } else { Err(Refused::Nonce) }
}
