//! Secrets on disk: made once, readable by their owner only.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The directory or file cannot be read or written.
    #[error("cannot use the key file {}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read it: treat it as leaked.
    #[error("the key file {} may be read by others (mode {mode:03o}); it should be 600", path.display())]
    Exposed {
        /// Which one.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file in the directory holds something else.
    #[error("a file in {} is not a key", dir.display())]
    NotAKey {
        /// Where.
        dir: PathBuf,
    },
}

/// Reads a key, or makes it and keeps it.
pub(crate) fn load_or_create(dir: &Path, name: &str, make: fn() -> Vec<u8>) -> Result<Vec<u8>, KeyFileError> {
    let path = dir.join(name);
    match read_private(&path) {
        Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make_once(dir, name, &make())
                .map_err(|source| KeyFileError::Io { path: path.clone(), source })?;
            // Another process may have been faster.
            read_private(&path)
        }
        read => read,
    }
}

/// Reads a file that only its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    fs::read(path).map_err(failed)
}

/// Writes the whole file or none of it, unless it is there, and is on disk when it returns: a key that a crash halves or
/// forgets would void every link given out since. Of processes that do this at once, one makes it.
pub(crate) fn make_once(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let temporary = write_beside(dir, name, bytes)?;
    let made = fs::hard_link(&temporary, dir.join(name));
    fs::remove_file(&temporary)?;
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(dir)?.sync_all()
}

/// The same where there is one already: it is replaced.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = write_beside(dir, name, bytes)?;
    fs::rename(&temporary, dir.join(name))?;
    fs::File::open(dir)?.sync_all()
}

fn write_beside(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let temporary = dir.join(format!(".{name}.{}.new", crate::ids::fresh()));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use model::ParticipantId;
    use uuid::Uuid;

    #[test]
    fn keys_survive_a_restart_and_only_their_owner_may_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let keys_dir = dir.path().join("keys");
        let participant = ParticipantId(Uuid::from_u128(3));
        let first = Keys::load_or_create(&keys_dir).unwrap().link_secret(participant);
        assert_eq!(Keys::load_or_create(&keys_dir).unwrap().link_secret(participant), first);
        assert_eq!(fs::metadata(&keys_dir).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in fs::read_dir(&keys_dir).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Keys::load_or_create(dir.path()).unwrap();
        let path = dir.path().join("links.hmac");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Keys::load_or_create(dir.path()).unwrap_err();
        assert!(error.to_string().contains("links.hmac") && error.to_string().contains("640"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Keys::load_or_create(dir.path()).unwrap();
        fs::write(dir.path().join("tokens.ed25519.pk8"), b"hello").unwrap();
        assert!(matches!(Keys::load_or_create(dir.path()), Err(KeyFileError::NotAKey { .. })));
    }
}
