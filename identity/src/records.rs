//! Accounts and sessions in the event log: load, decide, append, and again if somebody else was faster.

use crate::{
    limits::{READ_PAGE, TRIES},
    problems::{later, of_account},
};
use identity_core::{
    account::{self, Account},
    codec::{self, SCHEMA},
    emergency::{self, Emergencies},
    hold::{self, Holds},
    partner::{self, PartnerKeys},
    session::{self, Session},
    text::Login,
};
use model::{CommandId, TenantId, Timestamp};
use platform::{
    clock::Clock,
    conditional::CHANGED_MEANWHILE,
    event_log::{
        Append, AppendError, Category, Moment, NewAudit, NewEvent, ReadError, Refusal, Store, StreamId,
        Version,
    },
    ids,
    keys::Keys,
    lane::Lane,
    once::Once,
    problem::Problem,
};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;
use uuid::Uuid;

/// Category of an account's stream.
pub(crate) const ACCOUNT: Category = Category { name: "account", lane: Lane::Standard };
/// Category of a session's stream.
const SESSION: Category = Category { name: "session", lane: Lane::Standard };
/// Category of the streams that say whose an e-mail address is: one event, so that nobody else can have it.
const LOGIN: Category = Category { name: "login", lane: Lane::Standard };

/// Category of the stream of a unit's emergencies. Somebody may be dying: they wait for nobody's office work.
const EMERGENCY: Category = Category { name: "emergency", lane: Lane::Critical };
/// Category of the stream of a unit's partners' keys.
const PARTNER_KEYS: Category = Category { name: "partner-keys", lane: Lane::Standard };
/// Category of the stream of a unit's legal holds.
const HOLDS: Category = Category { name: "audit-hold", lane: Lane::Standard };
/// Category of the streams that say who read what: one event each.
const READING: Category = Category { name: "reading", lane: Lane::Standard };

/// Category of the streams that say that somebody could not sign in: one event each. Guesses hold up nobody's work.
const FAILURE: Category = Category { name: "sign-in-failure", lane: Lane::Batch };

/// A machine whose events are recorded.
pub(crate) trait Machine: Sized + Send {
    /// What is recorded of it.
    type Event: Serialize + DeserializeOwned + Clone + Send;
    /// Its streams.
    const CATEGORY: Category;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self>;
}

impl Machine for Account {
    type Event = account::Event;
    const CATEGORY: Category = ACCOUNT;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self> {
        Self::evolve(before, at, event)
    }
}

impl Machine for Session {
    type Event = session::Event;
    const CATEGORY: Category = SESSION;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self> {
        Self::evolve(before, at, event)
    }
}

impl Machine for Emergencies {
    type Event = emergency::Event;
    const CATEGORY: Category = EMERGENCY;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self> {
        let mut all = before.unwrap_or_default();
        Self::evolve(&mut all, at, event);
        Some(all)
    }
}

impl Machine for PartnerKeys {
    type Event = partner::Event;
    const CATEGORY: Category = PARTNER_KEYS;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self> {
        let mut all = before.unwrap_or_default();
        Self::evolve(&mut all, at, event);
        Some(all)
    }
}

impl Machine for Holds {
    type Event = hold::Event;
    const CATEGORY: Category = HOLDS;
    fn evolve(before: Option<Self>, at: Timestamp, event: Self::Event) -> Option<Self> {
        let mut all = before.unwrap_or_default();
        Self::evolve(&mut all, at, event);
        Some(all)
    }
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed<R> {
    /// The store does not answer, or everybody wants the same: later.
    Later,
    /// The machine refuses.
    Rejected(R),
}

impl<R> From<ReadError> for Failed<R> {
    fn from(_: ReadError) -> Self {
        Self::Later
    }
}

/// A request that was carried out once.
pub(crate) struct Done {
    /// The account as it was right then.
    pub(crate) account: Account,
    /// When that was.
    pub(crate) at: Timestamp,
    /// Nothing was done now.
    pub(crate) replayed: bool,
}

#[derive(Serialize, Deserialize)]
struct Claimed {
    account: AccountId,
}

/// What is recorded of healthcare units' people.
#[derive(Clone)]
pub struct Records {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl Records {
    /// An account as it is now.
    pub(crate) async fn account(
        &self,
        tenant: TenantId,
        id: AccountId,
    ) -> Result<Option<Account>, ReadError> {
        Ok(self.load(tenant, id.0).await?.0)
    }

    /// A session as it is now.
    pub(crate) async fn session(
        &self,
        tenant: TenantId,
        id: SessionId,
    ) -> Result<Option<Session>, ReadError> {
        Ok(self.load(tenant, id.0).await?.0)
    }

