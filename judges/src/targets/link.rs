//! The stream between signaling processes and media nodes.

use serde::{Serialize, de::DeserializeOwned};
use sfu_link::protocol::{self, Ask, Tell};

/// What is read is written as something that is read as the same.
pub(super) fn message(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (asked, told) = (again::<Ask>(&text), again::<Tell>(&text));
    asked || told
}

fn again<T: Serialize + DeserializeOwned>(text: &str) -> bool {
    let Ok(message) = protocol::parse::<T>(text) else { return false };
    let Ok(written) = protocol::encode(&message) else { return true };
    let read: T = protocol::parse(&written).expect("what is written can be read");
    assert_eq!(protocol::encode(&read).as_ref(), Ok(&written), "it reads as something else");
    true
}
