//! What relays and inboxes tell each other beside the letters. Any of it may be lost or come late.

use super::letter::{Letter, Service};
use crate::{
    bus::{Bus, BusError, ConsumerName, InvalidName, Listener, Message, Pattern, Subject},
    ids,
    lane::Lane,
    limits::MAX_TOLD_BYTES,
};
use serde::{Deserialize, Serialize};

/// What is told of one lane of a service's outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told {
    /// A relay: there is something new.
    Wake,
    /// The relay whose turn it is: how far the outbox goes.
    Heads(Vec<Ends>),
    /// An inbox: somebody please tell me again what comes after a position.
    Ask { inbox: String, partition: u16, after: u64 },
    /// The inbox whose turn it is: how far it has come.
    Passed { inbox: String, places: Vec<(u16, u64)> },
    /// Whoever had the turn ends; `None` is the relay.
    Left { inbox: Option<String> },
}

/// What there is of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ends {
    pub(super) partition: u16,
    /// The oldest message that is not forgotten; one more than `head` when all are.
    pub(super) oldest: u64,
    /// The newest message.
    pub(super) head: u64,
}

/// Where all of it is told: `outbox.<service>.<lane>.<verb>`, and letters again at
/// `outbox.<service>.<lane>.again.<inbox>`.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    service: Service,
    lane: Lane,
}

impl Channel {
    pub(super) const fn new(service: Service, lane: Lane) -> Self {
        Self { service, lane }
    }

    pub(super) async fn tell(&self, bus: &(impl Bus + ?Sized), told: &Told) -> Result<(), BusError> {
        let verb = match told {
            Told::Wake => "wake",
            Told::Heads(_) => "heads",
            Told::Ask { .. } => "ask",
            Told::Passed { .. } => "passed",
            Told::Left { .. } => "left",
        };
        let subject = self.subject(verb).map_err(|_| BusError::TooLarge)?;
        let body = serde_json::to_vec(told).map_err(|_| BusError::TooLarge)?;
        bus.tell(Message::new(ids::fresh(), subject, body)).await
    }

    pub(super) async fn listen(&self, bus: &(impl Bus + ?Sized)) -> Result<Listener, BusError> {
        bus.listen(self.pattern("*")?).await
    }

    /// What was told, if it is one of ours.
    pub(super) fn read(message: &Message) -> Option<Told> {
        (message.body.len() <= MAX_TOLD_BYTES).then(|| serde_json::from_slice(&message.body).ok())?
    }

    pub(super) async fn tell_again(
        &self,
        bus: &(impl Bus + ?Sized),
        inbox: &ConsumerName,
        letter: &Letter,
    ) -> Result<(), BusError> {
        let subject = self.subject(&format!("again.{inbox}"));
        let message = subject.and_then(|subject| letter.write(ids::fresh(), subject));
        bus.tell(message.map_err(|_| BusError::TooLarge)?).await
    }

    pub(super) async fn listen_again(
        &self,
        bus: &(impl Bus + ?Sized),
        inbox: &ConsumerName,
    ) -> Result<Listener, BusError> {
        bus.listen(self.pattern(&format!("again.{inbox}"))?).await
    }

    fn subject(&self, verb: &str) -> Result<Subject, InvalidName> {
        Subject::new(&format!("outbox.{}.{}.{verb}", self.service, self.lane))
    }

    fn pattern(&self, verb: &str) -> Result<Pattern, BusError> {
        let pattern = Pattern::new(&format!("outbox.{}.{}.{verb}", self.service, self.lane));
        pattern.map_err(|_| BusError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_CONSUMER_NAME_BYTES, MAX_PARTITIONS, MAX_SERVICE_NAME_BYTES};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn message(body: Vec<u8>) -> Message {
        Message::new(Uuid::nil(), Subject::new("a").unwrap(), body)
    }

    #[test]
    fn the_largest_of_it_fits() {
        let ends = Ends { partition: u16::MAX, oldest: u64::MAX, head: u64::MAX };
        let inbox = "i".repeat(MAX_CONSUMER_NAME_BYTES);
        for told in [
            Told::Wake,
            Told::Heads(vec![ends; MAX_PARTITIONS]),
            Told::Ask { inbox: inbox.clone(), partition: 1, after: u64::MAX },
            Told::Passed { inbox: inbox.clone(), places: vec![(u16::MAX, u64::MAX); MAX_PARTITIONS] },
            Told::Left { inbox: Some(inbox.clone()) },
        ] {
            assert_eq!(Channel::read(&message(serde_json::to_vec(&told).unwrap())), Some(told));
        }
        let service = Service::new(&"s".repeat(MAX_SERVICE_NAME_BYTES)).unwrap();
        let channel = Channel::new(service, Lane::Critical);
        assert!(channel.subject(&format!("again.{inbox}")).is_ok());
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let padded = |len: usize| {
            let mut body = b"\"wake\"".to_vec();
            body.resize(len, b' ');
            Channel::read(&message(body))
        };
        assert_eq!(padded(MAX_TOLD_BYTES), Some(Told::Wake));
        assert_eq!(padded(MAX_TOLD_BYTES + 1), None);
    }

    proptest! {
        #[test]
        fn what_strangers_tell_is_judged_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..256), json in "[\\[\\]{}\":,a-z0-9-]{0,128}") {
            Channel::read(&message(body));
            Channel::read(&message(json.into_bytes()));
        }
    }
}
