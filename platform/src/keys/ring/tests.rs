use super::*;
use crate::{
    keys::{Keys, TokenError},
    limits::{JWKS_MAX_AGE, KEY_ANNOUNCED, KEY_LOOK},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

fn kid_of(token: &str) -> Option<String> {
    jsonwebtoken::decode_header(token).unwrap().kid
}

fn signed(keys: &Keys, now: Timestamp) -> String {
    keys.sign("join", HOUR, now, &json!({ "room": 7 }))
}

fn taken(keys: &Keys, now: Timestamp, token: &str) -> bool {
    keys.verify::<Value>("join", now, token).is_ok()
}

/// With another header in front, and the signature of before.
fn with_header(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn tokens_are_taken_before_during_and_after_a_rotation_by_processes_that_looked_at_different_times() {
    let dir = tempfile::tempdir().unwrap();
    let (early, late) =
        (Keys::load_or_create(dir.path()).unwrap(), Keys::load_or_create(dir.path()).unwrap());
    let before = signed(&early, NOW);
    let old = kid_of(&before);
    let Rotated { kid, from, deleted } = rotate(dir.path(), NOW, NOW + KEY_ANNOUNCED).unwrap();
    assert_eq!((from, deleted), (NOW + KEY_ANNOUNCED, 0));

    // Announced: shown, known to who has looked, and not signing.
    assert!(early.reload().unwrap());
    assert!(!early.reload().unwrap());
    let shown =
        |keys: &Keys, now| keys.public(now).keys.into_iter().map(|key| key.kid).collect::<BTreeSet<_>>();
    assert_eq!(shown(&early, NOW).len(), 2);
    assert!(shown(&early, NOW).contains(&kid) && !shown(&late, NOW).contains(&kid));
    let announced = signed(&early, NOW + MINUTE);
    assert_eq!(kid_of(&announced), old);
    assert!(taken(&late, NOW, &announced));

    // By the time that it signs, everybody has looked.
    assert!(late.reload().unwrap());
    let during = signed(&early, from);
    assert_eq!(kid_of(&during).as_deref(), Some(kid.as_str()));
    for keys in [&early, &late, &Keys::load_or_create(dir.path()).unwrap()] {
        for token in [&before, &announced, &during] {
            assert!(taken(keys, from, token));
        }
    }
    // A machine whose clock is behind takes what another has signed with a key that is only announced there.
    assert!(taken(&late, NOW, &during));
}

#[test]
fn a_key_is_over_when_its_tokens_are_and_the_next_rotation_deletes_it() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let long = keys.sign("join", KEY_OVERLAP * 2, NOW, &json!({}));
    let first = kid_of(&long).unwrap();
    let from = rotate(dir.path(), NOW, NOW + KEY_ANNOUNCED).unwrap().from;
    keys.reload().unwrap();
    let (last, over) = (from + KEY_OVERLAP - Duration::from_millis(1), from + KEY_OVERLAP);
    let shown = |now| keys.public(now).keys.iter().any(|key| key.kid == first);
    assert!(taken(&keys, last, &long) && shown(last));
    assert!(!taken(&keys, over, &long) && !shown(over));
    assert_eq!(rotate(dir.path(), last, last + KEY_ANNOUNCED).unwrap().deleted, 0);
    assert_eq!(rotate(dir.path(), over, over + KEY_ANNOUNCED).unwrap().deleted, 1);
    assert!(!dir.path().join(FIRST).exists());
    // Whoever starts now makes no first key again.
    Keys::load_or_create(dir.path()).unwrap();
    assert!(!dir.path().join(FIRST).exists());
}

#[test]
fn a_token_without_a_keys_name_is_of_the_first_key_only() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    // As versions before rotation signed them: there was one key, and nobody named it.
    let pkcs8 = fs::read(dir.path().join(FIRST)).unwrap();
    let claims =
        json!({ "aud": "join", "iat": 1_800_000_000, "exp": 1_800_003_600, "jti": uuid::Uuid::nil() });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    let unnamed =
        |pkcs8: &[u8]| jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(pkcs8)).unwrap();
    let old = unnamed(&pkcs8);
    assert!(taken(&keys, NOW, &old));
    let from = rotate(dir.path(), NOW, NOW).unwrap().from;
    keys.reload().unwrap();
    assert!(taken(&keys, NOW, &old));
    let second = fs::read(dir.path().join(format!("{PREFIX}{}{SUFFIX}", from.as_millis()))).unwrap();
    assert!(!taken(&keys, NOW, &unnamed(&second)));
}

