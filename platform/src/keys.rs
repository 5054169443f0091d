//! The process's secrets: the key that signs tokens and the key that derives links.
//!
//! Both live in the keys directory, readable by their owner only, so that tokens and links survive a
//! restart. Keys for tokens are rotated while processes run (`ring.rs`). One error for everything wrong with a token: who sends a forged one learns nothing.

use crate::limits::{KEY_LOOK, MAX_TOKEN_BYTES};
use aws_lc_rs::{digest, hmac, rand, signature::Ed25519KeyPair};
use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation};
use model::{ParticipantId, TenantId, Timestamp};
use parking_lot::RwLock;
use ring::Ring;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) mod files;
pub mod jwks;
mod ring;

pub use files::KeyFileError;
pub use ring::{Jwk, Jwks, Rotated, revoke_all, rotate};

/// The token of a request (RFC 6750, 2.1): none if there is no header `Authorization`, several, or one of another scheme.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Bytes of a link's secret: 128 bits, 22 characters of base64url.
const LINK_BYTES: usize = 16;

/// Signs and verifies tokens, and derives the secrets of links.
pub struct Keys {
    ring: RwLock<Arc<Ring>>,
    links: hmac::Key,
    /// Where they are; none for keys in memory.
    dir: Option<PathBuf>,
}

/// What a valid token says.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    /// The claims it was signed with.
    pub claims: T,
    /// Its own id: single-use tokens are remembered by it until they expire.
    pub jti: Uuid,
    /// From when it is no longer valid.
    pub expires_at: Timestamp,
}

/// The token is not valid: altered, expired, for another audience, malformed or signed by somebody
/// else. Deliberately one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct TokenError;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    aud: String,
    iat: i64,
    exp: i64,
    jti: Uuid,
    #[serde(flatten)]
    claims: T,
}

impl Keys {
    /// Reads the keys from a directory, or makes them there (directory 0700, files 0600).
    ///
    /// # Errors
    /// The directory cannot be written, a file is not a key, or others may read it.
    pub fn load_or_create(dir: &Path) -> Result<Self, KeyFileError> {
        let ring = Ring::load_or_create(dir, new_signing_key)?;
        let links = files::load_or_create(dir, "links.hmac", new_link_key)?;
        let keys = Self::with(ring, &links, Some(dir.to_owned()));
        keys.ok_or_else(|| KeyFileError::NotAKey { dir: dir.to_owned() })
    }

    /// Keys that exist in memory only: for tests and tools.
    ///
    /// # Panics
    /// The machine has no randomness.
    pub fn ephemeral() -> Self {
        let ring = Ring::of(&new_signing_key()).expect("keys just made are keys");
        Self::with(ring, &new_link_key(), None).expect("keys just made are keys")
    }

    fn with(ring: Ring, links: &[u8], dir: Option<PathBuf>) -> Option<Self> {
        let links = (links.len() == 32).then(|| hmac::Key::new(hmac::HMAC_SHA256, links))?;
        Some(Self { ring: RwLock::new(Arc::new(ring)), links, dir })
    }

    /// Looks at the directory again: keys that were made, and those that were taken away. Whether there are any. What
    /// cannot be read changes nothing.
    ///
    /// # Errors
    /// The directory cannot be read, no key is left there, a file is not a key, or others may read it.
    pub fn reload(&self) -> Result<bool, KeyFileError> {
        let Some(dir) = &self.dir else { return Ok(false) };
        let ring = Ring::load(dir)?;
        let mut known = self.ring.write();
        let changed = !known.same_as(&ring);
        if changed {
            *known = Arc::new(ring);
        }
        Ok(changed)
    }

