//! A directory, on another machine's disk: a mounted share that this machine may add to.

use super::{NotTaken, PlaceFuture, SecondPlace};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Copies as files below a directory.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Below this one, which has to be there.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl SecondPlace for Directory {
    fn keep(&self, name: String, copy: Vec<u8>) -> PlaceFuture<'_, Result<(), NotTaken>> {
        let root = self.0.clone();
        Box::pin(async move {
            let kept = tokio::task::spawn_blocking(move || keep(&root, &name, &copy)).await;
            kept.map_err(|error| NotTaken(error.to_string()))?.map_err(|error| NotTaken(error.to_string()))
        })
    }
}

/// On disk, whole, and under its name, or not there.
fn keep(root: &Path, name: &str, copy: &[u8]) -> io::Result<()> {
    // A share that is not mounted is an empty directory that is not there: nothing is written beside it.
    fs::metadata(root)?;
    let path = root.join(name);
    let parent = path.parent().unwrap_or(root);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    if path.exists() {
        return Ok(());
    }
    let temporary = path.with_extension(format!("{}.part", crate::ids::fresh()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(copy)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        let mut dir = Some(parent);
        while let Some(path) = dir.filter(|path| path.starts_with(root)) {
            File::open(path)?.sync_all()?;
            dir = path.parent();
        }
        Ok(())
    })();
    if written.is_err() {
        // Whatever is left of it is of no use.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_is_there_whole_once_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let place = Directory::new(dir.path().to_owned());
        for copy in [&b"first"[..], b"again"] {
            place.keep("t/0/000000000001-ab.audit".to_owned(), copy.to_vec()).await.unwrap();
        }
        let path = dir.path().join("t/0/000000000001-ab.audit");
        assert_eq!(fs::read(&path).unwrap(), b"first", "never written over");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no parts are left");
    }

    #[tokio::test]
    async fn a_share_that_is_not_mounted_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = Directory::new(dir.path().join("share"));
        assert!(place.keep("t/0/1.audit".to_owned(), vec![1]).await.is_err());
        assert!(!dir.path().join("share").exists());
    }
}
