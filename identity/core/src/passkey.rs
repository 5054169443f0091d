//! What a browser says of a passkey (WebAuthn Level 3): read here, bounded and strict; the signature is checked by the
//! shell.
//!
//! ```text
//! client data         JSON: what for, which challenge, from which origin
//! authenticator data  SHA-256 of the host │ flags │ counter │ when one is made: its id and public key (COSE, CBOR)
//! signature           over authenticator data ‖ SHA-256(client data)
//! ```
//!
//! Attestation is neither asked for nor read: which make of authenticator somebody has is not our business.

mod cbor;

use crate::limits::{MAX_AUTHENTICATOR_DATA_BYTES, MAX_CLIENT_DATA_BYTES, MAX_CREDENTIAL_ID_BYTES};
use cbor::{Item, Reader};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// The host that passkeys are bound to, and the origin that pages have there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// `visits.example`.
    pub id: String,
    /// `https://visits.example:8443`.
    pub origin: String,
}

impl RelyingParty {
    /// Of the address that browsers know the unit by. None if passkeys cannot be used there: it is no web address, or
    /// its host is a number (WebAuthn, 5.1.2: an RP ID is a domain).
    #[must_use]
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
        let (host, port) =
            authority.split_once(':').map_or((authority.as_str(), None), |(h, p)| (h, Some(p)));
        let named = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_number = host.rsplit('.').next()?.bytes().all(|byte| byte.is_ascii_digit());
        // Browsers offer passkeys in secure contexts only.
        let secure = scheme == "https" || scheme == "http" && host == "localhost";
        if !secure || is_number || !host.split('.').all(named) {
            return None;
        }
        // An origin does not say the port that its scheme has anyway.
        let port = port.filter(|port| !matches!((scheme, *port), ("https", "443") | ("http", "80")));
        let origin = match port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        };
        Some(Self { id: host.to_owned(), origin })
    }
}

/// What a browser was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ceremony {
    /// To make a passkey.
    Create,
    /// To show one.
    Get,
}

/// Why what a browser says does not count. For logs and tests: people are told one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not the shape it has, or too long.
    #[error("malformed")]
    Malformed,
    /// It was asked for something else.
    #[error("another ceremony")]
    Ceremony,
    /// It answers another challenge.
    #[error("another challenge")]
    Challenge,
    /// A page of another site asked.
    #[error("another origin")]
    Origin,
    /// It is a passkey of another host.
    #[error("another host")]
    Host,
    /// Nobody was there, or did not show who they are.
    #[error("the person was not verified")]
    NotVerified,
    /// A key of a kind that is not taken.
    #[error("the key is of another kind")]
    Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    ceremony: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// Checks the client data: what was asked for, by which challenge (base64url), and from where.
///
/// # Errors
/// [`Unfit`].
pub fn check_client(
    data: &[u8],
    ceremony: Ceremony,
    challenge: &str,
    at: &RelyingParty,
) -> Result<(), Unfit> {
    if data.len() > MAX_CLIENT_DATA_BYTES {
        return Err(Unfit::Malformed);
    }
    let said: ClientData = serde_json::from_slice(data).map_err(|_| Unfit::Malformed)?;
    let wanted = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if said.ceremony != wanted {
        return Err(Unfit::Ceremony);
    }
    if said.challenge != challenge {
        return Err(Unfit::Challenge);
    }
    if said.origin != at.origin || said.cross_origin { Err(Unfit::Origin) } else { Ok(()) }
}

/// A key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The authenticator's name for it.
    pub credential: Vec<u8>,
    /// The public key, COSE (RFC 9053), as it was said.
    pub key: Vec<u8>,
}

/// What an authenticator says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How often it has signed; some never count and say 0.
    pub counter: u32,
    /// The passkey, where one was made.
    pub made: Option<Made>,
}

const HEAD_BYTES: usize = 37;
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

