//! Every bound of the wire format. Each has a test at the limit and one past it.

use std::time::Duration;

/// Longest WebSocket message a client may send, bytes. Longer closes 1009.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Longest SDP offer inside a message, bytes: Chromium's for the fixed pool is about 13 KiB.
/// Longer is refused with `offer-too-large` before any parsing.
pub const MAX_OFFER_BYTES: usize = 48 * 1024;
/// Longest chat message, Unicode scalar values. Longer is refused with `text-too-long`.
pub const MAX_CHAT_CHARS: usize = 2_000;
/// Longest reason or name, Unicode scalar values.
pub const MAX_LINE_CHARS: usize = 200;
/// Longest token, bytes.
pub const MAX_TOKEN_BYTES: usize = 2_048;
/// How long a fresh connection may take to say `hello`. Later closes 1001: the token is kept.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest reason in a close frame, bytes (RFC 6455 §5.5: 125 with the code).
pub const MAX_CLOSE_REASON_BYTES: usize = 123;
