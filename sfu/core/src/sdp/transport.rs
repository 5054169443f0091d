//! How an offer's packets are to travel, apart from what they carry: with BUNDLE all lines share it (RFC 9143 §9).

/// What belongs to a transport (ICE, DTLS, SCTP), by the name of its attribute.
const NAMES: [&str; 7] =
    ["ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup", "sctp-port", "max-message-size"];

pub(super) fn concerns(name: &str) -> bool {
    NAMES.contains(&name)
}

/// The attributes of an offer's transport.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Transport(String);

impl Transport {
    /// Of each attribute the first, in order of levels: those of lines in use, then those of the whole session.
    pub(super) fn gather(levels: &[&[&str]]) -> Self {
        let first = |wanted: &&str| {
            let all = levels.iter().flat_map(|level| level.iter());
            all.copied().find(|attribute| attribute.split(':').next() == Some(*wanted))
        };
        Self(NAMES.iter().filter_map(first).map(|attribute| format!("a={attribute}\r\n")).collect())
    }

    /// An offer of nothing but this transport, on one line: of a data channel, or without one of a sound that nobody
    /// sends. What the lines of an offer carry is not the business of whoever keeps its transport alive.
    #[must_use]
    pub fn offer(&self, data: bool) -> String {
        let line = if data {
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n"
        } else {
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n\
             a=rtcp-mux\r\na=inactive\r\n"
        };
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n{line}a=mid:0\r\n{}",
            self.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{read_offer, tests::offer};

    #[test]
    fn a_transport_is_what_the_first_line_in_use_says_of_it_and_then_the_session() {
        let text = offer(&[
            ("0", "audio", "sendonly"),
            ("1", "video", "sendonly"),
            ("2", "application", "sendrecv"),
        ])
        .replace("a=mid:0\r\n", "a=mid:0\r\na=ice-ufrag:rejected\r\n")
        .replace("a=mid:1\r\n", "a=mid:1\r\na=ice-ufrag:line\r\na=setup:actpass\r\n")
        .replace("a=mid:2\r\n", "a=mid:2\r\na=ice-ufrag:later\r\na=sctp-port:5000\r\n")
        .replace("m=audio 9", "m=audio 0")
        .replace("BUNDLE 0 1 2", "BUNDLE 1 2");
        let read = read_offer(&text).unwrap();
        let alone = read.transport.offer(true);
        for line in [
            "ice-ufrag:line",
            "ice-pwd:0123456789012345678901",
            "fingerprint:sha-256 00:11",
            "setup:actpass",
            "sctp-port:5000",
        ] {
            assert_eq!(alone.matches(&format!("a={line}\r\n")).count(), 1, "{line}");
        }
        assert_eq!(alone.matches("ice-ufrag").count(), 1);
        for data in [true, false] {
            let again = read_offer(&read.transport.offer(data)).unwrap();
            assert_eq!((again.transport, again.data), (read.transport.clone(), data));
        }
    }
}
