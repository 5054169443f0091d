//! An append as it stands in the journal, and its bytes.

use crate::{
    event_log::{
        Append, Appended, Category, Fence, NewAudit, NewEvent, NewMessage, RecordedEvent, StreamId, Version,
    },
    lane::Lane,
    limits::{MAX_EVENTS_PER_APPEND, MAX_JOURNAL_NAMES},
};
use model::{CommandId, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeSet};
use uuid::Uuid;

/// What an entry costs beside its body, bytes: its columns, and its share of the tables.
const OVERHEAD: u64 = 256;

/// Largest number that SQLite holds, with room for the events of one append.
const MAX_NUMBER: u64 = i64::MAX as u64 - MAX_EVENTS_PER_APPEND as u64;

/// Longest name that is taken from disk, bytes. Ours have some twenty.
const MAX_NAME_BYTES: usize = 256;

/// What makes an append one that may be journaled: replaying it cannot record it twice, nor after somebody else has
/// taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) key: CommandId,
    pub(super) fence: Fence,
}

impl Proof {
    /// The proof that an append carries, if it does.
    pub(super) fn of(append: &Append) -> Option<Self> {
        let proof = Self { key: append.key?, fence: append.fence? };
        let urgent = append.stream.category.lane == Lane::Critical;
        let fits = append.expected.0 <= MAX_NUMBER && proof.fence.epoch.0 <= MAX_NUMBER;
        (urgent && fits).then_some(proof)
    }
}

/// One append that the store has not recorded yet.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place among all of the journal.
    pub(super) seq: u64,
    pub(super) append: Append,
    pub(super) proof: Proof,
    /// When it was journaled.
    pub(super) since: Timestamp,
    pub(super) bytes: u64,
}

impl Entry {
    /// The stream's version after it.
    pub(super) fn version(&self) -> Version {
        Version(self.append.expected.0 + self.append.events.len() as u64)
    }

    /// What its command is answered with as long as it is here.
    pub(super) fn answer(&self, repeated: bool) -> Appended {
        let answer = self.append.answer.clone();
        Appended { version: self.version(), repeated, answer, provisional: true }
    }

    /// Its events as they will stand in the log.
    pub(super) fn events(&self) -> impl Iterator<Item = RecordedEvent> {
        let Append { expected, events, at, .. } = &self.append;
        (expected.0 + 1..).zip(events).map(|(version, event)| RecordedEvent {
            version: Version(version),
            kind: event.kind.to_owned(),
            schema: event.schema,
            body: event.body.clone(),
            phi: event.phi.clone(),
            at: *at,
            effective: event.effective.unwrap_or(*at),
        })
    }
}

/// What an entry with a body of this length counts as.
pub(super) const fn size(body: usize) -> u64 {
    body as u64 + OVERHEAD
}

/// What stands in no column of its own.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    answer: Option<Cow<'a, str>>,
    events: Vec<Event<'a>>,
    outbox: Vec<Message<'a>>,
    audit: Vec<Audit<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    schema: u16,
    body: Cow<'a, str>,
    phi: Option<Cow<'a, str>>,
    effective: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    subject: Cow<'a, str>,
    body: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct Audit<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    actor: Option<Uuid>,
    subject: Option<Uuid>,
    body: Cow<'a, str>,
    phi: Option<Cow<'a, str>>,
}

