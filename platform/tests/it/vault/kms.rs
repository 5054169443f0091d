//! A key service, over HTTP.

use super::rig::{Fixed, TENANT};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use platform::{
    limits::{KEYRING_PATIENCE, MAX_KMS_ANSWER_BYTES, MAX_WRAPPED_BYTES},
    vault::{
        Key, Vault, VaultError,
        provider::{
            KeyProvider as _, Of, ProviderError,
            kms::{Config, KeyService},
        },
    },
};
use prometheus::Registry;
use serde_json::{Value, json};
use std::{future::IntoFuture as _, sync::Arc};
use testkit::vault::MemoryKeyring;
use tokio::task::JoinSet;

const OF: Of = Of { tenant: TENANT, version: 1 };

/// What the service does, whatever it is asked.
#[derive(Clone, Default)]
enum Mood {
    /// Its work: it turns bytes around and remembers the context.
    #[default]
    Well,
    Says(StatusCode),
    Answers(Value),
    Hangs,
}

type Service = Arc<Mutex<(Mood, u32)>>;

async fn answer(
    State(service): State<Service>,
    headers: HeaderMap,
    body: Option<Json<Value>>,
) -> Result<Json<Value>, StatusCode> {
    let (mood, version) = service.lock().clone();
    match mood {
        Mood::Well => {}
        Mood::Says(status) => return Err(status),
        Mood::Answers(value) => return Ok(Json(value)),
        Mood::Hangs => std::future::pending().await,
    }
    if headers.get(header::AUTHORIZATION).is_none_or(|token| token != "Bearer sesame") {
        return Err(StatusCode::FORBIDDEN);
    }
    let key = format!("arn:key/phi/{version}");
    let Some(Json(body)) = body else { return Ok(Json(json!({ "key": key }))) };
    let context = body["context"].as_str().unwrap();
    Ok(Json(match (body["plaintext"].as_str(), body["ciphertext"].as_str()) {
        (Some(text), _) => json!({ "key": key, "ciphertext": STANDARD.encode(format!("{context}|{text}")) }),
        (_, Some(text)) => {
            let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
            let (of, text) = text.split_once('|').unwrap();
            if of != context {
                return Err(StatusCode::BAD_REQUEST);
            }
            json!({ "plaintext": text })
        }
        _ => return Err(StatusCode::BAD_REQUEST),
    }))
}

