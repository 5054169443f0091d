//! Signatures and secrets by the Standard Webhooks specification, 1.0.0 (standardwebhooks.com): HMAC-SHA256 over id, time and
//! body, each secret's signature after the other.

use aws_lc_rs::{hmac, rand};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Phi;

/// What every secret begins with, so that people and scanners know one when they see it.
const BEGINS: &str = "whsec_";

/// A secret of 256 bits.
pub(crate) fn secret() -> Phi<String> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the machine has randomness");
    format!("{BEGINS}{}", STANDARD.encode(bytes)).into()
}

/// Random bits for pauses.
pub(crate) fn random() -> u32 {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).expect("the machine has randomness");
    u32::from_be_bytes(bytes)
}

/// The header `webhook-signature`; none if a secret is none.
pub(crate) fn signature<'a>(
    secrets: impl Iterator<Item = &'a Phi<String>>,
    id: &str,
    timestamp_s: i64,
    body: &str,
) -> Option<String> {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let one = |secret: &Phi<String>| {
        let key = STANDARD.decode(secret.expose().strip_prefix(BEGINS)?).ok()?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
        Some(format!("v1,{}", STANDARD.encode(tag)))
    };
    Some(secrets.map(one).collect::<Option<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example_is_signed_as_it_says() {
        let secret = Phi::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signature(
            [&secret].into_iter(),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        let two = signature([&secret, &secret].into_iter(), "a", 1, "").unwrap();
        assert_eq!(two.split(' ').count(), 2);
        let erased = Phi::from("(erased)");
        assert_eq!(signature([&erased].into_iter(), "a", 1, ""), None);
    }

    #[test]
    fn secrets_are_long_enough_and_never_the_same() {
        let (one, other) = (super::secret(), super::secret());
        assert!(one.expose() != other.expose() && one.expose().len() == 6 + 44);
    }
}
