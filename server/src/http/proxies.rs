//! Whose request it is that came through a proxy: throttles count by address, and behind a load balancer all would share its.
//!
//! Only proxies that are named are believed, and only what they added: the list of addresses is read from the right, and
//! the first that is no trusted proxy's is the client's. What stands to the left of it, the client may have written itself.

use super::limits::MAX_FORWARDED_HOPS;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use model::{Network, NotANetwork};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// Which header the proxies write. The other one is the client's own words and is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// The proxies that are believed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Arc<[Network]>,
    header: ForwardedHeader,
}

impl Proxies {
    /// Reads the networks, which are separated by commas.
    ///
    /// # Errors
    /// The first text that is no network.
    pub fn new(trusted: &str, header: ForwardedHeader) -> Result<Self, NotANetwork> {
        let texts = trusted.split(',').map(str::trim).filter(|text| !text.is_empty());
        let trusted: Result<_, _> = texts.map(str::parse).collect();
        Ok(Self { trusted: trusted?, header })
    }

    /// Who asks: the peer, or who a trusted peer says.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut client = peer.to_canonical();
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops.take(MAX_FORWARDED_HOPS) {
            if !self.trusts(client) {
                break;
            }
            let Some(before) = std::str::from_utf8(hop).ok().and_then(|hop| self.address(hop)) else { break };
            client = before.to_canonical();
        }
        client
    }

    /// For a router: what asks for [`ConnectInfo`] gets the client's address.
    pub async fn look(State(proxies): State<Self>, mut request: Request, next: Next) -> Response {
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
            let client = proxies.client(peer.ip(), request.headers());
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(client, peer.port())));
        }
        next.run(request).await
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.has(address))
    }

    fn address(&self, hop: &str) -> Option<IpAddr> {
        match self.header {
            ForwardedHeader::XForwardedFor => address(hop.trim()),
            ForwardedHeader::Forwarded => {
                let node = hop.split(';').find_map(|pair| {
                    let (name, value) = pair.trim().split_once('=')?;
                    name.eq_ignore_ascii_case("for").then_some(value)
                })?;
                address(node.trim().trim_matches('"'))
            }
        }
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let plain = || text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    plain().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, routing::get};
    use proptest::prelude::*;
    use tower::ServiceExt as _;

    fn proxies(header: ForwardedHeader) -> Proxies {
        Proxies::new("10.0.0.0/8, 2001:db8:1::/48,192.0.2.7", header).unwrap()
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.parse().unwrap(), line.parse().unwrap())).collect()
    }

    fn check(peer: &str, lines: &[&str], client: &str) {
        let found = proxies(ForwardedHeader::XForwardedFor)
            .client(peer.parse().unwrap(), &headers("x-forwarded-for", lines));
        assert_eq!(found.to_string(), client, "{peer} {lines:?}");
    }

    #[test]
    fn who_is_no_trusted_proxy_is_the_client_whatever_it_says() {
        check("203.0.113.9", &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        check("192.0.2.8", &["198.51.100.1"], "192.0.2.8");
        check("2001:db8:2::1", &["198.51.100.1"], "2001:db8:2::1");
        let nobody = Proxies::default();
        let said = headers("x-forwarded-for", &["198.51.100.1"]);
        assert_eq!(nobody.client("127.0.0.1".parse().unwrap(), &said).to_string(), "127.0.0.1");
    }

    #[test]
    fn of_what_trusted_proxies_say_the_rightmost_stranger_is_the_client() {
        check("10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1");
        check("2001:db8:1::5", &["2001:db8:2::1"], "2001:db8:2::1");
        check("10.0.0.1", &["198.51.100.1, 192.0.2.7 ,10.1.2.3"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1", "192.0.2.7"], "198.51.100.1");
        check("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        check("10.0.0.1", &["[2001:db8:2::1]:4711"], "2001:db8:2::1");
        check("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1");
    }

    #[test]
    fn what_a_client_wrote_before_its_proxy_did_is_not_believed() {
        // The proxy appends whom it saw, on the same line or on another.
        check("10.0.0.1", &["127.0.0.1, 198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3", "198.51.100.1"], "198.51.100.1");
        check("10.0.0.1", &["203.0.113.1, unknown, 198.51.100.1, 10.0.0.9"], "198.51.100.1");
        // Something that is no address ends it at the proxy that passed it on.
        check("10.0.0.1", &["203.0.113.1, , 192.0.2.7"], "192.0.2.7");
        check("10.0.0.1", &["203.0.113.1, localhost"], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn the_header_that_proxies_do_not_write_is_not_looked_at() {
        let proxy = "10.0.0.1".parse().unwrap();
        let both: HeaderMap = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=203.0.113.1")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        for (header, client) in
            [(ForwardedHeader::XForwardedFor, "198.51.100.1"), (ForwardedHeader::Forwarded, "203.0.113.1")]
        {
            assert_eq!(proxies(header).client(proxy, &both).to_string(), client);
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let proxies = proxies(ForwardedHeader::Forwarded);
        for (line, client) in [
            ("for=198.51.100.1;proto=https;by=203.0.113.43", "198.51.100.1"),
            ("proto=https; For=\"198.51.100.1:80\"", "198.51.100.1"),
            ("for=\"[2001:db8:2::17]:4711\", for=10.0.0.9", "2001:db8:2::17"),
            // An open quotation mark of the client's does not swallow what the proxy added.
            ("for=\"203.0.113.1, for=198.51.100.1", "198.51.100.1"),
            ("for=_hidden, for=192.0.2.7", "192.0.2.7"),
            ("for=unknown", "10.0.0.1"),
            ("by=198.51.100.1", "10.0.0.1"),
        ] {
            let found = proxies.client("10.0.0.1".parse().unwrap(), &headers("forwarded", &[line]));
            assert_eq!(found.to_string(), client, "{line}");
        }
    }

    #[test]
    fn so_many_hops_are_followed_and_no_more() {
        let line = |proxies: usize| format!("198.51.100.1{}", ", 10.0.0.2".repeat(proxies));
        check("10.0.0.1", &[&line(MAX_FORWARDED_HOPS - 1)], "198.51.100.1");
        check("10.0.0.1", &[&line(MAX_FORWARDED_HOPS)], "10.0.0.2");
    }

    #[test]
    fn networks_are_addresses_with_a_common_beginning() {
        let has =
            |network: &str, address: &str| network.parse::<Network>().unwrap().has(address.parse().unwrap());
        assert!(has("0.0.0.0/0", "203.0.113.1") && has("::/0", "2001:db8::1"));
        assert!(!has("0.0.0.0/0", "2001:db8::1") && !has("::/0", "203.0.113.1"));
        assert!(has("10.1.2.3/8", "10.255.255.255") && !has("10.0.0.0/8", "11.0.0.0"));
        assert!(has("192.0.2.128/25", "192.0.2.128") && !has("192.0.2.128/25", "192.0.2.127"));
        assert!(has("192.0.2.1", "192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
        assert!(has("2001:db8::/33", "2001:db8:7fff::") && !has("2001:db8::/33", "2001:db8:8000::"));
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10/8", "proxy", "10.0.0.0/8/8"]
        {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad}");
        }
    }

    #[tokio::test]
    async fn handlers_see_the_client() {
        let said = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let look =
            axum::middleware::from_fn_with_state(proxies(ForwardedHeader::XForwardedFor), Proxies::look);
        let router = Router::new().route("/", get(said)).layer(look);
        for (peer, client) in [("10.0.0.1:5", "198.51.100.1:5"), ("203.0.113.9:5", "203.0.113.9:5")] {
            let peer: SocketAddr = peer.parse().unwrap();
            let request =
                Request::get("/").header("x-forwarded-for", "198.51.100.1").extension(ConnectInfo(peer));
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
            assert_eq!(body, client);
        }
    }

    proptest! {
        #[test]
        fn a_stranger_is_itself_whatever_it_sends(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let Ok(value) = axum::http::HeaderValue::from_bytes(&line) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value.clone());
            headers.insert("forwarded", value);
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let stranger: IpAddr = "203.0.113.9".parse().unwrap();
                prop_assert_eq!(proxies(header).client(stranger, &headers), stranger);
                proxies(header).client("10.0.0.1".parse().unwrap(), &headers);
            }
        }
    }
}
