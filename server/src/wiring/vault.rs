//! Encryption of PHI at rest: which keyring, and who holds the key encryption key.

use super::{TENANT, cause};
use crate::{
    config::{Config, Kek},
    failure::Failure,
};
use platform::{
    clock::Clock,
    event_log::postgres,
    vault::{
        Vault, VaultError,
        keyring::{Keyring, postgres::PostgresKeyring, sqlite::SqliteKeyring},
        provider::{
            KeyProvider, ProviderError, environment::EnvironmentKeys, file::FileKeys, kms::KeyService,
        },
    },
};
use prometheus::Registry;
use std::sync::Arc;

/// Wrapped keys, in the data directory.
pub(crate) const KEYRING: &str = "keys.sqlite";

/// The keyring does not answer yet, or cannot be used at all.
pub(crate) enum Unopened {
    Yet(String),
    AtAll(Failure),
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Self {
        Self::AtAll(failure)
    }
}

impl From<Unopened> for Failure {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Yet(said) => Self::Usage(said),
            Unopened::AtAll(failure) => failure,
        }
    }
}

/// Opens the keyring, and makes the first key encryption key where nothing is wrapped under one yet.
///
/// # Errors
/// One line that names what cannot be used: that the key encryption key is missing, for example.
pub(crate) async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Arc<Vault>, Unopened> {
    let vault = open_checked(config, clock, registry).await?;
    vault.prepare(TENANT).await.map_err(|error| refused(&error))?;
    Ok(vault)
}

/// The same for who only looks: no tenant's key is made.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_checked(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Arc<Vault>, Unopened> {
    let (vault, _) = open_with_keks(config, clock, registry).await?;
    vault.check().await.map_err(|error| refused(&error))?;
    Ok(vault)
}

/// The same for who repairs: unchecked, and with the directory of key encryption keys, if they are files.
pub(crate) async fn open_with_keks(
    config: &Config,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<(Arc<Vault>, Option<Arc<FileKeys>>), Unopened> {
    let keyring = keyring(config).await?;
    let used = keyring.versions(None, 1).await;
    let is_new = used.map_err(|error| Unopened::Yet(format!("vault: {error}")))?.is_empty();
    let (provider, files) = provider(config, is_new)?;
    let vault = Vault::new(keyring, provider, clock, registry).map_err(Failure::from)?;
    let vault = if config.vault.accept_plain { vault } else { vault.refusing_plain() };
    Ok((Arc::new(vault), files))
}

/// Makes the first key encryption key beside the other keys, where these are made before any process starts: processes may
/// not be allowed to write there. Where there is a keyring, its own is missed and not another.
///
/// # Errors
/// One line that says why there is none.
pub(crate) fn make_kek(config: &Config) -> Result<(), Failure> {
    if config.vault.kek == Kek::File && !config.data_dir.join(KEYRING).exists() {
        FileKeys::open(&super::keys_dir(config), true)
            .map_err(|error| Failure::Usage(format!("vault.kek: {error}")))?;
    }
    Ok(())
}

async fn keyring(config: &Config) -> Result<Arc<dyn Keyring>, Unopened> {
    let Some(postgres) = config.keyring() else {
        let path = config.data_dir.join(KEYRING);
        let said = |error: &dyn std::fmt::Display| Failure::Usage(format!("vault: the keyring: {error}"));
        return Ok(Arc::new(SqliteKeyring::open(&path).map_err(|error| said(&error))?));
    };
    match PostgresKeyring::open(&postgres).await {
        Ok(keyring) => Ok(Arc::new(keyring)),
        Err(error) => {
            let said = format!("vault.keyring: {error}{}", cause(&error));
            Err(match error {
                postgres::Error::Database(_) | postgres::Error::Late | postgres::Error::NotMigrated => {
                    Unopened::Yet(said)
                }
                _ => Unopened::AtAll(Failure::Usage(said)),
            })
        }
    }
}

type Provider = (Arc<dyn KeyProvider>, Option<Arc<FileKeys>>);

fn provider(config: &Config, is_new: bool) -> Result<Provider, Failure> {
    match config.vault.kek {
        Kek::File => {
            let opened = FileKeys::open(&super::keys_dir(config), is_new);
            let keys = Arc::new(opened.map_err(|error| Failure::Usage(format!("vault.kek: {error}")))?);
            Ok((Arc::clone(&keys) as Arc<dyn KeyProvider>, Some(keys)))
        }
        Kek::Environment => {
            let read = EnvironmentKeys::read();
            Ok((Arc::new(read.map_err(|error| Failure::Usage(format!("vault.kek: {error}")))?), None))
        }
        Kek::Service => {
            let service = KeyService::new(config.key_service()?);
            let said = |error| Failure::Usage(format!("vault.service_url or vault.service_key: {error}"));
            Ok((Arc::new(service.map_err(said)?), None))
        }
    }
}

fn refused(error: &VaultError) -> Unopened {
    match error {
        VaultError::Away => Unopened::Yet("vault: keyring or key service do not answer".to_owned()),
        VaultError::Kek(ProviderError::Missing(id)) => Unopened::AtAll(Failure::Usage(format!(
            "vault.kek: the key encryption key {id} is missing, and what was sealed cannot be read without it: put your \
             copy of it back (docs/runbooks/keys.md)"
        ))),
        error => Unopened::AtAll(Failure::Usage(format!("vault.kek: {error}"))),
    }
}
