//! How sealed PHI stands in its column: `v1.` and base64url of scope (16 bytes), nonce (12), ciphertext and tag (16).

use crate::limits::MAX_SEALED_BYTES;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

const PREFIX: &str = "v1.";
pub(super) const NONCE_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = 16 + NONCE_BYTES;

/// Sealed PHI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Whose data key opens it, in its tenant.
    pub(super) scope: Uuid,
    pub(super) nonce: [u8; NONCE_BYTES],
    /// With the tag at its end.
    pub(super) ciphertext: Vec<u8>,
}

/// It begins as an envelope does and is none, or is one that a newer build made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Envelope {
    /// Reads what stands in a column: `None` for what is no envelope at all, as an earlier build left it. JSON, which
    /// that is, never begins as an envelope does.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Malformed> {
        let Some((digits, _)) = text.strip_prefix('v').and_then(|rest| rest.split_once('.')) else {
            return Ok(None);
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(None);
        }
        let body = text.strip_prefix(PREFIX).filter(|_| text.len() <= MAX_SEALED_BYTES).ok_or(Malformed)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| Malformed)?;
        if bytes.len() < HEAD_BYTES + TAG_BYTES {
            return Err(Malformed);
        }
        let ciphertext = bytes.split_off(HEAD_BYTES);
        let (scope, nonce) = bytes.split_at(16);
        let scope = Uuid::from_slice(scope).map_err(|_| Malformed)?;
        Ok(Some(Self { scope, nonce: nonce.try_into().map_err(|_| Malformed)?, ciphertext }))
    }

    pub(super) fn to_text(&self) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.ciphertext.len());
        bytes.extend_from_slice(self.scope.as_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&self.ciphertext);
        let mut text = String::with_capacity(PREFIX.len() + bytes.len().div_ceil(3) * 4);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        text
    }
}

/// How long the text is that stands in a column, by its length alone: limits are of what is sealed, not of how it stands.
pub(crate) fn text_bytes(stored: &str) -> usize {
    match stored.strip_prefix(PREFIX) {
        Some(body) => (body.len() / 4 * 3 + body.len() % 4 * 3 / 4).saturating_sub(HEAD_BYTES + TAG_BYTES),
        None => stored.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope() -> impl Strategy<Value = Envelope> {
        let parts =
            (any::<u128>(), any::<[u8; NONCE_BYTES]>(), prop::collection::vec(any::<u8>(), TAG_BYTES..200));
        parts.prop_map(|(scope, nonce, ciphertext)| Envelope {
            scope: Uuid::from_u128(scope),
            nonce,
            ciphertext,
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(envelope in envelope()) {
            prop_assert_eq!(text_bytes(&envelope.to_text()), envelope.ciphertext.len() - TAG_BYTES);
            prop_assert_eq!(Envelope::parse(&envelope.to_text()), Ok(Some(envelope)));
        }

        #[test]
        fn whatever_stands_there_is_an_envelope_or_plain_or_refused(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            if let Ok(Some(read)) = Envelope::parse(&text) {
                prop_assert_eq!(read.to_text(), text);
            }
            let body = URL_SAFE_NO_PAD.encode(bytes);
            match Envelope::parse(&format!("v1.{body}")) {
                Ok(Some(read)) => prop_assert_eq!(read.to_text(), format!("v1.{body}")),
                Ok(None) => prop_assert!(false, "taken for plain"),
                Err(Malformed) => {}
            }
        }

        #[test]
        fn no_json_is_taken_for_an_envelope(name in any::<String>()) {
            let json = serde_json::json!({ "name": name }).to_string();
            prop_assert_eq!(Envelope::parse(&json), Ok(None));
        }
    }

    #[test]
    fn length_is_checked_on_both_sides_of_the_limit_and_newer_versions_are_not_taken_for_plain() {
        // 3 + 4 for each 3 bytes: the longest that fits, and one that does not.
        let of = |bytes: usize| Envelope {
            scope: Uuid::nil(),
            nonce: [0; NONCE_BYTES],
            ciphertext: vec![7; bytes],
        };
        let longest = (MAX_SEALED_BYTES - 3) / 4 * 3 - HEAD_BYTES;
        assert!(Envelope::parse(&of(longest).to_text()).unwrap().is_some());
        assert_eq!(Envelope::parse(&of(longest + 3).to_text()), Err(Malformed));
        assert!(Envelope::parse(&of(TAG_BYTES).to_text()).unwrap().is_some());
        assert_eq!(Envelope::parse(&of(TAG_BYTES - 1).to_text()), Err(Malformed));
        for (text, expected) in [
            ("v2.AAAA", Err(Malformed)),
            ("v11.", Err(Malformed)),
            ("v1.", Err(Malformed)),
            ("v1.+", Err(Malformed)),
            ("v.1", Ok(None)),
            ("v", Ok(None)),
            ("", Ok(None)),
            ("visit", Ok(None)),
            ("{\"v1.\":1}", Ok(None)),
        ] {
            assert_eq!(Envelope::parse(text), expected, "{text}");
        }
    }
}
