//! KEKs in an environment variable: base64 of 32 bytes each, separated by commas, oldest first. The last one wraps.

use super::{KeyProvider, Of, ProviderFuture, Wrapped, local::Keks};
use crate::{limits::MAX_KEKS, vault::key::Key};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

/// Name of the variable.
pub const VARIABLE: &str = "TELEHEALTH_KEK";

/// KEKs of the environment. A new one needs a restart.
#[derive(Debug)]
pub struct EnvironmentKeys(Keks);

/// The variable is not set, or holds something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE} must hold 1 to {MAX_KEKS} keys: base64 of 32 bytes each, oldest first, separated by commas"
)]
pub struct NoKeys;

impl EnvironmentKeys {
    /// Reads the variable.
    ///
    /// # Errors
    /// [`NoKeys`]; says nothing of what it holds.
    pub fn read() -> Result<Self, NoKeys> {
        Self::parse(&Zeroizing::new(std::env::var(VARIABLE).map_err(|_| NoKeys)?))
    }

    /// Reads what the variable would hold.
    ///
    /// # Errors
    /// [`NoKeys`].
    pub fn parse(text: &str) -> Result<Self, NoKeys> {
        let one = |text: &str| {
            let text = text.trim();
            let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
            Key::from_bytes(&Zeroizing::new(bytes.map_err(|_| NoKeys)?)).ok_or(NoKeys)
        };
        // One more than there may be, so that too many are noticed without reading all.
        let keys = text.split(',').take(MAX_KEKS + 1).map(one).collect::<Result<Vec<_>, _>>()?;
        if keys.len() > MAX_KEKS {
            return Err(NoKeys);
        }
        Keks::new("env", keys).map(Self).ok_or(NoKeys)
    }
}

impl KeyProvider for EnvironmentKeys {
    fn wrap<'a>(&'a self, of: Of, key: &'a Key) -> ProviderFuture<'a, Wrapped> {
        Box::pin(std::future::ready(self.0.wrap(of, key)))
    }

    fn unwrap<'a>(&'a self, of: Of, wrapped: &'a Wrapped) -> ProviderFuture<'a, Key> {
        Box::pin(std::future::ready(self.0.unwrap(of, wrapped)))
    }

    fn present(&self) -> ProviderFuture<'_, String> {
        Box::pin(std::future::ready(self.0.present()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use uuid::Uuid;

    #[tokio::test]
    async fn the_last_of_them_wraps_and_the_others_still_unwrap() {
        let of = Of { tenant: TenantId(Uuid::from_u128(1)), version: 1 };
        let [old, new] = [[1_u8; 32], [2; 32]].map(|bytes| STANDARD.encode(bytes));
        let key = Key::random().unwrap();
        let wrapped = EnvironmentKeys::parse(&old).unwrap().wrap(of, &key).await.unwrap();
        let both = EnvironmentKeys::parse(&format!("{old}, {new}")).unwrap();
        assert_ne!(both.present().await.unwrap(), wrapped.kek);
        assert_eq!(both.unwrap(of, &wrapped).await.unwrap().expose(), key.expose());
        assert!(EnvironmentKeys::parse(&new).unwrap().unwrap(of, &wrapped).await.is_err());
        assert!(EnvironmentKeys::parse(&URL_SAFE_NO_PAD.encode([3; 32])).is_ok());
    }

    #[test]
    fn anything_else_is_refused_on_both_sides_of_the_limit() {
        let key = STANDARD.encode([1; 32]);
        for bad in [
            "",
            ",",
            "x",
            &STANDARD.encode([1; 31]),
            &format!("{key},"),
            &vec![key.clone(); MAX_KEKS + 1].join(","),
        ] {
            assert!(EnvironmentKeys::parse(bad).is_err(), "{}", bad.len());
        }
        assert!(EnvironmentKeys::parse(&vec![key; MAX_KEKS].join(",")).is_ok());
    }
}
