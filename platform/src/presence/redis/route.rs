//! The way to the Redis that takes writes. Whatever goes wrong, the connection is given up and the
//! next command asks anew where it is: clients do not follow a failover by themselves.

use super::{Config, Mode, StartError};
use crate::{limits::REDIS_COMMAND_LIMIT, presence::PresenceError};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{future::Future, sync::atomic::AtomicU64, sync::atomic::Ordering};
use tokio::time::timeout;

pub(super) struct Route {
    target: Target,
    current: tokio::sync::Mutex<Option<Connection>>,
    /// How many connections there were.
    generation: AtomicU64,
}

enum Target {
    Single(Client),
    Sentinel { sentinels: Vec<Client>, master: String, at_master: RedisConnectionInfo },
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
struct Connection {
    generation: u64,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Route {
    pub(super) fn new(config: &Config) -> Result<Self, StartError> {
        let root_cert = match &config.ca_file {
            None => None,
            Some(path) => Some(
                std::fs::read(path)
                    .map_err(|source| StartError::Certificates { path: path.clone(), source })?,
            ),
        };
        let target = Target::new(&config.mode, root_cert).map_err(StartError::Config)?;
        Ok(Self { target, current: tokio::sync::Mutex::default(), generation: AtomicU64::new(0) })
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Runs a command; once more, over a new connection, when it fails.
    pub(super) async fn run(&self, command: Cmd) -> Result<Value, PresenceError> {
        for _ in 0..2 {
            let Ok(connection) = limited(self.connection()).await else { continue };
            let generation = connection.generation;
            match limited(connection.way.run(&command)).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.give_up(generation).await,
            }
        }
        Err(PresenceError::Unavailable)
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let way = self.target.connect().await?;
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(current.insert(Connection { generation, way }).clone())
    }

    /// Unless somebody else has and there is a newer one.
    async fn give_up(&self, generation: u64) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|connection| connection.generation == generation) {
            *current = None;
        }
    }
}

impl Way {
    async fn run(self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(mut server) => server.req_packed_command(command).await,
            Self::Cluster(mut cluster) => cluster.req_packed_command(command).await,
        }
        .and_then(Value::extract_error)
    }
}

impl Target {
    fn new(mode: &Mode, root_cert: Option<Vec<u8>>) -> RedisResult<Self> {
        match mode {
            Mode::Single { url } => Ok(Self::Single(client(url.as_str(), root_cert)?)),
            Mode::Sentinel { urls, master, username, password } => Ok(Self::Sentinel {
                sentinels: urls
                    .iter()
                    .map(|url| client(url.as_str(), root_cert.clone()))
                    .collect::<RedisResult<_>>()?,
                master: master.clone(),
                at_master: credentials(username.as_deref(), password.as_ref()),
            }),
            Mode::Cluster { urls } => {
                let mut builder = ClusterClient::builder(urls.iter().map(String::as_str))
                    .retries(2)
                    .connection_timeout(REDIS_COMMAND_LIMIT)
                    .response_timeout(REDIS_COMMAND_LIMIT);
                if root_cert.is_some() {
                    builder = builder.certs(TlsCertificates { client_tls: None, root_cert });
                }
                Ok(Self::Cluster(Box::new(builder.build()?)))
            }
        }
    }

    async fn connect(&self) -> RedisResult<Way> {
        match self {
            Self::Single(client) => connect(client).await.map(Way::Server),
            Self::Sentinel { sentinels, master, at_master } => {
                to_master(sentinels, master, at_master).await.map(Way::Server)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Way::Cluster),
        }
    }
}

/// Asks all Sentinels at once and takes the first answer that leads to a master: one that is dead or
/// cut off must not hold up the others.
async fn to_master(
    sentinels: &[Client],
    master: &str,
    at_master: &RedisConnectionInfo,
) -> RedisResult<MultiplexedConnection> {
    let asked = sentinels.iter().map(|sentinel| by_sentinel(sentinel, master, at_master));
    let mut answers: FuturesUnordered<_> = asked.collect();
    let mut last = nowhere();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn by_sentinel(
    sentinel: &Client,
    master: &str,
    at_master: &RedisConnectionInfo,
) -> RedisResult<MultiplexedConnection> {
    let mut asked = connect(sentinel).await?;
    let question = redis::cmd("SENTINEL").arg("get-master-addr-by-name").arg(master).to_owned();
    let (host, port) =
        question.query_async::<Option<(String, u16)>>(&mut asked).await?.ok_or_else(nowhere)?;
    let address = match sentinel.get_connection_info().addr().clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(at_master.clone());
    let mut server = connect(&Client::open(info)?).await?;
    let role: Vec<Value> = redis::cmd("ROLE").query_async(&mut server).await?;
    let is_master = matches!(role.first(), Some(Value::BulkString(role)) if role == b"master");
    if is_master { Ok(server) } else { Err(nowhere()) }
}

fn client(url: &str, root_cert: Option<Vec<u8>>) -> RedisResult<Client> {
    match root_cert {
        Some(_) => Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert }),
        None => Client::open(url),
    }
}

async fn connect(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REDIS_COMMAND_LIMIT))
        .set_response_timeout(Some(REDIS_COMMAND_LIMIT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn credentials(username: Option<&str>, password: Option<&SecretString>) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default();
    if let Some(username) = username {
        info = info.set_username(username);
    }
    if let Some(password) = password {
        info = info.set_password(password.expose_secret());
    }
    info
}

fn nowhere() -> RedisError {
    (ErrorKind::Io, "no Sentinel leads to a master").into()
}

async fn limited<T>(operation: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err((ErrorKind::Io, "too late").into());
    timeout(REDIS_COMMAND_LIMIT, operation).await.unwrap_or_else(late)
}
