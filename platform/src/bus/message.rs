//! What travels on the bus.

use super::{BusError, InvalidName, Subject};
use crate::{
    lane::deadline,
    limits::{MAX_HEADER_BYTES, MAX_HEADERS, MAX_MESSAGE_BYTES},
    trace::{self, TRACEPARENT},
};
use bytes::Bytes;
use model::{Timestamp, TraceContext};
use std::fmt;
use tokio::time::Instant;
use uuid::Uuid;

/// A message. Its body may hold anything but is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Which one it is: published twice, delivered once; handled once by whoever consumes it.
    pub id: Uuid,
    /// What it is about.
    pub subject: Subject,
    /// At most `limits::MAX_MESSAGE_BYTES`.
    pub body: Bytes,
    /// Trace context and the like.
    pub headers: Headers,
    /// After it the message is of no use: it is dropped at delivery, and counted.
    pub deadline: Option<Timestamp>,
}

impl Message {
    /// A message without headers or deadline.
    pub fn new(id: Uuid, subject: Subject, body: impl Into<Bytes>) -> Self {
        Self { id, subject, body: body.into(), headers: Headers::default(), deadline: None }
    }

    /// With the trace that it is part of: that of the task, if it is part of one. One that is there already stays.
    #[must_use]
    pub fn with_trace(mut self) -> Self {
        if let Some(context) = trace::current() {
            // Refused only when there are too many headers: a message without its trace is as good.
            let _ = self.headers.insert(TRACEPARENT, &context.to_string());
        }
        self
    }

    /// Of use no longer than the task that sends it is waited for: with the task's [`deadline`], if it has one. `now` is
    /// what the clock says that consumers go by. For what asks, not for what tells that something happened.
    #[must_use]
    pub fn with_deadline(mut self, now: Timestamp) -> Self {
        if let Some(deadline) = deadline::current() {
            let latest = now + deadline.saturating_duration_since(Instant::now());
            self.deadline = Some(self.deadline.map_or(latest, |earlier| earlier.min(latest)));
        }
        self
    }

    /// The trace that it is part of, for [`trace::scope`]. One that is malformed counts as absent.
    pub fn trace(&self) -> Option<TraceContext> {
        self.headers.get(TRACEPARENT)?.parse().ok()
    }

    pub(super) fn fits(&self) -> Result<(), BusError> {
        if self.body.len() <= MAX_MESSAGE_BYTES { Ok(()) } else { Err(BusError::TooLarge) }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// A few names with values, in the order of their names: not every transport keeps another. No PHI: servers keep and show them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Puts one in. Names are `[a-z0-9-]{1,32}`, values printable ASCII of at most
    /// `limits::MAX_HEADER_BYTES`; at most `limits::MAX_HEADERS`.
    ///
    /// # Errors
    /// Any of that does not hold, or the name is there already.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), InvalidName> {
        let valid =
            self.0.len() < MAX_HEADERS && self.get(name).is_none() && is_name(name) && is_value(value);
        if !valid {
            return Err(InvalidName);
        }
        let place = self.0.partition_point(|(held, _)| held.as_str() < name);
        self.0.insert(place, (name.into(), value.into()));
        Ok(())
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(held, _)| *held == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

/// Spaces at the ends would not survive the wire.
fn is_value(value: &str) -> bool {
    let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
    (1..=MAX_HEADER_BYTES).contains(&value.len()) && value.bytes().all(printable) && value.trim() == value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn headers_are_as_many_and_as_long_as_they_may_be() {
        let mut headers = Headers::default();
        assert!(headers.insert("a", &"v".repeat(MAX_HEADER_BYTES + 1)).is_err());
        for n in 0..MAX_HEADERS {
            headers.insert(&format!("h-{n}"), &"v".repeat(MAX_HEADER_BYTES)).unwrap();
        }
        assert!(headers.insert("one-more", "v").is_err());
    }

    #[test]
    fn headers_cannot_break_out_of_their_line() {
        let mut headers = Headers::default();
        for (name, value) in [("a", "b\r\nc: d"), ("A", "b"), ("", "b"), ("a:", "b"), ("a", ""), ("a", " b")]
        {
            assert!(headers.insert(name, value).is_err(), "{name:?} {value:?}");
        }
        headers.insert("a", "b").unwrap();
        assert!(headers.insert("a", "c").is_err(), "twice");
        assert_eq!(headers.get("a"), Some("b"));
    }

    #[test]
    fn a_body_is_as_large_as_it_may_be_and_not_larger() {
        let sized = |len| Message::new(Uuid::nil(), Subject::new("a").unwrap(), vec![0; len]);
        assert!(sized(MAX_MESSAGE_BYTES).fits().is_ok());
        assert!(matches!(sized(MAX_MESSAGE_BYTES + 1).fits(), Err(BusError::TooLarge)));
    }

    #[test]
    fn a_message_takes_along_the_trace_that_it_is_part_of() {
        let fresh = || Message::new(Uuid::nil(), Subject::new("a").unwrap(), "");
        let context: TraceContext =
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        assert_eq!(fresh().with_trace().trace(), None);
        let message = trace::in_scope(Some(context), || fresh().with_trace());
        assert_eq!(message.trace(), Some(context));
        let mut malformed = fresh();
        malformed.headers.insert(TRACEPARENT, "00-0-0-01").unwrap();
        assert_eq!(malformed.trace(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_of_use_as_long_as_its_sender_is_waited_for_and_no_longer() {
        let fresh = || Message::new(Uuid::nil(), Subject::new("a").unwrap(), "");
        let now = Timestamp(1_000_000);
        assert_eq!(fresh().with_deadline(now).deadline, None);
        let earlier = Message { deadline: Some(Timestamp(1_000_100)), ..fresh() };
        let later = Message { deadline: Some(Timestamp(2_000_000)), ..fresh() };
        deadline::scope(Instant::now() + Duration::from_millis(250), async {
            for (message, expect) in [(fresh(), 1_000_250), (earlier, 1_000_100), (later, 1_000_250)] {
                assert_eq!(message.with_deadline(now).deadline, Some(Timestamp(expect)));
            }
        })
        .await;
    }

    #[test]
    fn a_body_does_not_print() {
        let message = Message::new(Uuid::nil(), Subject::new("a").unwrap(), "Maria");
        assert!(!format!("{message:?}").contains("Maria"));
    }
}
