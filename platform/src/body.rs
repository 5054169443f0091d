//! A request's body, as JSON and nothing else.

use crate::problem::{self, Problem};
use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

/// Reads a body that says it is JSON. A page of another site cannot send that without being asked first (Fetch, 3.2).
///
/// # Errors
/// 413, 415 or 400; what is wrong inside is not said, because it may be PHI.
pub fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => problem::TOO_LARGE,
        _ => problem::BAD_REQUEST,
    })?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = kind
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(problem::UNSUPPORTED_MEDIA_TYPE.into());
    }
    // A list would be taken for an object, its members by their places.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(problem::BAD_REQUEST.into());
    }
    serde_json::from_slice(&body).map_err(|_| problem::BAD_REQUEST.into())
}

/// Refuses what a page of another site sends, where the browser says so (Fetch Metadata).
///
/// # Errors
/// 403.
pub fn own_site(headers: &HeaderMap) -> Result<(), Problem> {
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if foreign { Err(problem::FORBIDDEN.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(axum::http::HeaderName::from_static(name), value.parse().unwrap())].into_iter().collect()
    }

    fn read(kind: &str, body: &'static str) -> Result<u8, u16> {
        json(&headers("content-type", kind), Ok(Bytes::from_static(body.as_bytes())))
            .map_err(|problem| problem.kind().status().as_u16())
    }

    #[test]
    fn only_json_that_says_so_is_read() {
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(read(kind, "7"), Ok(7));
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
            assert_eq!(read(kind, "7"), Err(415), "{kind}");
        }
        assert_eq!(read("application/json", "seven"), Err(400));
        assert_eq!(read("application/json", " [7]"), Err(400));
        let list =
            json::<(u8,)>(&headers("content-type", "application/json"), Ok(Bytes::from_static(b"[7]")));
        assert_eq!(list.unwrap_err().kind().status(), 400, "what could be read as an object");
        assert_eq!(json::<u8>(&HeaderMap::new(), Ok(Bytes::new())).unwrap_err().kind().status(), 415);
    }

    #[test]
    fn a_page_of_another_site_is_refused_and_a_tool_is_not() {
        for (site, ok) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            assert_eq!(own_site(&headers("sec-fetch-site", site)).is_ok(), ok, "{site}");
        }
        assert!(own_site(&HeaderMap::new()).is_ok());
    }
}
