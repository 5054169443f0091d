use super::*;
use crate::Hsts;
use axum::{body::Body, http::Request, middleware};
use std::fs;
use tower::ServiceExt as _;

struct Site {
    _dir: tempfile::TempDir,
    router: Router,
}

fn site(files: &[(&str, &str)]) -> Site {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("assets")).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let assets = Arc::new(Assets::new(Some(dir.path().to_owned())));
    let router = router(assets).layer(middleware::from_fn_with_state(Hsts::Silent, crate::headers::secure));
    Site { _dir: dir, router }
}

const FILES: &[(&str, &str)] = &[
    ("index.html", "landing"),
    ("visit.html", "visit"),
    ("visit.html.br", "br(visit)"),
    ("visit.html.gz", "gz(visit)"),
    ("clinic.html", "clinic"),
    ("favicon.svg", "<svg/>"),
    ("assets/app-1a2b.js", "code"),
    ("assets/app-1a2b.js.br", "br(code)"),
];

async fn get_with(site: &Site, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = site.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 100_000).await.unwrap();
    (parts.status.as_u16(), parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn check(path: &str, status: u16, body: &str) {
    let (got, _, text) = get_with(&site(FILES), path, &[]).await;
    assert_eq!(got, status, "{path}");
    assert!(text.contains(body), "{path}: {text}");
}

#[tokio::test]
async fn each_path_shows_its_page_and_nothing_else_is_there() {
    check("/", 200, "landing").await;
    check("/visit", 200, "visit").await;
    check("/clinic", 200, "clinic").await;
    check("/favicon.svg", 200, "<svg/>").await;
    check("/assets/app-1a2b.js", 200, "code").await;
    for path in [
        "/visit.html",
        "/assets/none.js",
        "/none",
        "/assets/app-1a2b.js.br",
        "/assets/..%2findex.html",
        "/.env",
    ] {
        check(path, 404, "not-found").await;
    }
}

#[tokio::test]
async fn what_is_named_by_its_hash_is_kept_for_ever_and_pages_are_asked_for_each_time() {
    let site = site(FILES);
    let (_, headers, _) = get_with(&site, "/assets/app-1a2b.js", &[]).await;
    assert_eq!(headers["cache-control"], FOR_EVER);
    assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
    let (_, headers, _) = get_with(&site, "/visit", &[]).await;
    assert_eq!(headers["cache-control"], "no-cache");
    let tag = headers["etag"].to_str().unwrap();
    let (status, _, body) = get_with(&site, "/visit", &[("if-none-match", tag)]).await;
    assert_eq!((status, body.as_str()), (304, ""));
    assert_eq!(get_with(&site, "/visit", &[("if-none-match", "\"other\"")]).await.0, 200);
}

#[tokio::test]
async fn the_smallest_variant_that_the_browser_takes_is_sent() {
    let site = site(FILES);
    for (accept, encoding, body) in [
        ("gzip, deflate, br", Some("br"), "br(visit)"),
        ("gzip", Some("gzip"), "gz(visit)"),
        ("br;q=0, gzip;q=0.5", Some("gzip"), "gz(visit)"),
        ("identity", None, "visit"),
    ] {
        let (_, headers, text) = get_with(&site, "/visit", &[("accept-encoding", accept)]).await;
        assert_eq!(
            headers.get("content-encoding").map(|value| value.to_str().unwrap()),
            encoding,
            "{accept}"
        );
        assert_eq!(text, body);
        assert_eq!(headers["vary"], "accept-encoding");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn pages_may_use_camera_and_microphone_and_nobody_may_frame_them() {
    let (_, headers, _) = get_with(&site(FILES), "/visit", &[]).await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let permissions = headers["permissions-policy"].to_str().unwrap();
    for right in ["camera=(self)", "microphone=(self)", "display-capture=(self)", "geolocation=()"] {
        assert!(permissions.contains(right), "{permissions}");
    }
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert!(!headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn without_a_build_the_page_says_what_to_do() {
    let (status, _, text) = get_with(&site(&[]), "/visit", &[]).await;
    assert_eq!(status, 503);
    assert!(text.contains("make web"));
}
