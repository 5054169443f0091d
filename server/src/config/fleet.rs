//! What a process needs to be one of many: the engines they share, and where they find each other.

use super::{Config, ConfigError};
use platform::{bus::nats, event_log::postgres, presence::redis};
use serde::{Deserialize, Serialize, Serializer};
use std::{fmt, path::PathBuf};

/// The event log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    /// `postgresql://user:password@host:port/database`; several hosts may be given, separated by commas. Default
    /// none: SQLite in the data directory. On other machines it has to have a certificate for its name, unless
    /// `?sslmode=disable` says that it needs none.
    pub(crate) postgres: Option<SecretUrl>,
    /// The same as the user who owns the schema: `telehealth migrate` needs it where the user above does not. Not for
    /// processes that serve. Default none.
    pub(crate) postgres_owner: Option<SecretUrl>,
    /// Schema of the event log, `[a-z_]{1,40}`. Default `events`.
    pub(crate) schema: Option<String>,
    /// PEM certificates of who signs the database's certificate. Default: the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Who is where, how loaded a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Presence {
    /// `redis://host:6379` or `rediss://host:6379`: one server, or with `sentinel_master` its Sentinels, or with
    /// `cluster` some nodes of a cluster, separated by commas. Default none: this process only.
    pub(crate) redis: Option<SecretUrl>,
    /// The name that Sentinels know the master by. Default none.
    pub(crate) sentinel_master: Option<String>,
    /// The URLs are of a Redis Cluster. Default no.
    pub(crate) cluster: bool,
    /// PEM certificates of who signs the servers' certificates. Default: the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// How services tell each other what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Bus {
    /// `nats://host:4222` or `tls://host:4222`; several servers separated by commas. Default none: this process only.
    pub(crate) nats: Option<String>,
    /// A file with the user's JWT and seed, as `nsc` writes it. Default none.
    pub(crate) creds_file: Option<PathBuf>,
    /// PEM certificates of who signs the servers' certificates. Default: the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// How many servers hold each stream: 1, or 3 in a cluster. Default 1.
    pub(crate) replicas: Option<usize>,
}

impl Bus {
    /// How to reach NATS, where that is the bus.
    pub(crate) fn nats(&self) -> Option<nats::Config> {
        let urls = self.nats.as_ref()?.split(',').map(|url| url.trim().to_owned()).collect();
        let default = nats::Config::default();
        Some(nats::Config {
            urls,
            creds_file: self.creds_file.clone(),
            ca_file: self.ca_file.clone(),
            replicas: self.replicas.unwrap_or(default.replicas),
            ..default
        })
    }
}

/// The other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fleet {
    /// `address:port` of the listener between processes. No TLS: a private network. Default none: this process
    /// is alone.
    pub(crate) listen: Option<String>,
    /// `host:port` under which other processes reach it. Default: `listen`.
    pub(crate) advertise: Option<String>,
    /// Name of this process, unique in the fleet and the same after a restart, `[A-Za-z0-9_.-]{1,64}`. Default:
    /// from `advertise`.
    pub(crate) name: Option<String>,
    /// Where it stands: media nodes of the same region are preferred. Default `local`.
    pub(crate) region: String,
    /// Directory of the keys, which all processes share. Default: `keys` in the data directory.
    pub(crate) keys_dir: Option<PathBuf>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { listen: None, advertise: None, name: None, region: "local".into(), keys_dir: None }
    }
}

/// A URL that may hold a password: shown to nobody.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretUrl(String);

impl SecretUrl {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

impl Store {
    /// How to reach PostgreSQL, where that is the store.
    pub(crate) fn postgres(&self) -> Option<postgres::Config> {
        let url = self.postgres.as_ref()?.expose().to_owned().into();
        let schema = self.schema.clone().unwrap_or_else(|| "events".to_owned());
        let owner = self.postgres_owner.as_ref().map(|url| url.expose().to_owned().into());
        Some(postgres::Config { url, owner, schema, ca_file: self.ca_file.clone() })
    }
}

impl Presence {
    fn urls(&self) -> Vec<String> {
        let urls = self.redis.as_ref().map_or("", SecretUrl::expose).split(',').map(str::trim);
        urls.filter(|url| !url.is_empty()).map(str::to_owned).collect()
    }

    /// How to reach Redis, where that keeps presence.
    pub(crate) fn redis(&self) -> Option<redis::Config> {
        let mut urls = self.urls();
        let mode = match (&self.sentinel_master, self.cluster) {
            _ if urls.is_empty() => return None,
            (Some(master), _) => {
                redis::Mode::Sentinel { urls, master: master.clone(), username: None, password: None }
            }
            (None, true) => redis::Mode::Cluster { urls },
            (None, false) => redis::Mode::Single { url: urls.swap_remove(0) },
        };
        Some(redis::Config { mode, ca_file: self.ca_file.clone() })
    }
}

/// Refuses what cannot work together.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let Config { roles, store, presence, fleet, .. } = config;
    let refuse = |why: &str| Err(ConfigError(why.to_owned()));
    if roles.need_others() && fleet.listen.is_none() {
        return refuse(
            "roles: not all are done here, so fleet.listen is needed, for the processes that do the rest",
        );
    }
    if fleet.listen.is_some() && presence.urls().is_empty() {
        return refuse(
            "fleet.listen: the processes of a fleet find each other by presence.redis, which is not set",
        );
    }
    if fleet.listen.is_some() && roles.has(crate::roles::Role::Signaling) && store.postgres.is_none() {
        return refuse("fleet.listen: signaling processes share store.postgres, which is not set");
    }
    if presence.urls().len() > 1 && presence.sentinel_master.is_none() && !presence.cluster {
        return refuse(
            "presence.redis: of several servers it is to be said what they are: sentinel_master or cluster",
        );
    }
    if presence.sentinel_master.is_some() && presence.cluster {
        return refuse("presence.cluster: Sentinels watch one master and no cluster");
    }
    Ok(())
}
