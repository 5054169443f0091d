//! What a lane holds, and where its consumers are. Pure: time is an argument.

use super::{Config, durable::Durable};
use crate::{
    bus::{BusError, ConsumerName, Message, Pattern, consumer::Settle, metrics::Published},
    limits::{DEDUPE_WINDOW, MAX_CONSUMERS, MAX_DEDUPE_IDS, MAX_LANE_BYTES, MAX_LANE_MESSAGES, MAX_PARKED},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

pub(super) struct LaneStore {
    messages: BTreeMap<u64, Held>,
    bytes: usize,
    next: u64,
    /// Messages that no consumer still wants: they stay for consumers to come, and go when room is
    /// needed.
    unwanted: BTreeSet<u64>,
    consumers: BTreeMap<ConsumerName, Durable>,
    seen: HashSet<Uuid>,
    seen_in_order: VecDeque<(Instant, Uuid)>,
    parked: VecDeque<(ConsumerName, Message)>,
    ack_wait: Duration,
    max_messages: usize,
    max_bytes: usize,
    closed: bool,
}

struct Held {
    message: Message,
    wanted_by: usize,
}

/// What a consumer gets.
pub(super) enum Taken {
    Message { sequence: u64, message: Message, attempt: u32 },
    Nothing { until: Option<Instant> },
    Closed,
}

impl LaneStore {
    pub(super) fn new(config: Config) -> Self {
        Self {
            messages: BTreeMap::new(),
            bytes: 0,
            next: 1,
            unwanted: BTreeSet::new(),
            consumers: BTreeMap::new(),
            seen: HashSet::new(),
            seen_in_order: VecDeque::new(),
            parked: VecDeque::new(),
            ack_wait: config.ack_wait,
            max_messages: config.lane_messages.min(MAX_LANE_MESSAGES),
            max_bytes: config.lane_bytes.min(MAX_LANE_BYTES),
            closed: false,
        }
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn parked(&self) -> u64 {
        self.parked.len() as u64
    }

    pub(super) fn pending(&self, mut report: impl FnMut(&ConsumerName, u64)) {
        self.consumers.iter().for_each(|(name, durable)| report(name, durable.pending()));
    }

    pub(super) fn publish(&mut self, message: Message, now: Instant) -> Result<Published, BusError> {
        self.forget_ids(now);
        if self.seen.contains(&message.id) {
            return Ok(Published::Repeated);
        }
        self.make_room(message.body.len())?;
        self.remember_id(message.id, now);
        let sequence = self.next;
        self.next += 1;
        let wanting = self.consumers.values_mut().filter(|durable| durable.pattern.matches(&message.subject));
        let wanted_by = wanting.map(|durable| durable.offer(sequence)).count();
        if wanted_by == 0 {
            self.unwanted.insert(sequence);
        }
        self.bytes += message.body.len();
        self.messages.insert(sequence, Held { message, wanted_by });
        Ok(Published::New)
    }

    pub(super) fn join(&mut self, name: &ConsumerName, pattern: Pattern) -> Result<(), BusError> {
        match self.consumers.get(name) {
            Some(durable) if durable.pattern == pattern => return Ok(()),
            Some(_) => return Err(BusError::Mismatch { what: format!("the pattern of consumer {name}") }),
            None if self.consumers.len() >= MAX_CONSUMERS => return Err(BusError::TooMany),
            None => {}
        }
        let mut ready = BTreeSet::new();
        for (sequence, held) in &mut self.messages {
            if pattern.matches(&held.message.subject) {
                held.wanted_by += 1;
                self.unwanted.remove(sequence);
                ready.insert(*sequence);
            }
        }
        self.consumers.insert(name.clone(), Durable::new(pattern, ready));
        Ok(())
    }

    pub(super) fn take(&mut self, name: &ConsumerName, now: Instant) -> Taken {
        if self.closed {
            return Taken::Closed;
        }
        let Some(durable) = self.consumers.get_mut(name) else { return Taken::Closed };
        match durable.take(now, now + self.ack_wait) {
            Err(until) => Taken::Nothing { until },
            Ok((sequence, attempt)) => match self.messages.get(&sequence) {
                Some(held) => Taken::Message { sequence, message: held.message.clone(), attempt },
                // What is wanted is held; were it not, there would be nothing to deliver.
                None => Taken::Nothing { until: Some(now) },
            },
        }
    }

    pub(super) fn settle(
        &mut self,
        name: &ConsumerName,
        sequence: u64,
        attempt: u32,
        how: Settle,
        now: Instant,
    ) {
        let Some(durable) = self.consumers.get_mut(name) else { return };
        if let Settle::Retry(delay) = how {
            return durable.put_off(sequence, attempt, now + delay);
        }
        if !durable.finish(sequence) {
            return;
        }
        if let Settle::Park(message) = how {
            if self.parked.len() >= MAX_PARKED {
                self.parked.pop_front();
            }
            self.parked.push_back((name.clone(), message));
        }
        if let Some(held) = self.messages.get_mut(&sequence) {
            held.wanted_by -= 1;
            if held.wanted_by == 0 {
                self.unwanted.insert(sequence);
            }
        }
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), BusError> {
        while self.messages.len() >= self.max_messages || self.bytes + bytes > self.max_bytes {
            let oldest = self.unwanted.pop_first().ok_or(BusError::Unavailable)?;
            if let Some(held) = self.messages.remove(&oldest) {
                self.bytes -= held.message.body.len();
            }
        }
        Ok(())
    }

    fn remember_id(&mut self, id: Uuid, now: Instant) {
        self.seen.insert(id);
        self.seen_in_order.push_back((now, id));
    }

    fn forget_ids(&mut self, now: Instant) {
        while let Some((at, id)) = self.seen_in_order.front().copied() {
            if self.seen_in_order.len() < MAX_DEDUPE_IDS && now.duration_since(at) < DEDUPE_WINDOW {
                break;
            }
            self.seen_in_order.pop_front();
            self.seen.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;
