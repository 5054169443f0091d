//! The keyring in a SQLite file of its own: `keys.sqlite` in the data directory (mode 0600).
//!
//! ```text
//! question ─▶ queue ─▶ one thread ─▶ one transaction for many ─fsync─▶ answers
//! ```
//!
//! Other processes may use the file at the same time: `telehealth keys` beside a server. What is deleted is overwritten with
//! zeros (`secure_delete`), and after an erasure the log that SQLite writes ahead is cut to nothing.

use super::{
    DataKey, Found, Keyring, KeyringError, KeyringFuture, Shred, Shredded, Shredding, TenantKey,
    TenantStatus, Versions,
};
use crate::{
    event_log::sqlite::{OpenError, create_private, schema},
    limits::{KEYRING_PATIENCE, MAX_QUEUED_FOR_KEYRING},
};
use model::TenantId;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{fmt, path::Path, thread::JoinHandle};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;
use worker::{Job, Task};

mod questions;
mod worker;

const MIGRATIONS: &[(&str, &str)] = &[("0001_keys", include_str!("migrations/0001_keys.sql"))];

/// The keyring. The last one dropped finishes what was queued.
pub struct SqliteKeyring {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SqliteKeyring {
    /// Opens or creates the file and brings it to this version.
    ///
    /// # Errors
    /// By variant of [`OpenError`], which speaks of an event log where it means this file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: path.to_owned(), source };
        let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
        drop(create_private(path).map_err(io)?);
        let mut connection = connect(path).map_err(sqlite)?;
        schema::apply(&mut connection, MIGRATIONS)
            .map_err(|source| OpenError::Schema { path: path.to_owned(), source })?;
        let (queue, inbox) = mpsc::channel(MAX_QUEUED_FOR_KEYRING);
        let named = std::thread::Builder::new().name("keyring".into());
        let thread = named.spawn(move || worker::run(connection, inbox)).map_err(io)?;
        Ok(Self { queue: Some(queue), thread: Mutex::new(Some(thread)) })
    }

    fn ask<T: Send + 'static>(
        &self,
        writes: bool,
        question: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> KeyringFuture<'_, T> {
        self.ask_and(writes, false, question)
    }

    fn ask_and<T: Send + 'static>(
        &self,
        writes: bool,
        scrubs: bool,
        question: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> KeyringFuture<'_, T> {
        let (reply, answer) = oneshot::channel();
        let task = Task { writes, scrubs, question, result: None, reply };
        let queued = self.queue.as_ref().map(|queue| queue.try_send(Box::new(task)));
        Box::pin(async move {
            queued.ok_or(KeyringError::Away)?.map_err(|_| KeyringError::Away)?;
            answer.await.unwrap_or(Err(KeyringError::Away))
        })
    }
}

/// As durable as the event log: what was sealed with a key is lost with it.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(KEYRING_PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "journal_size_limit", 1_024 * 1_024)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

impl Drop for SqliteKeyring {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.lock().take() {
            // A panic in there has been printed; there is nobody left to answer.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for SqliteKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteKeyring").finish_non_exhaustive()
    }
}

impl Keyring for SqliteKeyring {
    fn tenant_keys(&self, tenant: TenantId) -> KeyringFuture<'_, Vec<TenantKey>> {
        self.ask(false, move |connection| questions::tenant_keys(connection, tenant))
    }

    fn add_tenant_key(&self, key: TenantKey) -> KeyringFuture<'_, bool> {
        self.ask(true, move |connection| questions::add_tenant_key(connection, &key))
    }

    fn rewrap_tenant_key(&self, old: TenantKey, new: TenantKey) -> KeyringFuture<'_, bool> {
        self.ask_and(true, true, move |connection| questions::rewrap_tenant_key(connection, &old, &new))
    }

    fn retire(&self, tenant: TenantId) -> KeyringFuture<'_, u64> {
        self.ask_and(true, true, move |connection| questions::retire(connection, tenant))
    }

    fn find(&self, scopes: Vec<(TenantId, Uuid)>) -> KeyringFuture<'_, Vec<Found>> {
        self.ask(false, move |connection| questions::find(connection, &scopes))
    }

    fn settle(&self, keys: Vec<DataKey>) -> KeyringFuture<'_, Vec<Found>> {
        self.ask(true, move |connection| questions::settle(connection, &keys))
    }

    fn stale(&self, tenant: TenantId, limit: usize) -> KeyringFuture<'_, Vec<DataKey>> {
        self.ask(false, move |connection| questions::stale(connection, tenant, limit))
    }

    fn rewrap(&self, keys: Vec<(DataKey, DataKey)>) -> KeyringFuture<'_, u64> {
        self.ask(true, move |connection| questions::rewrap(connection, &keys))
    }

    fn shred(&self, shred: Shred) -> KeyringFuture<'_, Shredding> {
        self.ask_and(true, true, move |connection| questions::shred(connection, &shred))
    }

    fn shredded(&self, after: u64, limit: usize) -> KeyringFuture<'_, Vec<Shredded>> {
        self.ask(false, move |connection| questions::shredded(connection, after, limit))
    }

    fn versions(&self, after: Option<TenantId>, limit: usize) -> KeyringFuture<'_, Vec<Versions>> {
        self.ask(false, move |connection| questions::versions(connection, after, limit))
    }

    fn status(&self, tenant: TenantId) -> KeyringFuture<'_, TenantStatus> {
        self.ask(false, move |connection| questions::status(connection, tenant))
    }
}