    /// Decides on an account and records it; answers what it is then.
    pub(crate) async fn change_account(
        &self,
        tenant: TenantId,
        id: AccountId,
        audit: Option<NewAudit>,
        command: account::Command,
    ) -> Result<Account, Failed<account::Rejection>> {
        let decide = |account: Option<&Account>, now| {
            account::decide(account, id, now, command.clone()).map(|event| vec![event])
        };
        let (account, _) = self.change(tenant, id.0, &audit, CommandId(ids::fresh()), decide).await?;
        account.ok_or(Failed::Rejected(account::Rejection::Unknown))
    }

    /// The same, if the account is still what somebody has seen.
    pub(crate) async fn change_account_seen(
        &self,
        tenant: TenantId,
        id: AccountId,
        audit: NewAudit,
        command: account::Command,
        seen: &Account,
    ) -> Result<Account, Problem> {
        let decide = |account: Option<&Account>, now| {
            if account != Some(seen) {
                return Err(None);
            }
            account::decide(account, id, now, command.clone()).map(|event| vec![event]).map_err(Some)
        };
        match self.change(tenant, id.0, &Some(audit), CommandId(ids::fresh()), decide).await {
            Ok((account, _)) => account.ok_or_else(later),
            Err(Failed::Later) => Err(later()),
            Err(Failed::Rejected(None)) => Err(CHANGED_MEANWHILE.into()),
            Err(Failed::Rejected(Some(rejection))) => Err(of_account(Failed::Rejected(rejection))),
        }
    }

    /// The same, for a request that is carried out once, however often it comes. Answers the account as it was right
    /// then, when that was, and whether it was done before.
    pub(crate) async fn change_account_once(
        &self,
        tenant: TenantId,
        id: AccountId,
        audit: NewAudit,
        command: account::Command,
        once: Once,
    ) -> Result<Done, Problem> {
        let stream = StreamId { tenant, category: ACCOUNT, id: id.0 };
        let done = || once.done(&*self.store, stream, self.clock.now());
        if let Some(version) = done().await? {
            return self.as_it_was(stream, version, true).await;
        }
        let decide = |account: Option<&Account>, now| {
            account::decide(account, id, now, command.clone()).map(|event| vec![event])
        };
        let changed = self.change(tenant, id.0, &Some(audit), once.command, decide).await;
        // Somebody may have asked the same at the same time, and been first.
        match (done().await?, changed) {
            (Some(version), changed) => self.as_it_was(stream, version, changed.is_err()).await,
            (None, Err(failed)) => Err(of_account(failed)),
            (None, Ok(_)) => Err(later()),
        }
    }

    async fn as_it_was(&self, stream: StreamId, version: Version, replayed: bool) -> Result<Done, Problem> {
        let loaded = self.load_until::<Account>(stream, version).await.map_err(|_| later())?;
        let (account, at) = loaded.ok_or_else(later)?;
        Ok(Done { account, at, replayed })
    }

    /// Decides on a session and records it; answers what it is then, and what was recorded.
    pub(crate) async fn change_session(
        &self,
        tenant: TenantId,
        id: SessionId,
        audit: Option<NewAudit>,
        command: session::Command,
    ) -> Result<(Session, Vec<session::Event>), Failed<session::Rejection>> {
        let decide = |session: Option<&Session>, now| session::decide(session, now, command);
        let (session, events) = self.change(tenant, id.0, &audit, CommandId(ids::fresh()), decide).await?;
        Ok((session.ok_or(Failed::Rejected(session::Rejection::Unknown))?, events))
    }

    /// Decides on a unit's emergencies and records it.
    pub(crate) async fn change_emergencies(
        &self,
        tenant: TenantId,
        audit: NewAudit,
        command: emergency::Command,
    ) -> Result<Emergencies, Failed<emergency::Rejection>> {
        let none = Emergencies::default();
        let decide =
            |all: Option<&Emergencies>, now| emergency::decide(all.unwrap_or(&none), now, command.clone());
        let (all, _) = self.change(tenant, tenant.0, &Some(audit), CommandId(ids::fresh()), decide).await?;
        Ok(all.unwrap_or_default())
    }

    /// Decides on a unit's partners' keys and records it.
    pub(crate) async fn change_partner_keys(
        &self,
        tenant: TenantId,
        audit: NewAudit,
        command: partner::Command,
    ) -> Result<PartnerKeys, Failed<partner::Rejection>> {
        let none = PartnerKeys::default();
        let decide =
            |all: Option<&PartnerKeys>, now| partner::decide(all.unwrap_or(&none), now, command.clone());
        let (all, _) = self.change(tenant, tenant.0, &Some(audit), CommandId(ids::fresh()), decide).await?;
        Ok(all.unwrap_or_default())
    }

