//! Audit rows whose time is over go from the front, and numbers go on.

use model::{TenantId, Timestamp};
use platform::{
    event_log::{Append, Category, NewAudit, NewEvent, Partition, Store, StreamId, Version},
    lane::Lane,
    limits::{FORGOTTEN_AT_ONCE, MAX_AUDITS_PER_APPEND, MAX_READ},
};
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(70));
const OTHERS: TenantId = TenantId(Uuid::from_u128(71));
const CATEGORY: Category = Category { name: "pruned", lane: Lane::Batch };

/// In 2001: longer ago than any store keeps rows for.
const LONG_AGO: Timestamp = Timestamp::from_millis(1_000_000_000_000);

async fn record(store: &dyn Store, tenant: TenantId, n: u128, rows: usize) {
    let stream = StreamId { tenant, category: CATEGORY, id: Uuid::from_u128(80_000 + n) };
    let event = NewEvent { kind: "noted", schema: 1, body: "{}".into(), phi: None, effective: None };
    let audit = NewAudit { action: "visit.note", actor: None, subject: None, body: "{}".into(), phi: None };
    let append = Append::new(stream, Version(0), vec![event], LONG_AGO);
    store.append(Append { audit: vec![audit; rows], ..append }).await.expect("recorded");
}

/// The first row that is there, the last, and how many.
async fn left(store: &dyn Store, tenant: TenantId, partition: Partition) -> (u64, u64, u64) {
    let (mut first, mut after, mut count) = (0, 0, 0);
    loop {
        let page = store.audit(tenant, partition, after, MAX_READ).await.expect("read");
        let (Some(begin), Some(last)) = (page.first(), page.last()) else { return (first, after, count) };
        first = if count == 0 { begin.number } else { first };
        (after, count) = (last.number, count + page.len() as u64);
    }
}

pub(super) async fn conform(store: &dyn Store) {
    let rows = FORGOTTEN_AT_ONCE as u64 * 2 + 50;
    for tenant in [TENANT, OTHERS] {
        let mut left = rows as usize;
        for n in 0.. {
            let some = left.min(MAX_AUDITS_PER_APPEND);
            record(store, tenant, n, some).await;
            left -= some;
            if left == 0 {
                break;
            }
        }
    }
    let ends = store.audited(None, MAX_READ).await.expect("read");
    let of = |tenant| ends.iter().find(|end| end.tenant == tenant).expect("rows").partition;
    let (partition, theirs) = (of(TENANT), of(OTHERS));
    let prune = async |up_to| store.prune_audit(TENANT, partition, up_to).await;
    for (up_to, first) in [(0, 1), (5, 6), (3, 6), (5, 6), (rows - 10, rows - 9), (u64::MAX >> 1, rows)] {
        assert_eq!(prune(up_to).await, Ok(()));
        assert_eq!(left(store, TENANT, partition).await, (first, rows, rows - first + 1), "up to {up_to}");
    }
    assert_eq!(left(store, OTHERS, theirs).await, (1, rows, rows), "another's stay");
    // The newest stays, and so the next has the next number.
    record(store, TENANT, 9_000, 1).await;
    assert_eq!(left(store, TENANT, partition).await, (rows, rows + 1, 2));
    let ends = store.audited(None, MAX_READ).await.expect("read");
    assert_eq!(ends.iter().find(|end| end.tenant == TENANT).map(|end| end.number), Some(rows + 1));
    assert_eq!(store.prune_audit(TENANT, Partition(partition.0 + 1), rows).await, Ok(()), "there is none");
}
