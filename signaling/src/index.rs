//! The table that finds things without reading every stream: which link leads where, which visits a waiting room has.
//!
//! | tenant | key | body |
//! |---|---|---|
//! | nil: a link names none | `link/<hash>` | [`Target`] |
//! | the room's | `room/<room>/open/<visit>` | `{}` |
//! | the room's | `room/<room>/over/<newest first>/<visit>` | `{}` |

use crate::{
    limits::MAX_LISTED_OPEN,
    load::{VISIT, WAITING_ROOM, stored},
};
use model::{TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::event_log::{Behind, Change, Projection, Projector, Row, Store, TailEvent};
use serde::{Deserialize, Serialize};
use signaling_core::{
    codec::{Indexed, indexed_visit, indexed_waiting_room},
    limits::MAX_ENDED_VISITS,
    link::LinkHash,
};
use std::{fmt, str::FromStr, sync::Arc};
use uuid::Uuid;

/// Links belong to no tenant until they were looked up.
const NOBODY: TenantId = TenantId(Uuid::nil());

/// Where a link leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) tenant: TenantId,
    pub(crate) room: WaitingRoomId,
    /// The patient's; a clinician's leads to the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) visit: Option<VisitId>,
}

struct Table;

impl Projection for Table {
    const NAME: &'static str = "signaling-index.1";

    fn changes(event: &TailEvent) -> Vec<Change> {
        let (tenant, id) = (event.tenant, event.stream);
        let indexed = if event.category == WAITING_ROOM.name {
            indexed_waiting_room(&stored(event.event.clone()))
        } else if event.category == VISIT.name {
            indexed_visit(&stored(event.event.clone()))
        } else {
            None
        };
        match indexed {
            None => Vec::new(),
            Some(Indexed::Opened { link }) => {
                vec![leads(link, Target { tenant, room: WaitingRoomId(id), visit: None })]
            }
            Some(Indexed::Booked { home, link }) => vec![
                leads(link, Target { tenant, room: home, visit: Some(VisitId(id)) }),
                Change::Put { tenant, row: row(open(home, id)) },
            ],
            Some(Indexed::Over { home }) => {
                let ended = EndedAt { order: newest_first(event.event.at), visit: VisitId(id) };
                vec![
                    Change::Delete { tenant, key: open(home, id) },
                    Change::Put { tenant, row: row(format!("{}{ended}", over(home))) },
                ]
            }
        }
    }
}

/// A visit that is over, by its place among those of its waiting room. As text it is the end of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedAt {
    /// The smaller, the later it ended.
    order: u64,
    pub(crate) visit: VisitId,
}

const fn newest_first(at: Timestamp) -> u64 {
    u64::MAX - at.as_millis().unsigned_abs()
}

impl fmt::Display for EndedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}/{}", self.order, self.visit.0)
    }
}

/// It is not the end of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAPlace;

impl FromStr for EndedAt {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (order, visit) = text.split_once('/').ok_or(NotAPlace)?;
        let place = Self {
            order: order.parse().map_err(|_| NotAPlace)?,
            visit: VisitId(Uuid::try_parse(visit).map_err(|_| NotAPlace)?),
        };
        // Written as we write it, and in no other way.
        if place.to_string() == text { Ok(place) } else { Err(NotAPlace) }
    }
}

fn leads(link: LinkHash, target: Target) -> Change {
    let body = serde_json::to_string(&target).unwrap_or_default();
    Change::Put { tenant: NOBODY, row: Row { body, ..row(link_key(&link)) } }
}

fn row(key: String) -> Row {
    Row { key, body: "{}".to_owned(), phi: None }
}

fn link_key(link: &LinkHash) -> String {
    format!("link/{}", link.hex())
}

fn open(room: WaitingRoomId, visit: Uuid) -> String {
    format!("room/{}/open/{visit}", room.0)
}

