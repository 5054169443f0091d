//! A certificate that is replaced while the process runs: who renews it writes the files, and nobody restarts anything.
//!
//! New connections get the new certificate; running ones go on with the keys they have. Files that cannot be used change
//! nothing, and that is said once.

use super::{TlsError, read};
use crate::limits::CERTIFICATE_LOOK;
use parking_lot::RwLock;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use tokio_util::sync::CancellationToken;

/// The certificate that the next connection gets.
#[derive(Debug)]
pub(super) struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// The two files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells that a file is another one than before: when it was changed, which one it is, how long it is.
type Stamp = Option<(SystemTime, u64, u64)>;
/// Of both files.
type State = [Stamp; 2];

impl Files {
    pub(super) fn new(certificate: &Path, key: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned() }
    }

    pub(super) fn state(&self) -> State {
        [&self.certificate, &self.key].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.modified().ok()?, meta.ino(), meta.len()))
        })
    }
}

/// Looks after the files.
#[derive(Debug)]
pub(crate) struct Renewal {
    current: Arc<Current>,
    files: Files,
    /// As the files were when they were read last, usable or not.
    read: State,
    /// As they were at the latest look.
    seen: State,
}

/// What a look found.
#[derive(Debug)]
enum Look {
    /// Nothing new, or files that are still being written.
    Same,
    /// Another certificate is used from now on.
    Renewed,
    /// New files that cannot be used.
    Unusable(TlsError),
}

impl Renewal {
    pub(super) fn new(first: CertifiedKey, files: Files, state: State) -> Self {
        let current = Arc::new(Current(RwLock::new(Arc::new(first))));
        Self { current, files, read: state, seen: state }
    }

    pub(super) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current)
    }

    /// Looks at the files again and again until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(CERTIFICATE_LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            // The files may be on a disk that hangs.
            let looked = tokio::task::spawn_blocking(move || {
                let look = self.look();
                (self, look)
            });
            let Ok((same, look)) = looked.await else { return };
            self = same;
            match look {
                Look::Same => {}
                Look::Renewed => tracing::info!("The certificate was renewed"),
                Look::Unusable(error) => {
                    tracing::error!(%error, "The new certificate cannot be used; the old one stays");
                }
            }
        }
    }

    fn look(&mut self) -> Look {
        let state = self.files.state();
        // Two files are not replaced at once: they are read when nothing changed between two looks.
        let at_rest = std::mem::replace(&mut self.seen, state) == state;
        if !at_rest || state == self.read {
            return Look::Same;
        }
        self.read = state;
        match read(&self.files.certificate, &self.files.key) {
            Ok(renewed) => {
                *self.current.0.write() = Arc::new(renewed);
                Look::Renewed
            }
            Err(error) => Look::Unusable(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Bench {
        dir: tempfile::TempDir,
        renewal: Renewal,
    }

    fn certificate() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let write = |(certificate, key): (String, String)| {
                fs::write(dir.path().join("c.pem"), certificate).unwrap();
                fs::write(dir.path().join("k.pem"), key).unwrap();
            };
            write(certificate());
            let renewal = super::super::from_files(&dir.path().join("c.pem"), &dir.path().join("k.pem"));
            Self { renewal: renewal.unwrap().renewal, dir }
        }

        /// Replaced as who renews does it: another file under the same name.
        fn put(&self, name: &str, text: &str) {
            let new = self.dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, self.dir.path().join(name)).unwrap();
        }

        fn used(&self) -> Vec<u8> {
            self.renewal.current.0.read().cert[0].to_vec()
        }

        fn looks(&mut self) -> [Look; 3] {
            [self.renewal.look(), self.renewal.look(), self.renewal.look()]
        }
    }

    #[test]
    fn new_files_are_taken_up_once_they_are_at_rest() {
        let mut bench = Bench::new();
        let old = bench.used();
        assert!(matches!(bench.looks(), [Look::Same, Look::Same, Look::Same]));
        let (certificate, key) = certificate();
        bench.put("c.pem", &certificate);
        assert!(matches!(bench.renewal.look(), Look::Same), "it has just changed");
        bench.put("k.pem", &key);
        assert!(matches!(bench.looks(), [Look::Same, Look::Renewed, Look::Same]));
        assert_ne!(bench.used(), old);
    }

    #[test]
    fn files_that_cannot_be_used_change_nothing_and_are_named_once() {
        let mut bench = Bench::new();
        let old = bench.used();
        let (certificate, key) = certificate();
        for (name, text, says) in [
            ("c.pem", "hello", "no certificate"),
            // A certificate that the key does not fit.
            ("c.pem", certificate.as_str(), "http.tls_key"),
            ("k.pem", "hello", "http.tls_key"),
        ] {
            bench.put(name, text);
            let [Look::Same, Look::Unusable(error), Look::Same] = bench.looks() else { panic!("{name}") };
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(bench.used(), old);
        }
        fs::remove_file(bench.dir.path().join("k.pem")).unwrap();
        assert!(matches!(bench.looks(), [Look::Same, Look::Unusable(_), Look::Same]));
        bench.put("k.pem", &key);
        assert!(matches!(bench.looks(), [Look::Same, Look::Renewed, Look::Same]));
        assert_ne!(bench.used(), old);
    }
}
