//! A message of the outbox on its way: what it looks like on the bus.

use crate::{
    bus::{Headers, InvalidName, Message, Subject},
    event_log::{OutboxMessage, Partition, Position},
    limits::MAX_SERVICE_NAME_BYTES,
};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use model::{TenantId, Timestamp};
use std::{fmt, sync::Arc};
use uuid::Uuid;

const PARTITION: &str = "outbox-partition";
const POSITION: &str = "outbox-position";
const TENANT: &str = "outbox-tenant";
const SUBJECT: &str = "outbox-subject";
const AT: &str = "outbox-at";

/// What the subject of a message is replaced by that the bus does not take. Appends refuse such messages.
const UNSPEAKABLE: &str = "unspeakable";

/// Whose outbox: `[a-z0-9_-]`, at most `limits::MAX_SERVICE_NAME_BYTES`. One name for one event log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Service(Arc<str>);

impl Service {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// It is none.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let valid = name.len() <= MAX_SERVICE_NAME_BYTES && !name.contains('.') && Subject::new(name).is_ok();
        if valid { Ok(Self(name.into())) } else { Err(InvalidName) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message of another service's outbox.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// In which partition of that service's event log.
    pub partition: Partition,
    /// Its place in it, from 1, without gaps.
    pub position: Position,
    /// Whose.
    pub tenant: TenantId,
    /// What it is about, without the service's name.
    pub subject: Subject,
    /// JSON without PHI.
    pub body: Bytes,
    /// When it was decided.
    pub at: Timestamp,
}

impl Letter {
    /// The same on every process and at every time, so that the bus drops what two relays publish.
    pub fn id(&self, service: &Service) -> Uuid {
        id(service, self.partition, self.position)
    }

    /// Under a subject, with all that [`Letter::read`] needs.
    pub(super) fn write(&self, id: Uuid, subject: Subject) -> Result<Message, InvalidName> {
        let mut headers = Headers::default();
        headers.insert(PARTITION, &self.partition.0.to_string())?;
        headers.insert(POSITION, &self.position.0.to_string())?;
        headers.insert(TENANT, &self.tenant.0.to_string())?;
        headers.insert(SUBJECT, self.subject.as_str())?;
        headers.insert(AT, &self.at.as_millis().to_string())?;
        Ok(Message { headers, ..Message::new(id, subject, self.body.clone()) })
    }

    /// What came, if it is a letter. Strangers may publish on our subjects.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let header = |name| message.headers.get(name);
        let position =
            header(POSITION)?.parse().ok().filter(|position| (1..=MAX_POSITION).contains(position));
        Some(Self {
            partition: Partition(header(PARTITION)?.parse().ok()?),
            position: Position(position?),
            tenant: TenantId(header(TENANT)?.parse().ok()?),
            subject: Subject::new(header(SUBJECT)?).ok()?,
            body: message.body.clone(),
            at: Timestamp::from_millis(header(AT)?.parse().ok()?),
        })
    }

    /// As it is published: `visit.admitted` of `signaling` as `signaling.visit.admitted`.
    pub(super) fn published(&self, service: &Service) -> Result<Message, InvalidName> {
        self.write(self.id(service), Subject::new(&format!("{service}.{}", self.subject))?)
    }
}

/// Larger positions do not fit into an id; at a million messages a second they come in nine years.
const MAX_POSITION: u64 = (1 << 48) - 1;

fn id(service: &Service, partition: Partition, position: Position) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&digest(&SHA256, service.as_str().as_bytes()).as_ref()[..8]);
    bytes[8..10].copy_from_slice(&partition.0.to_be_bytes());
    bytes[10..].copy_from_slice(&position.0.to_be_bytes()[2..]);
    Uuid::from_bytes(bytes)
}

impl From<OutboxMessage> for Letter {
    fn from(message: OutboxMessage) -> Self {
        let OutboxMessage { partition, position, tenant, subject, body, at } = message;
        let subject =
            Subject::new(&subject).or_else(|_| Subject::new(UNSPEAKABLE)).expect("a constant is one");
        Self { partition, position, tenant, subject, body: body.into(), at }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("partition", &self.partition)
            .field("position", &self.position)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_OUTBOX_SUBJECT_BYTES, MAX_SUBJECT_BYTES};
    use proptest::prelude::*;

    fn letter(subject: &str) -> Letter {
        Letter::from(OutboxMessage {
            partition: Partition(11),
            position: Position(MAX_POSITION),
            tenant: TenantId(Uuid::from_u128(3)),
            subject: subject.to_owned(),
            body: "{\"name\":1}".to_owned(),
            at: Timestamp::from_millis(-7),
        })
    }

    fn service() -> Service {
        Service::new("signaling").unwrap()
    }

    #[test]
    fn a_letter_comes_back_as_it_went() {
        let letter = letter("visit.admitted");
        let message = letter.published(&service()).unwrap();
        assert_eq!(message.subject.as_str(), "signaling.visit.admitted");
        assert_eq!(Letter::read(&message), Some(letter));
    }

    #[test]
    fn the_longest_names_fit_the_bus() {
        let service = Service::new(&"s".repeat(MAX_SERVICE_NAME_BYTES)).unwrap();
        assert!(Service::new(&"s".repeat(MAX_SERVICE_NAME_BYTES + 1)).is_err());
        let message = letter(&"a".repeat(MAX_OUTBOX_SUBJECT_BYTES)).published(&service).unwrap();
        assert!(message.subject.as_str().len() <= MAX_SUBJECT_BYTES);
        assert!(Service::new("a.b").is_err(), "one token");
    }

    #[test]
    fn what_cannot_be_said_keeps_its_place() {
        let letter = letter("Visit admitted");
        assert_eq!((letter.subject.as_str(), letter.position.0), (UNSPEAKABLE, MAX_POSITION));
        assert!(letter.published(&service()).is_ok());
    }

    #[test]
    fn an_id_is_the_same_each_time_and_another_for_each_place() {
        let other = Service::new("scheduler").unwrap();
        let all = [
            id(&service(), Partition(1), Position(1)),
            id(&service(), Partition(1), Position(2)),
            id(&service(), Partition(2), Position(1)),
            id(&other, Partition(1), Position(1)),
        ];
        assert_eq!(all[0], id(&service(), Partition(1), Position(1)));
        assert!(all.iter().enumerate().all(|(n, id)| !all[..n].contains(id)));
    }

    #[test]
    fn a_letter_does_not_print_its_body() {
        assert!(!format!("{:?}", letter("a")).contains("name"));
    }

    proptest! {
        #[test]
        fn what_strangers_publish_is_judged_without_a_panic(
            values in prop::collection::vec((0_usize..5, "[ -~]{0,60}|[0-9]{1,20}"), 0..8), body in prop::collection::vec(any::<u8>(), 0..64)
        ) {
            let mut message = Message::new(Uuid::nil(), Subject::new("signaling.a").unwrap(), body);
            for (name, value) in values {
                let _ = message.headers.insert([PARTITION, POSITION, TENANT, SUBJECT, AT][name], &value);
            }
            if let Some(letter) = Letter::read(&message) {
                prop_assert!((1..=MAX_POSITION).contains(&letter.position.0));
            }
        }
    }
}
