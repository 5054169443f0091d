//! What the SFU needs to know of an offer before the engine sees it, how its packets are to travel, and what is changed
//! in the engine's answer.
//!
//! The client always offers; m-lines are told apart by direction, kind and order, so that any number of
//! slots works:
//!
//! | line, as the client sees it | it is |
//! |---|---|
//! | first sending audio | the microphone |
//! | first, second sending video | the camera, the screen |
//! | n-th receiving audio, video | slot n |
//! | last receiving video, if there are more of them than audios | the screen somebody shares |
//! | application | the data channel with the pulse |

use crate::limits::{MAX_M_LINES, MAX_MID_BYTES, MAX_OFFER_BYTES, MAX_RID_BYTES, MAX_RIDS, MAX_SSRCS};

mod answer;
mod transport;

pub use answer::{finish, renumber, with_setup_of};
pub use transport::Transport;

/// What a media line carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Sound.
    Audio,
    /// A picture.
    Video,
}

/// What the client sends on a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Their voice.
    Microphone,
    /// Their face.
    Camera,
    /// Their screen.
    Screen,
}

/// What the client receives on a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sink {
    /// The voice of whoever is in slot n.
    Audio(usize),
    /// The camera of whoever is in slot n.
    Video(usize),
    /// The screen of whoever shares one.
    Screen,
}

/// One audio or video line that is in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its `a=mid`.
    pub mid: String,
    /// Sound or picture.
    pub kind: Kind,
    /// What comes in on it.
    pub source: Option<Source>,
    /// What goes out on it.
    pub sink: Option<Sink>,
    /// The streams that the client will send on it, as far as it says so (RFC 5576), at most
    /// [`MAX_SSRCS`](crate::limits::MAX_SSRCS).
    pub ssrcs: Vec<u32>,
    /// Which of them repairs which: pairs of stream and repair (RFC 5576 §4.2, FID).
    pub repairs: Vec<(u32, u32)>,
}

/// An offer that can be handed to the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// The SDP without remote candidates (an ICE-lite agent sends no checks, so it needs none, and they
    /// hold addresses), with CRLF line ends.
    pub sdp: String,
    /// How its packets are to travel.
    pub transport: Transport,
    /// Its audio and video lines, rejected ones left out.
    pub lines: Vec<Line>,
    /// Whether there is a data channel line.
    pub data: bool,
}

/// How many slots a client with these lines can show: the larger of its receiving audios and cameras.
#[must_use]
pub fn slots<'a>(lines: impl IntoIterator<Item = &'a Line>) -> usize {
    let slot = |line: &Line| match line.sink {
        Some(Sink::Audio(n) | Sink::Video(n)) => n + 1,
        _ => 0,
    };
    lines.into_iter().map(slot).max().unwrap_or(0)
}

/// Why an offer cannot be answered. The words name nothing from the offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than [`MAX_OFFER_BYTES`].
    #[error("the offer is too large")]
    TooLarge,
    /// Not an offer that this node can answer.
    #[error("{0}")]
    Invalid(&'static str),
}

#[derive(Default)]
struct Section<'a> {
    audio: bool,
    video: bool,
    application: bool,
    port_zero: bool,
    bundle_only: bool,
    mid: Option<&'a str>,
    sends: bool,
    receives: bool,
    rtcp_mux: bool,
    rids: usize,
    ssrcs: Vec<u32>,
    repairs: Vec<(u32, u32)>,
    transport: Vec<&'a str>,
}

/// Reads an offer.
///
/// # Errors
/// [`Refused::TooLarge`] without reading it; [`Refused::Invalid`] with the first reason found.
pub fn read_offer(text: &str) -> Result<Offer, Refused> {
    if text.len() > MAX_OFFER_BYTES {
        return Err(Refused::TooLarge);
    }
    read(text).map_err(Refused::Invalid)
}

