//! The thread that brings SQLite's log into the database beside the writer, so that no append waits for it.
//!
//! A checkpoint that runs beside commits never catches the last of them, and only a log that was brought in to its end
//! begins anew. So when little is left, the writer is asked to finish it between two commits.

use super::schema;
use rusqlite::Connection;
use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// How often the log is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// Pages of log that are worth bringing in.
const WORTH: i64 = 400;

/// Pages of log from which on it should begin anew, and how few may be left to the writer.
const LONG: i64 = 8_000;
const LITTLE: i64 = 100;

pub(super) struct Checkpointer {
    pub(super) path: PathBuf,
    /// The database.
    pub(super) file: Arc<File>,
    /// Set when the writer is to finish.
    pub(super) finish: Arc<AtomicBool>,
    /// Hung up when the store closes.
    pub(super) stop: Receiver<()>,
}

/// Pages in the log, and how many of them are in the database.
struct Log {
    pages: i64,
    done: i64,
}

impl Checkpointer {
    /// Runs until the store closes. What fails here is tried again; the writer has a limit of its own.
    pub(super) fn run(self) {
        let mut connection = None;
        while matches!(self.stop.recv_timeout(GLANCE), Err(RecvTimeoutError::Timeout)) {
            if connection.is_none() {
                connection = schema::open_writer(&self.path).ok();
            }
            if let Some(open) = &connection
                && self.look(open).is_err()
            {
                connection = None;
            }
        }
    }

    fn look(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut log = checkpoint(connection, "NOOP")?;
        if log.pages - log.done < WORTH {
            return Ok(());
        }
        // Each pass is shorter than the one before it: less has been written meanwhile.
        for _ in 0..8 {
            log = checkpoint(connection, "PASSIVE")?;
            if log.pages - log.done < LITTLE {
                break;
            }
        }
        // SQLite leaves this to whoever brings in the last page, all of it at once, and that is the writer.
        // If it fails, the writer will find out.
        let _ = self.file.sync_data();
        if log.pages > LONG {
            self.finish.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Finishes what the thread began: by the writer, between two commits.
pub(super) fn finish(connection: &Connection) {
    // If it fails, the log goes on growing, and the next time does it.
    let _ = checkpoint(connection, "PASSIVE");
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), (), |row| {
        Ok(Log { pages: row.get(1)?, done: row.get(2)? })
    })
}
