//! The audit trail for auditors: `GET /api/v1/audit` and `GET /api/v1/audit/chain`.
//!
//! What is answered are ids and what was done, as recorded. People of the unit have their names with it; patients never do.

use super::{Here, emergencies::Names, permit};
use crate::{
    limits::{AUDIT_ROWS_LOOKED_AT, AUDIT_ROWS_PAGE, AUDIT_ROWS_READ, MAX_ACTION_CHARS},
    oversight::TrailState,
    problems::later,
    service::{Identity, audit},
};
use axum::{
    Json,
    extract::{Query, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use identity_core::partner::PartnerKeys;
use model::Timestamp;
use platform::{
    event_log::{AuditOf, AuditPlace, AuditRow, AuditSearch, NewAudit, Partition},
    problem::{self, Problem},
};
use policy::{AccountId, PartnerKeyId, Permit, Place, action::ReadAudit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};
use uuid::Uuid;

/// What somebody did: as a person of the unit, with a seat, or the platform by itself.
const PERSON: [&str; 9] =
    ["person", "people", "partner-key", "session", "emergency", "audit", "hold", "visit.read", "unit"];

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// None before this, milliseconds.
    #[serde(default)]
    from: Option<Timestamp>,
    /// None after this, milliseconds.
    #[serde(default)]
    to: Option<Timestamp>,
    /// What this person or seat did.
    #[serde(default)]
    person: Option<Uuid>,
    /// What was done to this visit, waiting room or person.
    #[serde(default)]
    visit: Option<Uuid>,
    /// `visit.admit`, or all that begins with `visit`.
    #[serde(default)]
    action: Option<String>,
    /// The `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "AuditRow")]
pub(super) struct RowView {
    at: Timestamp,
    action: String,
    actor: Option<Uuid>,
    /// Of somebody with an account, or of a partner's system.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    subject: Option<Uuid>,
    /// Where the subject is somebody with an account.
    #[serde(rename = "subjectName", skip_serializing_if = "Option::is_none")]
    subject_name: Option<String>,
    /// As recorded: ids and roles.
    body: Value,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "AuditRows")]
pub(super) struct Found {
    rows: Vec<RowView>,
    /// Where the next page begins; none after the last. There may be one behind an empty page.
    next: Option<String>,
}

/// A place as text: `milliseconds.partition.number`.
fn text(place: AuditPlace) -> String {
    format!("{}.{}.{}", place.at.as_millis(), place.partition.0, place.number)
}

fn place(text: &str) -> Option<AuditPlace> {
    let mut parts = text.split('.');
    let (at, partition, number) = (parts.next()?, parts.next()?, parts.next()?);
    let place = AuditPlace {
        at: Timestamp::from_millis(at.parse().ok()?),
        partition: Partition(partition.parse().ok()?),
        number: number.parse().ok()?,
    };
    // Written as we write it, and in no other way.
    (parts.next().is_none() && self::text(place) == text).then_some(place)
}

/// What is asked for, understood.
struct Wanted {
    search: AuditSearch,
    before: Option<AuditPlace>,
    actor: Option<Uuid>,
    action: Option<String>,
    limit: usize,
}

impl Wanted {
    fn of(ask: &Ask) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(problem::BAD_REQUEST).detail(detail);
        let limit = ask.limit.unwrap_or(AUDIT_ROWS_PAGE / 2);
        if !(1..=AUDIT_ROWS_PAGE).contains(&limit) {
            return Err(bad(format!("limit: 1 to {AUDIT_ROWS_PAGE}.")));
        }
        let known = |action: &String| {
            action.len() <= MAX_ACTION_CHARS
                && action.bytes().all(|byte| byte.is_ascii_lowercase() || b".-".contains(&byte))
        };
        if !ask.action.as_ref().is_none_or(known) {
            return Err(bad("action: visit.admit, or visit, for example.".to_owned()));
        }
        let after = match &ask.after {
            None => None,
            Some(text) => Some(place(text).ok_or_else(|| bad("after: the `next` of a page.".to_owned()))?),
        };
        let to = ask.to.map(AuditPlace::after);
        // Whichever is earlier.
        let before = [after, to].into_iter().flatten().min();
        let of = match (ask.visit, ask.person) {
            (Some(subject), _) => AuditOf::Subject(subject),
            (None, Some(actor)) => AuditOf::Actor(actor),
            (None, None) => AuditOf::Anybody,
        };
        let from = ask.from.unwrap_or(Timestamp::from_millis(i64::MIN));
        let (actor, action) = (ask.person, ask.action.clone().filter(|action| !action.is_empty()));
        Ok(Self { search: AuditSearch { from, of }, before, actor, action, limit })
    }

    fn has(&self, row: &AuditRow) -> bool {
        let begins = |action: &String| {
            row.action
                .strip_prefix(action.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.actor.is_none_or(|actor| row.actor == Some(actor)) && self.action.as_ref().is_none_or(begins)
    }
}

pub(crate) async fn search(
    Here(identity): Here,
    headers: HeaderMap,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Response, Problem> {
    let (permit, staff) = permit::<ReadAudit>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let Query(ask) = ask.map_err(|_| problem::BAD_REQUEST)?;
    let wanted = Wanted::of(&ask)?;
    let (rows, next) = read(&identity, &permit, &wanted).await?;
    let mut names = Names::default();
    let keys = identity.partner_keys(permit.tenant()).await.map_err(|_| later())?;
    let mut views = Vec::new();
    for row in rows {
        views.push(view(&identity, &permit, row, &mut names, &keys).await?);
    }
    // Who read the trail is in the trail before they see any of it.
    let body = value!({
        "from": ask.from, "to": ask.to, "person": ask.person, "visit": ask.visit, "action": ask.action,
        "rows": views.len(),
    });
    let subject = ask.visit.or(ask.person);
    let audit = NewAudit { subject, body: body.to_string(), ..audit("audit.read", Some(staff.account)) };
    identity.records.record_reading(permit.tenant(), audit).await.map_err(|_| later())?;
    let found = Found { rows: views, next: next.map(text) };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(found)).into_response())
}

async fn read(
    identity: &Identity,
    permit: &Permit<ReadAudit>,
    wanted: &Wanted,
) -> Result<(Vec<AuditRow>, Option<AuditPlace>), Problem> {
    let (mut rows, mut before, mut looked_at) = (Vec::new(), wanted.before, 0);
    while looked_at < AUDIT_ROWS_LOOKED_AT {
        let page = identity
            .records
            .store
            .search_audit(permit.tenant(), wanted.search, before, AUDIT_ROWS_READ)
            .await
            .map_err(|_| later())?;
        let full = page.len() >= AUDIT_ROWS_READ;
        looked_at += page.len();
        for row in page {
            before = Some(row.place());
            if wanted.has(&row) {
                rows.push(row);
            }
            if rows.len() >= wanted.limit {
                return Ok((rows, before));
            }
        }
        if !full {
            return Ok((rows, None));
        }
    }
    Ok((rows, before))
}

async fn view(
    identity: &Identity,
    permit: &Permit<ReadAudit>,
    row: AuditRow,
    names: &mut Names,
    keys: &PartnerKeys,
) -> Result<RowView, Problem> {
    let AuditRow { at, action, actor, subject, body, .. } = row;
    let body: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    // A seat says its role; whoever has an account does not.
    let of_account = body.get("role").is_none() && PERSON.iter().any(|begin| action.starts_with(begin));
    let mut name = None;
    if let Some(actor) = actor.filter(|_| of_account) {
        name = names.of(identity, permit.tenant(), AccountId(actor)).await?.name();
    }
    // A key's id is nobody else's: it is found whatever was done with it.
    let key = actor.and_then(|actor| keys.get(PartnerKeyId(actor)));
    name = name.or_else(|| key.map(|key| key.name.clone().into_exposed()));
    let mut subject_name = None;
    let to_somebody =
        |action: &str| action.starts_with("person.") || ["people.read", "sign-in.fail"].contains(&action);
    if let Some(subject) = subject.filter(|_| to_somebody(&action)) {
        subject_name = names.of(identity, permit.tenant(), AccountId(subject)).await?.name();
    }
    Ok(RowView { at, action, actor, name, subject, subject_name, body })
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditBreak")]
pub(super) struct BreakView {
    what: &'static str,
    from: u64,
    to: u64,
    found_at: Timestamp,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditChain")]
pub(super) struct ChainView {
    partition: u16,
    rows: u64,
    sealed_rows: u64,
    seals: u64,
    sealed_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    broken: Option<BreakView>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditChains")]
pub(super) struct ChainsView {
    /// As far as this process has looked.
    state: TrailState,
    chains: Vec<ChainView>,
    /// None where nothing is copied to a second place.
    copies: Option<Value>,
}

/// Whether the trail is whole, as far as this process has looked.
pub(crate) async fn chain(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, _) = permit::<ReadAudit>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let known = identity.chains.as_ref().map(|chains| (chains.of(permit.tenant()), chains.copies()));
    let (chains, copies) = known.unwrap_or_default();
    let state = if identity.chains.is_none() { TrailState::Unknown } else { TrailState::of(&chains) };
    let chains = chains.into_iter().map(|(id, chain)| ChainView {
        partition: id.partition.0,
        rows: chain.rows,
        sealed_rows: chain.sealed_rows,
        seals: chain.seals,
        sealed_at: chain.sealed_at,
        verified_at: chain.verified_at,
        broken: chain.broken.map(|broken| BreakView {
            what: broken.what,
            from: broken.from,
            to: broken.to,
            found_at: broken.found_at,
        }),
    });
    let copies = copies.map(|copies| value!({ "missing": copies.missing, "lagS": copies.lag_s }));
    let view = ChainsView { state, chains: chains.collect(), copies };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_in_no_other_way() {
        let here = AuditPlace { at: Timestamp(1_800_000_000_000), partition: Partition(2), number: 42 };
        assert_eq!(place(&text(here)), Some(here));
        for bad in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.+2.3", "1.2.x", "1.99999.3"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