fn borrowed(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

/// The body of an append; `None` if it cannot be written, which no append is known to do.
pub(super) fn encode(append: &Append) -> Option<Vec<u8>> {
    let body = Body {
        answer: borrowed(append.answer.as_ref()),
        events: append
            .events
            .iter()
            .map(|event| Event {
                kind: event.kind.into(),
                schema: event.schema,
                body: event.body.as_str().into(),
                phi: borrowed(event.phi.as_ref()),
                effective: event.effective.map(Timestamp::as_millis),
            })
            .collect(),
        outbox: append
            .outbox
            .iter()
            .map(|message| Message {
                subject: message.subject.as_str().into(),
                body: message.body.as_str().into(),
            })
            .collect(),
        audit: append
            .audit
            .iter()
            .map(|audit| Audit {
                action: audit.action.into(),
                actor: audit.actor,
                subject: audit.subject,
                body: audit.body.as_str().into(),
                phi: borrowed(audit.phi.as_ref()),
            })
            .collect(),
    };
    serde_json::to_vec(&body).ok()
}

/// Kind, body and PHI of each event in a body, for people. None: this is not what [`encode`] made.
pub(super) fn events_of(body: &[u8]) -> Vec<(String, String, Option<String>)> {
    let events = serde_json::from_slice::<Body<'_>>(body).map(|body| body.events).unwrap_or_default();
    let event =
        |event: Event<'_>| (event.kind.into_owned(), event.body.into_owned(), event.phi.map(Cow::into_owned));
    events.into_iter().map(event).collect()
}

/// The columns of an entry.
pub(super) struct Columns {
    pub(super) tenant: model::TenantId,
    pub(super) category: String,
    pub(super) lane: usize,
    pub(super) stream: Uuid,
    pub(super) proof: Proof,
    pub(super) expected: Version,
    pub(super) at: Timestamp,
}

/// The append again. `None`: this is not what [`encode`] made.
pub(super) fn decode(columns: &Columns, body: &[u8]) -> Option<Append> {
    let Body { answer, events, outbox, audit } = serde_json::from_slice(body).ok()?;
    let category = Category { name: name(&columns.category)?, lane: *Lane::ALL.get(columns.lane)? };
    let event = |event: Event<'_>| {
        Some(NewEvent {
            kind: name(&event.kind)?,
            schema: event.schema,
            body: event.body.into_owned(),
            phi: event.phi.map(Cow::into_owned),
            effective: event.effective.map(Timestamp::from_millis),
        })
    };
    let message = |message: Message<'_>| NewMessage {
        subject: message.subject.into_owned(),
        body: message.body.into_owned(),
    };
    let audited = |audit: Audit<'_>| {
        Some(NewAudit {
            action: name(&audit.action)?,
            actor: audit.actor,
            subject: audit.subject,
            body: audit.body.into_owned(),
            phi: audit.phi.map(Cow::into_owned),
        })
    };
    Some(Append {
        stream: StreamId { tenant: columns.tenant, category, id: columns.stream },
        expected: columns.expected,
        key: Some(columns.proof.key),
        answer: answer.map(Cow::into_owned),
        events: events.into_iter().map(event).collect::<Option<_>>()?,
        outbox: outbox.into_iter().map(message).collect(),
        audit: audit.into_iter().map(audited).collect::<Option<_>>()?,
        fence: Some(columns.proof.fence),
        at: columns.at,
    })
}

/// A name as programs have it: for ever.
fn name(text: &str) -> Option<&'static str> {
    static NAMES: Mutex<Names> = Mutex::new(Names(BTreeSet::new()));
    NAMES.lock().kept(text)
}

