//! What there is to oversee in a unit, in numbers: whether the audit trail is whole, emergencies that wait. No names.

use crate::service::Identity;
use platform::audit::{
    chain::ChainId,
    watch::{ChainState, Copies},
};
use policy::{Permit, action::ReadStatus};
use serde::Serialize;

/// Whether an audit trail is what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrailState {
    /// All of it was looked at, and is.
    Whole,
    /// Something was changed.
    Broken,
    /// It is being looked through for the first time.
    Checking,
    /// This process does not look after it.
    Unknown,
}

impl TrailState {
    pub(crate) fn of(chains: &[(ChainId, ChainState)]) -> Self {
        if chains.iter().any(|(_, chain)| chain.broken.is_some()) {
            Self::Broken
        } else if chains.is_empty() || chains.iter().any(|(_, chain)| chain.verified_at.is_none()) {
            Self::Checking
        } else {
            Self::Whole
        }
    }
}

/// Emergencies of a unit, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Those that last.
    pub open: usize,
    /// Those that nobody has reviewed.
    pub unreviewed: usize,
}

/// What there is to oversee in a unit.
#[derive(Clone, Copy, Debug)]
pub struct Oversight {
    /// The audit trail.
    pub trail: TrailState,
    /// Of its second place; none where nothing is copied.
    pub copies: Option<Copies>,
    /// None while the store does not answer.
    pub emergencies: Option<Open>,
}

impl Identity {
    /// What there is to oversee in a unit. Answers also while the store does not.
    pub async fn oversight(&self, permit: &Permit<ReadStatus>) -> Oversight {
        let tenant = permit.tenant();
        let trail = match &self.chains {
            Some(chains) => TrailState::of(&chains.of(tenant)),
            None => TrailState::Unknown,
        };
        let copies = self.chains.as_ref().and_then(|chains| chains.copies());
        let now = self.records.clock.now();
        let emergencies = self.emergencies(tenant).await.ok().map(|all| Open {
            open: all.all().filter(|(_, one)| one.lasts(now)).count(),
            unreviewed: all.all().filter(|(_, one)| one.review.is_none()).count(),
        });
        Oversight { trail, copies, emergencies }
    }
}
