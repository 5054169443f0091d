//! Addresses that somebody typed.

use crate::limits::MAX_OUTBOUND_URL_CHARS;

/// `https://host[:port][/path]`; `http://` to this machine alone. No user, no fragment, no character that would have to be
/// encoded: what was typed is what is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    authority: String,
    host: String,
    port: u16,
    /// With the query, if there is one.
    path: String,
}

impl Url {
    /// Reads one of at most [`MAX_OUTBOUND_URL_CHARS`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
        if text.len() > MAX_OUTBOUND_URL_CHARS || !text.bytes().all(plain) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let after_brackets = authority.rsplit(']').next()?;
        let (host, port) = match after_brackets.rsplit_once(':') {
            Some((_, port)) => (&authority[..authority.len() - port.len() - 1], Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if host.is_empty() || !host.bytes().all(named) || port == Some(0) {
            return None;
        }
        let secure = match scheme {
            "https" => true,
            "http" if ["localhost", "127.0.0.1", "[::1]"].contains(&host) => false,
            _ => return None,
        };
        Some(Self {
            secure,
            authority: authority.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
        })
    }

    /// Below its path.
    #[must_use]
    pub fn beside(&self, more: &str) -> Self {
        Self { path: format!("{}{more}", self.path.trim_end_matches('/')), ..self.clone() }
    }

    /// Whether it is asked over TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// As the header `Host` has it.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A name or an address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, said or not.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// With the query, if there is one.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_secure_or_of_this_machine() {
        let url = Url::parse("https://login.example/realm/").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.secure), ("login.example", 443, true));
        assert_eq!(url.beside("/.well-known/x").path, "/realm/.well-known/x");
        assert_eq!(Url::parse("https://login.example").unwrap().beside("/x").path, "/x");
        assert_eq!(Url::parse("http://localhost:3000/a?b=c").unwrap().path, "/a?b=c");
        assert_eq!(Url::parse("http://[::1]:3000").unwrap().host, "::1");
        let long = format!("https://a/{}", "x".repeat(MAX_OUTBOUND_URL_CHARS - 10));
        assert!(Url::parse(&long).is_some());
        for bad in [
            "http://login.example",
            "ftp://a",
            "https://",
            "https://:443",
            "https://u@a",
            "https://a:0",
            "https://a:x",
            "https://a/b c",
            "https://a#b",
            "https://a\r\nhost: b",
            "gopher://a",
            "a",
            &format!("{long}x"),
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_and_what_is_taken_can_stand_in_a_request(text in "(https?://)?[!-~]{0,60}|.*") {
            if let Some(url) = Url::parse(&text) {
                let line = format!("{}{}", url.authority, url.path);
                prop_assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{line}");
                prop_assert!(url.path.starts_with('/') && !url.host.is_empty() && url.port > 0);
            }
        }
    }
}
