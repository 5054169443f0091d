//! Judges a batch of appends: which hold, and what is to be written for them. Pure, and the same for every engine;
//! an adapter loads what is [`Known`], asks, and writes.

use super::{
    append::{Append, AppendError, Appended, Refusal},
    event::{Partition, StreamId, Version},
};
use model::{CommandId, Epoch, TenantId};
use std::collections;
use uuid::Uuid;

/// Looked up many times for each append. Keys come from outside, so the state is random.
pub(super) type HashMap<K, V> = collections::HashMap<K, V, foldhash::fast::RandomState>;

/// What became of one append.
pub(super) type Outcome = Result<Appended, AppendError>;

/// What the store holds of what a batch touches, and what the batch adds to it.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Where streams are; one that is not here has no events.
    pub(super) heads: HashMap<StreamId, Version>,
    /// Commands carried out before.
    pub(super) commands: HashMap<(StreamId, CommandId), Command>,
    /// Who owns what; a scope that is not here never had an owner.
    pub(super) epochs: HashMap<(TenantId, Uuid), Epoch>,
    /// The newest positions.
    pub(super) ends: HashMap<Partition, Ends>,
    /// The newest audit row of a tenant in a partition.
    pub(super) audits: HashMap<(TenantId, Partition), u64>,
}

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) version: Version,
    pub(super) answer: Option<String>,
}

/// The newest positions of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Ends {
    pub(super) event: u64,
    pub(super) message: u64,
}

/// An append that holds, and the numbers its rows get.
#[derive(Debug)]
pub(super) struct Accepted<'a> {
    pub(super) append: &'a Append,
    pub(super) partition: Partition,
    /// Of the first of its events, of its messages, and of its audit rows.
    pub(super) event: u64,
    pub(super) message: u64,
    pub(super) audit: u64,
}

impl Accepted<'_> {
    /// The stream's version once it is recorded.
    pub(super) const fn version(&self) -> Version {
        Version(self.append.expected.0 + self.append.events.len() as u64)
    }
}

impl Known {
    /// Judges each append of a batch in its order, as if those before it were recorded.
    pub(super) fn judge<'a>(
        &mut self,
        batch: impl IntoIterator<Item = &'a Append>,
        partition: impl Fn(&StreamId) -> Partition,
    ) -> (Vec<Outcome>, Vec<Accepted<'a>>) {
        let mut accepted = Vec::new();
        let outcomes = batch
            .into_iter()
            .map(|append| {
                if let Some(answer) = self.answered(append) {
                    return Ok(answer);
                }
                self.refused(append)?;
                let accept = self.accept(append, partition(&append.stream));
                let version = accept.version();
                accepted.push(accept);
                let answer = append.answer.clone();
                Ok(Appended { version, repeated: false, answer, provisional: false })
            })
            .collect();
        (outcomes, accepted)
    }

    fn answered(&self, append: &Append) -> Option<Appended> {
        let done = self.commands.get(&(append.stream, append.key?))?;
        let answer = done.answer.clone();
        Some(Appended { version: done.version, repeated: true, answer, provisional: false })
    }

    fn refused(&self, append: &Append) -> Result<(), Refusal> {
        let owner = |scope| self.epochs.get(&(append.stream.tenant, scope)).copied().unwrap_or_default();
        if append.fence.is_some_and(|fence| fence.epoch != owner(fence.scope)) {
            return Err(Refusal::Fenced);
        }
        let actual = self.heads.get(&append.stream).copied().unwrap_or_default();
        if actual == append.expected { Ok(()) } else { Err(Refusal::Conflict { actual }) }
    }

    fn accept<'a>(&mut self, append: &'a Append, partition: Partition) -> Accepted<'a> {
        let ends = self.ends.entry(partition).or_default();
        let audits = self.audits.entry((append.stream.tenant, partition)).or_default();
        let (event, message, audit) = (ends.event + 1, ends.message + 1, *audits + 1);
        ends.event += append.events.len() as u64;
        ends.message += append.outbox.len() as u64;
        *audits += append.audit.len() as u64;
        let accepted = Accepted { append, partition, event, message, audit };
        self.heads.insert(append.stream, accepted.version());
        if let Some(key) = append.key {
            let command = Command { version: accepted.version(), answer: append.answer.clone() };
            self.commands.insert((append.stream, key), command);
        }
        accepted
    }
}