    /// Decides on a unit's legal holds and records it.
    pub(crate) async fn change_holds(
        &self,
        tenant: TenantId,
        audit: NewAudit,
        command: hold::Command,
    ) -> Result<Holds, Failed<hold::Rejection>> {
        let none = Holds::default();
        let decide = |all: Option<&Holds>, _| hold::decide(all.unwrap_or(&none), command.clone());
        let (all, _) = self.change(tenant, tenant.0, &Some(audit), CommandId(ids::fresh()), decide).await?;
        Ok(all.unwrap_or_default())
    }

    /// A unit's legal holds as they are right now.
    pub(crate) async fn holds(&self, tenant: TenantId) -> Result<Holds, ReadError> {
        Ok(self.load(tenant, tenant.0).await?.0.unwrap_or_default())
    }

    /// What a unit has one of, if anything came since it was last read.
    pub(crate) async fn follow<M: Machine + Clone + Default>(
        &self,
        tenant: TenantId,
        known: &M,
        after: Version,
    ) -> Result<Option<(M, Version)>, ReadError> {
        let stream = StreamId { tenant, category: M::CATEGORY, id: tenant.0 };
        // Nearly always nothing: then nothing is copied.
        if self.store.read(stream, after, 1, Moment::NOW).await?.is_empty() {
            return Ok(None);
        }
        let (all, version) = self.load_after(tenant, tenant.0, Some(known.clone()), after).await?;
        Ok(Some((all.unwrap_or_default(), version)))
    }

    /// For the auditor, before anything is shown: who is about to read what.
    pub(crate) async fn record_reading(&self, tenant: TenantId, audit: NewAudit) -> Result<(), Failed<()>> {
        self.record_row(tenant, READING, "read", audit).await
    }

    /// For the auditor: somebody could not sign in.
    pub(crate) async fn record_failure(&self, tenant: TenantId, audit: NewAudit) -> Result<(), Failed<()>> {
        self.record_row(tenant, FAILURE, "failed", audit).await
    }

    async fn record_row(
        &self,
        tenant: TenantId,
        category: Category,
        kind: &'static str,
        audit: NewAudit,
    ) -> Result<(), Failed<()>> {
        let event = NewEvent { kind, schema: SCHEMA, body: "{}".into(), phi: None, effective: None };
        let stream = StreamId { tenant, category, id: ids::fresh() };
        let append = Append {
            key: Some(CommandId(ids::fresh())),
            audit: vec![audit],
            ..Append::new(stream, Version(0), vec![event], self.clock.now())
        };
        if self.append(append).await? { Ok(()) } else { Err(Failed::Later) }
    }

    async fn change<M: Machine, R: Send>(
        &self,
        tenant: TenantId,
        id: Uuid,
        audit: &Option<NewAudit>,
        // The same for every try: one that was recorded and not heard of is not recorded again.
        key: CommandId,
        decide: impl Fn(Option<&M>, Timestamp) -> Result<Vec<M::Event>, R> + Send,
    ) -> Result<(Option<M>, Vec<M::Event>), Failed<R>> {
        for _ in 0..TRIES {
            let (machine, version) = self.load::<M>(tenant, id).await?;
            let now = self.clock.now();
            let events = decide(machine.as_ref(), now).map_err(Failed::Rejected)?;
            if events.is_empty() {
                return Ok((machine, events));
            }
            let stream = StreamId { tenant, category: M::CATEGORY, id };
            let append = Append {
                key: Some(key),
                audit: audit.iter().cloned().collect(),
                ..Append::new(stream, version, events.iter().map(encode).collect(), now)
            };
            if self.append(append).await? {
                let machine =
                    events.iter().fold(machine, |machine, event| M::evolve(machine, now, event.clone()));
                return Ok((machine, events));
            }
        }
        Err(Failed::Later)
    }

    /// Whether it was recorded; not, if somebody else was faster.
    async fn append<R>(&self, append: Append) -> Result<bool, Failed<R>> {
        for _ in 0..TRIES {
            match self.store.append(append.clone()).await {
                Ok(_) => return Ok(true),
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => return Ok(false),
                Err(AppendError::Rejected(_)) => return Err(Failed::Later),
                Err(AppendError::Unknown) => {}
            }
        }
        Err(Failed::Later)
    }

    async fn load<M: Machine>(&self, tenant: TenantId, id: Uuid) -> Result<(Option<M>, Version), ReadError> {
        self.load_after(tenant, id, None, Version(0)).await
    }

