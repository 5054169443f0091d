//! A few connections that only read, apart for each lane. They never wait for the writer.

use super::schema;
use crate::{event_log::ReadError, lane::Lane, limits::READERS};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};
use tokio::sync::Semaphore;

pub(super) struct Readers([Arc<Pool>; Lane::ALL.len()]);

struct Pool {
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        let pool = |_| -> rusqlite::Result<Arc<Pool>> {
            let idle = (0..READERS).map(|_| schema::open_reader(path)).collect::<rusqlite::Result<_>>()?;
            Ok(Arc::new(Pool { turns: Semaphore::new(READERS), idle: Mutex::new(idle) }))
        };
        let [critical, standard, batch] = Lane::ALL.map(pool);
        Ok(Self([critical?, standard?, batch?]))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let pool = Arc::clone(&self.0[lane as usize]);
        let read = async {
            let _turn = pool.turns.acquire().await.map_err(|_| ReadError)?;
            let pool = Arc::clone(&pool);
            let read = tokio::task::spawn_blocking(move || {
                let connection = pool.idle.lock().pop();
                let Some(connection) = connection else { return Err(ReadError) };
                let result = query(&connection);
                pool.idle.lock().push(connection);
                result.map_err(|error| {
                    tracing::error!(error.code = ?error.sqlite_error_code(), "The event log cannot be read");
                    ReadError
                })
            });
            read.await.map_err(|_| ReadError)?
        };
        read.await
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        for pool in &self.0 {
            pool.idle.lock().clear();
        }
    }
}
