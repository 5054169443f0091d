//! A unit's webhooks in the event log: load, decide, append, and again if somebody else was faster.

use crate::limits::{READ_AT_ONCE, TRIES};
use model::{CommandId, TenantId};
use platform::{
    clock::Clock,
    event_log::{
        Append, AppendError, Category, Moment, NewAudit, NewEvent, ReadError, Refusal, Store, StreamId,
        Version,
    },
    ids,
    lane::Lane,
};
use std::sync::Arc;
use webhooks_core::{
    Webhooks,
    codec::{self, SCHEMA},
    webhook::{Command, Rejection, decide},
};

/// Category of the stream of a unit's webhooks.
pub(crate) const WEBHOOKS: Category = Category { name: "webhooks", lane: Lane::Standard };

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The store does not answer, or everybody wants the same: later.
    Later,
    /// The machine refuses.
    Rejected(Rejection),
}

/// Why a unit's webhooks are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unloaded {
    /// The store does not answer.
    Away,
    /// A record of theirs cannot be read, which is logged.
    Unreadable,
}

impl From<ReadError> for Unloaded {
    fn from(_: ReadError) -> Self {
        Self::Away
    }
}

/// What is recorded of units' webhooks.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
}

const fn stream(tenant: TenantId) -> StreamId {
    StreamId { tenant, category: WEBHOOKS, id: tenant.0 }
}

impl Records {
    /// A unit's webhooks as they are now.
    pub(crate) async fn load(&self, tenant: TenantId) -> Result<(Webhooks, Version), Unloaded> {
        let (mut all, mut version) = (Webhooks::default(), Version(0));
        loop {
            let page = self.store.read(stream(tenant), version, READ_AT_ONCE, Moment::NOW).await?;
            let full = page.len() >= READ_AT_ONCE;
            for event in page {
                version = event.version;
                let decoded = codec::decode(&event.kind, event.schema, &event.body, event.phi.as_deref());
                let decoded = decoded.map_err(|error| {
                    tracing::error!(tenant.id = %tenant, %error, "A record of webhooks cannot be read");
                    Unloaded::Unreadable
                })?;
                all.evolve(event.at, decoded);
            }
            if !full {
                return Ok((all, version));
            }
        }
    }

    /// Decides and records; answers what they are then, and whether anything was changed.
    pub(crate) async fn change(
        &self,
        tenant: TenantId,
        audit: NewAudit,
        command: Command,
    ) -> Result<(Webhooks, bool), Failed> {
        // The same for every try: one that was recorded and not heard of is not recorded again.
        let key = CommandId(ids::fresh());
        for _ in 0..TRIES {
            let (mut all, version) = self.load(tenant).await.map_err(|_| Failed::Later)?;
            let now = self.clock.now();
            let events = decide(&all, command.clone()).map_err(Failed::Rejected)?;
            if events.is_empty() {
                return Ok((all, false));
            }
            let new = |event| {
                let codec::Encoded { kind, body, phi } = codec::encode(event);
                NewEvent { kind, schema: SCHEMA, body, phi, effective: None }
            };
            let append = Append {
                key: Some(key),
                audit: vec![audit.clone()],
                ..Append::new(stream(tenant), version, events.iter().map(new).collect(), now)
            };
            if self.append(append).await? {
                events.into_iter().for_each(|event| all.evolve(now, event));
                return Ok((all, true));
            }
        }
        Err(Failed::Later)
    }

    /// Whether it was recorded; not, if somebody else was faster.
    async fn append(&self, append: Append) -> Result<bool, Failed> {
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
}