fn read(text: &str) -> Result<Offer, &'static str> {
    let mut sdp = String::with_capacity(text.len() + 256);
    let mut sections: Vec<Section<'_>> = Vec::new();
    let (mut ufrag, mut pwd, mut fingerprint) = (false, false, false);
    let (mut bundle, mut direction) = (None, (true, true));
    let mut session_wide = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        if n == 0 && line != "v=0" {
            return Err("it is not SDP");
        }
        if line.is_empty() {
            continue;
        }
        if line.as_bytes().get(1) != Some(&b'=') {
            return Err("a line is not SDP");
        }
        if is_candidate(line) {
            continue;
        }
        sdp.push_str(line);
        sdp.push_str("\r\n");
        if let Some(media) = line.strip_prefix("m=") {
            if sections.len() == MAX_M_LINES {
                return Err("it has too many m-lines");
            }
            sections.push(section(media, direction)?);
            continue;
        }
        let Some(attribute) = line.strip_prefix("a=") else { continue };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        if transport::concerns(name) {
            sections.last_mut().map_or(&mut session_wide, |section| &mut section.transport).push(attribute);
        }
        match name {
            "ice-ufrag" => ufrag |= !value.is_empty(),
            "ice-pwd" => pwd |= !value.is_empty(),
            "fingerprint" => fingerprint = true,
            "group" if sections.is_empty() && value.starts_with("BUNDLE") => bundle = Some(value),
            _ => {}
        }
        let flow = match name {
            "sendrecv" => Some((true, true)),
            "sendonly" => Some((true, false)),
            "recvonly" => Some((false, true)),
            "inactive" => Some((false, false)),
            _ => None,
        };
        match (sections.last_mut(), flow) {
            (None, Some(flow)) => direction = flow,
            (Some(section), Some(flow)) => (section.sends, section.receives) = flow,
            (Some(section), None) => attribute_of(section, name, value)?,
            (None, None) => {}
        }
    }
    if sections.is_empty() {
        return Err("it has no m-lines");
    }
    for (present, why) in
        [(ufrag, "it has no ice-ufrag"), (pwd, "it has no ice-pwd"), (fingerprint, "it has no fingerprint")]
    {
        if !present {
            return Err(why);
        }
    }
    check_mids(&sections, bundle)?;
    let data = sections.iter().any(|s| s.application);
    let used = sections.iter().filter(|section| !rejected(section));
    let levels: Vec<&[&str]> =
        used.map(|section| section.transport.as_slice()).chain([session_wide.as_slice()]).collect();
    Ok(Offer { sdp, transport: Transport::gather(&levels), lines: classify(&sections), data })
}

fn is_candidate(line: &str) -> bool {
    line.starts_with("a=candidate:")
        || line == "a=end-of-candidates"
        || line.starts_with("a=remote-candidates")
}

fn section<'a>(media: &str, direction: (bool, bool)) -> Result<Section<'a>, &'static str> {
    let mut words = media.split(' ');
    let (kind, port) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut section = Section { sends: direction.0, receives: direction.1, ..Section::default() };
    match kind {
        "audio" => section.audio = true,
        "video" => section.video = true,
        "application" => section.application = true,
        _ => return Err("an m-line is neither audio, video nor application"),
    }
    section.port_zero = port == "0";
    Ok(section)
}