#[test]
fn a_forged_name_of_a_key_helps_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let first = signed(&keys, NOW);
    let other = rotate(dir.path(), NOW, NOW).unwrap().kid;
    keys.reload().unwrap();
    let stranger = signed(&Keys::ephemeral(), NOW);
    let own = kid_of(&first).unwrap();
    for (token, kid) in [
        (&first, json!(other)),
        (&first, Value::Null),
        (&first, json!("")),
        (&first, json!(own.to_lowercase())),
        (&first, json!(7)),
        (&first, json!([own])),
        (&stranger, json!(own)),
        (&stranger, json!(other)),
        (&stranger, json!("../tokens.ed25519.pk8")),
    ] {
        let forged = with_header(token, &json!({ "typ": "JWT", "alg": "EdDSA", "kid": kid }));
        assert!(!taken(&keys, NOW, &forged), "{kid}");
    }
    assert!(taken(&keys, NOW, &first));
}

#[test]
fn a_key_that_was_taken_away_verifies_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let stolen = signed(&keys, NOW);
    let Rotated { kid, deleted, .. } = revoke_all(dir.path(), NOW).unwrap();
    assert_eq!(deleted, 1);
    assert!(taken(&keys, NOW, &stolen), "this process has not looked yet");
    assert!(keys.reload().unwrap());
    assert_eq!(keys.verify::<Value>("join", NOW, &stolen).unwrap_err(), TokenError);
    assert_eq!(kid_of(&signed(&keys, NOW)), Some(kid));
    assert_eq!(keys.public(NOW).keys.len(), 1);
}

#[test]
fn what_cannot_be_read_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let token = signed(&keys, NOW);
    let file = dir.path().join("tokens.5.ed25519.pk8");
    files::replace(dir.path(), "tokens.5.ed25519.pk8", b"no key").unwrap();
    assert!(matches!(keys.reload(), Err(KeyFileError::NotAKey { .. })));
    fs::remove_file(file).unwrap();
    fs::remove_file(dir.path().join(FIRST)).unwrap();
    assert!(matches!(keys.reload(), Err(KeyFileError::NotAKey { .. })));
    assert!(taken(&keys, NOW, &token));
    assert!(rotate(dir.path(), NOW, NOW).is_err());
    assert!(!Keys::ephemeral().reload().unwrap());
}

#[test]
fn of_more_keys_than_there_may_be_the_newest_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let first = signed(&keys, NOW);
    for n in 1..MAX_TOKEN_KEYS as i64 {
        make(dir.path(), Timestamp::from_millis(n)).unwrap();
    }
    keys.reload().unwrap();
    assert_eq!(keys.ring().iter().count(), MAX_TOKEN_KEYS);
    assert!(keys.ring().iter().any(|key| Some(&key.kid) == kid_of(&first).as_ref()));
    make(dir.path(), NOW).unwrap();
    keys.reload().unwrap();
    assert_eq!(keys.ring().iter().count(), MAX_TOKEN_KEYS);
    assert!(!taken(&keys, NOW, &first));
}

#[test]
fn a_key_is_announced_for_longer_than_anybody_takes_to_hear_of_it() {
    assert!(KEY_ANNOUNCED >= JWKS_MAX_AGE + KEY_LOOK * 2);
}

#[test]
fn the_public_keys_are_json_web_keys_and_nothing_else_of_them() {
    // RFC 8037, appendices A.1 to A.3.
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let pkcs8 = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().to_pkcs8().unwrap();
    let ring = Ring::of(pkcs8.as_ref()).unwrap();
    assert_eq!(
        serde_json::to_value(ring.public(NOW)).unwrap(),
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }] })
    );
}

/// Processes that share the directory hear of a key without a restart, and long before it signs.
#[tokio::test(start_paused = true)]
async fn who_watches_hears_of_a_rotation_within_a_look() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::load_or_create(dir.path()).unwrap());
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(Arc::clone(&keys).watch(stop.clone()));
    let kid = rotate(dir.path(), NOW, NOW + KEY_ANNOUNCED).unwrap().kid;
    let begun = tokio::time::Instant::now();
    while !keys.public(NOW).keys.iter().any(|key| key.kid == kid) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() <= KEY_LOOK * 2, "{:?}", begun.elapsed());
    stop.cancel();
    tasks.join_all().await;
}

proptest! {
    #[test]
    fn any_name_of_a_file_is_a_keys_or_not(name in any::<String>()) {
        if let Some(from) = from_of(&name) {
            prop_assert!(from.as_millis() >= 0);
        }
    }

    #[test]
    fn the_name_of_a_file_says_from_when(from in 0..=i64::MAX) {
        prop_assert_eq!(from_of(&format!("{PREFIX}{from}{SUFFIX}")), Some(Timestamp::from_millis(from)));
    }
}
