//! `telehealth keys`: the keys of PHI at rest, and those that sign tokens.

use crate::{
    broken_output,
    cli::{Common, KeysCommand},
    config::{self, Config},
    failure::Failure,
    wiring::{self, vault},
};
use model::TenantId;
use platform::{
    clock::{Clock as _, SystemClock},
    keys,
    limits::{KEY_ANNOUNCED, MAX_REASON_BYTES},
    vault::{
        Vault, VaultError,
        keyring::{Shredded, Shredding},
        provider::file::FileKeys,
    },
};
use prometheus::Registry;
use std::{io::Write, sync::Arc};
use uuid::Uuid;

/// Does what was asked.
///
/// # Errors
/// One line that says why it was not done.
pub(crate) async fn run(out: &mut impl Write, what: &KeysCommand) -> Result<(), Failure> {
    match what {
        KeysCommand::Status { common } => status(out, &open(common).await?.0).await,
        KeysCommand::Shredded { common } => shredded(out, &open(common).await?.0).await,
        KeysCommand::Rotate { common, kek } => {
            let (vault, files) = open(common).await?;
            rotate(out, &vault, files.as_deref(), *kek).await
        }
        KeysCommand::RotateTokens { common, revoke } => rotate_tokens(out, common, *revoke),
        KeysCommand::Shred { common, tenant, id, confirm, reason } => {
            if id != confirm {
                return Err(Failure::Usage("--confirm is another id: nothing was destroyed".to_owned()));
            }
            shred(out, &open(common).await?.0, TenantId(*tenant), *id, reason).await
        }
    }
}

fn rotate_tokens(out: &mut impl Write, common: &Common, revoke: bool) -> Result<(), Failure> {
    let (dir, now) = (wiring::keys_dir(&config::load(common)?), SystemClock.now());
    let rotated =
        if revoke { keys::revoke_all(&dir, now) } else { keys::rotate(&dir, now, now + KEY_ANNOUNCED) }?;
    let seconds = (rotated.from.as_millis() - now.as_millis()) / 1_000;
    writeln!(out, "{}  signs in {seconds} s; {} older ones deleted", rotated.kid, rotated.deleted)
        .map_err(broken_output)
}

type Opened = (Arc<Vault>, Option<Arc<FileKeys>>);

async fn open(common: &Common) -> Result<Opened, Failure> {
    let config = config::load(common)?;
    is_there(&config)?;
    Ok(vault::open_with_keks(&config, Arc::new(SystemClock), &Registry::new()).await?)
}

/// A keyring in a file is not made by who only looks.
fn is_there(config: &Config) -> Result<(), Failure> {
    let path = config.data_dir.join(vault::KEYRING);
    if config.keyring().is_none() && !path.exists() {
        return Err(Failure::Usage(format!("there is no keyring in {}", path.display())));
    }
    Ok(())
}

/// A line for each healthcare unit.
async fn status(out: &mut impl Write, vault: &Vault) -> Result<(), Failure> {
    for tenant in all(vault).await? {
        let status = vault.status(tenant).await?;
        writeln!(
            out,
            "{}  key version {} ({} in use), under {}  {} data keys, {} to be wrapped anew, {} destroyed",
            tenant.0,
            status.newest,
            status.versions,
            status.keks.join(", "),
            status.data_keys,
            status.stale,
            status.shredded,
        )
        .map_err(broken_output)?;
    }
    match vault.check().await {
        Ok(()) => writeln!(out, "all can be unwrapped").map_err(broken_output),
        Err(error) => Err(error.into()),
    }
}

async fn shredded(out: &mut impl Write, vault: &Vault) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page = vault.shredded(after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for Shredded { number, shred } in page {
            writeln!(out, "{number}  {}  {}  {}  {}", shred.tenant.0, shred.scope, shred.at, shred.reason)
                .map_err(broken_output)?;
        }
    }
}

async fn rotate(
    out: &mut impl Write,
    vault: &Vault,
    files: Option<&FileKeys>,
    kek: bool,
) -> Result<(), Failure> {
    if let Some(files) = files.filter(|_| kek) {
        files.rotate().map_err(|error| Failure::Usage(error.to_string()))?;
        writeln!(out, "a new key encryption key is in the keys directory: keep a copy of it")
            .map_err(broken_output)?;
    }
    for tenant in all(vault).await? {
        let version = vault.rotate(tenant).await?;
        let mut wrapped = 0;
        loop {
            let step = vault.rewrap(tenant).await?;
            wrapped += step.data_keys;
            if step.done {
                break;
            }
        }
        let under = vault.rewrap_tenant(tenant).await?;
        writeln!(
            out,
            "{}  key version {version}, {wrapped} data keys wrapped anew, {under} older versions too",
            tenant.0
        )
        .map_err(broken_output)?;
    }
    Ok(())
}

async fn shred(
    out: &mut impl Write,
    vault: &Vault,
    tenant: TenantId,
    id: Uuid,
    reason: &str,
) -> Result<(), Failure> {
    let done = vault.shred(tenant, id, reason).await.map_err(|error| match error {
        VaultError::Invalid => Failure::Usage(format!("--reason: 1 to {MAX_REASON_BYTES} bytes of text")),
        error => error.into(),
    })?;
    let said = match done {
        Shredding::Done => "its key is destroyed: servers show it as erased within a second or two",
        Shredding::Before => "its key was destroyed before",
        Shredding::NoKey => {
            return Err(Failure::Usage(format!("{id}: nothing of it is encrypted: no key was destroyed")));
        }
    };
    writeln!(out, "{id}  {said}").map_err(broken_output)
}

async fn all(vault: &Vault) -> Result<Vec<TenantId>, Failure> {
    let mut all = Vec::new();
    loop {
        let page = vault.tenants(all.last().copied()).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Kek(_) => Self::Usage(format!("vault.kek: {error}")),
            _ => Self::Broken(error.to_string()),
        }
    }
}
