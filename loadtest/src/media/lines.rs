//! What an SDP says about each line, as far as packets need it (RFC 8829, RFC 8285, RFC 5576).

use std::net::SocketAddr;

/// One m-line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) mid: String,
    /// Pictures, not sound.
    pub(super) video: bool,
    /// Payload type of the first codec, and of its repairs.
    pub(super) payload_type: Option<u8>,
    pub(super) repair_type: Option<u8>,
    /// Layers that are sent, or taken, of one picture.
    pub(super) rids: Vec<String>,
    /// SSRC of the media, and of its repairs.
    pub(super) ssrc: Option<u32>,
    pub(super) repair_ssrc: Option<u32>,
    /// Header extensions: local number and name.
    pub(super) extensions: Vec<(u8, String)>,
}

impl Line {
    /// The number of an extension.
    pub(super) fn extension(&self, name: &str) -> Option<u8> {
        self.extensions.iter().find(|(_, known)| known == name).map(|(id, _)| *id)
    }
}

/// Every m-line in order, the application line included.
pub(super) fn read(sdp: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for text in sdp.lines() {
        if let Some(media) = text.strip_prefix("m=") {
            let payload_type = media.split(' ').nth(3).and_then(|first| first.parse().ok());
            lines.push(Line { payload_type, video: media.starts_with("video"), ..Line::default() });
            continue;
        }
        let (Some(line), Some(attribute)) = (lines.last_mut(), text.strip_prefix("a=")) else { continue };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "mid" => line.mid = value.to_owned(),
            "rid" => line.rids.extend(value.split(' ').next().map(str::to_owned)),
            "extmap" => line.extensions.extend(extension(value)),
            "fmtp" => {
                let apt = value.split_once(" apt=").and_then(|(own, of)| {
                    Some((own.parse::<u8>().ok()?, of.split(';').next()?.parse::<u8>().ok()?))
                });
                if let Some((own, of)) = apt
                    && Some(of) == line.payload_type
                {
                    line.repair_type = Some(own);
                }
            }
            "ssrc-group" => {
                let mut words = value.split(' ');
                if words.next() == Some("FID") {
                    line.ssrc = words.next().and_then(|word| word.parse().ok());
                    line.repair_ssrc = words.next().and_then(|word| word.parse().ok());
                }
            }
            "ssrc" if line.ssrc.is_none() => {
                line.ssrc = value.split(' ').next().and_then(|word| word.parse().ok());
            }
            _ => {}
        }
    }
    lines
}

fn extension(value: &str) -> Option<(u8, String)> {
    let mut words = value.split(' ');
    // The number may carry a direction.
    let id = words.next()?.split('/').next()?.parse().ok()?;
    Some((id, words.next()?.to_owned()))
}

/// The first UDP candidate that fits, and the SDP without any other.
pub(super) fn only_candidate(sdp: &str, fits: impl Fn(SocketAddr) -> bool) -> (Option<SocketAddr>, String) {
    let mut chosen = None;
    let mut kept = String::with_capacity(sdp.len());
    for line in sdp.lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            let addr = udp_candidate(candidate).filter(|addr| fits(*addr));
            if addr.is_none() || chosen.is_some_and(|one| Some(one) != addr) {
                continue;
            }
            chosen = addr;
        }
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    (chosen, kept)
}

fn udp_candidate(candidate: &str) -> Option<SocketAddr> {
    let mut words = candidate.split(' ').skip(2);
    let udp = words.next()?.eq_ignore_ascii_case("udp");
    let (ip, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    udp.then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = "v=0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=ssrc:5 cname:x\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=extmap:3/sendonly twcc\r\na=rtpmap:96 VP8/90000\r\na=rid:q recv\r\n\
        a=fmtp:97 apt=96\r\na=ssrc-group:FID 7 8\r\na=ssrc:7 cname:x\r\na=ssrc:8 cname:x\r\n\
        a=candidate:1 1 tcp 9 192.0.2.1 443 typ host tcptype passive\r\n\
        a=candidate:2 1 udp 8 192.0.2.1 4000 typ host\r\n\
        a=candidate:3 1 UDP 7 127.0.0.1 4000 typ host\r\n";

    #[test]
    fn lines_are_read() {
        let lines = read(ANSWER);
        assert_eq!(lines[0].extension("urn:ietf:params:rtp-hdrext:sdes:mid"), Some(4));
        assert_eq!((lines[0].payload_type, lines[0].ssrc, lines[0].repair_ssrc), (Some(111), Some(5), None));
        let video = Line {
            mid: "1".into(),
            video: true,
            payload_type: Some(96),
            repair_type: Some(97),
            rids: vec!["q".into()],
            ssrc: Some(7),
            repair_ssrc: Some(8),
            extensions: vec![(3, "twcc".into())],
        };
        assert_eq!(lines[1..], [video]);
    }

    #[test]
    fn one_candidate_is_left() {
        let (addr, sdp) = only_candidate(ANSWER, |addr| addr.ip().is_loopback());
        assert_eq!(addr, Some("127.0.0.1:4000".parse().expect("an address")));
        assert_eq!(sdp.matches("a=candidate").count(), 1);
        assert_eq!(only_candidate(ANSWER, |addr| addr.is_ipv6()).0, None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s)(m=video 9 X 96|a=fmtp:9 apt=|a=ssrc-group:FID |a=ssrc:|a=extmap:1|a=candidate:1 1 udp 1 ::1 1|\n|.){0,200}") {
            let _ = read(&text);
            let _ = only_candidate(&text, |_| true);
        }
    }
}
