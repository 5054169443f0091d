//! The table that sending goes by: events that are kept for webhooks, how far each webhook has come, what became of what was
//! sent.
//!
//! | tenant | key | body |
//! |---|---|---|
//! | nil | `places` | how far each partition of the record was read |
//! | the unit's | `events` | [`Ends`] |
//! | the unit's | `event/<place>` | [`Notice`] |
//! | the unit's | `course/<webhook>` | [`Course`] |
//! | the unit's | `delivery/<webhook>/<newest first>` | [`Delivery`] |
//!
//! All of it has one number that every write moves by compare-and-set: whoever writes knows all that was written before, or
//! writes nothing. So events have places without gaps, and two processes that both believe that it is their turn do no harm.

use model::{TenantId, Timestamp, VisitId};
use platform::event_log::{Change, Partition, Position, ReadError, Row, Store, Table};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;
use webhooks_core::{Answer, Course, Kind, Notice, WebhookId, limits::MAX_DELIVERIES_KEPT};

const TABLE: Table = Table { name: "webhooks.1", generation: 0 };

/// The table's one number stands where others have the place in a partition.
const NUMBER: Partition = Partition(0);

/// Rows of the platform's own, not of any healthcare unit.
pub(crate) const PLATFORM: TenantId = TenantId(Uuid::nil());

/// How far each partition was read.
pub(crate) type Places = BTreeMap<u16, u64>;

/// Which of a unit's events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ends {
    /// The oldest that is kept.
    pub(crate) first: u64,
    /// The place that the next one gets.
    pub(crate) next: u64,
    /// When the newest was noted.
    pub(crate) noted: Timestamp,
}

impl Default for Ends {
    fn default() -> Self {
        Self { first: 1, next: 1, noted: Timestamp::from_millis(0) }
    }
}

/// Something was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    pub(crate) event: String,
    pub(crate) kind: Kind,
    pub(crate) visit: VisitId,
    pub(crate) at: Timestamp,
    pub(crate) took_ms: u64,
    pub(crate) answer: Answer,
}

/// Reads the table.
#[derive(Clone)]
pub(crate) struct Book(pub(crate) Arc<dyn Store>);

impl Book {
    async fn get<T: DeserializeOwned>(&self, tenant: TenantId, key: String) -> Result<Option<T>, ReadError> {
        let row = self.0.row(TABLE, tenant, key).await?;
        row.map(|row| serde_json::from_str(&row.body).map_err(|_| ReadError)).transpose()
    }

    pub(crate) async fn places(&self) -> Result<Option<Places>, ReadError> {
        self.get(PLATFORM, "places".to_owned()).await
    }

    pub(crate) async fn ends(&self, tenant: TenantId) -> Result<Ends, ReadError> {
        Ok(self.get(tenant, "events".to_owned()).await?.unwrap_or_default())
    }

    pub(crate) async fn notice(&self, tenant: TenantId, place: u64) -> Result<Option<Notice>, ReadError> {
        self.get(tenant, event_key(place)).await
    }

    /// Kept events after a place, in their order.
    pub(crate) async fn notices(
        &self,
        tenant: TenantId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Notice)>, ReadError> {
        let rows = self.0.rows(TABLE, tenant, "event/".to_owned(), Some(event_key(after)), limit).await?;
        let read = |row: Row| {
            let place = u64::from_str_radix(row.key.strip_prefix("event/")?, 16).ok()?;
            Some((place, serde_json::from_str(&row.body).ok()?))
        };
        rows.into_iter().map(|row| read(row).ok_or(ReadError)).collect()
    }

