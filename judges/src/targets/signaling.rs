//! What a browser says on the WebSocket.

use signaling_protocol::{ClientMessage, limits::MAX_MESSAGE_BYTES};

/// What is accepted is written as something that is read as the same, and is no longer than allowed.
pub(super) fn message(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let Ok(message) = ClientMessage::parse(&text) else { return false };
    assert!(text.len() <= MAX_MESSAGE_BYTES, "a message of {} bytes was taken", text.len());
    let written = serde_json::to_string(&message).expect("a message can be written");
    // JSON may be longer than what it was read from (defaults are written out), so not every message fits twice.
    if written.len() <= MAX_MESSAGE_BYTES {
        assert_eq!(ClientMessage::parse(&written).as_ref(), Ok(&message), "it reads as something else");
    }
    true
}
