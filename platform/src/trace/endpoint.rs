//! Where the collector is.

/// Host, port and path of the collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `host:port`.
    pub(super) authority: String,
    /// The path of the request.
    pub(super) path: String,
}

/// Longest endpoint that is taken, bytes.
const MAX_BYTES: usize = 512;

impl Endpoint {
    /// Reads `http://host[:port][/path]`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("http://").ok_or(
            "must begin with http://: a collector stands beside the server or on the network between processes, \
             without TLS",
        )?;
        let plain =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'@' | b'?' | b'#' | b'"' | b'<' | b'>' | b'\\');
        if text.len() > MAX_BYTES || !rest.bytes().all(plain) {
            return Err("must be http://host:port without user, query or fragment");
        }
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let after_brackets = host.rsplit(']').next().unwrap_or(host);
        let (name, port) = match after_brackets.rsplit_once(':') {
            Some((_, port)) => (&host[..host.len() - port.len() - 1], port.parse::<u16>().ok()),
            None => (host, Some(80)),
        };
        let Some(port) = port.filter(|port| *port != 0 && !name.is_empty()) else {
            return Err("must name a host and a port");
        };
        Ok(Self {
            authority: format!("{name}:{port}"),
            path: format!("{}/v1/traces", path.trim_end_matches('/')),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_endpoint_is_a_host_a_port_and_perhaps_a_path() {
        let read = |text: &str| Endpoint::parse(text).map(|found| (found.authority, found.path)).ok();
        let is = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(read("http://localhost:4318"), is("localhost:4318", "/v1/traces"));
        assert_eq!(read("http://[::1]:4318/"), is("[::1]:4318", "/v1/traces"));
        assert_eq!(read("http://[::1]"), is("[::1]:80", "/v1/traces"));
        assert_eq!(read("http://collector/otlp"), is("collector:80", "/otlp/v1/traces"));
        for bad in [
            "",
            "collector:4318",
            "https://collector",
            "http://",
            "http://:4318",
            "http://collector:0",
            "http://collector:x",
            "http://me:secret@collector",
            "http://collector/?a=b",
            "http://a b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(Endpoint::parse(&format!("http://{}", "a".repeat(MAX_BYTES - 7))).is_ok());
        assert!(Endpoint::parse(&format!("http://{}", "a".repeat(MAX_BYTES - 6))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_an_endpoint_or_refused(text in "(http://)?.{0,40}") {
            let _ = Endpoint::parse(&text);
        }
    }
}
