//! How streams and consumers are set up, and whether the server did as told: older servers ignore what
//! they do not know without a word.

use super::Config;
use crate::{
    bus::{BusError, ConsumerName, Pattern, nats::wire},
    lane::Lane,
    limits::{
        DEDUPE_WINDOW, MAX_CONSUMERS, MAX_IN_FLIGHT, MAX_MESSAGE_BYTES, MAX_PARKED, MAX_STREAM_AGE,
        MAX_STREAM_BYTES,
    },
};
use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream,
};

/// Room for the headers of a message: JetStream counts them.
const HEADER_ROOM: usize = 8 * 1_024;

/// The subjects of a lane begin with it.
pub(super) fn prefix(lane: Lane) -> String {
    format!("th.{lane}")
}

/// Where a lane's parked messages go.
pub(super) fn parked_prefix(lane: Lane) -> String {
    format!("th.parked-{lane}")
}

/// `TH_CRITICAL`. The oldest are discarded when it is full: whoever published still has them, and a
/// full transport must not stop the present for the past.
pub(super) fn lane_stream(lane: Lane, config: &Config) -> stream::Config {
    stream::Config {
        name: format!("TH_{}", lane.as_str().to_uppercase()),
        subjects: vec![wire::on_wire(&prefix(lane), ">")],
        max_bytes: MAX_STREAM_BYTES,
        max_age: MAX_STREAM_AGE,
        max_messages: -1,
        ..bounded(config)
    }
}

/// `TH_PARKED_CRITICAL`. Somebody has to look at these, so they have no age.
pub(super) fn parked_stream(lane: Lane, config: &Config) -> stream::Config {
    stream::Config {
        name: format!("TH_PARKED_{}", lane.as_str().to_uppercase()),
        subjects: vec![wire::on_wire(&parked_prefix(lane), ">")],
        max_bytes: MAX_STREAM_BYTES,
        max_messages: i64::try_from(MAX_PARKED).unwrap_or(i64::MAX),
        ..bounded(config)
    }
}

fn bounded(config: &Config) -> stream::Config {
    stream::Config {
        discard: stream::DiscardPolicy::Old,
        retention: stream::RetentionPolicy::Limits,
        storage: stream::StorageType::File,
        duplicate_window: DEDUPE_WINDOW,
        max_message_size: i32::try_from(MAX_MESSAGE_BYTES + HEADER_ROOM).unwrap_or(i32::MAX),
        max_messages_per_subject: -1,
        max_consumers: i32::try_from(MAX_CONSUMERS).unwrap_or(i32::MAX),
        num_replicas: config.replicas,
        ..Default::default()
    }
}

/// A consumer has one filter: `filter_subjects` is ignored by servers before 2.10, which then deliver
/// everything. The server does not give up by itself (`max_deliver`): parking is ours.
pub(super) fn consumer(name: &ConsumerName, lane: Lane, pattern: &Pattern, config: &Config) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_string()),
        name: Some(name.to_string()),
        filter_subject: wire::on_wire(&prefix(lane), pattern),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: config.ack_wait,
        max_deliver: -1,
        max_ack_pending: i64::try_from(MAX_IN_FLIGHT).unwrap_or(i64::MAX),
        ..Default::default()
    }
}

/// # Errors
/// `Mismatch` names the first thing that differs.
pub(super) fn same_stream(asked: &stream::Config, echoed: &stream::Config) -> Result<(), BusError> {
    let same = [
        ("subjects", asked.subjects == echoed.subjects),
        ("retention", asked.retention == echoed.retention),
        ("storage", asked.storage == echoed.storage),
        ("discard policy", asked.discard == echoed.discard),
        ("bytes", asked.max_bytes == echoed.max_bytes),
        ("messages", asked.max_messages == echoed.max_messages),
        ("age", asked.max_age == echoed.max_age),
        ("message size", asked.max_message_size == echoed.max_message_size),
        ("dedupe window", asked.duplicate_window == echoed.duplicate_window),
        ("replicas", asked.num_replicas == echoed.num_replicas),
    ];
    judge("stream", &asked.name, same)
}

/// # Errors
/// `Mismatch` names the first thing that differs.
pub(super) fn same_consumer(asked: &pull::Config, echoed: &pull::Config) -> Result<(), BusError> {
    let same = [
        ("filter", asked.filter_subject == echoed.filter_subject),
        ("filters", echoed.filter_subjects.is_empty()),
        ("acknowledgement", asked.ack_policy == echoed.ack_policy),
        ("ack wait", asked.ack_wait == echoed.ack_wait),
        ("deliveries", asked.max_deliver == echoed.max_deliver),
        ("messages in flight", asked.max_ack_pending == echoed.max_ack_pending),
    ];
    judge("consumer", asked.durable_name.as_deref().unwrap_or_default(), same)
}

fn judge<const N: usize>(kind: &str, name: &str, same: [(&str, bool); N]) -> Result<(), BusError> {
    match same.into_iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((field, _)) => Err(BusError::Mismatch { what: format!("the {field} of {kind} {name}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ignores_what_it_was_told_is_noticed() {
        let asked = lane_stream(Lane::Batch, &Config::default());
        assert!(same_stream(&asked, &asked).is_ok());
        let echoed = stream::Config { max_bytes: -1, ..asked.clone() };
        let error = same_stream(&asked, &echoed).unwrap_err();
        assert_eq!(error.to_string(), "the bus is set up differently: the bytes of stream TH_BATCH");
    }

    #[test]
    fn lanes_and_their_parked_messages_share_no_subject() {
        let names = Lane::ALL.map(|lane| [prefix(lane), parked_prefix(lane)]).concat();
        for (n, name) in names.iter().enumerate() {
            assert!(names[n + 1..].iter().all(|other| !other.starts_with(&format!("{name}."))), "{name}");
        }
    }
}
