//! Seeds from our own encoders: what a fuzzer begins with.

mod control;
mod media;

/// By the name of their target.
pub(crate) fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    vec![
        ("signaling_message", control::messages()),
        ("token", control::tokens()),
        ("offer", control::offers()),
        ("answer", control::offers()),
        ("demux", media::datagrams()),
        ("gate", media::checks()),
        ("framing", media::streams()),
        ("rtp_forward", media::packets()),
        ("rtcp", media::reports()),
        ("srtp", media::protected()),
        ("whip", control::requests()),
        ("media_link", control::links()),
        ("events", control::events()),
        ("graphql", control::queries()),
    ]
}
