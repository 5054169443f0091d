//! Messages as NATS carries them: id and deadline stand in headers.

use crate::bus::{Headers, Message, Subject};
use async_nats::{HeaderMap, header::NATS_MESSAGE_ID};
use bytes::Bytes;
use model::Timestamp;

const DEADLINE: &str = "Th-Deadline";

/// Where `tell` goes.
pub(super) const TELL: &str = "th.tell";

/// `th.critical.visit.admitted` for a prefix `th.critical`.
pub(super) fn on_wire(prefix: &str, subject: impl std::fmt::Display) -> String {
    format!("{prefix}.{subject}")
}

pub(super) fn headers(message: &Message) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(NATS_MESSAGE_ID, message.id.to_string());
    if let Some(deadline) = message.deadline {
        map.insert(DEADLINE, deadline.as_millis().to_string());
    }
    for (name, value) in message.headers.iter() {
        map.insert(name, value);
    }
    map
}

/// What came, if it is one of ours. Strangers may publish on our subjects.
pub(super) fn read(prefix: &str, subject: &str, headers: Option<&HeaderMap>, body: Bytes) -> Option<Message> {
    let subject = Subject::new(subject.strip_prefix(prefix)?.strip_prefix('.')?).ok()?;
    let map = headers?;
    let id = map.get(NATS_MESSAGE_ID)?.as_str().parse().ok()?;
    let mut message = Message::new(id, subject, body);
    if let Some(deadline) = map.get(DEADLINE) {
        message.deadline = Some(Timestamp::from_millis(deadline.as_str().parse().ok()?));
    }
    let mut headers = Headers::default();
    for (name, values) in map.iter() {
        // Those of NATS itself begin with a capital and are refused here.
        if let Some(value) = values.first() {
            let _ = headers.insert(name.as_ref(), value.as_str());
        }
    }
    message.headers = headers;
    message.fits().ok()?;
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn a_message_comes_back_as_it_went() {
        let mut message = Message::new(Uuid::from_u128(7), Subject::new("a.b").unwrap(), "body");
        message.deadline = Some(Timestamp::from_millis(-5));
        message.headers.insert("traceparent", "00-ab-cd-01").unwrap();
        let map = headers(&message);
        let read = read("th.batch", &on_wire("th.batch", &message.subject), Some(&map), message.body.clone());
        assert_eq!(read, Some(message));
    }

    proptest! {
        #[test]
        fn what_strangers_publish_is_judged_without_a_panic(
            subject in ".{0,40}", id in "[ -~]{0,40}", deadline in "[ -~]{0,24}", name in "[!-9;-~]{1,9}", value in "[ -~]{0,600}"
        ) {
            let mut map = HeaderMap::new();
            map.insert(NATS_MESSAGE_ID, id);
            map.insert(DEADLINE, deadline);
            map.insert(name, value);
            read("th.tell", &subject, Some(&map), Bytes::new());
            read("th.tell", "th.tell.a", Some(&map), Bytes::new());
            read("th.tell", "th.tell.a", None, Bytes::new());
        }
    }
}
