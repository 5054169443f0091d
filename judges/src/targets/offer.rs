//! SDP offers: read as the packet path needs them, and answered as the node does.

use sfu::judged::Answers;
use sfu_core::{
    limits::{MAX_M_LINES, MAX_MID_BYTES, MAX_OFFER_BYTES, MAX_SSRCS},
    sdp,
};
use std::sync::LazyLock;

/// What is read is within every limit, holds no address of the client's, and is read as the same again.
pub(super) fn read(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let Ok(offer) = sdp::read_offer(&text) else { return false };
    assert!(text.len() <= MAX_OFFER_BYTES && offer.lines.len() <= MAX_M_LINES);
    assert!(!offer.sdp.contains("\na=candidate:"), "it holds a candidate");
    for (n, line) in offer.lines.iter().enumerate() {
        assert!((1..=MAX_MID_BYTES).contains(&line.mid.len()));
        assert!(line.ssrcs.len() <= MAX_SSRCS && line.repairs.len() <= MAX_SSRCS);
        assert!(offer.lines[..n].iter().all(|other| other.mid != line.mid), "two lines have one name");
    }
    // Line ends grow by a byte each, so the longest may not fit again.
    if offer.sdp.len() <= MAX_OFFER_BYTES {
        let again = sdp::read_offer(&offer.sdp).expect("what was read can be read");
        assert_eq!((&again.lines, again.data), (&offer.lines, offer.data));
    }
    let answered = sdp::finish(&sdp::renumber(&text, &[(1, 2)]), &offer.lines);
    assert!(answered.len() <= 4 * text.len() + 64, "{} bytes became {}", text.len(), answered.len());
    true
}

static ANSWERS: LazyLock<Answers> =
    LazyLock::new(|| Answers::new().expect("this machine makes certificates"));

/// The engine does not fail on any offer, and every line of one that is answered has its answer, in order.
pub(super) fn answer(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let answer = match ANSWERS.answer(&text) {
        Ok(answer) => answer,
        Err(why) => {
            assert!(!Answers::is_a_fault(&why), "the engine failed");
            return false;
        }
    };
    let lines = |sdp: &str| sdp.lines().filter(|line| line.starts_with("m=")).count();
    assert_eq!(lines(&text), lines(&answer), "not every line is answered");
    assert!(answer.contains("a=ice-lite") && answer.contains("a=fingerprint:sha-256 "));
    true
}
