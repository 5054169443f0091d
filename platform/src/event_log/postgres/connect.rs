//! Making connections, all alike.

use super::{
    Config, Error,
    tls::{self, Tls},
};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_postgres::{Client, config::TargetSessionAttrs};

/// Longest a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);

/// What every connection is set to, whatever the server's own configuration says: what was answered is on disk; a
/// process that was stopped in the middle of a transaction does not keep its locks; the plans are the ones that the
/// statements were written for, as tables grow from nothing while their plans are kept.
const SESSION: &str = "SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '2s'; \
    SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET client_min_messages = warning; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
    SET enable_mergejoin = off";

/// How to connect.
pub(crate) struct Connect {
    config: tokio_postgres::Config,
    tls: Tls,
    session: String,
}

/// A connection, and the task that drives it, which ends with it.
pub(crate) struct Link {
    pub(crate) client: Client,
    driver: JoinSet<()>,
}

impl Connect {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let name = |c: char| c.is_ascii_lowercase() || c == '_';
        if config.schema.is_empty() || config.schema.len() > 63 || !config.schema.chars().all(name) {
            return Err(Error::Config("the schema's name is not of a-z and _"));
        }
        let mut parsed = tls::parse(config.url.expose_secret())?;
        tls::decide(&mut parsed, config.ca_file.as_deref());
        let tls = Tls::new(config.ca_file.as_deref())?;
        parsed
            .application_name("telehealth")
            .connect_timeout(CONNECT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(Duration::from_secs(10));
        Ok(Self { config: parsed, tls, session: format!("{SESSION}; SET search_path = {}", config.schema) })
    }

    /// A new connection.
    pub(crate) async fn link(&self) -> Result<Link, Error> {
        let made = async {
            let made = self.config.connect(self.tls.clone()).await;
            let (client, connection) =
                made.map_err(|error| tls::explain(error, self.config.get_ssl_mode()))?;
            let mut driver = JoinSet::new();
            driver.spawn(async move {
                // Whoever uses the connection learns of its end from their own call.
                let _ = connection.await;
            });
            client.batch_execute(&self.session).await?;
            Ok(Link { client, driver })
        };
        tokio::time::timeout(CONNECT, made).await.map_err(|_| Error::Late)?
    }
}

impl Link {
    /// Whether it is of no use any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed() || self.driver.is_empty()
    }
}