    /// The first kept event that was noted at a time or later: by halves, since they were noted in their order.
    pub(crate) async fn since(&self, tenant: TenantId, time: Timestamp) -> Result<u64, ReadError> {
        let Ends { first, next, .. } = self.ends(tenant).await?;
        let (mut low, mut high) = (first, next);
        while low < high {
            let middle = low + (high - low) / 2;
            // One that is forgotten meanwhile was noted before.
            let later = self.notice(tenant, middle).await?.is_some_and(|notice| notice.noted >= time);
            if later { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    pub(crate) async fn course(&self, tenant: TenantId, id: WebhookId) -> Result<Option<Course>, ReadError> {
        self.get(tenant, course_key(id)).await
    }

    /// Webhooks with a course, whether they still are or not.
    pub(crate) async fn courses(&self, tenant: TenantId) -> Result<Vec<WebhookId>, ReadError> {
        let rows = self.0.rows(TABLE, tenant, "course/".to_owned(), None, 1_000).await?;
        Ok(rows.iter().filter_map(|row| row.key.strip_prefix("course/")?.parse().ok()).collect())
    }

    /// What was sent, the newest first.
    pub(crate) async fn deliveries(
        &self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<Vec<Delivery>, ReadError> {
        let limit = usize::try_from(MAX_DELIVERIES_KEPT).unwrap_or(usize::MAX);
        let rows = self.0.rows(TABLE, tenant, format!("delivery/{id}/"), None, limit).await?;
        rows.iter().map(|row| serde_json::from_str(&row.body).map_err(|_| ReadError)).collect()
    }

    /// What is to be deleted with a webhook.
    pub(crate) async fn forget(&self, tenant: TenantId, id: WebhookId) -> Result<Vec<Change>, ReadError> {
        let rows = self.0.rows(TABLE, tenant, format!("delivery/{id}/"), None, 1_000).await?;
        let keys = rows.into_iter().map(|row| row.key).chain([course_key(id)]);
        Ok(keys.map(|key| Change::Delete { tenant, key }).collect())
    }

    /// Where whoever writes begins.
    pub(crate) async fn pen(&self) -> Result<Pen, ReadError> {
        Ok(Pen { store: Arc::clone(&self.0), number: self.0.applied(TABLE, NUMBER).await?.0 })
    }
}

/// Writes the table.
pub(crate) struct Pen {
    store: Arc<dyn Store>,
    number: u64,
}

/// It was not written, or nobody knows: whoever wrote begins anew from what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl From<ReadError> for Lost {
    fn from(_: ReadError) -> Self {
        Self
    }
}

impl Pen {
    pub(crate) async fn write(&mut self, changes: Vec<Change>) -> Result<(), Lost> {
        let (from, to) = (Position(self.number), Position(self.number + 1));
        self.store.apply(TABLE, NUMBER, from, to, changes).await.map_err(|_| Lost)?;
        self.number += 1;
        Ok(())
    }
}

fn event_key(place: u64) -> String {
    format!("event/{place:016x}")
}

fn course_key(id: WebhookId) -> String {
    format!("course/{id}")
}

fn delivery_key(id: WebhookId, number: u64) -> String {
    format!("delivery/{id}/{:016x}", u64::MAX - number)
}

fn put(tenant: TenantId, key: String, body: &impl Serialize) -> Change {
    let body = serde_json::to_string(body).unwrap_or_default();
    Change::Put { tenant, row: Row { key, body, phi: None } }
}

pub(crate) fn put_places(places: &Places) -> Change {
    put(PLATFORM, "places".to_owned(), places)
}

pub(crate) fn put_ends(tenant: TenantId, ends: &Ends) -> Change {
    put(tenant, "events".to_owned(), ends)
}

pub(crate) fn put_notice(tenant: TenantId, place: u64, notice: &Notice) -> Change {
    put(tenant, event_key(place), notice)
}

pub(crate) fn delete_notice(tenant: TenantId, place: u64) -> Change {
    Change::Delete { tenant, key: event_key(place) }
}

pub(crate) fn put_course(tenant: TenantId, id: WebhookId, course: &Course) -> Change {
    put(tenant, course_key(id), course)
}

/// One more, and the one that it makes too many.
pub(crate) fn put_delivery(tenant: TenantId, id: WebhookId, number: u64, delivery: &Delivery) -> Vec<Change> {
    let old = number.checked_sub(MAX_DELIVERIES_KEPT);
    let delete = old.map(|old| Change::Delete { tenant, key: delivery_key(id, old) });
    delete.into_iter().chain([put(tenant, delivery_key(id, number), delivery)]).collect()
}
