//! One atomic write, and what can become of it.

use super::event::{NewEvent, StreamId, Version};
use crate::bus::Subject;
use crate::limits::{
    MAX_ANSWER_BYTES, MAX_AUDITS_PER_APPEND, MAX_EVENT_BYTES, MAX_EVENTS_PER_APPEND, MAX_MESSAGES_PER_APPEND,
    MAX_OUTBOX_SUBJECT_BYTES,
};
use crate::vault::text_bytes;
use model::{CommandId, Epoch, Timestamp};
use std::fmt;
use uuid::Uuid;

/// One atomic append: a command's events and everything that must stand or fall with them.
#[derive(Clone)]
pub struct Append {
    /// Where to.
    pub stream: StreamId,
    /// The version the decision was made at.
    pub expected: Version,
    /// The command that caused it. A key used before on this stream records nothing and answers
    /// [`Appended`] with `repeated`, and the version and answer it had then.
    pub key: Option<CommandId>,
    /// What the command is answered with, now and whenever it comes again. No PHI.
    pub answer: Option<String>,
    /// What happened; 1 to `limits::MAX_EVENTS_PER_APPEND`.
    pub events: Vec<NewEvent>,
    /// What other services are told, once this is recorded.
    pub outbox: Vec<NewMessage>,
    /// Who did or saw what.
    pub audit: Vec<NewAudit>,
    /// Recorded only while the writer is still the owner.
    pub fence: Option<Fence>,
    /// When it was decided.
    pub at: Timestamp,
}

impl Append {
    /// Events and nothing else.
    pub const fn new(stream: StreamId, expected: Version, events: Vec<NewEvent>, at: Timestamp) -> Self {
        Self {
            stream,
            expected,
            key: None,
            answer: None,
            events,
            outbox: Vec::new(),
            audit: Vec::new(),
            fence: None,
            at,
        }
    }
}

impl Append {
    /// Bytes of all that is written for it, apart from ids and numbers.
    pub(super) fn bytes(&self) -> usize {
        let phi = |phi: &Option<String>| phi.as_ref().map_or(0, String::len);
        let events = self.events.iter().map(|event| event.body.len() + phi(&event.phi));
        let messages = self.outbox.iter().map(|message| message.body.len());
        let audits = self.audit.iter().map(|audit| audit.body.len() + phi(&audit.phi));
        events.chain(messages).chain(audits).sum::<usize>() + self.answer.as_ref().map_or(0, String::len)
    }
}

impl fmt::Debug for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Append")
            .field("stream", &self.stream)
            .field("expected", &self.expected)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// A message for other services. Ids only: whoever may know more asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// What it is about, `visit.admitted` for example: what [`Subject`] takes, at most
    /// `limits::MAX_OUTBOX_SUBJECT_BYTES`.
    pub subject: String,
    /// JSON without PHI.
    pub body: String,
}

/// A row for the auditor.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAudit {
    /// What was done, `visit.admit` for example.
    pub action: &'static str,
    /// Who did it; `None` is the platform itself.
    pub actor: Option<Uuid>,
    /// To whom or what.
    pub subject: Option<Uuid>,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl fmt::Debug for NewAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAudit").field("action", &self.action).finish_non_exhaustive()
    }
}

/// Proof of who owns what is written to: see [`super::Ownership`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// What is owned, within the stream's tenant.
    pub scope: Uuid,
    /// Since which change of owner.
    pub epoch: Epoch,
}

/// The append is on disk: the store's, or, if it is provisional, this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream's version after it.
    pub version: Version,
    /// The key had been used before; nothing was recorded now.
    pub repeated: bool,
    /// The answer that was recorded with the key, if there was one.
    pub answer: Option<String>,
    /// It stands only in the [local journal](super::journal) so far: whoever shows it says "not yet recorded".
    pub provisional: bool,
}

/// Why an append is not known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Nothing was recorded, nor will be.
    #[error("nothing was recorded: {0}")]
    Rejected(#[from] Refusal),
    /// It may or may not be recorded: read the stream, or append again with the same key.
    #[error("whether the append is recorded is not known")]
    Unknown,
}

/// Why nothing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else appended first. Read, decide again.
    #[error("the stream has moved on to version {}", actual.0)]
    Conflict {
        /// Where the stream is now.
        actual: Version,
    },
    /// Somebody else owns it since: stop writing.
    #[error("somebody else is the owner")]
    Fenced,
    /// Larger than the limits allow, or empty.
    #[error("the append is too large")]
    TooLarge,
    /// Text with a NUL in it, which not every engine can hold, or a message whose subject is none of the bus's.
    #[error("the append has text that cannot be stored or told")]
    Invalid,
    /// Nobody waits for it any more, or it waited longer than its lane's work may
    /// ([`MAX_APPEND_WAIT`](crate::limits::MAX_APPEND_WAIT)): it was not begun.
    #[error("it was not the append's turn in time")]
    Overdue,
    /// The store cannot write now: disk full, shutting down, queue full.
    #[error("the store cannot write now")]
    Unavailable,
}

/// Refuses what no adapter takes.
pub(crate) fn within_limits(append: &Append) -> Result<(), Refusal> {
    let Append { events, outbox, audit, answer, .. } = append;
    let phi = |phi: &Option<String>| phi.as_deref().map_or(0, text_bytes);
    let counts = (1..=MAX_EVENTS_PER_APPEND).contains(&events.len())
        && outbox.len() <= MAX_MESSAGES_PER_APPEND
        && audit.len() <= MAX_AUDITS_PER_APPEND;
    let sizes = events.iter().all(|e| e.body.len() + phi(&e.phi) <= MAX_EVENT_BYTES)
        && outbox
            .iter()
            .all(|m| m.body.len() <= MAX_EVENT_BYTES && m.subject.len() <= MAX_OUTBOX_SUBJECT_BYTES)
        && audit.iter().all(|a| a.body.len() + phi(&a.phi) <= MAX_EVENT_BYTES)
        && answer.as_ref().is_none_or(|answer| answer.len() <= MAX_ANSWER_BYTES);
    if !(counts && sizes) {
        return Err(Refusal::TooLarge);
    }
    // The bus would not take it, and what cannot be told would hold up all that comes after it.
    if outbox.iter().any(|m| Subject::new(&m.subject).is_err()) {
        return Err(Refusal::Invalid);
    }
    let texts = events.iter().flat_map(|e| [Some(&e.body), e.phi.as_ref()]);
    let texts = texts.chain(outbox.iter().map(|m| Some(&m.body)));
    let mut texts =
        texts.chain(audit.iter().flat_map(|a| [Some(&a.body), a.phi.as_ref()])).chain([answer.as_ref()]);
    if texts.any(|text| text.is_some_and(|text| text.contains('\0'))) {
        return Err(Refusal::Invalid);
    }
    Ok(())
}
