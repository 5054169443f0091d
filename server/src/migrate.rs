//! `telehealth migrate`: the schemas in PostgreSQL, as their owner.

use crate::{broken_output, cli::Common, config, failure::Failure, wiring::cause};
use platform::{
    event_log::postgres::{self, PostgresStore},
    vault::keyring::postgres::PostgresKeyring,
};
use std::io::Write;

/// Brings the schemas of the event log and of the keyring to this version. What is in files is brought there by who opens
/// it.
///
/// # Errors
/// One line that says which cannot be.
pub(crate) async fn run(out: &mut impl Write, common: &Common) -> Result<(), Failure> {
    let config = config::load(common)?;
    let said = |key: &str, error: postgres::Error| Failure::Usage(format!("{key}: {error}{}", cause(&error)));
    let (store, keyring) = (config.store.postgres(), config.keyring());
    if let Some(store) = &store {
        PostgresStore::migrate(store).await.map_err(|error| said("store.postgres", error))?;
        writeln!(out, "{}: the event log is of this version", store.schema).map_err(broken_output)?;
    }
    if let Some(keyring) = &keyring {
        PostgresKeyring::migrate(keyring).await.map_err(|error| said("vault.keyring", error))?;
        writeln!(out, "{}: the keyring is of this version", keyring.schema).map_err(broken_output)?;
    }
    if store.is_none() && keyring.is_none() {
        writeln!(out, "nothing is in PostgreSQL: files are migrated when they are opened")
            .map_err(broken_output)?;
    }
    Ok(())
}
