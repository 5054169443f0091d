//! The keys that sign tokens, one after the other.
//!
//! ```text
//!            made          signs              its successor signs             over
//! key ────────┼─ announced ─┼──────────────────┼─ still verifies ──────────────┼─▶ deleted by the next rotation
//!             └ KEY_ANNOUNCED ┘                └ KEY_OVERLAP: its tokens' life ┘
//! ```
//!
//! The file's name says from when a key signs: that is all there is of a schedule, so processes that share the directory
//! agree without talking. Each looks again every [`KEY_LOOK`](crate::limits::KEY_LOOK), which is far shorter than a key is
//! announced.

use super::{KeyFileError, files};
use crate::limits::{KEY_OVERLAP, MAX_TOKEN_KEYS};
use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use model::Timestamp;
use serde::Serialize;
use std::{fs, io, path::Path};

/// The first key there is: it signs since ever, and tokens without a key's name are its own.
const FIRST: &str = "tokens.ed25519.pk8";

/// Those after it: `tokens.<from>.ed25519.pk8`, from when they sign in milliseconds since 1970.
const PREFIX: &str = "tokens.";
const SUFFIX: &str = ".ed25519.pk8";

/// A public key as a JSON Web Key (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    /// Its name in tokens: its thumbprint (RFC 7638).
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

/// A set of them, as `/.well-known/jwks.json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The oldest first.
    pub keys: Vec<Jwk>,
}

/// One key.
pub(super) struct TokenKey {
    /// Since when it signs.
    pub(super) from: Timestamp,
    pub(super) kid: String,
    public: String,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
}

impl TokenKey {
    pub(super) fn new(from: Timestamp, pkcs8: &[u8]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).ok()?;
        let public = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let named = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, named.as_bytes()));
        let signing = EncodingKey::from_ed_der(pkcs8);
        let verifying = DecodingKey::from_ed_der(pair.public_key().as_ref());
        Some(Self { from, kid, public, signing, verifying })
    }
}

/// All that there are, the oldest first. Never empty.
pub(super) struct Ring(Vec<TokenKey>);

impl Ring {
    /// One key, since ever.
    pub(super) fn of(pkcs8: &[u8]) -> Option<Self> {
        TokenKey::new(Timestamp::from_millis(0), pkcs8).map(|key| Self(vec![key]))
    }

    /// Reads them from a directory, or makes the first.
    pub(super) fn load_or_create(dir: &Path, make: fn() -> Vec<u8>) -> Result<Self, KeyFileError> {
        if names(dir)?.is_empty() {
            files::load_or_create(dir, FIRST, make)?;
        }
        Self::load(dir)
    }

    /// Reads them from a directory.
    pub(super) fn load(dir: &Path) -> Result<Self, KeyFileError> {
        let wrong = || KeyFileError::NotAKey { dir: dir.to_owned() };
        let mut keys = Vec::new();
        for (from, name) in names(dir)? {
            let pkcs8 = match files::read_private(&dir.join(name)) {
                // Whoever rotates has just deleted it.
                Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
                read => read?,
            };
            keys.push(TokenKey::new(from, &pkcs8).ok_or_else(wrong)?);
        }
        // The newest, if somebody put more there than anybody needs.
        keys.drain(..keys.len().saturating_sub(MAX_TOKEN_KEYS));
        if keys.is_empty() { Err(wrong()) } else { Ok(Self(keys)) }
    }

    /// The key that signs at a time: the newest whose time has come. If none has, the oldest.
    pub(super) fn signer(&self, now: Timestamp) -> &TokenKey {
        self.0.iter().rfind(|key| key.from <= now).unwrap_or(&self.0[0])
    }

    /// The key that a token names, unless it is over. A token without a name is of the first key, from before keys had names.
    pub(super) fn verifier(&self, kid: Option<&str>, now: Timestamp) -> Option<&TokenKey> {
        let known = |key: &&TokenKey| match kid {
            Some(kid) => key.kid == kid,
            None => key.from == Timestamp::from_millis(0),
        };
        let key = self.0.iter().find(known)?;
        (!self.is_over(key, now)).then_some(key)
    }

