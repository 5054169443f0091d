//! Answers that say which state they show, and requests that depend on one (RFC 9110, 8.8.3 and 13.1).
//!
//! A tag is a digest of the answer: whoever has it has seen exactly that.

use crate::problem::{self, Kind, Problem};
use aws_lc_rs::digest;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

/// Somebody has changed it meanwhile.
pub const CHANGED_MEANWHILE: Kind =
    Kind::new("changed-meanwhile", 412, "Somebody has changed this meanwhile. Look at it again.");

/// Bytes of a digest that stand in a tag.
const TAG_BYTES: usize = 16;

/// An answer's JSON and its tag.
#[derive(Clone)]
pub struct Tagged {
    json: Vec<u8>,
    tag: HeaderValue,
}

impl std::fmt::Debug for Tagged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tagged").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Tagged {
    /// Writes it down.
    ///
    /// # Errors
    /// 500: it cannot be written as JSON.
    pub fn new(of: &impl Serialize) -> Result<Self, Problem> {
        let json = serde_json::to_vec(of).map_err(|error| Problem::new(problem::INTERNAL).because(error))?;
        let digest = digest::digest(&digest::SHA256, &json);
        let text = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..TAG_BYTES]));
        let tag =
            HeaderValue::try_from(text).map_err(|error| Problem::new(problem::INTERNAL).because(error))?;
        Ok(Self { json, tag })
    }

    /// Whether whoever asks has it already (`If-None-Match`).
    #[must_use]
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        matches(headers, header::IF_NONE_MATCH, &self.tag) == Some(true)
    }

    /// Refuses a change by somebody who has seen another state (`If-Match`). Who names none takes what there is.
    ///
    /// # Errors
    /// 412.
    pub fn must_match(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match matches(headers, header::IF_MATCH, &self.tag) {
            Some(false) => Err(CHANGED_MEANWHILE.into()),
            _ => Ok(()),
        }
    }

    /// 200 with the tag, or 304 for who has it already. Nothing on the way keeps it.
    #[must_use]
    pub fn answer(self, headers: &HeaderMap) -> Response {
        let known = self.is_known(headers);
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => {
                let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                (kind, Body::from(self.json)).into_response()
            }
        };
        response.headers_mut().insert(header::ETAG, self.tag);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Whether one of a header's tags is this one; none if there is no such header. A weak tag is compared as a strong one:
/// we make no weak ones.
fn matches(headers: &HeaderMap, name: header::HeaderName, tag: &HeaderValue) -> Option<bool> {
    let mut all = headers.get_all(name).iter().peekable();
    all.peek()?;
    let of = |value: &HeaderValue| {
        value.to_str().is_ok_and(|list| {
            let one =
                |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes();
            list.split(',').any(|each| one(each.trim()))
        })
    };
    Some(all.any(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        [(header::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn who_has_it_is_not_sent_it_and_who_has_another_state_changes_nothing() {
        let (one, other) = (Tagged::new(&1).unwrap(), Tagged::new(&2).unwrap());
        let tag = one.tag.to_str().unwrap().to_owned();
        assert_ne!(one.tag, other.tag);
        for list in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            assert!(one.is_known(&with("if-none-match", &list)), "{list}");
            assert!(one.must_match(&with("if-match", &list)).is_ok(), "{list}");
        }
        assert_eq!(one.clone().answer(&with("if-none-match", &tag)).status(), 304);
        assert_eq!(one.clone().answer(&HeaderMap::new()).status(), 200);
        assert!(!other.is_known(&with("if-none-match", &tag)));
        assert_eq!(other.must_match(&with("if-match", &tag)).unwrap_err().kind().status(), 412);
        assert!(other.must_match(&HeaderMap::new()).is_ok());
    }
}
