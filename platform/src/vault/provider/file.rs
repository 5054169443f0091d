//! KEKs in the keys directory: `phi-0001.kek`, `phi-0002.kek`, … of 32 bytes each, mode 0600. The last one wraps.

use super::{KeyProvider, Of, ProviderError, ProviderFuture, Wrapped, local::Keks};
use crate::{
    keys::{KeyFileError, files},
    limits::MAX_KEKS,
    vault::key::{KEY_BYTES, Key},
};
use parking_lot::Mutex;
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// KEKs in a directory. One that another process adds is found when something is wrapped under it.
#[derive(Debug)]
pub struct FileKeys {
    dir: PathBuf,
    keks: Mutex<Arc<Keks>>,
}

/// Why the KEKs in a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileKeysError {
    /// A file or the directory.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// There is none, and something is wrapped under one: making another would not bring that back.
    #[error(
        "there is no key encryption key in {}, and the keyring was made with one: put your copy of phi-*.kek there",
        dir.display()
    )]
    Missing {
        /// Where it should be.
        dir: PathBuf,
    },
    /// More than [`MAX_KEKS`].
    #[error("more than {MAX_KEKS} key encryption keys in {}: remove those under which nothing is wrapped", dir.display())]
    TooMany {
        /// Where.
        dir: PathBuf,
    },
}

impl FileKeys {
    /// Reads the KEKs of a directory. The first is made there if `make` says so: where nothing is wrapped yet.
    ///
    /// # Errors
    /// By variant of [`FileKeysError`].
    pub fn open(dir: &Path, make: bool) -> Result<Self, FileKeysError> {
        if make && names(dir)?.is_empty() {
            add(dir, 1)?;
        }
        let keks = read(dir)?.ok_or_else(|| FileKeysError::Missing { dir: dir.to_owned() })?;
        Ok(Self { dir: dir.to_owned(), keks: Mutex::new(Arc::new(keks)) })
    }

    /// Makes the next KEK, which wraps from now on.
    ///
    /// # Errors
    /// By variant of [`FileKeysError`].
    pub fn rotate(&self) -> Result<(), FileKeysError> {
        let names = names(&self.dir)?;
        if names.len() >= MAX_KEKS {
            return Err(FileKeysError::TooMany { dir: self.dir.clone() });
        }
        add(&self.dir, names.last().map_or(1, |(number, _)| number + 1))?;
        self.read_again()
    }

    fn read_again(&self) -> Result<(), FileKeysError> {
        let keks = read(&self.dir)?.ok_or_else(|| FileKeysError::Missing { dir: self.dir.clone() })?;
        *self.keks.lock() = Arc::new(keks);
        Ok(())
    }

    fn keks(&self) -> Arc<Keks> {
        Arc::clone(&self.keks.lock())
    }
}

impl KeyProvider for FileKeys {
    fn wrap<'a>(&'a self, of: Of, key: &'a Key) -> ProviderFuture<'a, Wrapped> {
        Box::pin(async move {
            // It is seldom, and a KEK that was replaced meanwhile may be gone tomorrow.
            self.read_again().map_err(|_| ProviderError::Away)?;
            self.keks().wrap(of, key)
        })
    }

    fn unwrap<'a>(&'a self, of: Of, wrapped: &'a Wrapped) -> ProviderFuture<'a, Key> {
        Box::pin(async move {
            if !self.keks().has(&wrapped.kek) && self.read_again().is_err() {
                return Err(ProviderError::Missing(wrapped.kek.clone()));
            }
            self.keks().unwrap(of, wrapped)
        })
    }

    /// Looks into the directory: a KEK that another process has made since is to be used by this one too.
    fn present(&self) -> ProviderFuture<'_, String> {
        Box::pin(async move {
            self.read_again().map_err(|_| ProviderError::Away)?;
            self.keks().present()
        })
    }
}