    /// Reloads every [`KEY_LOOK`] until it is told to stop.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(KEY_LOOK)).await.is_some() {
            let keys = Arc::clone(&self);
            let Ok(looked) = tokio::task::spawn_blocking(move || keys.reload()).await else { continue };
            match looked {
                Ok(true) => tracing::info!("The keys that sign tokens were rotated"),
                Ok(false) => {}
                // Once, not each time.
                Err(_) if failing => continue,
                Err(error) => {
                    tracing::error!(%error, "The keys that sign tokens cannot be read: those known go on");
                    failing = true;
                    continue;
                }
            }
            failing = false;
        }
    }

    /// What verifies tokens now, keys that are announced included.
    pub fn public(&self, now: Timestamp) -> Jwks {
        self.ring().public(now)
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read())
    }

    /// Signs claims for one audience. Adds `aud`, `iat`, `exp` and a fresh `jti`; the claims must not
    /// have fields of those names.
    ///
    /// # Panics
    /// The claims are not a struct or map that JSON can hold.
    #[expect(clippy::disallowed_methods, reason = "a token's id must be unguessable: version 4")]
    pub fn sign<T: Serialize>(&self, audience: &str, ttl: Duration, now: Timestamp, claims: &T) -> String {
        let envelope = Envelope {
            aud: audience.to_owned(),
            iat: now.as_millis().div_euclid(1_000),
            exp: (now + ttl).as_millis().div_euclid(1_000),
            jti: Uuid::new_v4(),
            claims,
        };
        let ring = self.ring();
        let key = ring.signer(now);
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &envelope, &key.signing).expect("claims are a struct of plain values")
    }

    /// Verifies a token for one audience at the time given. No leeway: whoever signs, verifies.
    ///
    /// # Errors
    /// [`TokenError`], whatever is wrong with it.
    pub fn verify<T: DeserializeOwned>(
        &self,
        audience: &str,
        now: Timestamp,
        token: &str,
    ) -> Result<Verified<T>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError)?;
        let ring = self.ring();
        let key = ring.verifier(header.kid.as_deref(), now).ok_or(TokenError)?;
        let envelope = jsonwebtoken::decode::<Envelope<T>>(token, &key.verifying, &pinned())
            .map_err(|_| TokenError)?
            .claims;
        let expires_at = Timestamp::from_millis(envelope.exp.checked_mul(1_000).ok_or(TokenError)?);
        if envelope.aud != audience || now >= expires_at {
            return Err(TokenError);
        }
        Ok(Verified { claims: envelope.claims, jti: envelope.jti, expires_at })
    }

    /// The secret of a participant's link. The same one each time, so that it can be shown again
    /// without being stored.
    pub fn link_secret(&self, participant: ParticipantId) -> String {
        let tag = hmac::sign(&self.links, participant.0.as_bytes());
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..LINK_BYTES])
    }
}

impl Keys {
    /// What stands for a text where it must be found again and not be read: the same id each time for the same purpose,
    /// tenant and text. Whoever has the store and not the key cannot try out texts.
    pub fn blind_id(&self, purpose: &str, tenant: TenantId, text: &str) -> Uuid {
        let mut context = hmac::Context::with_key(&self.links);
        for part in ["blind", purpose, &tenant.to_string(), text] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.sign().as_ref()[..16]);
        uuid::Builder::from_custom_bytes(id).into_uuid()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// SHA-256 of a link's secret: what may be stored.
pub fn hash_link(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
    hash
}

/// One algorithm; audience and expiry are checked here, against the clock that was passed in.
fn pinned() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

fn new_signing_key() -> Vec<u8> {
    let document =
        Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new()).expect("the machine has randomness");
    document.as_ref().to_vec()
}

