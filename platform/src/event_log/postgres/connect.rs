//! Making connections, all alike.

use super::{
    Config, Error,
    roles::{Roles, Whose},
    tls::{self, Tls},
};
use secrecy::{ExposeSecret as _, SecretString};
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
    roles: Roles,
}

/// A connection, and the task that drives it, which ends with it.
pub(crate) struct Link {
    pub(crate) client: Client,
    driver: JoinSet<()>,
}

impl Connect {
    /// As processes do: in the tenant role, for no tenant yet.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let roles = Roles::of(&config.schema)?;
        let session = format!("{SESSION}; SET ROLE {}; SET search_path = {}", roles.tenant, config.schema);
        // Not as programs before row-level security called themselves: whether there are any is looked at by this name.
        Self::with(config, &config.url, "telehealth-process", roles, session)
    }

    /// As who makes the schema.
    pub(crate) fn owner(config: &Config) -> Result<Self, Error> {
        let (url, roles) = (config.owner.as_ref().unwrap_or(&config.url), Roles::of(&config.schema)?);
        Self::with(config, url, "telehealth-migrate", roles, SESSION.to_owned())
    }

    fn with(
        config: &Config,
        url: &SecretString,
        name: &str,
        roles: Roles,
        session: String,
    ) -> Result<Self, Error> {
        let mut parsed = tls::parse(url.expose_secret())?;
        tls::decide(&mut parsed, config.ca_file.as_deref());
        let tls = Tls::new(config.ca_file.as_deref())?;
        parsed
            .application_name(name)
            .connect_timeout(CONNECT)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .keepalives_idle(Duration::from_secs(10));
        Ok(Self { config: parsed, tls, session, roles })
    }

    /// How a transaction begins.
    pub(crate) fn begin(&self, whose: &Whose) -> String {
        self.roles.begin(whose)
    }

    pub(crate) fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Who logs in, where the URL says so.
    pub(crate) fn user(&self) -> Option<String> {
        self.config.get_user().map(str::to_owned)
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
