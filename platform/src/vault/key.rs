//! A key of 256 bits, and what is done with it: AES-256-GCM (NIST SP 800-38D) with random nonces of 96 bits.

use super::envelope::{NONCE_BYTES, TAG_BYTES};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest, hmac, rand,
};
use std::fmt;
use zeroize::Zeroizing;

pub(super) const KEY_BYTES: usize = 32;

/// A key. Wiped when dropped; prints nothing.
///
/// With random nonces one key may seal 2³² texts (SP 800-38D, 8.3). A data key seals one record's, a tenant's and the key
/// encryption key only keys.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// The machine has no randomness, or the text is longer than the cipher takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CannotSeal;

impl Key {
    pub(super) fn random() -> Result<Self, CannotSeal> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut key[..]).map_err(|_| CannotSeal)?;
        Ok(Self(key))
    }

    /// A key from its bytes; `None` unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        (bytes.len() == KEY_BYTES).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    /// Its bytes, for who wraps it.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.0[..]).ok().map(LessSafeKey::new)
    }

    /// The nonce, and the ciphertext with its tag.
    pub(super) fn seal(&self, aad: &[u8], text: &[u8]) -> Result<([u8; NONCE_BYTES], Vec<u8>), CannotSeal> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| CannotSeal)?;
        let mut sealed = Vec::with_capacity(text.len() + TAG_BYTES);
        sealed.extend_from_slice(text);
        let cipher = self.cipher().ok_or(CannotSeal)?;
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed)
            .map_err(|_| CannotSeal)?;
        Ok((nonce, sealed))
    }

    /// The text; `None` if it was not sealed with this key for this place.
    pub(super) fn open(&self, aad: &[u8], nonce: [u8; NONCE_BYTES], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.cipher()?.open_in_place(nonce, Aad::from(aad), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    /// Another key, wrapped under this one: nonce, ciphertext, tag.
    pub(super) fn wrap(&self, context: &[u8], key: &Self) -> Result<Vec<u8>, CannotSeal> {
        let (nonce, sealed) = self.seal(context, &key.0[..])?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What [`Self::wrap`] wrapped for the same context.
    pub(super) fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Option<Self> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_BYTES)?;
        let opened = Zeroizing::new(self.open(context, nonce.try_into().ok()?, sealed.to_vec())?);
        Self::from_bytes(&opened)
    }

    /// HMAC-SHA256.
    pub(super) fn tag(&self, text: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]), text);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }

    /// By which it can be named without being known: 16 hexadecimal digits.
    pub(super) fn fingerprint(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"telehealth key encryption key");
        context.update(&self.0[..]);
        context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_what_it_sealed_for_the_same_place_only() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let (nonce, sealed) = key.seal(b"here", b"text").unwrap();
        assert_eq!(key.open(b"here", nonce, sealed.clone()), Some(b"text".to_vec()));
        assert_eq!(key.open(b"there", nonce, sealed.clone()), None);
        assert_eq!(other.open(b"here", nonce, sealed.clone()), None);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open(b"here", nonce, altered), None, "byte {at}");
        }
        assert_ne!(key.seal(b"here", b"text").unwrap().0, nonce);
    }

    #[test]
    fn a_wrapped_key_comes_out_as_it_went_in_and_nothing_else_is_one() {
        let (outer, inner) = (Key::random().unwrap(), Key::random().unwrap());
        let wrapped = outer.wrap(b"for", &inner).unwrap();
        assert_eq!(outer.unwrap(b"for", &wrapped).unwrap().expose(), inner.expose());
        assert!(outer.unwrap(b"from", &wrapped).is_none());
        for cut in 0..wrapped.len() {
            assert!(outer.unwrap(b"for", &wrapped[..cut]).is_none());
        }
        assert!(Key::from_bytes(&[0; 31]).is_none() && Key::from_bytes(&[0; 33]).is_none());
        assert_eq!(format!("{inner:?}"), "[key]");
    }
}
