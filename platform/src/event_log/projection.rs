//! Tables made from events. They lag behind by as much as nobody has asked for yet, are safe to drive from many
//! processes, and are rebuilt while they are read.
//!
//! ```text
//! events ──tail──▶ Projection::changes ──▶ apply (compare-and-set on the place) ──▶ rows of a generation
//! rebuild: a new generation from the first event on; when it has caught up, it goes live and the old one is dropped
//! ```

use super::{
    append::{AppendError, Refusal},
    event::{Partition, Position, TailEvent},
    port::{EventStore, ReadError, Table, Tables},
};
use crate::limits::PROJECTED_AT_ONCE;
use model::TenantId;
use std::{fmt, sync::Arc};

/// A row of a table.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Unique in its table and tenant.
    pub key: String,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What an event does to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is the row now.
    Put {
        /// Whose.
        tenant: TenantId,
        /// The row.
        row: Row,
    },
    /// There is no such row any more.
    Delete {
        /// Whose.
        tenant: TenantId,
        /// Its key.
        key: String,
    },
}

/// How a table is made.
pub trait Projection: Send + Sync + 'static {
    /// Name and version of its shape: a build that makes it differently calls it `links.2`, and two builds can run
    /// beside each other.
    const NAME: &'static str;
    /// What an event does to it, given nothing but the event.
    fn changes(event: &TailEvent) -> Vec<Change>;
}

/// Why a table is not up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read or written now")]
pub struct Behind;

impl From<ReadError> for Behind {
    fn from(_: ReadError) -> Self {
        Self
    }
}

/// Keeps a table up to date, and reads it.
pub struct Projector<P, S: ?Sized> {
    store: Arc<S>,
    projection: std::marker::PhantomData<fn() -> P>,
}

impl<P, S: ?Sized> fmt::Debug for Projector<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector").finish_non_exhaustive()
    }
}

impl<P: Projection, S: EventStore + Tables + ?Sized> Projector<P, S> {
    /// A table of a store.
    pub const fn new(store: Arc<S>) -> Self {
        Self { store, projection: std::marker::PhantomData }
    }

    /// Brings the table to where the events were when this was called, or further.
    ///
    /// # Errors
    /// [`Behind`]: it is as far as it came, and nothing is lost.
    pub async fn catch_up(&self) -> Result<(), Behind> {
        let table = self.table().await?;
        self.advance(table).await
    }

    /// Makes the table anew from the first event on while the present one is read, then puts it in its place.
    ///
    /// # Errors
    /// [`Behind`]: the present table stays.
    pub async fn rebuild(&self) -> Result<(), Behind> {
        let live = self.table().await?;
        let next = Table { generation: live.generation + 1, ..live };
        self.advance(next).await?;
        self.store.go_live(next).await.map_err(|_| Behind)
    }

    /// A row, as far as the table has come.
    ///
    /// # Errors
    /// [`Behind`].
    pub async fn row(&self, tenant: TenantId, key: &str) -> Result<Option<Row>, Behind> {
        let table = self.table().await?;
        Ok(self.store.row(table, tenant, key.to_owned()).await?)
    }

    /// A row, as of now: if it is not there, the table is brought up to date and looked at again.
    ///
    /// # Errors
    /// [`Behind`].
    pub async fn newest_row(&self, tenant: TenantId, key: &str) -> Result<Option<Row>, Behind> {
        if let Some(row) = self.row(tenant, key).await? {
            return Ok(Some(row));
        }
        self.catch_up().await?;
        self.row(tenant, key).await
    }

    /// All rows whose keys begin with `prefix`, as far as the table has come, after a key, at most `limit`.
    ///
    /// # Errors
    /// [`Behind`].
    pub async fn rows(
        &self,
        tenant: TenantId,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<Row>, Behind> {
        let table = self.table().await?;
        Ok(self.store.rows(table, tenant, prefix.to_owned(), after, limit).await?)
    }

    async fn table(&self) -> Result<Table, Behind> {
        Ok(Table { name: P::NAME, generation: self.store.live(P::NAME).await? })
    }

    async fn advance(&self, table: Table) -> Result<(), Behind> {
        for partition in self.store.partitions() {
            let goal = self.store.head(partition).await?;
            let mut place = self.store.applied(table, partition).await?;
            while place < goal {
                place = self.step(table, partition, place).await?;
            }
        }
        Ok(())
    }

    /// One page of events. Another process that was faster has done our work: go on from where it is.
    async fn step(&self, table: Table, partition: Partition, from: Position) -> Result<Position, Behind> {
        let page = self.store.tail(partition, from, PROJECTED_AT_ONCE).await?;
        let Some(to) = page.last().map(|event| event.position) else { return Err(Behind) };
        let of = |event: &TailEvent| {
            let stream = event.stream;
            P::changes(event).into_iter().map(move |change| (stream, change))
        };
        let changes = page.iter().flat_map(of).collect();
        match self.store.project(table, partition, from, to, changes).await {
            Ok(()) => Ok(to),
            Err(AppendError::Rejected(Refusal::Conflict { .. })) | Err(AppendError::Unknown) => {
                let place = self.store.applied(table, partition).await?;
                if place > from { Ok(place) } else { Err(Behind) }
            }
            Err(AppendError::Rejected(_)) => Err(Behind),
        }
    }
}
