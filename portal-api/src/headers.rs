//! Security headers, on every answer.

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Whether the browser is told to use TLS only from now on (RFC 6797).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hsts {
    /// The certificate is one that browsers trust: insist.
    Insist,
    /// No TLS, or a certificate made here: insisting would lock people out.
    Silent,
}

/// No third party, nothing inline, nobody may frame us. `blob:` is for media and pictures taken in the
/// page itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; \
    style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; font-src 'self'; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What programs ask is no page: nothing may come of it if a browser takes it for one.
const POLICY_OF_DATA: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

const PERMISSIONS_POLICY: &str = "camera=(self), microphone=(self), display-capture=(self), \
    speaker-selection=(self), screen-wake-lock=(self), autoplay=(self), fullscreen=(self), \
    picture-in-picture=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), \
    geolocation=(), payment=(), usb=(), serial=(), midi=(), \
    browsing-topics=()";

const HEADERS: [(&str, &str); 6] = [
    ("permissions-policy", PERMISSIONS_POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Middleware around every route, and around what answers where there is none.
pub async fn secure(State(hsts): State<Hsts>, request: Request, next: Next) -> Response {
    let is_data = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = if is_data { POLICY_OF_DATA } else { CONTENT_SECURITY_POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if hsts == Hsts::Insist {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}
