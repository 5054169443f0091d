//! What the configuration and the flags come to: where to listen, with or without TLS, under which
//! name. Decides and refuses; binds nothing.

use crate::{
    cli::{Common, Serve},
    config::{self, Config},
    demo,
    failure::Failure,
    http, lan,
    tls::{self, Tls},
};
use platform::clock::Clock;
use std::net::{IpAddr, SocketAddr};

/// What `serve` is about to do.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) metrics: Vec<SocketAddr>,
    /// Where other processes are listened to; empty when this one is alone.
    pub(crate) inside: Vec<SocketAddr>,
    pub(crate) tls: Option<Tls>,
    /// `--lan`: addresses of this machine, those others can reach first.
    pub(crate) lan: Option<Vec<IpAddr>>,
}

/// Reads the configuration and judges it.
///
/// # Errors
/// One line that names the key.
pub(crate) fn plan(args: &Serve, clock: &dyn Clock) -> Result<Plan, Failure> {
    let mut config = config::load(&args.common)?;
    if args.demo {
        demo::name(&mut config.identity);
    }
    let mut lan = None;
    let tls = if args.lan {
        let broken = |e| Failure::Broken(format!("--lan: this machine's addresses cannot be read: {e}"));
        let (reachable, all) = lan::addresses().map_err(broken)?;
        if config.http.listen == config::Http::default().listen {
            lan::LISTEN.clone_into(&mut config.http.listen);
        }
        lan = Some(reachable);
        Some(lan::certificate(&config.data_dir.join("tls"), &all, clock)?)
    } else {
        tls::from_config(&config.http)?
    };
    let http = listen(&config, tls.is_some())?;
    let metrics = http::parse("metrics.listen", &config.metrics.listen)?;
    let inside = match &config.fleet.listen {
        Some(listen) => http::parse("fleet.listen", listen)?,
        None => Vec::new(),
    };
    Ok(Plan { config, http, metrics, inside, tls, lan })
}

/// The addresses of `http.listen`, if they may be listened on.
///
/// # Errors
/// Not an address, or one that others can reach without TLS.
pub(crate) fn listen(config: &Config, with_tls: bool) -> Result<Vec<SocketAddr>, Failure> {
    let addresses = http::parse("http.listen", &config.http.listen)?;
    match addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        Some(open) if !with_tls => Err(Failure::Usage(format!(
            "http.listen: {open} can be reached from other machines and there is no TLS; set \
             http.tls_certificate and http.tls_key, or use --lan, or listen on localhost"
        ))),
        _ => Ok(addresses),
    }
}

/// The name that people's browsers use, without a slash at its end.
pub(crate) fn public_url(
    config: &Config,
    bound: &[SocketAddr],
    with_tls: bool,
    lan: Option<&[IpAddr]>,
) -> String {
    if let Some(url) = &config.http.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if with_tls { "https" } else { "http" };
    let first = bound.first().copied().unwrap_or_else(|| ([127, 0, 0, 1], 8_080).into());
    let host = match lan.and_then(<[IpAddr]>::first) {
        Some(ip) => host(*ip),
        None if first.ip().is_loopback() || first.ip().is_unspecified() => "localhost".to_owned(),
        None => host(first.ip()),
    };
    format!("{scheme}://{host}:{}", first.port())
}

/// Every origin a page of this server can have: those may open a WebSocket.
pub(crate) fn origins(
    public_url: &str,
    bound: &[SocketAddr],
    with_tls: bool,
    lan: Option<&[IpAddr]>,
) -> Vec<String> {
    let scheme = if with_tls { "https" } else { "http" };
    let mut origins = vec![origin_of(public_url)];
    for address in bound {
        let mut hosts = vec![host(address.ip())];
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
        }
        hosts.extend(lan.unwrap_or_default().iter().map(|ip| host(*ip)));
        origins.extend(hosts.iter().map(|host| origin_of(&format!("{scheme}://{host}:{}", address.port()))));
    }
    origins.sort();
    origins.dedup();
    origins
}

/// As a browser writes it (RFC 6454): no path, and no port where it is the scheme's own.
fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split('/').next().unwrap_or(rest).to_ascii_lowercase();
    let default = if scheme == "https" { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(default).unwrap_or(&authority))
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Where the server most likely is, for tools that were not told.
///
/// # Errors
/// The configuration cannot be used.
pub(crate) fn guess_url(common: &Common) -> Result<(Config, String), Failure> {
    let config = config::load(common)?;
    let with_tls = config.http.tls_certificate.is_some();
    let addresses = http::parse("http.listen", &config.http.listen)?;
    let url = public_url(&config, &addresses, with_tls, None);
    Ok((config, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> Config {
        let mut config = Config::default();
        listen.clone_into(&mut config.http.listen);
        config
    }

    #[test]
    fn an_address_that_others_can_reach_needs_tls() {
        for safe in ["localhost:0", "127.0.0.1:80", "127.9.9.9:80", "[::1]:80"] {
            assert!(listen(&config(safe), false).is_ok(), "{safe}");
        }
        for open in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:80"] {
            let said = listen(&config(open), false).unwrap_err().to_string();
            assert!(said.starts_with("http.listen: ") && said.contains("TLS"), "{said}");
            assert!(listen(&config(open), true).is_ok(), "{open}");
        }
    }

    #[test]
    fn the_url_is_what_a_browser_on_this_machine_or_the_phone_can_use() {
        let bound = |text: &str| vec![text.parse::<SocketAddr>().unwrap()];
        let phone: Vec<IpAddr> = vec!["192.0.2.7".parse().unwrap()];
        let url = |listen: &str, tls, lan: Option<&[IpAddr]>| {
            public_url(&config("localhost:1"), &bound(listen), tls, lan)
        };
        assert_eq!(url("127.0.0.1:8080", false, None), "http://localhost:8080");
        assert_eq!(url("[::]:8443", true, Some(&phone)), "https://192.0.2.7:8443");
        assert_eq!(url("[2001:db8::1]:443", true, None), "https://[2001:db8::1]:443");
        let mut named = config("localhost:1");
        named.http.public_url = Some("https://visits.example.org/".into());
        assert_eq!(public_url(&named, &[], true, None), "https://visits.example.org");
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let bound = ["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()];
        assert_eq!(
            origins("http://localhost:8080", &bound, false, None),
            ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"]
        );
        let any = ["[::]:443".parse().unwrap()];
        let origins =
            origins("https://Visits.example.org/x", &any, true, Some(&["192.0.2.7".parse().unwrap()]));
        for expected in ["https://visits.example.org", "https://192.0.2.7", "https://localhost"] {
            assert!(origins.iter().any(|origin| origin == expected), "{origins:?}");
        }
    }
}
