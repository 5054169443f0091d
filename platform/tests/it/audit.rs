//! The audit trail against somebody who can write to the database: C6's mutation test.

mod attacker;
mod copies;
mod files;
mod mutations;
mod postgres;
mod pruning;
mod sealing;
mod watching;

use model::{TenantId, Timestamp};
use platform::{
    audit::{
        ChainId, Metrics, PublicKeys, Seal, Sealer, Signer, Trail,
        export::export,
        file::Source,
        sealer::Pace,
        verify::{Anchors, Report, verify},
    },
    clock::ManualClock,
    event_log::{Append, NewAudit, NewEvent, Partition, Store, StreamId, Version},
};
use prometheus::Registry;
use std::{io::Cursor, sync::Arc, time::Duration};
use testkit::event_log::{DECIDED, VISIT};
use uuid::Uuid;

pub(crate) const TENANT: TenantId = TenantId(Uuid::from_u128(1));

/// The chain of what visits leave behind.
pub(crate) const CHAIN: ChainId = ChainId { tenant: TENANT, partition: Partition(0) };

/// Appends of a command each, a second apart, from the `from`th on. One row each, of every shape.
pub(crate) async fn fill(store: &dyn Store, from: u64, count: u64) {
    fill_since(store, DECIDED, from, count).await;
}

/// The same, at another time.
pub(crate) async fn fill_since(store: &dyn Store, begin: Timestamp, from: u64, count: u64) {
    for n in from..from + count {
        let id = Uuid::from_u128(u128::from(n) + 1_000);
        let stream = StreamId { tenant: TENANT, category: VISIT, id };
        let event = NewEvent { kind: "noted", schema: 1, body: "{}".to_owned(), phi: None, effective: None };
        let audit = NewAudit {
            action: ["visit.admit", "visit.note", "queue.view"][n as usize % 3],
            actor: (!n.is_multiple_of(5)).then(|| Uuid::from_u128(u128::from(n % 7))),
            subject: (!n.is_multiple_of(4)).then_some(id),
            body: format!("{{\"n\":{n}}}"),
            phi: n.is_multiple_of(3).then(|| format!("{{\"name\":\"{n}\"}}")),
        };
        let at = begin + Duration::from_secs(n);
        let append = Append::new(stream, Version(0), vec![event], at);
        store.append(Append { audit: vec![audit], ..append }).await.unwrap();
    }
}

/// A sealer with seals of so many rows.
pub(crate) fn sealer(
    store: Arc<dyn Store>,
    signer: &Arc<Signer>,
    clock: &Arc<ManualClock>,
    rows: usize,
) -> Sealer<dyn Store> {
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let pace = Pace { rows, within: Duration::from_secs(60), looks: Duration::from_millis(20) };
    Sealer::new(store, Arc::clone(signer), Arc::clone(clock) as _, &metrics).with_pace(pace)
}

pub(crate) async fn exported(
    trail: &(impl Trail + ?Sized),
    partitions: &[Partition],
    keys: &PublicKeys,
) -> Vec<u8> {
    let at = DECIDED + Duration::from_secs(100_000);
    let written = export(trail, TENANT, keys, at, partitions, Cursor::new(Vec::new())).await;
    written.unwrap().1.into_inner()
}

pub(crate) fn judge(file: &dyn Source, keys: &PublicKeys, anchor: Option<&Seal>) -> Report {
    let mut anchors = Anchors::default();
    if let Some(seal) = anchor {
        anchors.add(seal.clone(), keys).unwrap();
        assert_eq!((anchors.of(TENANT), anchors.unproven()), (1, 0));
    }
    verify(file, Some(keys), &anchors).unwrap()
}

/// The seals of the chain, the oldest first.
pub(crate) async fn seals(trail: &(impl Trail + ?Sized)) -> Vec<Seal> {
    let events = trail.audit_seals(CHAIN, 0, 1_000).await.unwrap();
    events.iter().map(|event| Seal::of_event(CHAIN, event).unwrap()).collect()
}

pub(crate) fn later(seconds: u64) -> Timestamp {
    DECIDED + Duration::from_secs(seconds)
}