    async fn load_after<M: Machine>(
        &self,
        tenant: TenantId,
        id: Uuid,
        machine: Option<M>,
        version: Version,
    ) -> Result<(Option<M>, Version), ReadError> {
        let stream = StreamId { tenant, category: M::CATEGORY, id };
        let (machine, version, _) = self.load_up_to(stream, machine, version, None).await?;
        Ok((machine, version))
    }

    /// A machine as it was after an event, and when that was.
    async fn load_until<M: Machine>(
        &self,
        stream: StreamId,
        until: Version,
    ) -> Result<Option<(M, Timestamp)>, ReadError> {
        let (machine, _, at) = self.load_up_to::<M>(stream, None, Version(0), Some(until)).await?;
        Ok(machine.map(|machine| (machine, at)))
    }

    async fn load_up_to<M: Machine>(
        &self,
        stream: StreamId,
        mut machine: Option<M>,
        mut version: Version,
        until: Option<Version>,
    ) -> Result<(Option<M>, Version, Timestamp), ReadError> {
        let mut at = Timestamp::from_millis(0);
        loop {
            let page = self.store.read(stream, version, READ_PAGE, Moment::NOW).await?;
            let full = page.len() >= READ_PAGE;
            for event in page {
                if until.is_some_and(|until| event.version > until) {
                    return Ok((machine, version, at));
                }
                (version, at) = (event.version, event.at);
                let decoded = codec::decode(&event.kind, event.schema, &event.body, event.phi.as_deref());
                let decoded = decoded.map_err(|error| {
                    tracing::error!(stream.id = %stream.id, %error, "A record of identity cannot be read");
                    ReadError
                })?;
                machine = M::evolve(machine, event.at, decoded);
            }
            if !full {
                return Ok((machine, version, at));
            }
        }
    }

    /// What stands for an address where it must not be read.
    pub(crate) fn blind(&self, tenant: TenantId, login: &Login) -> Uuid {
        self.keys.blind_id("login", tenant, login.expose())
    }

    /// Whose an address is.
    pub(crate) async fn find(&self, tenant: TenantId, login: &Login) -> Result<Option<AccountId>, ReadError> {
        self.find_as(tenant, self.blind(tenant, login)).await
    }

    async fn find_as(&self, tenant: TenantId, blind: Uuid) -> Result<Option<AccountId>, ReadError> {
        let stream = StreamId { tenant, category: LOGIN, id: blind };
        let first = self.store.read(stream, Version(0), 1, Moment::NOW).await?.into_iter().next();
        let claimed = first.map(|event| serde_json::from_str::<Claimed>(&event.body).map_err(|_| ReadError));
        Ok(claimed.transpose()?.map(|claimed| claimed.account))
    }

    /// Makes an address somebody's, once and for all. Answers whose it is: an earlier one's, if there was one.
    pub(crate) async fn claim<R>(&self, tenant: TenantId, login: &Login) -> Result<AccountId, Failed<R>> {
        self.claim_as(tenant, self.blind(tenant, login)).await
    }

    /// The same of whatever else says who somebody is, blind.
    pub(crate) async fn claim_as<R>(&self, tenant: TenantId, blind: Uuid) -> Result<AccountId, Failed<R>> {
        if let Some(account) = self.find_as(tenant, blind).await? {
            return Ok(account);
        }
        let account = AccountId(ids::fresh());
        let body = serde_json::to_string(&Claimed { account }).unwrap_or_default();
        let event = NewEvent { kind: "claimed", schema: SCHEMA, body, phi: None, effective: None };
        let stream = StreamId { tenant, category: LOGIN, id: blind };
        let append = Append::new(stream, Version(0), vec![event], self.clock.now());
        if self.append(append).await? {
            return Ok(account);
        }
        self.find_as(tenant, blind).await?.ok_or(Failed::Later)
    }

    /// People after one, in the order of their ids, at most `limit`.
    pub(crate) async fn people(
        &self,
        tenant: TenantId,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<(AccountId, Account)>, ReadError> {
        let after = Some((tenant, after.map_or(Uuid::nil(), |account| account.0)));
        let streams = self.store.streams(ACCOUNT, after, limit).await?;
        let mut people = Vec::new();
        for stream in streams.into_iter().take_while(|stream| stream.tenant == tenant) {
            let id = AccountId(stream.id);
            people.extend(self.account(tenant, id).await?.map(|account| (id, account)));
        }
        Ok(people)
    }
}

fn encode<E: Serialize>(event: &E) -> NewEvent {
    let codec::Encoded { kind, body, phi } = codec::encode(event);
    NewEvent { kind, schema: SCHEMA, body, phi, effective: None }
}
