//! The units that a process knows now, and how they are changed.
//!
//! All of the registry is one stream: whoever changes it has seen all of it, or is refused and looks again, so that no two
//! units ever get the same host name, whichever process is asked. Processes look every [`LOOK`].

use crate::{
    limits::{LOOK, READ_PAGE, TRIES},
    registry::{Command, Event, Registry, Rejection},
    unit::Unit,
    units::{Base, Units},
};
use model::{CommandId, TenantId};
use parking_lot::RwLock;
use platform::{
    clock::Clock,
    event_log::{
        Append, AppendError, Category, Moment, NewEvent, ReadError, Refusal, Store, StreamId, Version,
    },
    ids,
    lane::Lane,
    vault::Vault,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The registry belongs to no unit: it says which there are.
const STREAM: StreamId = StreamId {
    tenant: TenantId(Uuid::nil()),
    category: Category { name: "unit-registry", lane: Lane::Standard },
    id: Uuid::nil(),
};
const KIND: &str = "unit-described";
/// The schema this build writes. It reads the one before (missing fields have defaults) and the next (unknown ones are
/// ignored).
const SCHEMA: u16 = 1;

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The registry refuses.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store does not answer, or everybody wants the same: later.
    #[error("the registry of units cannot be written now")]
    Later,
    /// This process has no registry.
    #[error("this process has no database, and so no registry of units")]
    None,
}

impl From<ReadError> for ChangeError {
    fn from(_: ReadError) -> Self {
        Self::Later
    }
}

struct Seen {
    registry: Registry,
    version: Version,
}

struct Source {
    store: Arc<dyn Store>,
    /// A unit's keys are made before anybody is let in.
    vault: Option<Arc<Vault>>,
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
}

/// The units that a process knows.
pub struct Directory {
    base: Base,
    units: RwLock<Arc<Units>>,
    source: Option<Source>,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("base", &self.base.id).finish_non_exhaustive()
    }
}

impl Directory {
    /// One unit, for ever: where there is no store.
    #[must_use]
    pub fn of_one(base: Base) -> Self {
        let units = Units::new(&base, &base.registry());
        Self { base, units: RwLock::new(Arc::new(units)), source: None }
    }

    /// The registry of a store, as it is now.
    ///
    /// # Errors
    /// The store does not answer, or holds what this build cannot read.
    pub async fn open(
        store: Arc<dyn Store>,
        vault: Option<Arc<Vault>>,
        clock: Arc<dyn Clock>,
        base: Base,
    ) -> Result<Self, ReadError> {
        let seen = Mutex::new(Seen { registry: base.registry(), version: Version(0) });
        let source = Some(Source { store, vault, clock, seen });
        let directory = Self { source, ..Self::of_one(base) };
        directory.refresh().await?;
        Ok(directory)
    }

    /// Whether there is a registry behind it: whether all units are known.
    #[must_use]
    pub const fn knows_all(&self) -> bool {
        self.source.is_some()
    }

    /// The units there are now.
    #[must_use]
    pub fn now(&self) -> Arc<Units> {
        Arc::clone(&self.units.read())
    }

    /// What a unit's links begin with; the server's own address for one that is not known here.
    #[must_use]
    pub fn url(&self, unit: TenantId) -> String {
        self.now().get(unit).map_or_else(|| self.base.url.clone(), |unit| unit.url.clone())
    }

    /// What an operator means: an id, or a slug.
    pub async fn find(&self, text: &str) -> Option<Arc<Unit>> {
        let source = self.source.as_ref()?;
        let id = source.seen.lock().await.registry.find(text)?;
        self.now().get(id).cloned()
    }

    /// Looks what has changed.
    ///
    /// # Errors
    /// The store does not answer, or holds what this build cannot read: what is known goes on being served.
    pub async fn refresh(&self) -> Result<(), ReadError> {
        let Some(source) = &self.source else { return Ok(()) };
        let mut seen = source.seen.lock().await;
        self.catch_up(source, &mut seen).await
    }

    async fn catch_up(&self, source: &Source, seen: &mut Seen) -> Result<(), ReadError> {
        let (mut registry, mut version, mut new) = (seen.registry.clone(), seen.version, BTreeSet::new());
        loop {
            let page = source.store.read(STREAM, version, READ_PAGE, Moment::NOW).await?;
            let full = page.len() >= READ_PAGE;
            for event in page {
                version = event.version;
                let known = event.schema <= SCHEMA + 1;
                let read = known.then(|| serde_json::from_str::<Event>(&event.body).ok()).flatten();
                let event = read.ok_or(ReadError)?;
                new.insert(event.unit);
                registry.evolve(event);
            }
            if !full {
                break;
            }
        }
        if version == seen.version {
            return Ok(());
        }
        if let Some(vault) = &source.vault {
            for unit in new {
                vault.prepare(unit).await.map_err(|_| ReadError)?;
            }
        }
        *self.units.write() = Arc::new(Units::new(&self.base, &registry));
        *seen = Seen { registry, version };
        Ok(())
    }

    /// Changes the registry; answers what the unit is then. This process serves it at once.
    ///
    /// # Errors
    /// By variant of [`ChangeError`].
    pub async fn change(&self, command: Command) -> Result<Arc<Unit>, ChangeError> {
        let source = self.source.as_ref().ok_or(ChangeError::None)?;
        let mut seen = source.seen.lock().await;
        // The same for every try: one that was recorded and not heard of is not recorded again.
        let (key, unit) = (CommandId(ids::fresh()), command.unit());
        let mut unheard = None;
        for _ in 0..TRIES {
            self.catch_up(source, &mut seen).await?;
            if let Some(served) = self.now().get(unit).filter(|now| unheard.as_ref() == Some(&now.described))
            {
                return Ok(Arc::clone(served));
            }
            let event = seen.registry.decide(command.clone(), &self.base.own_hosts())?;
            let described = event.described.clone();
            let body = serde_json::to_string(&event).map_err(|_| ChangeError::Later)?;
            let event = NewEvent { kind: KIND, schema: SCHEMA, body, phi: None, effective: None };
            let append = Append::new(STREAM, seen.version, vec![event], source.clock.now());
            match source.store.append(Append { key: Some(key), ..append }).await {
                Ok(_) => {
                    self.catch_up(source, &mut seen).await?;
                    return self.now().get(unit).cloned().ok_or(ChangeError::Later);
                }
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => {}
                // The next look knows whether it was recorded.
                Err(AppendError::Unknown) => unheard = Some(described),
                Err(AppendError::Rejected(_)) => return Err(ChangeError::Later),
            }
        }
        Err(ChangeError::Later)
    }

    /// Looks again and again, until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        if self.source.is_none() {
            return stop.cancelled().await;
        }
        let mut failed = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let looked = self.refresh().await;
            if looked.is_err() && !failed {
                tracing::warn!("The registry of units cannot be read: the units that are known are served");
            }
            failed = looked.is_err();
        }
    }
}
