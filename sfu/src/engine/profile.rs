//! Learns which SRTP profile a handshake ended with.
//!
//! The engine does not say, but it asks the crypto provider for ciphers of that profile, on the thread
//! that drives the session: the thread remembers the last one asked for.

use crate::metrics::Profile;
use std::{
    cell::Cell,
    sync::{Arc, LazyLock},
};
use str0m::crypto::{
    CryptoProvider, SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
    from_feature_flags,
};

thread_local! {
    static LAST: Cell<Option<Profile>> = const { Cell::new(None) };
}

static INNER: LazyLock<CryptoProvider> = LazyLock::new(from_feature_flags);

/// The crypto provider to build sessions with.
pub(crate) fn observed() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { srtp_provider: &Observed, ..INNER.clone() })
}

/// The profile negotiated since the last call on this thread.
pub(crate) fn take() -> Option<Profile> {
    LAST.take()
}

#[derive(Debug)]
struct Observed;

impl SrtpProvider for Observed {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        LAST.set(Some(Profile::Cm));
        INNER.srtp_provider.aes_128_cm_sha1_80()
    }
    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        LAST.set(Some(Profile::Gcm128));
        INNER.srtp_provider.aead_aes_128_gcm()
    }
    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        LAST.set(Some(Profile::Gcm256));
        INNER.srtp_provider.aead_aes_256_gcm()
    }
    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        INNER.srtp_provider.srtp_aes_128_ecb_round(key, input, output);
    }
    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        INNER.srtp_provider.srtp_aes_256_ecb_round(key, input, output);
    }
}
