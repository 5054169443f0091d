//! The event log: SQLite alone, or PostgreSQL with a local journal before it. Before either, PHI is sealed.

use super::{
    EVENTS, JOURNAL, cause,
    vault::{self, Unopened},
};
use crate::{
    config::Config,
    failure::Failure,
    limits::{REPLAY_PATIENCE, STORE_PATIENCE},
    units::{Opened, Opening},
};
use platform::{
    clock::Clock,
    event_log::{
        Store,
        journal::Journaled,
        postgres::{self, PostgresStore},
        sqlite::SqliteStore,
    },
    vault::{Sealing, Vault},
};
use prometheus::Registry;
use std::{fs, os::unix::fs::DirBuilderExt as _, sync::Arc, time::Duration};
use tokio::time::Instant;

/// The local journal of this process.
pub(crate) type Journal = Journaled<PostgresStore>;

/// The event log.
pub(super) struct Log {
    /// What services see; its [`inner`](Sealing::inner) has PHI as it is stored.
    pub(super) store: Arc<Sealing<dyn Store>>,
    /// The same, with PHI as it is on disk: what the audit trail's sealer and copies read.
    pub(super) raw: Arc<dyn Store>,
    pub(super) journal: Option<Arc<Journal>>,
}

/// Opens it. A database that does not answer yet is waited for: after a power cut everything starts at once.
///
/// # Errors
/// One line that names what cannot be used.
pub(super) async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Log, Failure> {
    let log = |stored: Arc<dyn Store>, raw, vault, journal| Log {
        store: Arc::new(Sealing::new(stored, vault)),
        raw,
        journal,
    };
    let Some(postgres) = config.store.postgres() else {
        // Beside the keys: both wait for the disk.
        let (path, counted) = (config.data_dir.join(EVENTS), registry.clone());
        let file = tokio::task::spawn_blocking(move || SqliteStore::open(&path, &counted));
        let vault = keys(config, clock, registry).await;
        let store = file.await.map_err(|died| Failure::Broken(died.to_string()))??;
        let store: Arc<dyn Store> = Arc::new(store);
        return Ok(log(Arc::clone(&store), store, vault?, None));
    };
    let vault = keys(config, Arc::clone(&clock), registry).await?;
    let begun = Instant::now();
    loop {
        let error = match PostgresStore::open(&postgres, registry).await {
            Ok(store) => {
                let store = Arc::new(store);
                let raw = Arc::clone(&store) as Arc<dyn Store>;
                let journal = Arc::new(journaled(config, store, clock, registry).await?);
                return Ok(log(Arc::clone(&journal) as Arc<dyn Store>, raw, vault, Some(journal)));
            }
            Err(error) => error,
        };
        let may_come = matches!(
            error,
            postgres::Error::Database(_) | postgres::Error::Late | postgres::Error::NotMigrated
        );
        if !may_come || begun.elapsed() > STORE_PATIENCE {
            return Err(Failure::Usage(format!("store.postgres: {error}{}", cause(&error))));
        }
        tracing::warn!(%error, "The database cannot be used yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The event log for the command line, beside servers that run.
///
/// # Errors
/// A server has the file, or what cannot be used.
pub(crate) async fn open_store(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Opened, Opening> {
    let failed = |unopened: Unopened| Opening::Failed(unopened.into());
    let stored: Arc<dyn Store> = match config.store.postgres() {
        None => Arc::new(SqliteStore::open(&config.data_dir.join(EVENTS), registry)?),
        Some(postgres) => {
            let said = |error: postgres::Error| {
                Opening::Failed(Failure::Usage(format!("store.postgres: {error}{}", cause(&error))))
            };
            Arc::new(PostgresStore::open(&postgres, registry).await.map_err(said)?)
        }
    };
    let vault = vault::open(config, clock, registry).await.map_err(failed)?;
    let raw = Arc::clone(&stored);
    Ok(Opened { store: Arc::new(Sealing::new(stored, Arc::clone(&vault))), raw, vault })
}

/// The keys, which may be in a database that does not answer yet either.
async fn keys(config: &Config, clock: Arc<dyn Clock>, registry: &Registry) -> Result<Arc<Vault>, Failure> {
    let begun = Instant::now();
    loop {
        match vault::open(config, Arc::clone(&clock), registry).await {
            Err(Unopened::Yet(said)) if begun.elapsed() <= STORE_PATIENCE => {
                tracing::warn!(error = said, "The keys cannot be had yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// While the database is away, owners go on with a journal in the data directory. What an earlier life of this process
/// has left there comes first.
async fn journaled(
    config: &Config,
    store: Arc<PostgresStore>,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Journal, Failure> {
    let dir = config.data_dir.join(JOURNAL);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Failure::Usage(format!("data_dir: cannot make {}: {e}", dir.display())))?;
    let opened = Journaled::open(&dir, store, clock, registry).await;
    let journaled = opened.map_err(|error| Failure::Usage(format!("data_dir: {error}{}", cause(&error))))?;
    let left = *journaled.unrecorded().borrow();
    if left > 0 {
        tracing::info!(journal.entries = left, "Recording what this process acknowledged before it ended");
    }
    if let Err(left) = journaled.replayed(REPLAY_PATIENCE).await {
        tracing::warn!(left, "What this process acknowledged before is not in the database yet");
    }
    Ok(journaled)
}
