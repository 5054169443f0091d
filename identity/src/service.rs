//! What the routes share, and how the first administrator gets in.

use crate::{
    Config,
    caller::Believed,
    codes,
    failures::Failures,
    followed::Followed,
    passwords::Passwords,
    provider::{self, Provider},
    records::{Failed, Records},
};
use identity_core::{
    account::{self, Account, Duties, Standing},
    emergency::Emergencies,
    partner::PartnerKeys,
    secret::SecretHash,
    text::{Login, TextError},
};
use model::{Phi, TenantId};
use parking_lot::Mutex;
use platform::{
    audit::watch::Chains,
    clock::{Clock, SteadyClock},
    event_log::{NewAudit, Store},
    keys::Keys,
    throttle::{Source, Throttle},
};
use policy::{AccountId, StaffRole};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tenancy::Unit;
use uuid::Uuid;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What identity needs from the others.
pub struct Deps {
    /// Where accounts and sessions are recorded.
    pub store: Arc<dyn Store>,
    /// Signs access tokens.
    pub keys: Arc<Keys>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The healthcare unit.
    pub tenant: TenantId,
    /// What browsers call this server.
    pub public_url: String,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// What a ticket says, and in which healthcare unit.
#[derive(Serialize, Deserialize)]
struct InUnit<T> {
    tenant: TenantId,
    claims: T,
}

/// For whom wrong factors are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Guesser {
    /// Whoever tries an address from a browser that never signed in with it.
    Anybody(Uuid),
    /// A browser, or a session, that did: it has its own count, whatever others do.
    Device(Uuid),
}

/// The service, in one healthcare unit. What bounds it (hashers, wrong factors of a network) is shared with the same service
/// in other units of the process; see [`Identity::in_unit`].
#[derive(Clone)]
pub struct Identity {
    pub(crate) records: Records,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) believed: Arc<Believed>,
    pub(crate) wrong: Arc<Mutex<Throttle<Guesser>>>,
    pub(crate) board: Arc<Followed<Emergencies>>,
    pub(crate) partner_keys: Arc<Followed<PartnerKeys>>,
    /// Sign-ins that failed and have no row yet.
    pub(crate) failures: Arc<Failures>,
    pub(crate) chains: Option<Arc<Chains>>,
    /// Where the request comes from, where that is known.
    pub(crate) from: Option<IpAddr>,
    /// Of networks, whomever they try.
    pub(crate) wrong_from: Arc<Mutex<Throttle<Source>>>,
    /// For the throttle: it measures time that passes.
    pub(crate) steady: Arc<SteadyClock>,
    pub(crate) tenant: TenantId,
    pub(crate) unit: String,
    public_url: String,
    first_administrator: Option<Login>,
    pub(crate) provider: Option<Arc<Provider>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Why identity cannot be started with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The first administrator's address is none.
    #[error("identity.first_administrator: {0}")]
    Login(#[from] TextError),
    /// Argon2 cannot work with so little memory.
    #[error("identity.password_memory_kib: {0}")]
    Memory(argon2::Error),
    /// The hospital's own sign-in cannot be used.
    #[error("identity.provider: {0}")]
    Provider(#[from] provider::Unusable),
}

/// Whether somebody has to be let in first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstAdministrator {
    /// Nobody was named, or they have joined.
    Nobody,
    /// Whoever has this link becomes the administrator.
    Invited(Phi<String>),
}

impl Identity {
    /// Builds the service.
    ///
    /// # Errors
    /// By variant of [`Unfit`].
    pub fn new(config: &Config, deps: Deps) -> Result<Self, Unfit> {
        let Deps { store, keys, clock, tenant, public_url } = deps;
        Ok(Self {
            passwords: Arc::new(Passwords::new(config.password_memory_kib).map_err(Unfit::Memory)?),
            believed: Arc::default(),
            wrong: Arc::new(Mutex::new(Throttle::new(config.wrong_factors_per_hour, HOUR))),
            wrong_from: Arc::new(Mutex::new(Throttle::new(config.wrong_factors_per_hour_and_network, HOUR))),
            steady: Arc::new(SteadyClock::new(Arc::clone(&clock))),
            board: Arc::default(),
            partner_keys: Arc::default(),
            failures: Arc::default(),
            from: None,
            chains: None,
            records: Records { store, keys, clock },
            tenant,
            unit: config.unit_name.clone(),
            public_url,
            provider: config.provider.clone().map(Provider::new).transpose()?.map(Arc::new),
            first_administrator: config.first_administrator.as_deref().map(Login::new).transpose()?,
        })
    }

