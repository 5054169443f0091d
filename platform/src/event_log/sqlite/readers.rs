//! A few connections that only read, apart for each lane. They never wait for the writer. What a task reads, it reads
//! with its own lane's.

use super::schema;
use crate::{
    event_log::{ReadError, metrics::StoreMetrics, readable::Readable},
    lane::{Lane, deadline, task::lane_for},
    limits::READERS,
};
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};
use tokio::sync::Semaphore;

pub(super) struct Readers([Arc<Pool>; Lane::ALL.len()]);

struct Pool {
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    readable: Readable,
}

impl Readers {
    pub(super) fn open(path: &Path, metrics: &StoreMetrics) -> rusqlite::Result<Self> {
        let pool = |lane: Lane| -> rusqlite::Result<Arc<Pool>> {
            let idle = (0..READERS).map(|_| schema::open_reader(path)).collect::<rusqlite::Result<_>>()?;
            let readable = Readable::new(lane, metrics.read_failures(lane));
            Ok(Arc::new(Pool { turns: Arc::new(Semaphore::new(READERS)), idle: Mutex::new(idle), readable }))
        };
        let [critical, standard, batch] = Lane::ALL.map(pool);
        Ok(Self([critical?, standard?, batch?]))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let pool = Arc::clone(&self.0[lane_for(lane).index()]);
        let read = async {
            let turn = deadline::within(Arc::clone(&pool.turns).acquire_owned()).await;
            // For whom nobody waits, nothing is read.
            let (Some(Ok(turn)), false) = (turn, deadline::has_passed()) else { return Err(ReadError) };
            let pool = Arc::clone(&pool);
            let read = tokio::task::spawn_blocking(move || {
                // The turn is over when the connection is back, also when nobody waits any more.
                let _turn = turn;
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