fn new_link_key() -> Vec<u8> {
    let mut key = vec![0; 32];
    rand::fill(&mut key).expect("the machine has randomness");
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_has_one_token_or_none() {
        let headers = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            headers
        };
        for good in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(&headers(&[good])), Some("abc"), "{good}");
        }
        for bad in [&[][..], &["Basic abc"], &["Bearer"], &["Bearerabc"], &["Bearer abc", "Bearer abc"]] {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);
    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Claims {
        participant: ParticipantId,
        role: String,
    }

    fn claims() -> Claims {
        Claims { participant: ParticipantId(Uuid::from_u128(7)), role: "patient".into() }
    }

    #[test]
    fn a_token_says_what_was_signed_until_it_expires() {
        let keys = Keys::ephemeral();
        let token = keys.sign("join", MINUTE, NOW, &claims());
        let verified = keys.verify::<Claims>("join", NOW, &token).unwrap();
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.expires_at, Timestamp::from_millis(1_800_000_060_000));
        let last = verified.expires_at - Duration::from_millis(1);
        assert!(keys.verify::<Claims>("join", last, &token).is_ok());
        assert_eq!(keys.verify::<Claims>("join", verified.expires_at, &token).unwrap_err(), TokenError);
    }

    #[test]
    fn two_tokens_are_never_the_same_token() {
        let keys = Keys::ephemeral();
        let jti = |token: &str| keys.verify::<Claims>("join", NOW, token).unwrap().jti;
        let (one, two) =
            (keys.sign("join", MINUTE, NOW, &claims()), keys.sign("join", MINUTE, NOW, &claims()));
        assert_ne!(jti(&one), jti(&two));
    }

    #[test]
    fn another_audience_another_key_and_every_altered_character_are_refused() {
        let keys = Keys::ephemeral();
        let token = keys.sign("join", MINUTE, NOW, &claims());
        assert!(keys.verify::<Claims>("resume", NOW, &token).is_err());
        assert!(Keys::ephemeral().verify::<Claims>("join", NOW, &token).is_err());
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'E' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(keys.verify::<Claims>("join", NOW, &altered).is_err(), "character {at}");
        }
    }

    #[test]
    fn no_other_algorithm_is_taken_for_a_signature() {
        let keys = Keys::ephemeral();
        let token = keys.sign("join", MINUTE, NOW, &claims());
        let mut parts = token.split('.');
        let (_, payload, signature) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"alg":"ES256"}"#] {
            let header = URL_SAFE_NO_PAD.encode(header);
            assert!(keys.verify::<Claims>("join", NOW, &format!("{header}.{payload}.{signature}")).is_err());
            assert!(keys.verify::<Claims>("join", NOW, &format!("{header}.{payload}.")).is_err());
        }
    }

    #[test]
    fn claims_of_another_shape_are_refused() {
        #[derive(Serialize)]
        struct Other {
            room: u8,
        }
        let keys = Keys::ephemeral();
        let token = keys.sign("join", MINUTE, NOW, &Other { room: 1 });
        assert!(keys.verify::<Claims>("join", NOW, &token).is_err());
    }

    #[test]
    fn length_is_checked_on_both_sides_of_the_limit() {
        #[derive(Serialize, Deserialize)]
        struct Padded {
            pad: String,
        }
        let keys = Keys::ephemeral();
        let token_of = |pad: usize| keys.sign("join", MINUTE, NOW, &Padded { pad: "x".repeat(pad) });
        let longest = (0..MAX_TOKEN_BYTES).rev().find(|pad| token_of(*pad).len() <= MAX_TOKEN_BYTES).unwrap();
        assert!(keys.verify::<Padded>("join", NOW, &token_of(longest)).is_ok());
        assert!(keys.verify::<Padded>("join", NOW, &token_of(longest + 1)).is_err());
    }

    #[test]
    fn a_links_secret_is_stable_own_to_each_participant_and_key() {
        let keys = Keys::ephemeral();
        let (one, two) = (ParticipantId(Uuid::from_u128(1)), ParticipantId(Uuid::from_u128(2)));
        assert_eq!(keys.link_secret(one), keys.link_secret(one));
        assert_eq!(keys.link_secret(one).len(), 22);
        assert_ne!(keys.link_secret(one), keys.link_secret(two));
        assert_ne!(keys.link_secret(one), Keys::ephemeral().link_secret(one));
        assert_ne!(hash_link(&keys.link_secret(one)), hash_link(&keys.link_secret(two)));
    }

    #[test]
    fn a_blind_id_is_found_again_by_purpose_tenant_text_and_key_only() {
        let keys = Keys::ephemeral();
        let (one, two) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let id = keys.blind_id("login", one, "a@b.c");
        assert_eq!(id, keys.blind_id("login", one, "a@b.c"));
        for other in [
            keys.blind_id("login", two, "a@b.c"),
            keys.blind_id("phone", one, "a@b.c"),
            keys.blind_id("login", one, "a@b.d"),
            Keys::ephemeral().blind_id("login", one, "a@b.c"),
        ] {
            assert_ne!(id, other);
        }
        assert_eq!(id.get_version_num(), 8);
    }

    #[test]
    fn keys_print_nothing() {
        assert_eq!(format!("{:?}", Keys::ephemeral()), "Keys { .. }");
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_without_a_panic(text in any::<String>()) {
            let keys = Keys::ephemeral();
            prop_assert!(keys.verify::<Claims>("join", NOW, &text).is_err());
            let three = format!("{text}.{text}.{text}");
            prop_assert!(keys.verify::<Claims>("join", NOW, &three).is_err());
        }
    }
}
