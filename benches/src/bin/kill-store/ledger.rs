//! What was acknowledged, and whether it is there.

use crate::STREAMS;
use anyhow::{Result, ensure};
use platform::{
    event_log::{EventStore, Moment, Position, Store, Version},
    limits::MAX_READ,
};
use testkit::event_log::{command, stream};

/// The newest version of each stream: as it was acknowledged, and as it was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) acknowledged: [u64; STREAMS],
    pub(crate) found: [u64; STREAMS],
}

/// What a kill left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aftermath {
    /// Events that nobody was told of: their commit was on its way to the caller.
    pub(crate) unannounced: u64,
}

/// The command that makes a version of a stream.
pub(crate) fn key(n: usize, version: u64) -> u128 {
    (n as u128 + 1) << 64 | u128::from(version)
}

impl Ledger {
    /// Notes an acknowledgement.
    pub(crate) fn note(&mut self, n: usize, version: u64) -> Result<()> {
        ensure!(version == self.acknowledged[n] + 1, "stream {n}: {version} was acknowledged out of order");
        self.acknowledged[n] = version;
        Ok(())
    }

    /// Everything acknowledged, by what was found so far.
    pub(crate) fn total(&self) -> u64 {
        self.found.iter().sum()
    }

    /// Looks at what came since the last look, after which what was found counts as acknowledged: somebody has seen it.
    ///
    /// # Errors
    /// Something is lost, there twice, or out of order.
    pub(crate) async fn look(&mut self, store: &dyn Store) -> Result<Aftermath> {
        let mut unannounced = 0;
        for n in 0..STREAMS {
            let head = gapless(store, n, self.found[n]).await?;
            let acknowledged = self.acknowledged[n];
            ensure!(head >= acknowledged, "stream {n}: {acknowledged} was acknowledged, and {head} is there");
            unannounced += head - acknowledged;
            // The newest that was acknowledged is known as a command as well, and is not carried out again.
            if acknowledged > 0 {
                let again = command(stream(n as u128), acknowledged - 1, key(n, acknowledged));
                let again = store.append(again).await?;
                ensure!(again.repeated && again.version.0 == acknowledged, "stream {n}: carried out twice");
            }
            (self.acknowledged[n], self.found[n]) = (head, head);
        }
        Ok(Aftermath { unannounced })
    }

    /// Looks through all of it: each stream from its beginning, and that there is one position, one message and one
    /// audit row for each event.
    ///
    /// # Errors
    /// Something is lost, there twice, or out of order.
    pub(crate) async fn look_through(&self, store: &dyn Store) -> Result<()> {
        for n in 0..STREAMS {
            ensure!(gapless(store, n, 0).await? == self.found[n], "stream {n} has changed");
        }
        let (mut events, mut messages, mut audits) = (0, 0, 0);
        for partition in store.partitions() {
            events += counted(async |after| {
                let page = store.tail(partition, Position(after), MAX_READ).await?;
                Ok(page.iter().map(|event| event.position.0).collect())
            })
            .await?;
            messages += counted(async |after| {
                let page = store.outbox(partition, Position(after), MAX_READ).await?;
                Ok(page.iter().map(|message| message.position.0).collect())
            })
            .await?;
            audits += counted(async |after| {
                let page = store.audit(stream(0).tenant, partition, after, MAX_READ).await?;
                Ok(page.iter().map(|row| row.number).collect())
            })
            .await?;
        }
        let all = self.total();
        ensure!(
            (events, messages, audits) == (all, all, all),
            "of {all} commands there are {events} events, {messages} messages and {audits} audit rows"
        );
        Ok(())
    }
}

/// The newest version of a stream, after a look at all that come after `after`.
async fn gapless(store: &(impl EventStore + ?Sized), n: usize, after: u64) -> Result<u64> {
    let of = stream(n as u128);
    counted_from(after, async |after| {
        let page = store.read(of, Version(after), MAX_READ, Moment::NOW).await?;
        Ok(page.iter().map(|event| event.version.0).collect())
    })
    .await
}

async fn counted(page: impl AsyncFnMut(u64) -> Result<Vec<u64>>) -> Result<u64> {
    counted_from(0, page).await
}

/// Reads numbers page by page; each has to follow the one before it. Answers the last.
async fn counted_from(mut last: u64, mut page: impl AsyncFnMut(u64) -> Result<Vec<u64>>) -> Result<u64> {
    loop {
        let numbers = page(last).await?;
        if numbers.is_empty() {
            return Ok(last);
        }
        for number in numbers {
            ensure!(number == last + 1, "{number} follows {last}");
            last = number;
        }
    }
}
