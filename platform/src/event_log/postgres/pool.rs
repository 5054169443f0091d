//! A few connections for each lane that read, and write what is not an append.

use super::{
    connect::{Connect, Link},
    roles::Whose,
    statements::Statement,
};
use crate::{
    event_log::{AppendError, ReadError, Refusal, metrics::StoreMetrics, readable::Readable},
    lane::{Lane, deadline, task::lane_for},
};
use futures_util::future::try_join3;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_postgres::{Row, error::SqlState, types::ToSql};

/// Connections of each lane.
const CONNECTIONS: usize = 4;

/// Longest a question may take, waiting for a connection included.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Pools([Pool; Lane::ALL.len()]);

struct Pool {
    connect: Arc<Connect>,
    turns: Semaphore,
    idle: Mutex<Vec<Member>>,
    readable: Readable,
}

/// A connection, with the statements it has prepared.
pub(crate) struct Member {
    pub(crate) link: Link,
    prepared: HashMap<&'static str, tokio_postgres::Statement>,
}

/// Why a question has no answer.
enum Unasked {
    /// The deadline of the task that asks has passed before its turn; nothing was asked.
    Overdue,
    /// There is no connection.
    Unreachable,
    /// The database says so.
    Failed(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Unasked {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Pools {
    pub(super) fn new(connect: &Arc<Connect>, metrics: &StoreMetrics) -> Self {
        Self(Lane::ALL.map(|lane| Pool {
            connect: Arc::clone(connect),
            turns: Semaphore::new(CONNECTIONS),
            idle: Mutex::default(),
            readable: Readable::new(lane, metrics.read_failures(lane)),
        }))
    }

    /// Asks one question, with a connection of the task's lane.
    pub(super) async fn query(
        &self,
        lane: Lane,
        whose: Whose,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, ReadError> {
        let lane = lane_for(lane);
        let begin = self.0[lane.index()].connect.begin(&whose);
        let asked = self.with(lane, async |member| member.ask(&begin, statement, params).await);
        let readable = &self.0[lane.index()].readable;
        let code = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(rows)) => {
                readable.succeeded();
                return Ok(rows);
            }
            // For whom nobody waits, nothing is asked: that says nothing about the database.
            Ok(Err(Unasked::Overdue)) => return Err(ReadError),
            Ok(Err(Unasked::Failed(error))) => error.code().cloned(),
            Ok(Err(Unasked::Unreachable)) | Err(_) => None,
        };
        readable.failed(code.as_ref().map(SqlState::code));
        Err(ReadError)
    }

    /// Writes in one transaction: all of it or nothing.
    pub(super) async fn write<T>(
        &self,
        lane: Lane,
        whose: Whose,
        task: impl AsyncFnOnce(&mut Member) -> Result<Result<T, Refusal>, tokio_postgres::Error>,
    ) -> Result<T, AppendError> {
        let begin = self.0[lane.index()].connect.begin(&whose);
        let mut committing = false;
        let written = self.with(lane_for(lane), async |member| {
            member.link.client.batch_execute(&begin).await?;
            let result = task(member).await?;
            if result.is_err() {
                member.link.client.batch_execute("ROLLBACK").await?;
                return Ok(result);
            }
            committing = true;
            member.link.client.batch_execute("COMMIT").await?;
            Ok(result)
        });
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(result)) => Ok(result?),
            Ok(Err(Unasked::Overdue)) => Err(Refusal::Overdue.into()),
            _ if committing => Err(AppendError::Unknown),
            _ => Err(Refusal::Unavailable.into()),
        }
    }

    /// Lends a connection. One that saw an error, or whose borrower went away in the middle, is not used again.
    async fn with<T>(
        &self,
        lane: Lane,
        task: impl AsyncFnOnce(&mut Member) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Unasked> {
        let pool = &self.0[lane.index()];
        let turn = deadline::within(pool.turns.acquire()).await.ok_or(Unasked::Overdue)?;
        let _turn = turn.map_err(|_| Unasked::Overdue)?;
        if deadline::has_passed() {
            return Err(Unasked::Overdue);
        }
        let idle = pool.idle.lock().pop().filter(|member| !member.link.is_closed());
        let mut member = match idle {
            Some(member) => member,
            None => Member::new(pool.connect.link().await.map_err(|_| Unasked::Unreachable)?),
        };
        let done = task(&mut member).await?;
        pool.idle.lock().push(member);
        Ok(done)
    }
}

impl Member {
    /// A connection that was just made.
    pub(crate) fn new(link: Link) -> Self {
        Self { link, prepared: HashMap::new() }
    }

    /// Asks for rows in a transaction of its own, which begins as given: one round trip.
    pub(crate) async fn ask(
        &mut self,
        begin: &str,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(statement).await?;
        let client = &self.link.client;
        let (begun, rows, ended) =
            (client.batch_execute(begin), client.query(&statement, params), client.batch_execute("COMMIT"));
        try_join3(begun, rows, ended).await.map(|((), rows, ())| rows)
    }

    /// Asks for rows.
    pub(crate) async fn query(
        &mut self,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepared(statement).await?;
        self.link.client.query(&statement, params).await
    }

    /// The statement, prepared here once.
    pub(crate) async fn prepared(
        &mut self,
        statement: &'static Statement,
    ) -> Result<tokio_postgres::Statement, tokio_postgres::Error> {
        if let Some(prepared) = self.prepared.get(statement.name) {
            return Ok(prepared.clone());
        }
        let prepared = self.link.client.prepare(statement.sql).await?;
        self.prepared.insert(statement.name, prepared.clone());
        Ok(prepared)
    }

    /// Changes rows; says how many.
    pub(crate) async fn execute(
        &mut self,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        let statement = self.prepared(statement).await?;
        self.link.client.execute(&statement, params).await
    }
}
