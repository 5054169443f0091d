//! Whole commands: what stands and falls with the events.

use super::all;
use crate::event_log::{DECIDED, append, command, stream};
use model::TenantId;
use platform::{
    event_log::{
        Append, AppendError, AuditRow, NewMessage, OutboxMessage, Partition, Position, Refusal, Store,
        StreamId,
    },
    limits::{
        MAX_ANSWER_BYTES, MAX_AUDITS_PER_APPEND, MAX_EVENT_BYTES, MAX_MESSAGES_PER_APPEND,
        MAX_OUTBOX_SUBJECT_BYTES, MAX_READ,
    },
};
use uuid::Uuid;

pub(super) async fn conform(store: &dyn Store) {
    records_everything_or_nothing(store, stream(20)).await;
    answers_as_it_did(store, stream(21)).await;
    numbers_without_gaps(store).await;
    tells_where_audit_rows_end(store).await;
    forgets_delivered_messages_and_goes_on_counting(store, stream(23)).await;
    holds_their_limits(store, stream(24)).await;
    refuses_text_that_not_every_engine_can_hold(store, stream(25)).await;
}

async fn records_everything_or_nothing(store: &dyn Store, stream: StreamId) {
    let before = (messages(store).await.len(), audits(store, stream.tenant).await.len());
    store.append(command(stream, 0, 1)).await.expect("recorded");
    let (sent, seen) = (messages(store).await, audits(store, stream.tenant).await);
    assert_eq!((sent.len(), seen.len()), (before.0 + 1, before.1 + 1));
    let message = sent.last().expect("there is one");
    assert_eq!((message.subject.as_str(), message.body.as_str()), ("visit.noted", "{\"key\":\"1\"}"));
    assert_eq!((message.tenant, message.at), (stream.tenant, DECIDED));
    let audit = seen.iter().max_by_key(|row| row.number).expect("there is one");
    assert_eq!((audit.action.as_str(), audit.subject, audit.at), ("visit.note", Some(stream.id), DECIDED));
    assert_eq!((audit.actor, audit.body.as_str(), &audit.phi), (Some(Uuid::from_u128(7)), "{}", &None));
    // Refused: nothing of it is there.
    let refused = store.append(command(stream, 0, 2)).await;
    assert!(matches!(refused, Err(AppendError::Rejected(Refusal::Conflict { .. }))), "{refused:?}");
    // Repeated: nothing of it is there twice.
    assert!(store.append(command(stream, 0, 1)).await.expect("repeated").repeated);
    let after = (messages(store).await.len(), audits(store, stream.tenant).await.len());
    assert_eq!(after, (before.0 + 1, before.1 + 1));
    assert_eq!(all(store, stream).await.len(), 1);
}

async fn answers_as_it_did(store: &dyn Store, stream: StreamId) {
    let first = store.append(command(stream, 0, 1)).await.expect("recorded");
    assert_eq!(first.answer.as_deref(), Some("{\"command\":\"1\"}"));
    store.append(append(stream, 1, Some(2), 1)).await.expect("recorded");
    let other = Append { answer: Some("something else".to_owned()), ..command(stream, 2, 1) };
    let again = store.append(other).await.expect("repeated");
    assert_eq!((again.repeated, again.version.0, again.answer), (true, 1, first.answer));
    let silent = store.append(append(stream, 2, Some(2), 1)).await.expect("repeated");
    assert_eq!((silent.repeated, silent.answer), (true, None));
}

async fn numbers_without_gaps(store: &dyn Store) {
    let of = |tenant: u128, id| StreamId { tenant: TenantId(Uuid::from_u128(tenant)), ..stream(id) };
    for (n, tenant) in [31, 32, 31, 31, 32].into_iter().enumerate() {
        let append = Append {
            audit: vec![command(of(tenant, 0), 0, 0).audit.remove(0); 1 + n % 2],
            ..command(of(tenant, 220 + n as u128), 0, 1)
        };
        store.append(append).await.expect("recorded");
    }
    for (tenant, rows) in [(31, 4), (32, 3)] {
        for partition in store.partitions() {
            let audits =
                store.audit(TenantId(Uuid::from_u128(tenant)), partition, 0, MAX_READ).await.expect("read");
            let numbers: Vec<_> = audits.iter().map(|row| row.number).collect();
            assert!(numbers.is_empty() || numbers == (1..=rows).collect::<Vec<_>>(), "{tenant}: {numbers:?}");
            let later = store.audit(TenantId(Uuid::from_u128(tenant)), partition, 1, 1).await.expect("read");
            assert_eq!(later.len(), usize::from(!numbers.is_empty()));
        }
    }
    for partition in store.partitions() {
        let positions: Vec<_> = in_partition(store, partition).await.iter().map(|m| m.position.0).collect();
        assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    }
}

async fn tells_where_audit_rows_end(store: &dyn Store) {
    let mut wanted = Vec::new();
    for tenant in 40..43 {
        let of = StreamId { tenant: TenantId(Uuid::from_u128(tenant)), ..stream(22) };
        for n in 0..3 {
            store.append(command(of, n, 1_000 + u128::from(n))).await.expect("recorded");
        }
        // What leaves no row is not listed.
        let silent = StreamId { tenant: TenantId(Uuid::from_u128(tenant + 100)), ..of };
        store.append(append(silent, 0, None, 1)).await.expect("recorded");
        wanted.push((of.tenant, 3));
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.audited(after, 2).await.expect("read");
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2 && after.is_none_or(|after| after < (page[0].tenant, page[0].partition)));
        after = Some((last.tenant, last.partition));
        found.extend(page);
    }
    assert!(found.is_sorted_by_key(|end| (end.tenant, end.partition)), "{found:?}");
    for end in &found {
        let rows = store.audit(end.tenant, end.partition, end.number - 1, MAX_READ).await.expect("read");
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [end.number], "{end:?}");
    }
    let ours = (TenantId(Uuid::from_u128(40)), TenantId(Uuid::from_u128(199)));
    let found: Vec<_> = found.iter().filter(|end| (ours.0..ours.1).contains(&end.tenant)).collect();
    assert_eq!(found.iter().map(|end| (end.tenant, end.number)).collect::<Vec<_>>(), wanted);
}

