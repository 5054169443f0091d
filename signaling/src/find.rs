//! Where a waiting room lives: here, in another process, or nowhere until this one takes it.
//!
//! One process owns a waiting room at a time, in an epoch that stands in the store. Nobody waits for a lease to run out:
//! an owner that does not answer is replaced there and then by compare-and-set. It need not be dead. The store refuses
//! what it appends from then on, and the media nodes what it asks.

use crate::{Error, limits, load, room::Input, shared::Shared};
use model::{Epoch, TenantId, WaitingRoomId};
use platform::event_log::{AppendError, Owned, ReadError, Refusal};
use signaling_core::Owner;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Where a waiting room is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In this process.
    Here(mpsc::Sender<Input>),
    /// In the process at this address, which owns it in this epoch.
    There { address: String, epoch: Epoch },
    /// There is no such waiting room.
    Nowhere,
    /// Not known now.
    Unknown,
    /// This process goes down and takes nothing over.
    Draining,
}

/// A waiting room of a healthcare unit: what it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Home {
    pub(crate) tenant: TenantId,
    pub(crate) room: WaitingRoomId,
}

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) tenant: TenantId,
    pub(crate) room: WaitingRoomId,
    /// The owner in this epoch was asked and is gone.
    pub(crate) gone: Option<Epoch>,
    /// It may not exist yet: somebody wants to open it.
    pub(crate) new: bool,
    /// Another process asks: it is here, or about to be, or nowhere. Nothing is taken over.
    pub(crate) only_here: bool,
}

impl Wanted {
    pub(crate) const fn new(tenant: TenantId, room: WaitingRoomId) -> Self {
        Self { tenant, room, gone: None, new: false, only_here: false }
    }

    pub(crate) const fn home(&self) -> Home {
        Home { tenant: self.tenant, room: self.room }
    }
}

/// What a search has come to.
pub(crate) enum Found {
    /// Taken, and loaded: it lives here from now on.
    Ours {
        owner: Box<Owner>,
        epoch: Epoch,
    },
    Theirs(Owned),
    Nowhere,
}

impl Shared {
    /// Where a waiting room is; takes it over if it is nowhere.
    pub(crate) async fn find(&self, wanted: Wanted) -> Place {
        if let Some(inbox) = self.room(wanted.home()) {
            return Place::Here(inbox);
        }
        if self.draining.is_cancelled() {
            return Place::Draining;
        }
        let (done, answer) = oneshot::channel();
        let asked = async {
            self.control.send(crate::service::Control { wanted, done }).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(limits::FIND_TIMEOUT, asked).await.ok().flatten().unwrap_or(Place::Unknown)
    }
}

/// Asks the store who the owner is, and becomes it unless another process answers for it.
pub(crate) async fn search(shared: &Arc<Shared>, wanted: Wanted) -> Result<Found, Error> {
    let Wanted { tenant, room, new, .. } = wanted;
    let mut gone = wanted.gone;
    loop {
        let owned = shared.store.owner(tenant, room.0).await?;
        let before = match owned {
            Some(owned) if shared.is_elsewhere(&owned) && Some(owned.epoch) != gone => {
                return Ok(Found::Theirs(owned));
            }
            Some(owned) => owned.epoch,
            None => Epoch::default(),
        };
        if !new && !load::exists(&*shared.store, tenant, room).await? {
            return Ok(Found::Nowhere);
        }
        let (me, now) = (shared.me.clone(), shared.steady.now());
        match shared.store.take(tenant, room.0, before, me, now).await {
            // Read after it was taken: nothing that another process appends comes later.
            Ok(fence) => {
                let owner = load::room(&shared.store, &shared.index, tenant, room).await?;
                return Ok(Found::Ours { owner: Box::new(owner), epoch: fence.epoch });
            }
            // Another process was faster, or the answer was lost: the store knows.
            Err(AppendError::Rejected(Refusal::Fenced) | AppendError::Unknown) => gone = None,
            Err(AppendError::Rejected(_)) => return Err(Error::Unwritable),
        }
    }
}

impl Shared {
    /// Whether a waiting room that is here is still ours. Who joins anew takes a seat, which the store refuses us if it
    /// is not; who only comes back to their seat would be shown a past in which they may have been told more.
    pub(crate) async fn is_still_ours(&self, tenant: TenantId, room: WaitingRoomId) -> bool {
        if self.me.address.is_empty() {
            return true;
        }
        for _ in 0..limits::OWNER_LOOKS {
            match tokio::time::timeout(limits::OWNER_LOOK, self.store.owner(tenant, room.0)).await {
                Ok(Ok(owned)) => return owned.is_some_and(|owned| owned.holder.process == self.me.process),
                Ok(Err(ReadError)) => {}
                Err(_) => break,
            }
        }
        true
    }

    /// Whether an owner may still be alive in another process. One at our own address is an earlier life of ours, and
    /// one without an address ran alone.
    fn is_elsewhere(&self, owned: &Owned) -> bool {
        let Owned { holder, .. } = owned;
        holder.process != self.me.process && holder.address != self.me.address && !holder.address.is_empty()
    }
}
