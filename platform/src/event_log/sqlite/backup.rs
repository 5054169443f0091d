//! Backing up a log that is being written, and putting a backup in the place of a log that is gone.
//!
//! A backup is one file that a server of this version or a later one can open. It is looked through from end to end
//! when it is made and again before it is restored: a backup that cannot be used is worse than none.

use super::{
    OpenError,
    schema::{self, SchemaError},
};
use rusqlite::{Connection, OpenFlags, backup::Backup};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// What a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Events.
    pub events: u64,
    /// Streams they are in.
    pub streams: u64,
    /// Audit rows.
    pub audits: u64,
}

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already: nothing is ever written over.
    #[error("{} is there already and is left alone", .0.display())]
    Exists(PathBuf),
    /// A server runs on the directory.
    #[error("a server is running on {}: stop it first", .0.display())]
    InUse(PathBuf),
    /// A file or directory cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite cannot read or write.
    #[error("cannot read or write the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It is of a version that this program does not know.
    #[error("cannot use the backup: {0}")]
    Schema(#[from] SchemaError),
    /// It is not whole.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
}

/// Copies a log, which may be in use, into a file that must not be there yet. The copy is complete as of one moment
/// and on disk when this returns.
///
/// # Errors
/// By variant of [`BackupError`]; no file is left behind.
pub fn backup(log: &Path, to: &Path) -> Result<Contents, BackupError> {
    let parts = Parts::beside(to)?;
    let source = Connection::open_with_flags(log, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    // In one go: readers do not keep the writer waiting, and a copy in steps would begin again at each commit.
    {
        let mut copy = Connection::open(&parts.0)?;
        Backup::new(&source, &mut copy)?.run_to_completion(i32::MAX, std::time::Duration::ZERO, None)?;
        copy.pragma_update(None, "journal_mode", "DELETE")?;
    }
    let contents = examine(&parts.0)?;
    parts.move_to(to)?;
    Ok(contents)
}

/// Puts a backup where a log should be and is not.
///
/// # Errors
/// By variant of [`BackupError`]; the directory is then as it was.
pub fn restore(from: &Path, log: &Path) -> Result<Contents, BackupError> {
    let _lock = super::lock(log).map_err(|error| match error {
        OpenError::Io { path, source } => BackupError::Io { path, source },
        _ => BackupError::InUse(log.parent().unwrap_or_else(|| Path::new(".")).to_owned()),
    })?;
    for suffix in ["", "-wal", "-shm"] {
        let mut path = log.as_os_str().to_owned();
        path.push(suffix);
        if Path::new(&path).exists() {
            return Err(BackupError::Exists(path.into()));
        }
    }
    let parts = Parts::beside(log)?;
    fs::copy(from, &parts.0).map_err(|source| BackupError::Io { path: from.to_owned(), source })?;
    let contents = examine(&parts.0)?;
    parts.move_to(log)?;
    Ok(contents)
}

/// Brings a copy to this version and looks through all of it.
fn examine(path: &Path) -> Result<Contents, BackupError> {
    let mut connection = Connection::open(path)?;
    let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            BackupError::Damaged("it is not a database, or a part of it is missing")
        }
        _ => error.into(),
    };
    let intact: String =
        connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0)).map_err(damaged)?;
    if intact != "ok" {
        return Err(BackupError::Damaged("its pages do not fit together"));
    }
    schema::migrate(&mut connection)?;
    let count = |sql: &str| connection.query_row::<u64, _, _>(sql, (), |row| row.get(0));
    let contents = Contents {
        events: count("SELECT count(*) FROM events")?,
        streams: count("SELECT count(*) FROM streams")?,
        audits: count("SELECT count(*) FROM audit")?,
    };
    if contents.events != count("SELECT sum(event) FROM ends")? {
        return Err(BackupError::Damaged("events are missing"));
    }
    let torn = "SELECT count(*) FROM (SELECT 1 FROM events GROUP BY stream HAVING count(*) <> max(version))";
    if count(torn)? != 0 {
        return Err(BackupError::Damaged("streams have gaps"));
    }
    // The first rows may be gone where a seal says that they were pruned. Whether that is true, `audit verify` says.
    let holes = "SELECT count(*) FROM (SELECT 1 FROM audit GROUP BY tenant, partition HAVING count(*) <> max(number) - min(number) + 1 \
        OR (min(number) > 1 AND NOT EXISTS (SELECT 1 FROM streams s JOIN events e ON e.stream = s.number \
        WHERE s.category = 'audit-seal' AND s.tenant = audit.tenant AND e.kind = 'forgotten')))";
    if count(holes)? != 0 {
        return Err(BackupError::Damaged("the audit trail has gaps"));
    }
    Ok(contents)
}

/// A file in the making, that is gone if it is not moved to its place.
struct Parts(PathBuf);

impl Parts {
    /// Beside where it will be, readable by its owner only.
    fn beside(place: &Path) -> Result<Self, BackupError> {
        if place.exists() {
            return Err(BackupError::Exists(place.to_owned()));
        }
        let mut path = place.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let io = |source| BackupError::Io { path: path.clone(), source };
        // What an earlier try left behind.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => drop(super::create_private(&path).map_err(io)?),
        }
        Ok(Self(path))
    }

    /// On disk, and then under its name, unless something else is there by now.
    fn move_to(self, place: &Path) -> Result<(), BackupError> {
        let io = |source| BackupError::Io { path: place.to_owned(), source };
        File::open(&self.0).and_then(|file| file.sync_all()).map_err(io)?;
        match fs::hard_link(&self.0, place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists(place.to_owned()));
            }
            linked => linked.map_err(io)?,
        }
        let dir = place.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // Moved, or of no use.
        let _ = fs::remove_file(&self.0);
    }
}
