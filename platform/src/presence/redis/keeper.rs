//! Keeps up what was announced, and notices when Redis has forgotten it.

use super::{commands, held::Announcement, held::Held, metrics::PresenceMetrics, route::Route};
use crate::{ids, limits::MAX_REFRESHES, presence::Key};
use futures_util::{StreamExt as _, stream};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often it is looked what is due, and whether Redis is still the one it was.
const TICK: Duration = Duration::from_millis(100);

/// How many ticks pass between looks at Redis.
const LOOK_EVERY: u32 = 5;

pub(super) struct Keeper {
    pub(super) route: Arc<Route>,
    pub(super) held: Arc<Held>,
    pub(super) metrics: PresenceMetrics,
}

/// Which Redis it is: the connection, and a mark that is gone when Redis was wiped behind it.
type Seen = (u64, Vec<u8>);

impl Keeper {
    pub(super) async fn run(self) {
        let mut seen = None;
        for tick in (0..LOOK_EVERY).cycle() {
            sleep(TICK).await;
            if tick == 0 {
                self.look(&mut seen).await;
            }
            self.refresh().await;
        }
    }

    async fn look(&self, seen: &mut Option<Seen>) {
        self.metrics.announced.set(i64::try_from(self.held.len()).unwrap_or(i64::MAX));
        // Another one each time: ours of before, set again after a wipe, would look like no wipe.
        let fresh = ids::fresh().to_string();
        let mark = self.route.run(commands::mark(&fresh)).await;
        self.metrics.connected.set(mark.is_ok().into());
        let Ok(mark) = mark else { return };
        let mark = commands::value(mark).ok().flatten().map_or_else(|| fresh.into(), Vec::from);
        let now = (self.route.generation(), mark);
        let before = seen.replace(now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        if before.is_some() {
            tracing::info!("Redis was wiped, restarted or replaced; announcing everything anew");
            self.metrics.rebuilds.inc();
        }
        // Also at the first look: what was announced before it may have gone to another Redis.
        self.held.all_due();
    }

    async fn refresh(&self) {
        let refreshes = self.held.due().into_iter().map(|(key, sent)| self.refresh_one(key, sent));
        stream::iter(refreshes).buffer_unordered(MAX_REFRESHES).for_each(|()| std::future::ready(())).await;
    }

    async fn refresh_one(&self, key: Key, sent: Announcement) {
        let answer = self.route.run(commands::announce(&key, &sent)).await;
        match answer.and_then(|answer| commands::stamp(&answer)) {
            Ok(stamp) => {
                self.held.announced(&key, &sent, stamp);
                // Withdrawn while the refresh was on its way: it may have come after the withdrawal.
                if let Some(stamp) = stamp.filter(|_| !self.held.holds(&key)) {
                    let _ = self.route.run(commands::withdraw(&key, stamp)).await;
                }
            }
            Err(_) => self.held.failed(&key, &sent),
        }
    }
}
