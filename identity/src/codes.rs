//! What is random or counts time: tokens, recovery codes, codes of authenticator apps.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use identity_core::{limits::RECOVERY_CODES, secret::SecretHash, text::recovery_code};
use model::{Phi, Timestamp};
use std::collections::BTreeSet;
use totp_rs::{Builder, Secret, Totp};

/// Seconds of a time step (RFC 6238, 4.2).
const STEP_S: u64 = 30;

/// What recovery codes are made of: no letter that is read as a digit.
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the machine has randomness");
    bytes
}

/// A secret of 256 bits, 43 characters of base64url.
pub(crate) fn token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Ten recovery codes of 80 bits as people are shown them, and their hashes.
pub(crate) fn recovery_codes() -> (Vec<String>, BTreeSet<SecretHash>) {
    let code = || {
        let letters = random::<16>().map(|byte| char::from(CODE_ALPHABET[usize::from(byte % 32)]));
        letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    };
    let codes: Vec<String> = std::iter::repeat_with(code).take(RECOVERY_CODES).collect();
    let hashes = codes.iter().map(|code| SecretHash::of(&recovery_code(code))).collect();
    (codes, hashes)
}

/// The secret of an authenticator app: 160 bits (RFC 4226, 4, R6), base32.
pub(crate) fn totp_secret() -> Phi<String> {
    Phi::new(Secret::from(random::<20>()).to_base32())
}

/// What an authenticator app reads from a picture (Google's key URI format).
pub(crate) fn totp_uri(secret: &Phi<String>, unit: &str, login: &str) -> String {
    let plain = |text: &str| -> String {
        let byte = |byte: u8| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect()
    };
    let (unit, login, secret) = (plain(unit), plain(login), secret.expose());
    format!("otpauth://totp/{unit}:{login}?secret={secret}&issuer={unit}&digits=6&period={STEP_S}")
}

/// The time step that a typed code is of: now, the one before or the one after. None of a wrong one.
pub(crate) fn totp_step(secret: &Phi<String>, typed: &str, now: Timestamp) -> Option<u64> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    totp(secret)?.check(&digits, u64::try_from(now.as_millis() / 1_000).ok()?)
}

/// The code of a time: for tests and tools.
pub fn totp_code(secret: &Phi<String>, now: Timestamp) -> Option<String> {
    Some(totp(secret)?.generate(u64::try_from(now.as_millis() / 1_000).ok()?).to_string())
}

fn totp(secret: &Phi<String>) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret.expose()).ok()?;
    Builder::new().with_secret(secret).with_skew(1).with_step_duration(STEP_S).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const STEP: Duration = Duration::from_secs(STEP_S);

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B: the ASCII secret 12345678901234567890, the last six of its eight digits.
        let secret = Phi::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned());
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let at = Timestamp::from_millis(seconds * 1_000);
            assert_eq!(totp_code(&secret, at).as_deref(), Some(code));
            assert_eq!(totp_step(&secret, code, at), Some(seconds as u64 / STEP_S));
        }
    }

    #[test]
    fn a_code_counts_a_step_early_or_late_and_not_two() {
        let secret = totp_secret();
        let code = totp_code(&secret, NOW).unwrap();
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        for (at, counts) in [(NOW, true), (NOW + STEP, true), (NOW - STEP, true), (NOW + 2 * STEP, false)] {
            assert_eq!(totp_step(&secret, &code, at).is_some(), counts);
            assert_eq!(totp_step(&secret, &spaced, at).is_some(), counts);
        }
        for wrong in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(totp_step(&secret, wrong, NOW), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_differ_and_recovery_codes_are_found_as_they_are_typed() {
        assert_ne!(token(), token());
        assert_eq!(token().len(), 43);
        let (codes, hashes) = recovery_codes();
        assert_eq!((codes.len(), hashes.len()), (RECOVERY_CODES, RECOVERY_CODES));
        for code in codes {
            assert_eq!(code.len(), 19);
            assert!(hashes.contains(&SecretHash::of(&recovery_code(&code.to_lowercase().replace('-', " ")))));
        }
    }

    #[test]
    fn an_app_reads_unit_and_address_from_the_picture() {
        let secret = Phi::new("ABC".to_owned());
        let uri = totp_uri(&secret, "Riverside & Söhne", "a@b.c");
        assert!(
            uri.starts_with("otpauth://totp/Riverside%20%26%20S%C3%B6hne:a%40b.c?secret=ABC&issuer=River")
        );
    }
}
