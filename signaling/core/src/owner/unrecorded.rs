//! What was acknowledged and is only in this machine's journal: the clinician is told so, until the store has it.
//!
//! Patients are not: nothing they can do changes it, and their place is as safe as before.

use super::{Output, Overtaken, Owner, Stream, Ticket};
use model::Timestamp;
use signaling_protocol::view::QueueView;
use std::collections::BTreeMap;

/// From which event on each stream is not in the store. As many as the journal takes.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    from: BTreeMap<Stream, u64>,
    /// The question under way: is it all recorded?
    asked: Option<Ticket>,
    /// Something came since it was asked.
    more: bool,
}

impl Unrecorded {
    /// Says in a view of the queue what is not recorded.
    pub(super) fn mark(&self, view: &mut QueueView) {
        view.unrecorded = !self.from.is_empty();
        for entry in &mut view.entries {
            let from = self.from.get(&Stream::Visit(entry.visit));
            entry.unrecorded_from = from.map(|from| u32::try_from(*from).unwrap_or(u32::MAX));
        }
    }
}

impl Owner {
    /// The store has everything that was acknowledged before it was asked with [`Output::AwaitRecord`], or will never
    /// have all of it: then the room is given up, because what this owner remembers did not happen.
    pub fn handle_recorded(&mut self, now: Timestamp, ticket: Ticket, result: Result<(), Overtaken>) {
        if self.unrecorded.asked != Some(ticket) {
            return;
        }
        self.unrecorded.asked = None;
        if result.is_err() {
            return self.lose(now);
        }
        if self.unrecorded.more {
            // What came in between may have come after the answer.
            self.ask_for_record();
        } else {
            self.unrecorded.from.clear();
            self.dirty = true;
        }
        self.finish(now);
    }

    /// An event of a stream, and what follows it, stands in the journal.
    pub(super) fn is_unrecorded(&mut self, stream: Stream, from: u64) {
        self.unrecorded.from.entry(stream).or_insert(from);
        self.dirty = true;
        if self.unrecorded.asked.is_some() {
            self.unrecorded.more = true;
        } else {
            self.ask_for_record();
        }
    }

    fn ask_for_record(&mut self) {
        let ticket = self.ticket();
        self.unrecorded.asked = Some(ticket);
        self.unrecorded.more = false;
        self.outputs.push_back(Output::AwaitRecord { ticket });
    }
}