    /// Whether all that it has signed has expired: its successor has signed for as long as any token lives.
    fn is_over(&self, key: &TokenKey, now: Timestamp) -> bool {
        let successor = self.0.iter().find(|other| other.from > key.from);
        successor.is_some_and(|next| next.from + KEY_OVERLAP <= now)
    }

    /// What verifies tokens, those that are announced included.
    pub(super) fn public(&self, now: Timestamp) -> Jwks {
        let shown = self.0.iter().filter(|key| !self.is_over(key, now)).map(|key| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            purpose: "sig",
            kid: key.kid.clone(),
            x: key.public.clone(),
        });
        Jwks { keys: shown.collect() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TokenKey> {
        self.0.iter()
    }

    /// Names of the same keys, in the same order.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.0.iter().map(|key| (key.from, &key.kid)).eq(other.0.iter().map(|key| (key.from, &key.kid)))
    }
}

/// Files of keys with the time from which they sign, the oldest first.
fn names(dir: &Path) -> Result<Vec<(Timestamp, String)>, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
        if let Some(from) = from_of(&name) {
            found.push((from, name));
        }
    }
    found.sort();
    Ok(found)
}

fn from_of(name: &str) -> Option<Timestamp> {
    if name == FIRST {
        return Some(Timestamp::from_millis(0));
    }
    let millis = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let digits = !millis.is_empty() && millis.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| millis.parse().ok()).flatten().map(Timestamp::from_millis)
}

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The new key.
    pub kid: String,
    /// From when it signs.
    pub from: Timestamp,
    /// How many older ones were deleted: all of their tokens have expired, or are to be refused.
    pub deleted: usize,
}

/// Makes a key that signs from `from` on, and deletes those that are over.
///
/// # Errors
/// The directory cannot be read or written, or a file in it is no key.
///
/// # Panics
/// The machine has no randomness.
pub fn rotate(dir: &Path, now: Timestamp, from: Timestamp) -> Result<Rotated, KeyFileError> {
    let ring = Ring::load(dir)?;
    let over: Vec<_> = ring.iter().filter(|key| ring.is_over(key, now)).map(|key| key.from).collect();
    let kid = make(dir, from)?;
    Ok(Rotated { kid, from, deleted: delete(dir, |from| over.contains(&from))? })
}

/// Makes a key that signs at once, and deletes all others: whatever was signed until now is refused, as soon as processes
/// have looked. For when a key was stolen.
///
/// # Errors
/// As [`rotate`].
///
/// # Panics
/// The machine has no randomness.
pub fn revoke_all(dir: &Path, now: Timestamp) -> Result<Rotated, KeyFileError> {
    let kid = make(dir, now)?;
    Ok(Rotated { kid, from: now, deleted: delete(dir, |from| from != now)? })
}

fn make(dir: &Path, from: Timestamp) -> Result<String, KeyFileError> {
    let name = format!("{PREFIX}{}{SUFFIX}", from.as_millis());
    let failed = |source| KeyFileError::Io { path: dir.join(&name), source };
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the machine has randomness");
    files::make_once(dir, &name, pair.as_ref()).map_err(failed)?;
    // Somebody may have made one for the same millisecond.
    let key = TokenKey::new(from, &files::read_private(&dir.join(&name))?);
    key.map(|key| key.kid).ok_or_else(|| KeyFileError::NotAKey { dir: dir.to_owned() })
}

fn delete(dir: &Path, which: impl Fn(Timestamp) -> bool) -> Result<usize, KeyFileError> {
    let mut deleted = 0;
    for (from, name) in names(dir)? {
        if which(from) {
            let path = dir.join(name);
            fs::remove_file(&path).map_err(|source| KeyFileError::Io { path, source })?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests;
