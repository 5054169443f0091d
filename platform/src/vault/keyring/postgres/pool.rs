//! A few connections. Whoever asks waits no longer than [`KEYRING_PATIENCE`].

use super::KeyringError;
use crate::{
    event_log::postgres::{
        connect::Connect,
        pool::{Member, Params},
        roles::Whose,
        statements::Statement,
    },
    limits::KEYRING_PATIENCE,
};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Error, Row, error::SqlState};

/// Connections of one process.
const CONNECTIONS: usize = 4;

pub(super) struct Pool {
    connect: Connect,
    turns: Semaphore,
    idle: Mutex<Vec<Member>>,
}

/// A connection that is lent. Who drops it without giving it back has seen an error: it is not used again.
pub(super) struct Lent<'a> {
    pub(super) member: Member,
    pool: &'a Pool,
    _turn: SemaphorePermit<'a>,
}

impl Lent<'_> {
    pub(super) fn give_back(self) {
        self.pool.idle.lock().push(self.member);
    }
}

impl Pool {
    pub(super) fn new(connect: Connect) -> Self {
        Self { connect, turns: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    pub(super) async fn lend(&self) -> Result<Lent<'_>, KeyringError> {
        let turn = self.turns.acquire().await.map_err(|_| KeyringError::Away)?;
        let idle = self.idle.lock().pop().filter(|member| !member.link.is_closed());
        let member = match idle {
            Some(member) => member,
            None => Member::new(self.connect.link().await.map_err(|_| KeyringError::Away)?),
        };
        Ok(Lent { member, pool: self, _turn: turn })
    }

    /// How a transaction begins.
    pub(super) fn begin(&self, whose: &Whose) -> String {
        self.connect.begin(whose)
    }

    /// Asks one question.
    pub(super) async fn query(
        &self,
        whose: Whose,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, KeyringError> {
        let begin = self.begin(&whose);
        within(async {
            let mut lent = self.lend().await?;
            let rows = lent.member.ask(&begin, statement, params).await.map_err(judge)?;
            lent.give_back();
            Ok(rows)
        })
        .await
    }

    /// Changes rows; says how many.
    pub(super) async fn execute(
        &self,
        whose: Whose,
        statement: &'static Statement,
        params: Params<'_>,
    ) -> Result<u64, KeyringError> {
        let begin = self.begin(&whose);
        within(async {
            let mut lent = self.lend().await?;
            lent.member.link.client.batch_execute(&begin).await.map_err(judge)?;
            let rows = lent.member.execute(statement, params).await.map_err(judge)?;
            lent.member.link.client.batch_execute("COMMIT").await.map_err(judge)?;
            lent.give_back();
            Ok(rows)
        })
        .await
    }
}

pub(super) async fn within<T>(
    asked: impl Future<Output = Result<T, KeyringError>>,
) -> Result<T, KeyringError> {
    tokio::time::timeout(KEYRING_PATIENCE, asked).await.unwrap_or(Err(KeyringError::Away))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn judge(error: Error) -> KeyringError {
    match error.code() {
        Some(code) if *code == SqlState::FOREIGN_KEY_VIOLATION => KeyringError::Retired,
        Some(code) => {
            tracing::error!(error.code = code.code(), "The keyring refuses a question");
            KeyringError::Away
        }
        None => KeyringError::Away,
    }
}
