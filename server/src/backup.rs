//! `telehealth backup` and `telehealth restore`: the event log of an embedded server.

use crate::{
    broken_output,
    cli::Backup,
    config,
    failure::Failure,
    wiring::{EVENTS, vault::KEYRING},
};
use platform::event_log::sqlite::backup::{self, BackupError, Contents};
use std::{fs, io::Write, os::unix::fs::DirBuilderExt as _, process::ExitCode};

/// Copies the log, and says what is in the copy.
///
/// # Errors
/// One line that says why there is no backup.
pub(crate) fn back_up(out: &mut impl Write, args: &Backup) -> Result<ExitCode, Failure> {
    let log = config::load(&args.common)?.data_dir.join(EVENTS);
    if !log.exists() {
        return Err(Failure::Usage(format!("there is no event log in {}", log.display())));
    }
    say(out, "backed up and checked", backup::backup(&log, &args.file)?)
}

/// Puts a copy in the place of the log, and says what is in it.
///
/// # Errors
/// One line that says why nothing was restored.
pub(crate) fn restore(out: &mut impl Write, args: &Backup) -> Result<ExitCode, Failure> {
    let dir = config::load(&args.common)?.data_dir;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Failure::Usage(format!("data_dir: cannot make {}: {e}", dir.display())))?;
    let contents = backup::restore(&args.file, &dir.join(EVENTS))?;
    if !dir.join("keys").exists() {
        let lost = "There are no keys in the data directory: put your copy of them there before the server starts, \
                    or links that people have will not work.";
        writeln!(out, "{lost}").map_err(broken_output)?;
    }
    if !dir.join(KEYRING).exists() {
        let lost = "There is no keys.sqlite in the data directory: put your newest copy of it there before the server \
                    starts, or names and words of patients in this backup cannot be read.";
        writeln!(out, "{lost}").map_err(broken_output)?;
    }
    say(out, "checked and restored", contents)
}

fn say(out: &mut impl Write, what: &str, contents: Contents) -> Result<ExitCode, Failure> {
    let Contents { events, streams, audits } = contents;
    writeln!(out, "{what}: {events} events in {streams} streams, {audits} audit rows")
        .map_err(broken_output)?;
    Ok(ExitCode::SUCCESS)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Exists(_) | BackupError::InUse(_) => Self::Usage(error.to_string()),
            _ => Self::Broken(error.to_string()),
        }
    }
}