async fn start() -> (Service, Config, JoinSet<()>) {
    let service = Service::new(Mutex::new((Mood::Well, 1)));
    let router = Router::new()
        .route("/kms/wrap", post(answer))
        .route("/kms/unwrap", post(answer))
        .route("/kms/key", get(answer))
        .with_state(Arc::clone(&service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/kms/", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).into_future().await.unwrap() });
    let config = Config { url, key: "arn:key/phi".into(), token: Some("sesame".to_owned().into()) };
    (service, config, serving)
}

#[tokio::test]
async fn a_service_wraps_and_unwraps_and_says_by_which_version_of_its_key() {
    let (service, config, _serving) = start().await;
    let keys = KeyService::new(config.clone()).unwrap();
    let key = Key::from_bytes(&[7; 32]).unwrap();
    let wrapped = keys.wrap(OF, &key).await.unwrap();
    assert_eq!(wrapped.kek, "arn:key/phi/1");
    assert_eq!(keys.unwrap(OF, &wrapped).await.unwrap().expose(), key.expose());
    let other = Of { version: 2, ..OF };
    assert_eq!(keys.unwrap(other, &wrapped).await.unwrap_err(), ProviderError::Damaged);
    assert_eq!(keys.present().await.unwrap(), "arn:key/phi/1");
    // A whole vault over it; the service's key is rotated, and ours are wrapped anew.
    let ring: Arc<MemoryKeyring> = Arc::default();
    let vault = Vault::new(ring, Arc::new(keys), Arc::new(Fixed), &Registry::new()).unwrap();
    let index = vault.blind(TENANT, "mrn", "4711").await.unwrap();
    assert_eq!(vault.rewrap_tenant(TENANT).await, Ok(0));
    service.lock().1 = 2;
    assert_eq!(vault.rewrap_tenant(TENANT).await, Ok(1));
    assert_eq!(vault.status(TENANT).await.unwrap().keks, ["arn:key/phi/2"]);
    assert_eq!(vault.blind(TENANT, "mrn", "4711").await.unwrap(), index);
    let stranger = Config { token: None, ..config };
    let refused = KeyService::new(stranger).unwrap().wrap(OF, &key).await.unwrap_err();
    assert_eq!(refused, ProviderError::Refused);
}

#[tokio::test]
async fn whatever_a_service_answers_ends_in_time_and_without_harm() {
    let (service, config, serving) = start().await;
    let keys = KeyService::new(config).unwrap();
    let key = Key::from_bytes(&[7; 32]).unwrap();
    let wrapped = keys.wrap(OF, &key).await.unwrap();
    let (fits, too_long) = (vec![1; MAX_WRAPPED_BYTES], vec![1; MAX_WRAPPED_BYTES + 1]);
    let answers = |bytes: &[u8]| Mood::Answers(json!({ "key": "k", "ciphertext": STANDARD.encode(bytes) }));
    service.lock().0 = answers(&fits);
    assert_eq!(keys.wrap(OF, &key).await.unwrap().bytes, fits);
    let huge = Mood::Answers(json!({ "key": "k", "ciphertext": "A".repeat(MAX_KMS_ANSWER_BYTES) }));
    for (mood, expected) in [
        (answers(&too_long), ProviderError::Refused),
        (answers(&[]), ProviderError::Refused),
        (Mood::Answers(json!({ "key": "", "ciphertext": "AAAA" })), ProviderError::Refused),
        (Mood::Answers(json!({ "key": 7 })), ProviderError::Refused),
        (Mood::Answers(json!([])), ProviderError::Refused),
        (huge, ProviderError::Away),
        (Mood::Says(StatusCode::SERVICE_UNAVAILABLE), ProviderError::Away),
        (Mood::Says(StatusCode::TOO_MANY_REQUESTS), ProviderError::Away),
        (Mood::Says(StatusCode::UNAUTHORIZED), ProviderError::Refused),
        (Mood::Says(StatusCode::NOT_FOUND), ProviderError::Missing("arn:key/phi".into())),
    ] {
        service.lock().0 = mood;
        assert_eq!(keys.wrap(OF, &key).await.unwrap_err(), expected);
    }
    for plaintext in ["", "AAAA", "not base64", &STANDARD.encode([1; 33])] {
        service.lock().0 = Mood::Answers(json!({ "plaintext": plaintext }));
        assert_eq!(keys.unwrap(OF, &wrapped).await.unwrap_err(), ProviderError::Refused, "{plaintext}");
    }
    service.lock().0 = Mood::Hangs;
    let begun = std::time::Instant::now();
    assert_eq!(keys.wrap(OF, &key).await.unwrap_err(), ProviderError::Away);
    assert!(begun.elapsed() < 2 * KEYRING_PATIENCE, "{:?}", begun.elapsed());
    drop(serving);
    assert_eq!(keys.wrap(OF, &key).await.unwrap_err(), ProviderError::Away);
    let vault =
        Vault::new(Arc::new(MemoryKeyring::default()), Arc::new(keys), Arc::new(Fixed), &Registry::new());
    assert_eq!(vault.unwrap().blind(TENANT, "mrn", "4711").await, Err(VaultError::Away));
}

#[test]
fn keys_go_to_no_other_machine() {
    let of = |url: &str, key: &str| {
        KeyService::new(Config { url: url.into(), key: key.into(), token: None }).is_ok()
    };
    for good in ["http://127.0.0.1:8200", "http://localhost:1/a/b/", "http://[::1]:8200/kms"] {
        assert!(of(good, "projects/p/keys/k:1"), "{good}");
    }
    for bad in [
        "https://127.0.0.1:8200",
        "http://kms.example.org:80",
        "http://10.0.0.1:80",
        "http://127.0.0.1",
        "http://me@127.0.0.1:80",
        "http://127.0.0.1:80/?a=b",
        "http://127.0.0.1:99999",
        "",
    ] {
        assert!(!of(bad, "k"), "{bad}");
    }
    for key in ["", "a b", "a\"b", "a?b", &"k".repeat(513)] {
        assert!(!of("http://127.0.0.1:8200", key), "{key}");
    }
    assert!(of("http://127.0.0.1:8200", &"k".repeat(512)));
}
