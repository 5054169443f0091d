//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): what was asked twice is done once.
//!
//! ```text
//! key + who + route ─HMAC─▶ a stream of its own ─▶ first event: the body's fingerprint. Another body: 422
//!                       └─▶ the CommandId of the change: recorded in the change's own transaction
//! ```
//!
//! The key and the body stand nowhere: only HMACs of them do. The change itself is appended with [`Once::command`], so
//! that it and the note that it was done are one transaction. A secret that the answer shows is derived
//! ([`Once::secret`]), so that the answer can be given again without being kept.

use crate::{
    event_log::{Append, AppendError, Category, Moment, NewEvent, Refusal, Store, StreamId, Version},
    keys::Keys,
    lane::Lane,
    limits::MAX_IDEMPOTENCY_KEY_BYTES,
    problem::{self, Kind, Problem},
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use model::{CommandId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// The request's header.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The answer's header: `true`, if it was done before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key was used for something else.
pub const KEY_REUSED: Kind =
    Kind::new("idempotency-key-reused", 422, "This Idempotency-Key was used for another request.");

/// Streams of requests with a key: one event each.
const REQUEST: Category = Category { name: "request", lane: Lane::Standard };

/// What a version never is: an append at it records nothing, and says whether its key was used.
const NEVER: Version = Version(i64::MAX as u64 - 1);

/// How often the store is asked when it does not say whether it has recorded something.
const TRIES: usize = 3;

const LATER: Duration = Duration::from_secs(2);

#[derive(Serialize, Deserialize)]
struct Requested {
    fingerprint: Uuid,
}

/// A request that is carried out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    tenant: TenantId,
    /// The key of the change's append.
    pub command: CommandId,
}

/// What is asked, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In which healthcare unit.
    pub tenant: TenantId,
    /// By whom.
    pub who: Uuid,
    /// What: method and path.
    pub what: &'a str,
    /// The body, as it came.
    pub body: &'a [u8],
}

/// The key of a request, if it has one.
///
/// # Errors
/// 400: it is empty, longer than [`MAX_IDEMPOTENCY_KEY_BYTES`], not visible ASCII, or there are several.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut all = headers.get_all(HEADER).iter();
    let (first, second) = (all.next(), all.next());
    let Some(value) = first else { return Ok(None) };
    let text = value.to_str().ok().map(|text| text.trim().trim_matches('"'));
    let fits = |text: &&str| {
        (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match text.filter(fits) {
        Some(text) if second.is_none() => Ok(Some(text)),
        _ => Err(Problem::new(problem::BAD_REQUEST)
            .detail(format!("Idempotency-Key: 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible characters, once."))),
    }
}

/// Notes what the key is for. The same key for the same request again is let through: the change's append tells whether it
/// was done.
///
/// # Errors
/// 422 `idempotency-key-reused`, or 503: the store does not answer.
pub async fn begin(
    store: &dyn Store,
    keys: &Keys,
    asked: Asked<'_>,
    key: &str,
    now: Timestamp,
) -> Result<Once, Problem> {
    let Asked { tenant, who, what, body } = asked;
    let id = keys.blind_id("idempotency-key", tenant, &format!("{who} {what} {key}"));
    let fingerprint = keys.blind_id("idempotency-body", tenant, &String::from_utf8_lossy(body));
    let once = Once { tenant, command: CommandId(id) };
    let stream = StreamId { tenant, category: REQUEST, id };
    let later = || Problem::new(problem::UNAVAILABLE).retry_after(LATER);
    for _ in 0..TRIES {
        let first =
            store.read(stream, Version(0), 1, Moment::NOW).await.map_err(|_| later())?.into_iter().next();
        if let Some(first) = first {
            let was = serde_json::from_str::<Requested>(&first.body).map_err(|_| later())?;
            return if was.fingerprint == fingerprint { Ok(once) } else { Err(KEY_REUSED.into()) };
        }
        let body = serde_json::to_string(&Requested { fingerprint }).unwrap_or_default();
        let event = NewEvent { kind: "requested", schema: 1, body, phi: None, effective: None };
        match store.append(Append::new(stream, Version(0), vec![event], now)).await {
            Ok(_) => return Ok(once),
            Err(AppendError::Rejected(Refusal::Conflict { .. }) | AppendError::Unknown) => {}
            Err(AppendError::Rejected(_)) => break,
        }
    }
    Err(later())
}

impl Once {
    /// A secret of 244 bits that is the same each time this request is asked, and nobody can guess.
    #[must_use]
    pub fn secret(&self, keys: &Keys, purpose: &str) -> String {
        let half =
            |n: u8| keys.blind_id(&format!("once {purpose} {n}"), self.tenant, &self.command.to_string());
        format!("{}{}", half(0).simple(), half(1).simple())
    }

    /// Where a stream was after this request was carried out on it; none if it was not.
    ///
    /// # Errors
    /// 503: the store does not answer.
    pub async fn done(
        &self,
        store: &dyn Store,
        stream: StreamId,
        now: Timestamp,
    ) -> Result<Option<Version>, Problem> {
        let nothing =
            NewEvent { kind: "never", schema: 1, body: "{}".to_owned(), phi: None, effective: None };
        let probe = Append { key: Some(self.command), ..Append::new(stream, NEVER, vec![nothing], now) };
        match store.append(probe).await {
            Ok(appended) if appended.repeated => Ok(Some(appended.version)),
            Err(AppendError::Rejected(Refusal::Conflict { .. })) => Ok(None),
            _ => Err(Problem::new(problem::UNAVAILABLE).retry_after(LATER)),
        }
    }
}

/// Says in an answer that nothing was done now.
pub fn say_replayed(headers: &mut HeaderMap) {
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HEADER, value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_visible_text_of_a_bounded_length_and_there_is_one() {
        assert_eq!(key(&HeaderMap::new()).unwrap(), None);
        let most = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES);
        for good in ["8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", most.as_str()] {
            assert_eq!(key(&headers(&[good])).unwrap(), Some(good.trim_matches('"')));
        }
        let long = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES + 1);
        for bad in [&[""][..], &["a b"], &[long.as_str()], &["a", "a"]] {
            assert_eq!(key(&headers(bad)).unwrap_err().kind().status(), 400, "{bad:?}");
        }
    }
}
