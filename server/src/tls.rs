//! TLS 1.3 by rustls with aws-lc-rs, from PEM files or from a certificate made here. Files that change are taken up
//! without a restart ([`renewal`]).

use crate::config::Http;
use renewal::{Files, Renewal};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
    version::TLS13,
};
use std::{path::Path, sync::Arc};
use tokio_rustls::TlsAcceptor;

mod renewal;

/// TLS for a listener, and what keeps its certificate new.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) renewal: Renewal,
}

/// TLS cannot be set up. One line that names the key or file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TlsError(pub(crate) String);

/// From the configuration; `None` where it has none.
pub(crate) fn from_config(http: &Http) -> Result<Option<Tls>, TlsError> {
    match (&http.tls_certificate, &http.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => from_files(certificate, key).map(Some),
        (Some(_), None) => Err(TlsError("http.tls_key: missing; http.tls_certificate needs it".into())),
        (None, Some(_)) => Err(TlsError("http.tls_certificate: missing; http.tls_key needs it".into())),
    }
}

/// From two PEM files.
pub(crate) fn from_files(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
    let files = Files::new(certificate, key);
    // Before they are read: what changes meanwhile is read again.
    let state = files.state();
    let renewal = Renewal::new(read(certificate, key)?, files, state);
    let failed = |e: rustls::Error| TlsError(format!("http.tls_key: {}: {e}", key.display()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(failed)?
        .with_no_client_auth()
        .with_cert_resolver(renewal.current());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), renewal })
}

/// A certificate and the key that fits it.
fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let failed =
        |what: &str, path: &Path, why: String| TlsError(format!("{what}: {}: {why}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| failed("http.tls_certificate", certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(failed("http.tls_certificate", certificate, "there is no certificate in it".into()));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|e| failed("http.tls_key", key, e.to_string()))?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider())
        .map_err(|e| failed("http.tls_key", key, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_and_files_that_are_not_pem_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        let said = |http: Http| from_config(&http).map(|_| ()).unwrap_err().to_string();
        let with = |c: Option<&Path>, k: Option<&Path>| Http {
            tls_certificate: c.map(Path::to_owned),
            tls_key: k.map(Path::to_owned),
            ..Http::default()
        };
        assert!(from_config(&Http::default()).unwrap().is_none());
        assert!(said(with(Some(&certificate), None)).starts_with("http.tls_key: missing"));
        assert!(said(with(None, Some(&key))).starts_with("http.tls_certificate: missing"));
        assert!(said(with(Some(&certificate), Some(&key))).starts_with("http.tls_certificate: "));
        std::fs::write(&certificate, "hello").unwrap();
        assert!(said(with(Some(&certificate), Some(&key))).contains("no certificate"));
    }
}
