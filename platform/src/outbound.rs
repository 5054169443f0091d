//! What this platform asks of servers that somebody else names: the hospital's own sign-in, partners' webhooks.
//!
//! ```text
//! text ─▶ Url ─▶ resolve ─▶ addresses, each judged ─▶ connect to one of these very addresses ─▶ TLS for the name ─▶ exchange
//! ```
//!
//! A name is resolved once, and what was judged is what is connected to: a name that changes its address in between gains
//! nothing. Nothing follows a redirect: [`crate::exchange`] sends one request and reads one answer.

mod reach;
mod url;

pub use reach::{Reach, Unreached, connect, may_reach};
pub use url::Url;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{path::Path, sync::Arc};
use tokio_rustls::TlsConnector;

/// TLS 1.3 or 1.2 to whoever has a certificate of the system's authorities, or of those in a PEM file and no others. None if
/// these cannot be read.
#[must_use]
pub fn connector(ca_file: Option<&Path>) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).ok()?.collect::<Result<Vec<_>, _>>().ok()?;
            (roots.add_parsable_certificates(certificates).0 > 0).then_some(())?;
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(TlsConnector::from(Arc::new(config)))
}
