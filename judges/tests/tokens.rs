//! T-A1: tokens that somebody forged. Each of them is tried at every audience there is, and none is taken.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use model::Timestamp;
use platform::keys::Keys;
use serde_json::{Value, json};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const AUDIENCES: [&str; 10] = [
    "join",
    "resume",
    "whip",
    "whep",
    "media-link",
    "signaling-peer",
    "access",
    "second-factor",
    "join-ticket",
    "device",
];

fn encode(part: &Value) -> String {
    BASE64.encode(part.to_string())
}

/// Headers that a verifier must not follow: algorithms that are none or others, and keys by name, address or value.
fn headers() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS512",
        "PS256",
        "ES256",
        "ES384",
        "ES512",
        "eddsa",
        "EDDSA",
        "Ed448",
        "dir",
        "A256GCMKW",
    ]
    .map(|alg| json!({ "alg": alg, "typ": "JWT" }))
    .to_vec();
    all.extend([
        json!({}),
        json!([]),
        json!({ "alg": null }),
        json!({ "alg": 7 }),
        json!({ "alg": ["EdDSA"] }),
        json!({ "typ": "JWT" }),
    ]);
    let named = [
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'x")),
        ("kid", json!("http://example.org/key")),
        ("kid", json!("x".repeat(1_000))),
        ("jku", json!("http://example.org/keys.json")),
        ("x5u", json!("http://example.org/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("jwk", json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode([1; 32]) })),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ];
    all.extend(named.map(|(name, value)| {
        let mut header = json!({ "alg": "EdDSA", "typ": "JWT" });
        header[name] = value;
        header
    }));
    all
}

/// Claims that say more than was signed, or say it otherwise.
fn claims() -> Vec<Value> {
    let good = json!({
        "aud": "join", "iat": 1, "exp": 9_999_999_999_i64, "jti": "00000000-0000-0000-0000-000000000001", "room": 7,
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("exp");
    vec![
        with("exp", json!("9999999999")),
        with("exp", json!(i64::MAX)),
        with("exp", json!(1e300)),
        with("exp", json!(null)),
        with("exp", json!(-1)),
        with("aud", json!(["join", "whip"])),
        with("aud", json!(null)),
        with("nbf", json!("0")),
        with("room", json!(8)),
        with("jti", json!("../x")),
        without,
        json!({}),
        json!([]),
        json!("claims"),
        good,
    ]
}

fn forged(keys: &Keys) -> Vec<String> {
    let genuine = keys.sign("join", Duration::from_secs(60), NOW, &json!({ "room": 7 }));
    let other = Keys::ephemeral().sign("join", Duration::from_secs(60), NOW, &json!({ "room": 7 }));
    let part = |token: &str, n: usize| token.split('.').nth(n).unwrap().to_owned();
    let [header, payload, signature] = [0, 1, 2].map(|n| part(&genuine, n));
    let mut all = vec![other.clone(), format!("{header}.{payload}.{}", part(&other, 2))];
    for forged in headers() {
        let forged = encode(&forged);
        all.push(format!("{forged}.{payload}.{signature}"));
        all.push(format!("{forged}.{payload}."));
        all.push(format!("{forged}.{payload}"));
    }
    for forged in claims() {
        all.push(format!("{header}.{}.{signature}", encode(&forged)));
        all.push(format!("{}.{}.", encode(&json!({ "alg": "none" })), encode(&forged)));
    }
    // Claims twice, in the order that one reader takes for the first and another for the last.
    let twice = r#"{"aud":"whip","aud":"join","exp":1,"exp":9999999999,"iat":1,"jti":"00000000-0000-0000-0000-000000000001","room":7}"#;
    all.push(format!("{header}.{}.{signature}", BASE64.encode(twice)));
    all.push(format!("{header}.{}.{signature}", "A".repeat(1 << 20)));
    all.push(format!("{header}.{}.{signature}", BASE64.encode("[".repeat(1_000))));
    for changed in [
        format!("{genuine}="),
        format!(" {genuine}"),
        format!("{genuine} "),
        format!("{genuine}\n"),
        format!("{genuine}\0"),
        format!("{genuine}.{signature}"),
        format!("{genuine}.."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        genuine.replace('.', ","),
        genuine.to_lowercase(),
        genuine[..genuine.len() - 1].to_owned(),
        format!("{header}.{payload}.{}", BASE64.encode([0; 64])),
        format!("{header}.{payload}.{}", BASE64.encode([0; 63])),
        String::new(),
        "..".to_owned(),
    ] {
        all.push(changed);
    }
    all
}

#[test]
fn no_forged_token_is_taken_anywhere() {
    let keys = Keys::ephemeral();
    let forged = forged(&keys);
    assert!(forged.len() >= 60);
    for audience in AUDIENCES {
        let genuine = keys.sign(audience, Duration::from_secs(60), NOW, &json!({ "room": 7 }));
        assert!(
            keys.verify::<Value>(audience, NOW, &genuine).is_ok(),
            "{audience}: one that was signed is taken"
        );
        for (n, token) in forged.iter().enumerate() {
            let begin: String = token.chars().take(80).collect();
            assert!(keys.verify::<Value>(audience, NOW, token).is_err(), "{audience}, {n}: {begin}");
        }
    }
    println!("{} forged tokens at {} audiences", forged.len(), AUDIENCES.len());
}

#[test]
fn what_is_signed_without_an_expiry_or_with_one_as_text_is_not_a_token() {
    // As if a build of ours signed such: the shape of the claims refuses them, not a check that a string would skip.
    let keys = Keys::ephemeral();
    let genuine = keys.sign("join", Duration::from_secs(60), NOW, &json!({}));
    assert!(keys.verify::<Value>("join", NOW, &genuine).is_ok());
    assert!(keys.verify::<Value>("join", NOW + Duration::from_secs(61), &genuine).is_err());
    // Claims of ours may not overwrite the envelope's: two of a name are refused.
    let twice = keys.sign("join", Duration::from_secs(60), NOW, &json!({ "exp": "9999999999" }));
    assert!(keys.verify::<Value>("join", NOW, &twice).is_err());
}
