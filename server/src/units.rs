//! `telehealth units`: the registry of healthcare units, on the command line.
//!
//! PostgreSQL takes changes from any process. SQLite has one owner: while a server runs, it is asked over a socket in the
//! data directory, and does the same.

pub(crate) mod control;
pub(crate) mod operation;

use crate::{
    broken_output,
    cli::{Common, UnitsCommand},
    config::Config,
    failure::Failure,
    plan,
    wiring::{self, TENANT},
};
use identity::Identity;
use model::TenantId;
use operation::{Operation, Reply, Target, View};
use platform::{
    clock::{Clock, SystemClock},
    event_log::{Store, sqlite::OpenError},
    ids,
    keys::Keys,
};
use prometheus::Registry;
use std::{io::Write, path::Path, sync::Arc};
use tenancy::{Base, Command, Described, Directory, Host, host::NoHost};

/// Does what was asked.
///
/// # Errors
/// One line that says why it was not done.
pub(crate) async fn run(out: &mut impl Write, what: &UnitsCommand) -> Result<(), Failure> {
    let (common, operations) = asked(what)?;
    let desk = Desk::open(common).await?;
    for operation in operations {
        match desk.perform(operation).await? {
            Reply::Refused { why } => return Err(Failure::Usage(why)),
            reply => tell(out, &reply).map_err(broken_output)?,
        }
    }
    Ok(())
}

fn asked(what: &UnitsCommand) -> Result<(&Common, Vec<Operation>), Failure> {
    let hosts = |hosts: &[String]| hosts.iter().map(|host| Host::name(host)).collect::<Result<Vec<_>, _>>();
    let bad_host = |error: NoHost| Failure::Usage(format!("--host: {error}"));
    Ok(match what {
        UnitsCommand::List { common } => (common, vec![Operation::List]),
        UnitsCommand::Add { common, id, name, slug, host, zone, language, administrator } => {
            let unit = id.unwrap_or_else(|| TenantId(ids::fresh()));
            let described = Described {
                name: name.clone(),
                slug: slug.clone(),
                hosts: hosts(host).map_err(bad_host)?,
                zone: zone.clone(),
                language: *language,
            };
            let add =
                Operation::Change { to: Target::Id { id: unit }, command: Command::Add { unit, described } };
            let invite =
                |email: &String| Operation::Administrator { of: unit.to_string(), email: email.clone() };
            (common, [add].into_iter().chain(administrator.as_ref().map(invite)).collect())
        }
        UnitsCommand::Change { common, unit, name, slug, zone, language } => {
            let (name, slug, zone) = (name.clone(), slug.clone(), zone.clone());
            let command = Command::Change { unit: TENANT, name, slug, zone, language: *language };
            (common, vec![Operation::Change { to: Target::Named { unit: unit.clone() }, command }])
        }
        UnitsCommand::Hosts { common, unit, host } => {
            let command = Command::Hosts { unit: TENANT, hosts: hosts(host).map_err(bad_host)? };
            (common, vec![Operation::Change { to: Target::Named { unit: unit.clone() }, command }])
        }
        UnitsCommand::Administrator { common, unit, email } => {
            (common, vec![Operation::Administrator { of: unit.clone(), email: email.clone() }])
        }
    })
}

/// Where operations are done: here, or in the server that owns the file.
enum Desk {
    Here(Box<(Directory, Identity)>),
    There(std::path::PathBuf),
}

impl Desk {
    async fn open(common: &Common) -> Result<Self, Failure> {
        let (config, url) = plan::guess_url(common)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match wiring::open_store(&config, Arc::clone(&clock), &Registry::new()).await {
            Ok(store) => store,
            Err(Opening::InUse) => return Ok(Self::There(control::path(&config.data_dir))),
            Err(Opening::Failed(failure)) => return Err(failure),
        };
        let base = base(&config, &url, &[]);
        let vault = Some(Arc::clone(&store.vault));
        let later = |_| Failure::Broken("the registry of units cannot be read now".into());
        let directory = Directory::open(Arc::clone(&store.store), vault, Arc::clone(&clock), base)
            .await
            .map_err(later)?;
        let keys = Arc::new(Keys::load_or_create(&wiring::keys_dir(&config))?);
        let identity = wiring::identity_of(&config, &store.store, keys, clock, &url)?;
        Ok(Self::Here(Box::new((directory, identity))))
    }

    async fn perform(&self, operation: Operation) -> Result<Reply, Failure> {
        match self {
            Self::Here(here) => Ok(operation::perform(&here.0, Some(&here.1), operation).await),
            Self::There(socket) => control::ask(socket, &operation).await,
        }
    }
}

/// A store for the command line.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    /// The same, with PHI as it is on disk.
    pub(crate) raw: Arc<dyn Store>,
    pub(crate) vault: Arc<platform::vault::Vault>,
}

/// Why there is none.
pub(crate) enum Opening {
    /// A server has it.
    InUse,
    Failed(Failure),
}

impl From<OpenError> for Opening {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse { .. } => Self::InUse,
            error => Self::Failed(error.into()),
        }
    }
}

/// The unit that is always there, and where the server is found.
pub(crate) fn base(config: &Config, url: &str, origins: &[String]) -> Base {
    let host = |origin: &String| Host::of_authority(origin.split_once("://")?.1);
    Base {
        id: TENANT,
        name: config.identity.unit_name.clone(),
        url: url.to_owned(),
        origins: origins.to_vec(),
        hosts: origins.iter().filter_map(host).collect(),
    }
}

fn tell(out: &mut impl Write, reply: &Reply) -> std::io::Result<()> {
    match reply {
        Reply::Units { units } => units.iter().try_for_each(|unit| line(out, unit)),
        Reply::Unit { unit } => line(out, unit),
        Reply::Invited { link } => {
            writeln!(out, "The administrator's link, for them and nobody else: {link}")
        }
        Reply::Joined => writeln!(out, "They have joined: other administrators invite people on the page"),
        Reply::Refused { why } => writeln!(out, "{why}"),
    }
}

fn line(out: &mut impl Write, unit: &View) -> std::io::Result<()> {
    let View { id, slug, name, url, hosts, zone, language } = unit;
    writeln!(out, "{id}  {slug}  {name}  {url}  [{}]  {zone}  {language}", hosts.join(", "))
}

/// The socket in a data directory, for the server.
pub(crate) fn socket_of(data: &Path) -> std::path::PathBuf {
    control::path(data)
}