/// Reads authenticator data; demands that the person was there and showed who they are.
///
/// # Errors
/// [`Unfit`].
pub fn read_authenticator(data: &[u8], at: &RelyingParty) -> Result<Said, Unfit> {
    let (head, mut rest) = data.split_at_checked(HEAD_BYTES).ok_or(Unfit::Malformed)?;
    if data.len() > MAX_AUTHENTICATOR_DATA_BYTES {
        return Err(Unfit::Malformed);
    }
    let (host, flags) = (&head[..32], head[32]);
    if host != Sha256::digest(at.id.as_bytes()).as_slice() {
        return Err(Unfit::Host);
    }
    if flags & (USER_PRESENT | USER_VERIFIED) != USER_PRESENT | USER_VERIFIED {
        return Err(Unfit::NotVerified);
    }
    let counter = u32::from_be_bytes([head[33], head[34], head[35], head[36]]);
    let mut made = None;
    if flags & ATTESTED != 0 {
        // The model's id (16 bytes) is not of interest.
        let (_, after) = rest.split_at_checked(16).ok_or(Unfit::Malformed)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or(Unfit::Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if !(1..=MAX_CREDENTIAL_ID_BYTES).contains(&length) {
            return Err(Unfit::Malformed);
        }
        let (credential, after) = after.split_at_checked(length).ok_or(Unfit::Malformed)?;
        let mut reader = Reader::new(after);
        reader.skip().ok_or(Unfit::Malformed)?;
        let (key, after) = after.split_at(after.len() - reader.rest().len());
        PublicKey::read(key)?;
        made = Some(Made { credential: credential.to_vec(), key: key.to_vec() });
        rest = after;
    }
    if flags & EXTENDED != 0 {
        let mut reader = Reader::new(rest);
        reader.skip().ok_or(Unfit::Malformed)?;
        rest = reader.rest();
    }
    if rest.is_empty() { Ok(Said { counter, made }) } else { Err(Unfit::Malformed) }
}

/// Algorithms that are taken (COSE), the best first: ES256, EdDSA, RS256.
pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// A public key of one of [`ALGORITHMS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// P-256: an uncompressed point, 65 bytes.
    Es256(Vec<u8>),
    /// Ed25519: 32 bytes.
    Ed25519(Vec<u8>),
    /// RSA of 2,048 to 4,096 bits: modulus and exponent, big-endian.
    Rs256 {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
}

impl PublicKey {
    /// Reads a COSE key.
    ///
    /// # Errors
    /// [`Unfit::Key`]: malformed, or of another kind.
    pub fn read(cose: &[u8]) -> Result<Self, Unfit> {
        let mut reader = Reader::new(cose);
        let Some(Item::Map(pairs)) = reader.item() else { return Err(Unfit::Key) };
        let (mut numbers, mut texts) = ([None; 5], [None; 5]);
        for _ in 0..pairs {
            let Some(Item::Int(label)) = reader.item() else { return Err(Unfit::Key) };
            // 1 kind, 3 algorithm, −1 curve or n, −2 x or e, −3 y.
            let at = match label {
                1 => 0,
                3 => 1,
                -1 => 2,
                -2 => 3,
                -3 => 4,
                _ => {
                    reader.skip().ok_or(Unfit::Key)?;
                    continue;
                }
            };
            let already = numbers[at].is_some() || texts[at].is_some();
            match reader.item() {
                _ if already => return Err(Unfit::Key),
                Some(Item::Int(number)) => numbers[at] = Some(number),
                Some(Item::Bytes(bytes)) => texts[at] = Some(bytes),
                _ => return Err(Unfit::Key),
            }
        }
        if !reader.rest().is_empty() {
            return Err(Unfit::Key);
        }
        match (numbers, texts) {
            // EC2, P-256
            ([Some(2), Some(-7), Some(1), None, None], [None, None, None, Some(x), Some(y)])
                if x.len() == 32 && y.len() == 32 =>
            {
                Ok(Self::Es256([&[4], x, y].concat()))
            }
            // OKP, Ed25519
            ([Some(1), Some(-8), Some(6), None, None], [None, None, None, Some(x), None])
                if x.len() == 32 =>
            {
                Ok(Self::Ed25519(x.to_vec()))
            }
            // RSA
            ([Some(3), Some(-257), None, None, None], [None, None, Some(n), Some(e), None])
                if (256..=512).contains(&n.len()) && n[0] != 0 && (1..=4).contains(&e.len()) =>
            {
                Ok(Self::Rs256 { n: n.to_vec(), e: e.to_vec() })
            }
            _ => Err(Unfit::Key),
        }
    }
}

#[cfg(test)]
mod tests;
