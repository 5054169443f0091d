//! Pages of other sites: whatever they have a browser send, nothing happens, and they read nothing.
//!
//! What a foreign page can do without being asked first: simple requests (Fetch, 2.2.2) with the cookies of ours, and a
//! WebSocket. Everything else a browser asks about with OPTIONS, and is told nothing.

use crate::{
    http::{Answer, ask, get},
    matrix::{self, accepts},
    process::Server,
};

const EVIL: &str = "https://evil.example";

/// Somebody's browser, as far as a foreign page can use it: it has the session's cookie.
struct Browser {
    server: Server,
    cookie: String,
}

impl Browser {
    fn signed_in() -> Self {
        let server = Server::start_unhurried(&["--demo"]);
        let joined = accepts(&server, server.administrator());
        let cookies = joined.cookies.join("; ");
        assert!(cookies.contains("__Host-session="), "{cookies}");
        Self { server, cookie: cookies }
    }

    fn sends(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str()), ("origin", EVIL)];
        all.extend(headers);
        ask(self.server.http(), method, path, &all, body)
    }
}

/// Answers everybody alike, and changes nothing.
fn is_public(path: &str) -> bool {
    let public = [
        "/openapi.json",
        "/unit",
        "/auth/ways",
        "/auth/provider",
        "/auth/provider/callback",
        "/auth/passkey/challenge",
    ];
    public.iter().any(|public| path.ends_with(public))
}

#[test]
fn a_form_or_a_fetch_of_another_site_changes_nothing_on_any_route() {
    let browser = Browser::signed_in();
    let simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
    for (method, route) in matrix::asked() {
        let path = route.replace("{id}", "01900000-0000-7000-8000-000000000009");
        for kind in simple {
            for site in [&[][..], &[("sec-fetch-site", "cross-site")], &[("sec-fetch-site", "same-site")]] {
                let mut headers = vec![("content-type", kind)];
                headers.extend(site);
                let body = if method == "GET" { "" } else { "{\"idleS\":0}" };
                let answer = browser.sends(&method, &path, &headers, body);
                let of =
                    format!("{method} {path} as {kind} from {site:?}: {} {}", answer.status, answer.body);
                assert!(is_public(&path) || [401, 403, 415].contains(&answer.status), "{of}");
                for name in answer.headers.keys() {
                    assert!(!name.starts_with("access-control-"), "{of}: {name}");
                }
                assert_eq!(answer.headers.get("set-cookie"), None, "{of}");
            }
        }
    }
    // The cookie is still the session's, and was not replaced: its next use is its first.
    let own = [
        ("content-type", "application/json"),
        ("sec-fetch-site", "same-origin"),
        ("cookie", &browser.cookie),
    ];
    let renewed = ask(browser.server.http(), "POST", "/api/v1/auth/renew", &own, "{\"idleS\":0}");
    assert_eq!(renewed.status, 200, "{}", renewed.body);
}

#[test]
fn a_browser_that_asks_first_is_told_nothing() {
    let browser = Browser::signed_in();
    for (method, route) in matrix::asked() {
        let path = route.replace("{id}", "01900000-0000-7000-8000-000000000009");
        let asks = [
            ("access-control-request-method", method.as_str()),
            ("access-control-request-headers", "authorization, content-type"),
        ];
        let answer = browser.sends("OPTIONS", &path, &asks, "");
        assert_eq!(answer.status, 405, "{method} {path}");
        for name in answer.headers.keys() {
            assert!(!name.starts_with("access-control-"), "{method} {path}: {name}");
        }
    }
}

#[test]
fn the_cookie_opens_nothing_but_the_way_to_an_access_token() {
    let browser = Browser::signed_in();
    for (method, route) in matrix::asked() {
        let path = route.replace("{id}", "01900000-0000-7000-8000-000000000009");
        // Opened by nothing, by a secret in the body, or by the cookie.
        let opens = [
            "/auth/sign-in",
            "/auth/second",
            "/auth/passkey",
            "/auth/invitation",
            "/auth/join",
            "/auth/renew",
        ];
        let by_link = path.contains("/links/") || method == "POST" && path.ends_with("/visit/access");
        if is_public(&path) || by_link || opens.iter().any(|open| path.ends_with(open)) {
            continue;
        }
        let headers = [
            ("content-type", "application/json"),
            ("sec-fetch-site", "same-origin"),
            ("cookie", browser.cookie.as_str()),
        ];
        let body = if method == "GET" { "" } else { "{}" };
        let answer = ask(browser.server.http(), &method, &path, &headers, body);
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
    }
}

/// An opening handshake (RFC 6455, 4.1) from a page of these origins.
fn opens_socket(browser: &Browser, origins: &[&str], with_cookie: bool) -> u16 {
    let mut headers = vec![
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", signaling_protocol::SUBPROTOCOL),
    ];
    headers.extend(origins.iter().map(|origin| ("origin", *origin)));
    if with_cookie {
        headers.push(("cookie", browser.cookie.as_str()));
    }
    shakes(browser.server.http(), &headers)
}

/// The status of an answer to an opening handshake; the connection is closed then.
fn shakes(to: std::net::SocketAddr, headers: &[(&str, &str)]) -> u16 {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(to).unwrap();
    let mut head = format!("GET /ws HTTP/1.1\r\nhost: {to}\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let (mut text, mut piece) = (Vec::new(), [0; 1_024]);
    while !text.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "it was closed");
        text.extend_from_slice(&piece[..read]);
    }
    Answer::parse(&String::from_utf8_lossy(&text)).status
}

#[test]
fn a_page_of_another_site_cannot_open_a_socket_with_somebodys_browser() {
    let browser = Browser::signed_in();
    let own = browser.server.url().to_owned();
    assert_eq!(opens_socket(&browser, &[&own], true), 101, "our own page can");
    let longer = format!("{own}.evil.example");
    let port = format!("{}1", own);
    let before = format!("https://evil.example/{own}");
    let upper = own.to_ascii_uppercase();
    let https = own.replace("http://", "https://");
    for origins in [
        &[EVIL][..],
        &["null"],
        &[""],
        &[longer.as_str()],
        &[port.as_str()],
        &[before.as_str()],
        &[upper.as_str()],
        &[https.as_str()],
        &[own.as_str(), EVIL],
        &[EVIL, own.as_str()],
    ] {
        for with_cookie in [true, false] {
            assert_eq!(opens_socket(&browser, origins, with_cookie), 403, "{origins:?}");
        }
    }
}

#[test]
fn nobody_may_show_us_in_a_frame_or_send_forms_to_others() {
    let browser = Browser::signed_in();
    for page in ["/", "/visit", "/clinic", "/sign-in", "/join", "/admin", "/api", "/problems/not-found"] {
        let csp = get(browser.server.http(), page).headers["content-security-policy"].clone();
        for must in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"]
        {
            assert!(csp.contains(must), "{page}: {csp}");
        }
    }
}
