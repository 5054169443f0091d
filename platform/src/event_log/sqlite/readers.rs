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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event_log::sqlite::schema, lane::task};
    use prometheus::Registry;
    use std::time::Duration;
    use tokio::{sync::oneshot, task::JoinSet, time::Instant};

    /// Longer than anything here takes that does not hang.
    const HANGS: Duration = Duration::from_secs(30);

    fn readers() -> (Arc<Readers>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.sqlite");
        schema::migrate(&mut schema::open_writer(&path).unwrap()).unwrap();
        let metrics = StoreMetrics::new(&Registry::new()).unwrap();
        (Arc::new(Readers::open(&path, &metrics).unwrap()), dir)
    }

    async fn look(readers: &Readers, lane: Lane) -> Result<i64, ReadError> {
        let one = |connection: &Connection| connection.query_row("SELECT 1", (), |row| row.get(0));
        tokio::time::timeout(HANGS, readers.read(lane, one)).await.expect("it hangs")
    }

    /// All connections of a lane are taken, until the senders are dropped.
    async fn exhaust(readers: &Arc<Readers>, lane: Lane) -> (Vec<oneshot::Sender<()>>, JoinSet<()>) {
        let (mut releases, mut stuck) = (Vec::new(), JoinSet::new());
        for _ in 0..READERS {
            let ((release, released), (taken, is_taken)) = (oneshot::channel::<()>(), oneshot::channel());
            let readers = Arc::clone(readers);
            stuck.spawn(async move {
                let wait = move |_: &Connection| {
                    taken.send(()).unwrap();
                    let _ = released.blocking_recv();
                    Ok(())
                };
                let _ = readers.read(lane, wait).await;
            });
            is_taken.await.unwrap();
            releases.push(release);
        }
        (releases, stuck)
    }

    #[tokio::test]
    async fn whichever_lane_s_connections_are_taken_the_others_read() {
        let (readers, _dir) = readers();
        for full in Lane::ALL {
            let (releases, stuck) = exhaust(&readers, full).await;
            for lane in Lane::ALL.into_iter().filter(|lane| *lane != full) {
                assert_eq!(look(&readers, lane).await, Ok(1));
            }
            // It has none left, and who waits for one waits until their deadline.
            let soon = Instant::now() + Duration::from_millis(30);
            assert_eq!(deadline::scope(soon, look(&readers, full)).await, Err(ReadError));
            drop(releases);
            stuck.join_all().await;
            assert_eq!(look(&readers, full).await, Ok(1));
        }
    }

    #[tokio::test]
    async fn a_batch_that_looks_at_critical_work_takes_a_batch_s_connection() {
        let (readers, _dir) = readers();
        let (releases, stuck) = exhaust(&readers, Lane::Batch).await;
        let soon = Instant::now() + Duration::from_millis(30);
        let batch = task::scope(Lane::Batch, deadline::scope(soon, look(&readers, Lane::Critical)));
        assert_eq!(batch.await, Err(ReadError));
        drop(releases);
        stuck.join_all().await;
        let (_releases, _stuck) = exhaust(&readers, Lane::Critical).await;
        assert_eq!(task::scope(Lane::Batch, look(&readers, Lane::Critical)).await, Ok(1));
    }

    #[tokio::test]
    async fn who_goes_away_while_reading_gives_the_connection_back_with_the_turn() {
        let (readers, _dir) = readers();
        let (releases, mut stuck) = exhaust(&readers, Lane::Batch).await;
        stuck.shutdown().await;
        // Still being read with, so that nobody gets one that is not there.
        let soon = Instant::now() + Duration::from_millis(30);
        assert_eq!(deadline::scope(soon, look(&readers, Lane::Batch)).await, Err(ReadError));
        drop(releases);
        assert_eq!(look(&readers, Lane::Batch).await, Ok(1));
    }
}
