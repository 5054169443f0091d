//! Who holds the key that all keys of PHI at rest are wrapped under.

use super::{Config, ConfigError, SecretUrl};
use platform::{event_log::postgres, vault::provider::kms};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Encryption of PHI at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Vault {
    /// Who holds the key encryption key: `file`, in the keys directory; `environment`, in the variable
    /// `TELEHEALTH_KEK`; `service`, which never gives it out. Default `file`.
    pub(crate) kek: Kek,
    /// `http://127.0.0.1:port/path` of the key service's agent on this machine, for `service`. Default none.
    pub(crate) service_url: Option<String>,
    /// Id of the key encryption key in the service. Default none.
    pub(crate) service_key: Option<String>,
    /// A file with the token that the service asks for. Default none.
    pub(crate) service_token_file: Option<PathBuf>,
    /// `postgresql://…` of the database of wrapped keys. Default: the one of the event log, or without that `keys.sqlite`
    /// in the data directory.
    pub(crate) keyring: Option<SecretUrl>,
    /// The same as the user who owns its schema: `telehealth migrate` needs it where the user above does not. Default:
    /// `store.postgres_owner`, where the keyring is in that database.
    pub(crate) keyring_owner: Option<SecretUrl>,
    /// Schema of the keyring, another than the event log's. Default: that with `_keys` at its end.
    pub(crate) schema: Option<String>,
    /// Whether PHI is read that stands in the event log in plain, as builds before encryption left it. `false` takes it
    /// for tampering. Default `true`.
    pub(crate) accept_plain: bool,
}

/// Who holds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kek {
    #[default]
    File,
    Environment,
    Service,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            kek: Kek::File,
            service_url: None,
            service_key: None,
            service_token_file: None,
            keyring: None,
            keyring_owner: None,
            schema: None,
            accept_plain: true,
        }
    }
}

impl Config {
    /// How to reach the keyring, where PostgreSQL is it.
    pub(crate) fn keyring(&self) -> Option<postgres::Config> {
        let (store, vault) = (&self.store, &self.vault);
        let url = vault.keyring.as_ref().or(store.postgres.as_ref())?.expose().to_owned().into();
        let events = store.schema.as_deref().unwrap_or("events");
        let schema = vault.schema.clone().unwrap_or_else(|| format!("{events}_keys"));
        let beside = store.postgres_owner.as_ref().filter(|_| vault.keyring.is_none());
        let owner = vault.keyring_owner.as_ref().or(beside).map(|url| url.expose().to_owned().into());
        Some(postgres::Config { url, owner, schema, ca_file: store.ca_file.clone() })
    }

    /// How to reach the key service.
    ///
    /// # Errors
    /// One line that names the key.
    pub(crate) fn key_service(&self) -> Result<kms::Config, ConfigError> {
        let missing = |key: &str| ConfigError(format!("vault.{key}: is needed for vault.kek = \"service\""));
        let vault = &self.vault;
        let token = match &vault.service_token_file {
            None => None,
            Some(path) => {
                let read = std::fs::read_to_string(path);
                let read = read
                    .map_err(|e| ConfigError(format!("vault.service_token_file: {}: {e}", path.display())))?;
                Some(read.trim().to_owned().into())
            }
        };
        Ok(kms::Config {
            url: vault.service_url.clone().ok_or_else(|| missing("service_url"))?,
            key: vault.service_key.clone().ok_or_else(|| missing("service_key"))?,
            token,
        })
    }
}

/// Refuses what cannot work together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let same = config.vault.keyring.is_none()
        && config
            .store
            .postgres()
            .is_some_and(|store| config.keyring().is_some_and(|keys| keys.schema == store.schema));
    if same {
        return Err(ConfigError("vault.schema: must be another than store.schema".to_owned()));
    }
    Ok(())
}
