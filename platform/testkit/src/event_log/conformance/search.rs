//! What an auditor asks for: by time, by person, by what it was done to; the newest first, page by page.

use model::{TenantId, Timestamp};
use platform::{
    event_log::{
        Append, AuditOf, AuditPlace, AuditRow, AuditSearch, Category, NewAudit, NewEvent, Store, StreamId,
        Version,
    },
    lane::Lane,
    limits::MAX_READ,
};
use uuid::Uuid;

const TENANT: TenantId = TenantId(Uuid::from_u128(60));
const OTHERS: TenantId = TenantId(Uuid::from_u128(61));
const T0: i64 = 1_800_000_000_000;

const fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

async fn record(store: &dyn Store, tenant: TenantId, lane: Lane, n: u128, at: i64, who: (u128, u128)) {
    let category = match lane {
        Lane::Critical => Category { name: "searched-critical", lane },
        Lane::Standard => Category { name: "searched-standard", lane },
        Lane::Batch => Category { name: "searched-batch", lane },
    };
    let stream = StreamId { tenant, category, id: id(70_000 + n) };
    let event = NewEvent { kind: "noted", schema: 1, body: "{}".into(), phi: None, effective: None };
    let audit = NewAudit {
        action: "visit.note",
        actor: (who.0 > 0).then(|| id(who.0)),
        subject: Some(id(who.1)),
        body: "{}".into(),
        phi: None,
    };
    let append = Append::new(stream, Version(0), vec![event], Timestamp(at));
    store.append(Append { audit: vec![audit], ..append }).await.expect("recorded");
}

/// All of it, by pages of two.
async fn found(store: &dyn Store, search: AuditSearch, before: Option<AuditPlace>) -> Vec<AuditRow> {
    let (mut rows, mut before) = (Vec::new(), before);
    loop {
        let page = store.search_audit(TENANT, search, before, 2).await.expect("read");
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { return rows };
        before = Some(last.place());
        rows.extend(page);
    }
}

pub(super) async fn conform(store: &dyn Store) {
    // In the order in which they are recorded; what was decided earlier comes late, as after an outage.
    let rows = [
        (Lane::Critical, 30, (1, 10)),
        (Lane::Critical, 10, (1, 11)),
        (Lane::Standard, 20, (2, 10)),
        (Lane::Batch, 20, (0, 10)),
        (Lane::Batch, 20, (2, 12)),
        (Lane::Critical, 40, (1, 10)),
    ];
    for (n, (lane, at, who)) in (0..).zip(rows) {
        record(store, TENANT, lane, n, T0 + at, who).await;
        record(store, OTHERS, lane, n + 100, T0 + at, who).await;
    }
    let since = |of, at| AuditSearch { from: Timestamp(T0 + at), of };
    let brief = |rows: Vec<AuditRow>| -> Vec<(i64, u128, u128)> {
        assert!(rows.windows(2).all(|pair| pair[0].place() > pair[1].place()), "the newest first, each once");
        let actor = |row: &AuditRow| row.actor.map_or(0, |actor| actor.as_u128());
        let mut brief: Vec<_> = rows
            .iter()
            .map(|row| (row.at.0 - T0, actor(row), row.subject.map_or(0, |subject| subject.as_u128())))
            .collect();
        brief.sort_unstable();
        brief
    };
    let all = [(10, 1, 11), (20, 0, 10), (20, 2, 10), (20, 2, 12), (30, 1, 10), (40, 1, 10)];
    assert_eq!(brief(found(store, since(AuditOf::Anybody, 0), None).await), all);
    assert_eq!(brief(found(store, since(AuditOf::Anybody, 30), None).await), all[4..]);
    let until = Some(AuditPlace::after(Timestamp(T0 + 20)));
    assert_eq!(brief(found(store, since(AuditOf::Anybody, 20), until).await), all[1..4]);
    let of_one = found(store, since(AuditOf::Actor(id(1)), 0), None).await;
    assert_eq!(brief(of_one), [all[0], all[4], all[5]]);
    let to_one = found(store, since(AuditOf::Subject(id(10)), 0), until).await;
    assert_eq!(brief(to_one), [all[1], all[2]]);
    assert!(found(store, since(AuditOf::Actor(id(3)), 0), None).await.is_empty());
    assert!(found(store, since(AuditOf::Subject(id(1)), 0), None).await.is_empty());
    let more =
        store.search_audit(TENANT, since(AuditOf::Anybody, 0), None, MAX_READ + 1).await.expect("read");
    assert_eq!(more.len(), all.len());
}
