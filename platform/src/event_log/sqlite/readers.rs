//! A few connections that only read, apart for each lane. They never wait for the writer.

use super::schema;
use crate::{
    event_log::{ReadError, metrics::StoreMetrics, readable::Readable},
    lane::Lane,
    limits::READERS,
};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};
use tokio::sync::Semaphore;

pub(super) struct Readers([Arc<Pool>; Lane::ALL.len()]);

struct Pool {
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
    readable: Readable,
}

impl Readers {
    pub(super) fn open(path: &Path, metrics: &StoreMetrics) -> rusqlite::Result<Self> {
        let pool = |lane: Lane| -> rusqlite::Result<Arc<Pool>> {
            let idle = (0..READERS).map(|_| schema::open_reader(path)).collect::<rusqlite::Result<_>>()?;
            let readable = Readable::new(lane, metrics.read_failures(lane));
            Ok(Arc::new(Pool { turns: Semaphore::new(READERS), idle: Mutex::new(idle), readable }))
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
                match &result {
                    Ok(_) => pool.readable.succeeded(),
                    Err(error) => {
                        let code = error.sqlite_error_code().map(|code| format!("{code:?}"));
                        pool.readable.failed(code.as_deref());
                    }
                }
                result.map_err(|_| ReadError)
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
