//! The finishing touches to an answer.

use super::{Kind, Line, Sink};

/// Gives the sound and the picture of a slot one stream id, so that browsers keep lips and voice
/// together (the engine gives every line a random one), and leaves ids out of the lines on which
/// nothing is sent.
#[must_use]
pub fn finish(answer: &str, lines: &[Line]) -> String {
    let mut out = String::with_capacity(answer.len() + 512);
    let mids: Vec<Option<&str>> = section_mids(answer);
    let mut section = None;
    for line in answer.lines() {
        if line.starts_with("m=") {
            section = Some(section.map_or(0, |n: usize| n + 1));
        }
        let mid = section.and_then(|n| mids.get(n).copied().flatten());
        let known = mid.and_then(|mid| lines.iter().find(|line| line.mid == mid));
        if line.starts_with("a=msid-semantic:") {
            out.push_str("a=msid-semantic: WMS *\r\n");
        } else if line.starts_with("a=msid:") {
            if let Some(id) = known.and_then(stream_id) {
                push(&mut out, &["a=msid:", &id]);
            }
        } else if let Some((ssrc, _)) = line.split_once(" msid:") {
            if let Some(id) = known.and_then(stream_id) {
                push(&mut out, &[ssrc, " msid:", &id]);
            }
        } else {
            push(&mut out, &[line]);
        }
    }
    out
}

/// An answer with the role in DTLS that another has: who began a handshake goes on being who did.
#[must_use]
pub fn with_setup_of(answer: &str, other: &str) -> String {
    let attribute = |sdp: &'_ str| sdp.lines().find(|line| line.starts_with("a=setup:")).map(str::to_owned);
    match (attribute(answer), attribute(other)) {
        (Some(old), Some(new)) => answer.replace(&old, &new),
        _ => answer.to_owned(),
    }
}

/// Streams whose numbers were given before keep them: pairs of a number in this answer, and the one to have instead.
#[must_use]
pub fn renumber(answer: &str, numbers: &[(u32, u32)]) -> String {
    let known = |word: &str| {
        let number: u32 = word.parse().ok()?;
        numbers.iter().find(|(from, _)| *from == number).map(|(_, to)| to.to_string())
    };
    let mut out = String::with_capacity(answer.len());
    for line in answer.lines() {
        let Some((name @ ("a=ssrc" | "a=ssrc-group"), rest)) = line.split_once(':') else {
            push(&mut out, &[line]);
            continue;
        };
        let grouped = name == "a=ssrc-group";
        let word = |(n, word): (usize, &str)| {
            let number = if grouped { n > 0 } else { n == 0 };
            number.then(|| known(word)).flatten().unwrap_or_else(|| word.to_owned())
        };
        let words: Vec<String> = rest.split(' ').enumerate().map(word).collect();
        push(&mut out, &[name, ":", &words.join(" ")]);
    }
    out
}

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
    out.push_str("\r\n");
}

/// The mid of each section: it stands after lines that need it.
fn section_mids(sdp: &str) -> Vec<Option<&str>> {
    let mut mids = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            mids.push(None);
        } else if let (Some(mid), Some(last)) = (line.strip_prefix("a=mid:"), mids.last_mut()) {
            *last = Some(mid);
        }
    }
    mids
}

fn stream_id(line: &Line) -> Option<String> {
    let name = match line.kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    };
    match line.sink? {
        Sink::Audio(n) | Sink::Video(n) => Some(format!("slot-{n} slot-{n}-{name}")),
        Sink::Screen => Some("screen screen".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Source, read_offer, tests::offer};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slots_sound_and_picture_share_a_stream() {
        let lines = read_offer(&offer(&[
            ("0", "audio", "sendonly"),
            ("1", "audio", "recvonly"),
            ("2", "video", "recvonly"),
            ("3", "video", "recvonly"),
        ]))
        .unwrap()
        .lines;
        assert_eq!(lines[0].source, Some(Source::Microphone));
        let answer = "v=0\r\na=msid-semantic:WMS q w e r\r\n\
            m=audio 9 X\r\na=msid:q q1\r\na=mid:0\r\n\
            m=audio 9 X\r\na=mid:1\r\na=msid:w w1\r\na=ssrc:7 cname:c\r\na=ssrc:7 msid:w w1\r\n\
            m=video 9 X\r\na=mid:2\r\na=msid:e e1\r\na=ssrc:8 msid:e e1\r\n\
            m=video 9 X\r\na=mid:3\r\na=msid:r r1\r\n";
        assert_eq!(
            finish(answer, &lines),
            "v=0\r\na=msid-semantic: WMS *\r\n\
             m=audio 9 X\r\na=mid:0\r\n\
             m=audio 9 X\r\na=mid:1\r\na=msid:slot-0 slot-0-audio\r\na=ssrc:7 cname:c\r\n\
             a=ssrc:7 msid:slot-0 slot-0-audio\r\n\
             m=video 9 X\r\na=mid:2\r\na=msid:slot-0 slot-0-video\r\na=ssrc:8 msid:slot-0 slot-0-video\r\n\
             m=video 9 X\r\na=mid:3\r\na=msid:screen screen\r\n"
        );
    }

    #[test]
    fn the_role_and_the_numbers_of_before_are_kept() {
        let answer = "v=0\r\na=setup:passive\r\na=ssrc:7 cname:7\r\na=ssrc:8 cname:c\r\n\
            a=ssrc-group:FID 7 8\r\na=sctp-port:7\r\na=candidate:7 1 udp 8 ::1 7 typ host\r\n";
        let kept = renumber(&with_setup_of(answer, "a=setup:active\r\n"), &[(7, 8), (8, 9)]);
        assert_eq!(
            kept,
            "v=0\r\na=setup:active\r\na=ssrc:8 cname:7\r\na=ssrc:9 cname:c\r\n\
             a=ssrc-group:FID 8 9\r\na=sctp-port:7\r\na=candidate:7 1 udp 8 ::1 7 typ host\r\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(?s)(m=|a=mid:|a=msid:|a=ssrc:1 msid:|\n|.){0,200}") {
            let lines = read_offer(&offer(&[("0", "audio", "recvonly")])).unwrap().lines;
            let _ = (finish(&text, &lines), with_setup_of(&text, &text), renumber(&text, &[(1, 2)]));
        }
    }
}