fn attribute_of<'a>(section: &mut Section<'a>, name: &str, value: &'a str) -> Result<(), &'static str> {
    match name {
        "mid" => {
            // The engine turns other characters into the same one, which could make two mids equal.
            let fits = (1..=MAX_MID_BYTES).contains(&value.len());
            if !fits || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err("a mid is not 1 to 16 letters or digits");
            }
            if section.mid.replace(value).is_some() {
                return Err("an m-line has two mids");
            }
        }
        "rid" => {
            section.rids += 1;
            if section.rids > MAX_RIDS || value.split(' ').next().is_some_and(|r| r.len() > MAX_RID_BYTES) {
                return Err("an m-line has too many or too long rids");
            }
        }
        // What is not understood here is found out from the packets.
        "ssrc" => {
            let ssrc = value.split(' ').next().and_then(|ssrc| ssrc.parse().ok());
            if let Some(ssrc) = ssrc.filter(|ssrc| !section.ssrcs.contains(ssrc))
                && section.ssrcs.len() < MAX_SSRCS
            {
                section.ssrcs.push(ssrc);
            }
        }
        "ssrc-group" => {
            let pair = value.strip_prefix("FID ").and_then(|pair| pair.split_once(' '));
            if let Some((Ok(stream), Ok(repair))) = pair.map(|(a, b)| (a.parse(), b.trim().parse()))
                && section.repairs.len() < MAX_SSRCS
            {
                section.repairs.push((stream, repair));
            }
        }
        "rtcp-mux" => section.rtcp_mux = true,
        "bundle-only" => section.bundle_only = true,
        _ => {}
    }
    Ok(())
}

