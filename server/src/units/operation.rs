//! What operators ask of the registry, wherever it is done.

use identity::{FirstAdministrator, Identity};
use identity_core::text::Login;
use model::TenantId;
use serde::{Deserialize, Serialize};
use tenancy::{ChangeError, Command, Directory, Language, Unit};

/// Which unit a change is about.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub(crate) enum Target {
    /// The one of this id, which may be new.
    Id { id: TenantId },
    /// The one that is called so: an id or a slug.
    Named { unit: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub(crate) enum Operation {
    List,
    Change { to: Target, command: Command },
    Administrator { of: String, email: String },
}

/// A unit, as operators see it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct View {
    pub(crate) id: TenantId,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) zone: String,
    pub(crate) language: Language,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Reply {
    Units {
        units: Vec<View>,
    },
    Unit {
        unit: View,
    },
    /// The link's bearer becomes the administrator.
    Invited {
        link: String,
    },
    /// They have used one.
    Joined,
    Refused {
        why: String,
    },
}

impl View {
    fn of(unit: &Unit) -> Self {
        let described = unit.described.clone();
        Self {
            id: unit.id,
            slug: described.slug,
            name: described.name,
            url: unit.url.clone(),
            hosts: described.hosts.into_iter().map(String::from).collect(),
            zone: described.zone,
            language: described.language,
        }
    }
}

/// Does it.
pub(crate) async fn perform(units: &Directory, identity: Option<&Identity>, operation: Operation) -> Reply {
    let done = match operation {
        Operation::List => list(units).await,
        Operation::Change { to, command } => change(units, to, command).await,
        Operation::Administrator { of, email } => invite(units, identity, &of, &email).await,
    };
    done.unwrap_or_else(|why| Reply::Refused { why })
}

async fn list(units: &Directory) -> Result<Reply, String> {
    units.refresh().await.map_err(|_| ChangeError::Later.to_string())?;
    let mut all: Vec<_> = units.now().all().map(|unit| View::of(unit)).collect();
    all.sort_by_key(|unit| unit.id);
    Ok(Reply::Units { units: all })
}

async fn change(units: &Directory, to: Target, command: Command) -> Result<Reply, String> {
    let unit = match to {
        Target::Id { id } => id,
        Target::Named { unit } => find(units, &unit).await?.id,
    };
    let command = match command {
        Command::Add { described, .. } => Command::Add { unit, described },
        Command::Change { name, slug, zone, language, .. } => {
            Command::Change { unit, name, slug, zone, language }
        }
        Command::Hosts { hosts, .. } => Command::Hosts { unit, hosts },
    };
    let unit = units.change(command).await.map_err(|error| error.to_string())?;
    Ok(Reply::Unit { unit: View::of(&unit) })
}

async fn invite(
    units: &Directory,
    identity: Option<&Identity>,
    of: &str,
    email: &str,
) -> Result<Reply, String> {
    let identity = identity.ok_or("nobody can sign in at this server: it has no role `portal`")?;
    let login = Login::new(email).map_err(|error| error.to_string())?;
    let unit = find(units, of).await?;
    match identity.in_unit(&unit).invite_administrator(login).await {
        Ok(FirstAdministrator::Invited(link)) => Ok(Reply::Invited { link: link.into_exposed() }),
        Ok(FirstAdministrator::Nobody) => Ok(Reply::Joined),
        Err(later) => Err(later.to_string()),
    }
}

async fn find(units: &Directory, text: &str) -> Result<std::sync::Arc<Unit>, String> {
    units.refresh().await.map_err(|_| ChangeError::Later.to_string())?;
    units
        .find(text)
        .await
        .ok_or_else(|| format!("{text}: there is no such unit; `telehealth units list` shows all"))
}