async fn forgets_delivered_messages_and_goes_on_counting(store: &dyn Store, stream: StreamId) {
    for partition in store.partitions() {
        let last = in_partition(store, partition).await.last().map_or(Position(0), |m| m.position);
        assert_eq!(store.outbox_head(partition).await, Ok(last));
        store.prune_outbox(partition, last).await.expect("pruned");
        assert!(in_partition(store, partition).await.is_empty());
        assert_eq!(store.outbox_head(partition).await, Ok(last), "what is forgotten was there");
    }
    store.append(command(stream, 0, 1)).await.expect("recorded");
    let after = messages(store).await;
    assert_eq!(after.len(), 1);
    assert_eq!(store.outbox_head(after[0].partition).await, Ok(after[0].position));
    assert!(after[0].position > Position(1), "{:?}", after[0].position);
}

async fn holds_their_limits(store: &dyn Store, stream: StreamId) {
    let message =
        |subject: usize, body: usize| NewMessage { subject: "s".repeat(subject), body: "b".repeat(body) };
    let audit = |body: usize| {
        let mut audit = command(stream, 0, 0).audit.remove(0);
        (audit.phi, audit.body) = (Some("p".repeat(100)), "b".repeat(body - 100));
        audit
    };
    let with = |messages: Vec<NewMessage>, audits: Vec<_>, answer: usize| Append {
        outbox: messages,
        audit: audits,
        answer: Some("a".repeat(answer)),
        ..append(stream, 0, None, 1)
    };
    let past = [
        with(vec![message(1, 1); MAX_MESSAGES_PER_APPEND + 1], vec![], 0),
        with(vec![message(MAX_OUTBOX_SUBJECT_BYTES + 1, 1)], vec![], 0),
        with(vec![message(1, MAX_EVENT_BYTES + 1)], vec![], 0),
        with(vec![], vec![audit(100); MAX_AUDITS_PER_APPEND + 1], 0),
        with(vec![], vec![audit(MAX_EVENT_BYTES + 1)], 0),
        with(vec![], vec![], MAX_ANSWER_BYTES + 1),
    ];
    for (n, append) in past.into_iter().enumerate() {
        let refused = store.append(append).await;
        assert!(matches!(refused, Err(AppendError::Rejected(Refusal::TooLarge))), "{n}: {refused:?}");
    }
    let mut messages = vec![message(MAX_OUTBOX_SUBJECT_BYTES, 1); MAX_MESSAGES_PER_APPEND];
    messages[0] = message(1, MAX_EVENT_BYTES);
    let mut audits = vec![audit(100); MAX_AUDITS_PER_APPEND];
    audits[0] = audit(MAX_EVENT_BYTES);
    store.append(with(messages, audits, MAX_ANSWER_BYTES)).await.expect("at the limits");
}

async fn refuses_text_that_not_every_engine_can_hold(store: &dyn Store, stream: StreamId) {
    let mut with_nul = append(stream, 0, None, 1);
    with_nul.events[0].phi = Some("a\0b".to_owned());
    let refused = store.append(with_nul).await;
    assert!(matches!(refused, Err(AppendError::Rejected(Refusal::Invalid))), "{refused:?}");
    for subject in ["", "Visit.noted", "visit noted", "visit.*", "visit.\0"] {
        let unspeakable = NewMessage { subject: subject.to_owned(), body: "{}".to_owned() };
        let refused = store.append(Append { outbox: vec![unspeakable], ..append(stream, 0, None, 1) }).await;
        assert!(matches!(refused, Err(AppendError::Rejected(Refusal::Invalid))), "{subject:?}: {refused:?}");
    }
    let mut unusual = append(stream, 0, None, 1);
    unusual.events[0].body = "{\"x\":\"'; -- \u{1F9D1}\u{200D}\u{2695} \u{202E} \\u0000 \n\t\"}".to_owned();
    store.append(unusual.clone()).await.expect("recorded");
    assert_eq!(all(store, stream).await[0].body, unusual.events[0].body);
}

async fn messages(store: &dyn Store) -> Vec<OutboxMessage> {
    let mut messages = Vec::new();
    for partition in store.partitions() {
        messages.extend(in_partition(store, partition).await);
    }
    messages
}

async fn in_partition(store: &dyn Store, partition: Partition) -> Vec<OutboxMessage> {
    let (mut messages, mut after) = (Vec::<OutboxMessage>::new(), Position(0));
    loop {
        let page = store.outbox(partition, after, 7).await.expect("read");
        let Some(last) = page.last() else { return messages };
        after = last.position;
        messages.extend(page);
    }
}

async fn audits(store: &dyn Store, tenant: TenantId) -> Vec<AuditRow> {
    let mut rows = Vec::new();
    for partition in store.partitions() {
        rows.extend(store.audit(tenant, partition, 0, MAX_READ).await.expect("read"));
    }
    rows
}
