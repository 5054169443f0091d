//! Another service, which hears what happens in waiting rooms: it counts, so that doing something twice would show.

use crate::{ledger::Ledger, sim::Sim, store::now};
use model::TenantId;
use platform::{
    bus::ConsumerName,
    event_log::{Change, Partition, Row, Store, Table},
    outbox::{Handler, Letter, Service, Unhandled, inbox::HandlerFuture},
};
use std::sync::Arc;
use uuid::Uuid;

/// Where its rows and its places are.
pub(crate) const TABLE: Table = Table { name: "seen.1", generation: 0 };

/// Rows of its own.
const OURS: TenantId = TenantId(Uuid::from_u128(99));

pub(crate) fn service() -> Service {
    Service::new("signaling").unwrap()
}

pub(crate) fn consumer() -> ConsumerName {
    ConsumerName::new("counting").unwrap()
}

pub(crate) struct Counting(pub(crate) Arc<dyn Store>);

impl Handler for Counting {
    fn handle<'a>(&'a self, letter: &'a Letter) -> HandlerFuture<'a> {
        Box::pin(async move {
            let read = async |key: String| {
                let row = self.0.row(TABLE, OURS, key).await.map_err(|_| Unhandled::NotNow)?;
                Ok::<_, Unhandled>(row.map(|row| row.body))
            };
            let (partition, position) = (letter.partition.0, letter.position.0);
            let (seen, newest) = (format!("seen/{partition}/{position}"), format!("newest/{partition}"));
            let body = std::str::from_utf8(&letter.body).map_err(|_| Unhandled::Refused("not text"))?;
            let mut text = format!("{} {body}", letter.subject);
            if let Some(before) = read(seen.clone()).await? {
                text = format!("{before} AGAIN");
            }
            let before = read(newest.clone()).await?.and_then(|body| body.parse().ok()).unwrap_or(0_u64);
            let mut changes = vec![put(seen, text), put(newest, position.to_string())];
            if before + 1 != position {
                changes.push(put(format!("disorder/{partition}/{position}"), before.to_string()));
            }
            Ok(changes)
        })
    }
}

fn put(key: String, body: String) -> Change {
    Change::Put { tenant: OURS, row: Row { key, body, phi: None } }
}

/// Whether the other service has handled all that was recorded.
pub(crate) fn all_handled(theirs: &dyn Store, ledger: &Ledger) -> bool {
    ledger.recorded.lock().letters.iter().all(|(partition, letters)| {
        now(theirs.applied(TABLE, *partition)).is_ok_and(|place| place.0 == letters.len() as u64)
    })
}

/// Each message was handled once, and in its order.
pub(crate) fn judge(sim: &Sim, theirs: &dyn Store, ledger: &Ledger) {
    let row = |key: String| now(theirs.row(TABLE, OURS, key)).unwrap().map(|row| row.body);
    for (Partition(partition), letters) in &ledger.recorded.lock().letters {
        for (place, (subject, body)) in letters.iter().enumerate() {
            let (position, told) = (place + 1, format!("{subject} {body}"));
            let seen = row(format!("seen/{partition}/{position}"));
            if seen.as_deref() != Some(&told) {
                sim.fail(format!(
                    "message {position} of partition {partition} is {told:?} and was seen as {seen:?}"
                ));
            }
        }
    }
    let disorder = now(theirs.rows(TABLE, OURS, "disorder/".to_owned(), None, 10)).unwrap();
    if !disorder.is_empty() {
        sim.fail(format!("messages were handled out of order: {disorder:?}"));
    }
}
