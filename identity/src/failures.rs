//! Failed sign-ins for the auditor: whose account, how often, with what; never from where, and no address.
//!
//! Nobody waits for it: a failure is noted in memory, which takes as long for somebody as for nobody, and a task writes a
//! row for an account at once and then at most once a minute, with how many there were. So rows cannot be made as fast as
//! guesses. An address that nobody has leaves no row, only a count. What was noted and not written when a process dies is lost.

use crate::{
    limits::{FAILURE_LOOKS, FAILURE_PAUSE, MAX_FAILURES},
    service::{Identity, audit},
};
use model::{TenantId, Timestamp};
use parking_lot::Mutex;
use platform::event_log::NewAudit;
use policy::AccountId;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use serde_json::json;
use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long writing what is left may take when the process ends.
const LAST_LOOK: Duration = Duration::from_millis(300);

/// What was not right.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factor {
    Password,
    Code,
    Passkey,
}

/// Failures of one account since its last row.
#[derive(Clone, Copy, Debug)]
struct Tally {
    passwords: u32,
    codes: u32,
    passkeys: u32,
    first: Timestamp,
    last: Timestamp,
}

impl Tally {
    const fn none(at: Timestamp) -> Self {
        Self { passwords: 0, codes: 0, passkeys: 0, first: at, last: at }
    }

    fn and(self, other: Self) -> Self {
        Self {
            passwords: self.passwords.saturating_add(other.passwords),
            codes: self.codes.saturating_add(other.codes),
            passkeys: self.passkeys.saturating_add(other.passkeys),
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    fn body(self) -> String {
        let Self { passwords, codes, passkeys, first, last } = self;
        json!({ "passwords": passwords, "codes": codes, "passkeys": passkeys, "first": first, "last": last })
            .to_string()
    }
}

type Whose = (TenantId, AccountId);

/// What a process has noted.
#[derive(Default)]
pub(crate) struct Failures {
    tallies: Mutex<HashMap<Whose, Tally>>,
    somebodys: AtomicU64,
    nobodys: AtomicU64,
    unrecorded: AtomicU64,
}

impl Failures {
    /// Somebody tried to sign in, and it was not right. Whose account it is, if there is one.
    pub(crate) fn note(&self, tenant: TenantId, account: Option<AccountId>, factor: Factor, at: Timestamp) {
        let Some(account) = account else {
            self.nobodys.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.somebodys.fetch_add(1, Ordering::Relaxed);
        let mut tally = Tally::none(at);
        match factor {
            Factor::Password => tally.passwords = 1,
            Factor::Code => tally.codes = 1,
            Factor::Passkey => tally.passkeys = 1,
        }
        self.add((tenant, account), tally);
    }

    fn add(&self, whose: Whose, tally: Tally) {
        let mut tallies = self.tallies.lock();
        let full = tallies.len() >= MAX_FAILURES;
        match tallies.entry(whose) {
            Entry::Occupied(mut known) => *known.get_mut() = known.get().and(tally),
            Entry::Vacant(place) if !full => drop(place.insert(tally)),
            Entry::Vacant(_) => drop(self.unrecorded.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Takes one that is due.
    fn take(&self, due: impl Fn(&Whose) -> bool) -> Option<(Whose, Tally)> {
        let mut tallies = self.tallies.lock();
        let whose = tallies.keys().find(|whose| due(whose)).copied()?;
        tallies.remove(&whose).map(|tally| (whose, tally))
    }
}

/// Writes rows about failed sign-ins.
pub struct FailureLog {
    identity: Arc<Identity>,
    failed: IntCounterVec,
    unrecorded: IntCounter,
    /// When the last row of an account was written, for as long as that matters.
    written: HashMap<Whose, Timestamp>,
}

impl FailureLog {
    /// Registers its metrics.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(identity: Arc<Identity>, registry: &Registry) -> Result<Self, prometheus::Error> {
        let failed = IntCounterVec::new(
            Opts::new(
                "telehealth_identity_sign_ins_failed_total",
                "Failed sign-ins, at somebody's account or at nobody's",
            ),
            &["whose"],
        )?;
        let unrecorded = IntCounter::new(
            "telehealth_identity_sign_ins_failed_unrecorded_total",
            "Failed sign-ins of so many accounts at once that the audit trail has no row of them",
        )?;
        registry.register(Box::new(failed.clone()))?;
        registry.register(Box::new(unrecorded.clone()))?;
        Ok(Self { identity, failed, unrecorded, written: HashMap::new() })
    }

    /// Writes until it is told to stop, then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = interval(FAILURE_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = looks.tick() => self.look(false).await,
            }
        }
        let _ = timeout(LAST_LOOK, self.look(true)).await;
    }

    /// Writes what is due, or with `all` whatever there is.
    pub async fn look(&mut self, all: bool) {
        let failures = Arc::clone(&self.identity.failures);
        let count = |of: &AtomicU64| of.swap(0, Ordering::Relaxed);
        self.failed.with_label_values(&["somebody"]).inc_by(count(&failures.somebodys));
        self.failed.with_label_values(&["nobody"]).inc_by(count(&failures.nobodys));
        self.unrecorded.inc_by(count(&failures.unrecorded));
        let now = self.identity.records.clock.now();
        // A clock that was set back must not make it last.
        self.written.retain(|_, at| now >= *at && now.since(*at) < FAILURE_PAUSE);
        while self.written.len() < MAX_FAILURES {
            let due = |whose: &Whose| all || !self.written.contains_key(whose);
            let Some((whose, tally)) = failures.take(due) else { return };
            let (tenant, account) = whose;
            let row =
                NewAudit { subject: Some(account.0), body: tally.body(), ..audit("sign-in.fail", None) };
            if self.identity.records.record_failure(tenant, row).await.is_err() {
                // Another time.
                failures.add(whose, tally);
                return;
            }
            self.written.insert(whose, now);
        }
    }
}

impl fmt::Debug for FailureLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureLog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn so_many_accounts_are_noted_and_one_more_is_only_counted() {
        let (failures, tenant) = (Failures::default(), TenantId(Uuid::nil()));
        let note = |n: usize| {
            let account = AccountId(Uuid::from_u128(n as u128));
            failures.note(tenant, Some(account), Factor::Password, Timestamp(1));
        };
        (0..MAX_FAILURES).for_each(note);
        assert_eq!(failures.unrecorded.load(Ordering::Relaxed), 0);
        note(7);
        assert_eq!(
            (failures.tallies.lock().len(), failures.unrecorded.load(Ordering::Relaxed)),
            (MAX_FAILURES, 0)
        );
        note(MAX_FAILURES);
        assert_eq!(
            (failures.tallies.lock().len(), failures.unrecorded.load(Ordering::Relaxed)),
            (MAX_FAILURES, 1)
        );
    }
}