/// Names that were taken from disk. There are few, and each is kept once.
struct Names(BTreeSet<&'static str>);

impl Names {
    fn kept(&mut self, text: &str) -> Option<&'static str> {
        if let Some(known) = self.0.get(text) {
            return Some(known);
        }
        if self.0.len() >= MAX_JOURNAL_NAMES || text.len() > MAX_NAME_BYTES {
            return None;
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        self.0.insert(kept);
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Epoch, TenantId};
    use proptest::prelude::*;

    fn columns(append: &Append, proof: Proof) -> Columns {
        let StreamId { tenant, category, id } = append.stream;
        Columns {
            tenant,
            category: category.name.to_owned(),
            lane: category.lane.index(),
            stream: id,
            proof,
            expected: append.expected,
            at: append.at,
        }
    }

    prop_compose! {
        fn an_append()(
            texts in prop::collection::vec(any::<(String, Option<String>)>(), 1..4),
            (answer, effective, expected) in any::<(Option<String>, Option<i64>, u32)>(),
            (actor, subject, at) in any::<(Option<u128>, Option<u128>, i64)>(),
            critical in any::<bool>(),
        ) -> Append {
            let id = |id: Option<u128>| id.map(Uuid::from_u128);
            let lane = if critical { Lane::Critical } else { Lane::Batch };
            let category = Category { name: "visit", lane };
            let stream = StreamId { tenant: TenantId(Uuid::nil()), category, id: Uuid::nil() };
            let effective = effective.map(Timestamp::from_millis);
            let event = |(body, phi): &(String, Option<String>)| NewEvent {
                kind: "noted", schema: 3, body: body.clone(), phi: phi.clone(), effective,
            };
            let audit = |(body, phi): &(String, Option<String>)| NewAudit {
                action: "visit.note", actor: id(actor), subject: id(subject), body: body.clone(), phi: phi.clone(),
            };
            let message = |(body, _): &(String, Option<String>)| NewMessage {
                subject: "visit.noted".to_owned(), body: body.clone(),
            };
            Append {
                key: Some(CommandId(Uuid::from_u128(4))),
                answer,
                outbox: texts.iter().map(message).collect(),
                audit: texts.iter().map(audit).collect(),
                fence: Some(Fence { scope: Uuid::from_u128(5), epoch: Epoch(6) }),
                ..Append::new(stream, Version(expected.into()), texts.iter().map(event).collect(),
                    Timestamp::from_millis(at))
            }
        }
    }

    proptest! {
        #[test]
        fn an_append_comes_back_as_it_was(append in an_append()) {
            let proof = Proof { key: append.key.unwrap(), fence: append.fence.unwrap() };
            let back = decode(&columns(&append, proof), &encode(&append).unwrap()).unwrap();
            prop_assert_eq!(back.stream, append.stream);
            prop_assert_eq!((back.expected, back.key, back.at), (append.expected, append.key, append.at));
            prop_assert_eq!((&back.answer, back.fence), (&append.answer, append.fence));
            prop_assert!(back.events == append.events && back.outbox == append.outbox);
            prop_assert!(back.audit == append.audit);
        }

        #[test]
        fn any_bytes_are_an_append_or_are_not(bytes in prop::collection::vec(any::<u8>(), 0..200), append in an_append()) {
            let proof = Proof { key: append.key.unwrap(), fence: append.fence.unwrap() };
            let _ = decode(&columns(&append, proof), &bytes);
            let mut cut = encode(&append).unwrap();
            cut.truncate(cut.len() - 1);
            prop_assert!(decode(&columns(&append, proof), &cut).is_none());
        }
    }

    #[test]
    fn only_urgent_appends_of_an_owner_with_a_key_may_be_journaled() {
        let category = Category { name: "visit", lane: Lane::Critical };
        let stream = StreamId { tenant: TenantId(Uuid::nil()), category, id: Uuid::nil() };
        let bare = Append::new(stream, Version(0), Vec::new(), Timestamp::from_millis(0));
        let fence = Some(Fence { scope: Uuid::nil(), epoch: Epoch(1) });
        let key = Some(CommandId(Uuid::nil()));
        assert!(Proof::of(&Append { fence, key, ..bare.clone() }).is_some());
        assert!(Proof::of(&Append { fence, ..bare.clone() }).is_none());
        assert!(Proof::of(&Append { key, ..bare.clone() }).is_none());
        let standard = StreamId { category: Category { lane: Lane::Standard, ..category }, ..stream };
        assert!(Proof::of(&Append { fence, key, stream: standard, ..bare.clone() }).is_none());
        assert!(Proof::of(&Append { fence, key, expected: Version(MAX_NUMBER), ..bare.clone() }).is_some());
        assert!(Proof::of(&Append { fence, key, expected: Version(MAX_NUMBER + 1), ..bare }).is_none());
    }

    #[test]
    fn names_are_kept_once_and_are_few_and_short() {
        let mut names = Names(BTreeSet::new());
        let twice = [names.kept("noted"), names.kept("noted")].map(Option::unwrap);
        assert!(std::ptr::eq(twice[0], twice[1]));
        assert!(names.kept(&"n".repeat(MAX_NAME_BYTES)).is_some());
        assert!(names.kept(&"n".repeat(MAX_NAME_BYTES + 1)).is_none());
        for n in names.0.len()..MAX_JOURNAL_NAMES {
            assert!(names.kept(&n.to_string()).is_some());
        }
        assert!(names.kept("one more").is_none());
        assert_eq!(names.kept("noted"), Some("noted"));
    }
}