fn check_mids(sections: &[Section<'_>], bundle: Option<&str>) -> Result<(), &'static str> {
    let grouped: Vec<&str> = bundle.map(|b| b.split(' ').skip(1).collect()).unwrap_or_default();
    for (n, section) in sections.iter().enumerate() {
        let Some(mid) = section.mid else { return Err("an m-line has no mid") };
        if sections[..n].iter().any(|other| other.mid == Some(mid)) {
            return Err("two m-lines have the same mid");
        }
        if rejected(section) {
            continue;
        }
        // One m-line needs no group; more than one must share a transport.
        if !grouped.contains(&mid) && (sections.len() > 1 || bundle.is_some()) {
            return Err("not every m-line is in the BUNDLE group");
        }
        if !section.application && !section.rtcp_mux {
            return Err("an m-line has no rtcp-mux");
        }
    }
    Ok(())
}

const fn rejected(section: &Section<'_>) -> bool {
    section.port_zero && !section.bundle_only
}

fn classify(sections: &[Section<'_>]) -> Vec<Line> {
    let used = || sections.iter().filter(|s| !rejected(s) && !s.application);
    let receiving = |video: bool| used().filter(|s| s.receives && s.video == video).count();
    let (audios, videos) = (receiving(false), receiving(true));
    // A client that only watches one picture is not receiving a shared screen.
    let screen_at = (videos > audios.max(1)).then(|| videos - 1);
    let (mut sent, mut received) = ([0_usize; 2], [0_usize; 2]);
    used()
        .map(|section| {
            let kind = usize::from(section.video);
            let source = section.sends.then(|| {
                sent[kind] += 1;
                match (section.video, sent[kind]) {
                    (false, 1) => Some(Source::Microphone),
                    (true, 1) => Some(Source::Camera),
                    (true, 2) => Some(Source::Screen),
                    _ => None,
                }
            });
            let sink = section.receives.then(|| {
                let n = received[kind];
                received[kind] += 1;
                match section.video {
                    false => Sink::Audio(n),
                    true if Some(n) == screen_at => Sink::Screen,
                    true => Sink::Video(n),
                }
            });
            Line {
                mid: section.mid.unwrap_or_default().to_owned(),
                kind: if section.video { Kind::Video } else { Kind::Audio },
                source: source.flatten(),
                sink,
                ssrcs: section.ssrcs.clone(),
                repairs: section.repairs.clone(),
            }
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::sdp) fn offer(lines: &[(&str, &str, &str)]) -> String {
        let mids: Vec<&str> = lines.iter().map(|(mid, _, _)| *mid).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
             a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 00:11\r\n",
            mids.join(" ")
        );
        for (mid, kind, direction) in lines {
            sdp += &format!(
                "m={kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\na=rtcp-mux\r\na={direction}\r\n\
                 a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
            );
        }
        sdp
    }

    #[test]
    fn streams_that_are_named_are_known_and_no_more_than_so_many() {
        let mut sdp = offer(&[("0", "video", "sendonly")]);
        sdp += "a=ssrc-group:FID 7 8\r\na=ssrc-group:SIM 1 2\r\na=ssrc-group:FID 9\r\n";
        sdp += "a=ssrc:7 cname:x\r\na=ssrc:7 msid:a b\r\na=ssrc:8 cname:x\r\na=ssrc:-1 cname:x\r\n";
        let line = read_offer(&sdp).unwrap().lines.remove(0);
        assert_eq!((line.ssrcs, line.repairs), (vec![7, 8], vec![(7, 8)]));
        for n in 10..40 {
            sdp += &format!("a=ssrc:{n} cname:x\r\na=ssrc-group:FID {n} 1{n}\r\n");
        }
        let line = read_offer(&sdp).unwrap().lines.remove(0);
        assert_eq!((line.ssrcs.len(), line.repairs.len()), (MAX_SSRCS, MAX_SSRCS));
    }

    fn uses(lines: &[(&str, &str, &str)]) -> Vec<(Option<Source>, Option<Sink>)> {
        read_offer(&offer(lines)).unwrap().lines.iter().map(|l| (l.source, l.sink)).collect()
    }

    fn refused(text: &str) -> &'static str {
        match read_offer(text) {
            Err(Refused::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_pool_of_a_browser_is_told_apart_by_direction_kind_and_order() {
        let pool = [
            ("0", "audio", "sendonly"),
            ("1", "video", "sendonly"),
            ("2", "video", "sendonly"),
            ("3", "audio", "recvonly"),
            ("4", "video", "recvonly"),
            ("5", "audio", "recvonly"),
            ("6", "video", "recvonly"),
            ("7", "video", "recvonly"),
            ("8", "application", "sendrecv"),
        ];
        assert_eq!(
            uses(&pool),
            [
                (Some(Source::Microphone), None),
                (Some(Source::Camera), None),
                (Some(Source::Screen), None),
                (None, Some(Sink::Audio(0))),
                (None, Some(Sink::Video(0))),
                (None, Some(Sink::Audio(1))),
                (None, Some(Sink::Video(1))),
                (None, Some(Sink::Screen)),
            ]
        );
        let read = read_offer(&offer(&pool)).unwrap();
        assert!(read.data);
        assert_eq!(slots(&read.lines), 2);
    }

    #[test]
    fn other_clients_are_understood_too() {
        let (mic, cam) = (Some(Source::Microphone), Some(Source::Camera));
        assert_eq!(
            uses(&[("a", "audio", "sendrecv"), ("v", "video", "sendrecv")]),
            [(mic, Some(Sink::Audio(0))), (cam, Some(Sink::Video(0)))]
        );
        assert_eq!(uses(&[("v", "video", "recvonly")]), [(None, Some(Sink::Video(0)))]);
        assert_eq!(uses(&[("v", "video", "sendonly")]), [(cam, None)]);
        assert_eq!(uses(&[("v", "video", "inactive")]), [(None, None)]);
    }

    #[test]
    fn candidates_do_not_reach_the_engine() {
        let read = read_offer(&offer(&[("0", "audio", "sendonly")])).unwrap();
        assert!(!read.sdp.contains("192.0.2.7"));
        assert!(read.sdp.contains("a=mid:0\r\n"));
    }

    #[test]
    fn the_longest_offer_is_read_and_one_more_byte_is_not() {
        let mut text = offer(&[("0", "audio", "sendonly")]);
        let line = |len: usize| format!("a=x:{}\r\n", "y".repeat(len - 6));
        while MAX_OFFER_BYTES - text.len() >= 200 {
            text += &line(100);
        }
        text += &line(MAX_OFFER_BYTES - text.len());
        assert_eq!(text.len(), MAX_OFFER_BYTES);
        assert!(read_offer(&text).is_ok());
        text.push('y');
        assert_eq!(read_offer(&text), Err(Refused::TooLarge));
    }

    #[test]
    fn so_many_lines_and_no_more() {
        let mids: Vec<String> = (0..=MAX_M_LINES).map(|n| n.to_string()).collect();
        let lines: Vec<_> = mids.iter().map(|mid| (mid.as_str(), "audio", "recvonly")).collect();
        assert!(read_offer(&offer(&lines[..MAX_M_LINES])).is_ok());
        assert_eq!(refused(&offer(&lines)), "it has too many m-lines");
    }

    #[test]
    fn mids_and_rids_have_limits() {
        let mid = "m".repeat(MAX_MID_BYTES + 1);
        assert!(read_offer(&offer(&[(&mid[1..], "audio", "sendonly")])).is_ok());
        assert_eq!(refused(&offer(&[(&mid, "audio", "sendonly")])), "a mid is not 1 to 16 letters or digits");
        let rids = |n: usize, rid: &str| {
            let mut text = offer(&[("0", "video", "sendonly")]);
            for i in 0..n {
                text += &format!("a=rid:{rid}{i} send\r\n");
            }
            text
        };
        assert!(read_offer(&rids(MAX_RIDS, "rrrrrrr")).is_ok());
        assert!(read_offer(&rids(MAX_RIDS + 1, "r")).is_err());
        assert!(read_offer(&rids(1, "rrrrrrrr")).is_err());
    }

    #[test]
    fn hostile_offers_get_a_reason() {
        let good = offer(&[("0", "audio", "sendonly"), ("1", "video", "sendonly")]);
        for (from, to, why) in [
            ("v=0", "v=1", "it is not SDP"),
            ("a=mid:1", "a=mid:0", "two m-lines have the same mid"),
            ("a=mid:1\r\n", "", "an m-line has no mid"),
            ("a=mid:1", "a=mid:1\r\na=mid:2", "an m-line has two mids"),
            ("a=ice-ufrag:abcd\r\n", "", "it has no ice-ufrag"),
            ("a=ice-ufrag:abcd", "a=ice-ufrag:", "it has no ice-ufrag"),
            ("a=ice-pwd:0123456789012345678901\r\n", "", "it has no ice-pwd"),
            ("a=fingerprint:sha-256 00:11\r\n", "", "it has no fingerprint"),
            ("BUNDLE 0 1", "BUNDLE 0", "not every m-line is in the BUNDLE group"),
            ("a=rtcp-mux\r\n", "", "an m-line has no rtcp-mux"),
            ("m=video", "m=image", "an m-line is neither audio, video nor application"),
            ("s=-", "garbage", "a line is not SDP"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from}");
            assert_eq!(refused(&bad), why);
        }
        assert_eq!(refused(good.split("m=").next().unwrap()), "it has no m-lines");
        assert_eq!(refused(""), "it has no m-lines");
    }

    #[test]
    fn a_rejected_line_is_left_out() {
        let text = offer(&[("0", "audio", "sendonly"), ("1", "video", "sendonly")]);
        let rejected = text.replace("m=video 9", "m=video 0").replace("BUNDLE 0 1", "BUNDLE 0");
        assert_eq!(read_offer(&rejected).unwrap().lines.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s).{0,600}") {
            let _ = read_offer(&text);
        }

        #[test]
        fn any_lines_are_survived(
            lines in proptest::collection::vec(
                "(v=0|m=(audio|video|application|x) [0-9]{0,5} ?.{0,9}|a=(mid|rid|group|ice-ufrag|sendrecv|recvonly|candidate|rtcp-mux)(:.{0,20})?|.{0,10})",
                0..60,
            ),
        ) {
            let text = format!("v=0\r\n{}", lines.join("\r\n"));
            if let Ok(offer) = read_offer(&text) {
                prop_assert!(offer.lines.len() <= MAX_M_LINES);
                prop_assert!(read_offer(&offer.sdp).is_ok(), "what is handed on reads the same");
            }
        }
    }
}