/// Which KEKs there are, in their order.
fn names(dir: &Path) -> Result<Vec<(u32, PathBuf)>, FileKeysError> {
    let failed = |source| KeyFileError::Io { path: dir.to_owned(), source };
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("phi-")?.strip_suffix(".kek"));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
        if found.len() > MAX_KEKS {
            return Err(FileKeysError::TooMany { dir: dir.to_owned() });
        }
    }
    found.sort();
    Ok(found)
}

fn read(dir: &Path) -> Result<Option<Keks>, FileKeysError> {
    let mut keys = Vec::new();
    for (_, path) in names(dir)? {
        let bytes = zeroize::Zeroizing::new(files::read_private(&path)?);
        keys.push(Key::from_bytes(&bytes).ok_or_else(|| KeyFileError::NotAKey { dir: dir.to_owned() })?);
    }
    Ok(Keks::new("file", keys))
}

/// Two processes may do it at once: one of them makes it.
fn add(dir: &Path, number: u32) -> Result<(), FileKeysError> {
    let name = format!("phi-{number:04}.kek");
    let failed = |source| KeyFileError::Io { path: dir.join(&name), source };
    let key = Key::random().map_err(|_| failed(io::Error::other("no randomness")))?;
    const { assert!(KEY_BYTES == 32) }
    Ok(files::make_once(dir, &name, key.expose()).map_err(failed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use std::os::unix::fs::PermissionsExt as _;
    use uuid::Uuid;

    const OF: Of = Of { tenant: TenantId(Uuid::from_u128(1)), version: 3 };

    #[tokio::test]
    async fn the_last_wraps_and_all_unwrap_also_in_a_process_that_began_before_it_was_made() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("keys");
        let key = Key::random().unwrap();
        let (one, other) = (FileKeys::open(&dir, true).unwrap(), FileKeys::open(&dir, true).unwrap());
        let first = one.wrap(OF, &key).await.unwrap();
        assert_eq!(other.present().await.unwrap(), first.kek);
        one.rotate().unwrap();
        let second = one.wrap(OF, &key).await.unwrap();
        assert_ne!(first.kek, second.kek);
        for wrapped in [&first, &second] {
            assert_eq!(other.unwrap(OF, wrapped).await.unwrap().expose(), key.expose());
        }
        assert_eq!(other.present().await.unwrap(), second.kek);
        one.rotate().unwrap();
        let third = other.wrap(OF, &key).await.unwrap();
        assert_eq!(third.kek, one.present().await.unwrap(), "nothing new under an old one");
        let elsewhere = Of { version: 4, ..OF };
        assert_eq!(other.unwrap(elsewhere, &first).await.unwrap_err(), ProviderError::Damaged);
        let unknown = Wrapped { kek: "file-0".into(), ..first.clone() };
        assert_eq!(other.unwrap(OF, &unknown).await.unwrap_err(), ProviderError::Missing("file-0".into()));
        for (_, path) in names(&dir).unwrap() {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn none_is_made_where_one_was_lost_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(FileKeys::open(dir.path(), false), Err(FileKeysError::Missing { .. })));
        FileKeys::open(dir.path(), true).unwrap();
        let path = dir.path().join("phi-0001.kek");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = FileKeys::open(dir.path(), true).unwrap_err();
        assert!(matches!(error, FileKeysError::File(KeyFileError::Exposed { .. })), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(
            FileKeys::open(dir.path(), true),
            Err(FileKeysError::File(KeyFileError::NotAKey { .. }))
        ));
    }

    #[test]
    fn as_many_as_the_limit_and_not_one_more() {
        let dir = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(dir.path(), true).unwrap();
        for _ in 1..MAX_KEKS {
            keys.rotate().unwrap();
        }
        assert!(matches!(keys.rotate(), Err(FileKeysError::TooMany { .. })));
        assert!(FileKeys::open(dir.path(), false).is_ok());
    }
}