fn over(room: WaitingRoomId) -> String {
    format!("room/{}/over/", room.0)
}

/// Reads the table, and keeps it up to date.
pub(crate) struct Index(Projector<Table, dyn Store>);

impl Index {
    pub(crate) const fn new(store: Arc<dyn Store>) -> Self {
        Self(Projector::new(store))
    }

    /// Brings it to where the events are now.
    pub(crate) async fn catch_up(&self) -> Result<(), Behind> {
        self.0.catch_up().await
    }

    /// Where a link leads, if there is such a link.
    pub(crate) async fn target(&self, link: &LinkHash) -> Result<Option<Target>, Behind> {
        let row = self.0.newest_row(NOBODY, &link_key(link)).await?;
        Ok(row.and_then(|row| serde_json::from_str(&row.body).ok()))
    }

    /// The same within a unit. Another's link takes the way, and the time, of one that never was.
    pub(crate) async fn target_in(
        &self,
        tenant: TenantId,
        link: &LinkHash,
    ) -> Result<Option<Target>, Behind> {
        let found = self.target(link).await?;
        if found.as_ref().is_some_and(|target| target.tenant != tenant) {
            self.catch_up().await?;
            self.target(link).await?;
        }
        Ok(found.filter(|target| target.tenant == tenant))
    }

    /// The visits of a waiting room that its owner holds: all that are open, and the newest of those that are over.
    pub(crate) async fn visits(&self, tenant: TenantId, room: WaitingRoomId) -> Result<Vec<VisitId>, Behind> {
        self.catch_up().await?;
        let mut visits = self.page(tenant, format!("room/{}/open/", room.0), MAX_LISTED_OPEN).await?;
        visits.extend(self.page(tenant, over(room), MAX_ENDED_VISITS).await?);
        Ok(visits)
    }

    /// Visits of a waiting room that are over, as far as the table has come, after one of them, the newest first.
    pub(crate) async fn ended(
        &self,
        tenant: TenantId,
        room: WaitingRoomId,
        after: Option<EndedAt>,
        limit: usize,
    ) -> Result<Vec<EndedAt>, Behind> {
        let prefix = over(room);
        let after = after.map(|after| format!("{prefix}{after}"));
        let rows = self.0.rows(tenant, &prefix, after, limit).await?;
        Ok(rows.iter().filter_map(|row| row.key.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    async fn page(&self, tenant: TenantId, prefix: String, limit: usize) -> Result<Vec<VisitId>, Behind> {
        let mut visits = Vec::new();
        let mut after = None;
        while visits.len() < limit {
            let rows = self.0.rows(tenant, &prefix, after, limit - visits.len()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            visits.extend(rows.iter().filter_map(|row| visit_of(&row.key)));
        }
        Ok(visits)
    }
}

fn visit_of(key: &str) -> Option<VisitId> {
    key.rsplit('/').next()?.parse().ok().map(VisitId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whatever_ended_later_comes_first() {
        let place =
            |ms| EndedAt { order: newest_first(Timestamp(ms)), visit: VisitId(Uuid::nil()) }.to_string();
        assert!(place(2_000) < place(1_999) && place(1_999) < place(0));
        let later = place(1_700_000_000_000);
        assert_eq!(later.parse::<EndedAt>().unwrap().to_string(), later);
    }

    proptest! {
        #[test]
        fn a_place_is_what_we_write_and_nothing_else(text in "[0-9/a-f-]{0,60}", bytes in ".{0,60}") {
            for text in [text, bytes] {
                if let Ok(place) = text.parse::<EndedAt>() {
                    prop_assert_eq!(place.to_string(), text);
                }
            }
        }

        #[test]
        fn any_place_survives_being_written(order: u64, visit: u128) {
            let place = EndedAt { order, visit: VisitId(Uuid::from_u128(visit)) };
            prop_assert_eq!(place.to_string().parse::<EndedAt>(), Ok(place));
        }
    }
}