    /// With what looks after the audit trail's chains in this process, for auditors to see.
    #[must_use]
    pub fn with_chains(self, chains: Arc<Chains>) -> Self {
        Self { chains: Some(chains), ..self }
    }

    /// The same service in another healthcare unit: other people, other sessions, another address.
    #[must_use]
    pub fn in_unit(&self, unit: &Unit) -> Self {
        // Who is named in the configuration is the first administrator of the unit that it names.
        let first_administrator = self.first_administrator.clone().filter(|_| unit.id == self.tenant);
        Self {
            tenant: unit.id,
            unit: unit.described.name.clone(),
            public_url: unit.url.clone(),
            first_administrator,
            // So is whose sign-in the configuration names.
            provider: self.provider.clone().filter(|_| unit.id == self.tenant),
            ..self.clone()
        }
    }

    /// The same service for a request from an address: partners' keys may count from some only.
    #[must_use]
    pub fn asked_from(self, from: Option<IpAddr>) -> Self {
        Self { from, ..self }
    }

    /// Something that is signed for a while, and counts in this unit only.
    pub(crate) fn ticket<T: Serialize>(&self, audience: &str, ttl: Duration, claims: T) -> String {
        let now = self.records.clock.now();
        self.records.keys.sign(audience, ttl, now, &InUnit { tenant: self.tenant, claims })
    }

    /// What a ticket says; nothing, if it is another unit's.
    pub(crate) fn ticketed<T: DeserializeOwned>(&self, audience: &str, ticket: &str) -> Option<T> {
        let verified =
            self.records.keys.verify::<InUnit<T>>(audience, self.records.clock.now(), ticket).ok()?;
        (verified.claims.tenant == self.tenant).then_some(verified.claims.claims)
    }

    /// A new link for the first administrator, until they have used one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn first_administrator(&self) -> Result<FirstAdministrator, Later> {
        match self.first_administrator.clone() {
            Some(login) => self.invite_administrator(login).await,
            None => Ok(FirstAdministrator::Nobody),
        }
    }

    /// A new link for an administrator whom an operator names, until they have used one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn invite_administrator(&self, login: Login) -> Result<FirstAdministrator, Later> {
        let account =
            self.records.claim::<account::Rejection>(self.tenant, &login).await.map_err(|_| Later)?;
        let known = self.records.account(self.tenant, account).await.map_err(|_| Later)?;
        let secret = codes::token();
        let invitation = SecretHash::of(&secret);
        let command = match known {
            None => account::Command::Invite {
                login,
                name: "Administrator".into(),
                roles: [StaffRole::Administrator].into(),
                duties: Duties::new(),
                invitation,
                by: None,
            },
            Some(Account { standing: Standing::Invited { .. }, disabled: false, .. }) => {
                account::Command::Reinvite { invitation, by: None }
            }
            Some(_) => return Ok(FirstAdministrator::Nobody),
        };
        let audit = NewAudit { subject: Some(account.0), ..audit("person.invite", None) };
        match self.records.change_account(self.tenant, account, Some(audit), command).await {
            Ok(_) => Ok(FirstAdministrator::Invited(Phi::new(self.invitation_link(account, &secret)))),
            // Another process has just done it, and will say so.
            Err(Failed::Rejected(_)) => Ok(FirstAdministrator::Nobody),
            Err(Failed::Later) => Err(Later),
        }
    }

    /// In which healthcare unit.
    #[must_use]
    pub const fn unit_id(&self) -> TenantId {
        self.tenant
    }

    /// What browsers call the unit's server.
    pub(crate) fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The page that an invitation opens. The secret stands in its fragment, which browsers send to nobody.
    pub(crate) fn invitation_link(&self, account: AccountId, secret: &str) -> String {
        format!("{}/join#i={}.{secret}", self.public_url, account.0.simple())
    }
}

/// The store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store does not answer")]
pub struct Later;

/// A row for the auditor, about nobody else.
pub(crate) fn audit(action: &'static str, actor: Option<AccountId>) -> NewAudit {
    NewAudit { action, actor: actor.map(|id| id.0), subject: None, body: "{}".to_owned(), phi: None }
}
