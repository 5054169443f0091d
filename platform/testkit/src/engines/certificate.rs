//! A certificate for 127.0.0.1 that nobody but the test trusts.

use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// A self-signed certificate and its key, as files.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Certificate {
    /// Makes one.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the certificate");
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".into()]).expect("a certificate");
        fs::write(dir.path().join("cert.pem"), made.cert.pem()).expect("the directory is ours");
        fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem())
            .expect("the directory is ours");
        Self(dir)
    }

    /// The certificate; also who signed it.
    pub fn cert(&self) -> PathBuf {
        self.0.path().join("cert.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}
