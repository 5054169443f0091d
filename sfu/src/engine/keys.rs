//! The keys that a session's handshake agrees on: they are for the packet path, and the engine itself never learns
//! them, so that it could not send a packet with a key and index that the packet path has used.

use crate::metrics::Profile;
use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, LazyLock, OnceLock},
    time::Instant,
};
use str0m::{
    config::DtlsCert,
    crypto::{
        CryptoError, CryptoProvider,
        dtls::{
            DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial,
            ProtocolVersion, SrtpProfile,
        },
        from_feature_flags,
    },
};

static INNER: LazyLock<CryptoProvider> = LazyLock::new(from_feature_flags);

thread_local! {
    /// Where the handshake made last on this thread will leave its keys.
    static MADE: RefCell<Option<Agreed>> = const { RefCell::new(None) };
}

/// Where a handshake leaves what it agreed on.
pub(crate) type Agreed = Arc<OnceLock<Keys>>;

/// What a handshake agreed on.
pub(crate) struct Keys {
    pub(crate) profile: Profile,
    pub(crate) material: Vec<u8>,
    /// We were the DTLS client.
    pub(crate) client: bool,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// The crypto provider to build sessions with.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { dtls_provider: &Withholding, ..INNER.clone() })
}

/// Where the session that was just built on this thread will leave its keys.
pub(crate) fn of_the_last_built() -> Option<Agreed> {
    MADE.take()
}

#[derive(Debug)]
struct Withholding;

impl DtlsProvider for Withholding {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        INNER.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let agreed = Agreed::default();
        let instance = INNER.dtls_provider.new_dtls(cert, now, version, mtu)?;
        MADE.replace(Some(Arc::clone(&agreed)));
        Ok(Box::new(Handshake { instance, agreed }))
    }
}

#[derive(Debug)]
struct Handshake {
    instance: Box<dyn DtlsInstance>,
    agreed: Agreed,
}

impl DtlsInstance for Handshake {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let client = self.instance.is_active();
        match self.instance.poll_output(buf) {
            DtlsOutput::KeyingMaterial(material, profile) => {
                let agreed_on = match profile {
                    SrtpProfile::AEAD_AES_256_GCM => Profile::Gcm256,
                    SrtpProfile::AEAD_AES_128_GCM => Profile::Gcm128,
                    _ => Profile::Cm,
                };
                let withheld = KeyingMaterial::new(&vec![0; material.len()]);
                let keys = Keys { profile: agreed_on, material: material.to_vec(), client };
                // A handshake has one outcome; a second would be for nobody.
                let _ = self.agreed.set(keys);
                DtlsOutput::KeyingMaterial(withheld, profile)
            }
            output => output,
        }
    }
    fn set_active(&mut self, active: bool) {
        self.instance.set_active(active);
    }
    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.instance.handle_packet(packet)
    }
    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.instance.handle_timeout(now)
    }
    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.instance.send_application_data(data)
    }
    fn is_active(&self) -> bool {
        self.instance.is_active()
    }
    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.instance.protocol_version()
    }
    fn is_closing(&self) -> bool {
        self.instance.is_closing()
    }
    fn is_closed(&self) -> bool {
        self.instance.is_closed()
    }
    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.instance.close()
    }
}
