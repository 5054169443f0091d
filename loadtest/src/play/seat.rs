//! Somebody's place in a visit: their connection and their media, and what they do when either is lost. A page does the
//! same: whoever talks does not give up because a process went away.

use super::World;
use crate::record::Stage;
use anyhow::{Context as _, Result, ensure};
use loadtest::{
    consult::{connect, now},
    media::{Client, Options, PATIENCE, Sending, Sink, Source},
    participant::{Participant, Seen},
    tenacity::{GIVE_UP, Tell},
};
use signaling_protocol::view::MediaWish;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// How often somebody looks whether they still hear something.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The same while a first picture is awaited.
const LOOK_FOR_PICTURE_EVERY: Duration = Duration::from_millis(20);

/// Who hears nothing for so long in a call, not even a pulse, offers anew.
const STALLED: Duration = Duration::from_secs(1);

/// A media connection that is not up by then is given up, and another one tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(4);

/// Between two such tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// The call, or the wait for it, could not go on: [`GIVE_UP`] has passed.
#[derive(Debug)]
pub(super) struct Discontinued;

impl fmt::Display for Discontinued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it could not go on")
    }
}

/// What somebody says and shows.
pub(super) type Speech = Vec<(Source, Sending)>;

/// Media that were lost.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    noticed: Instant,
    /// When the last packet had come.
    last: Instant,
    /// A new connection is up, and its first picture is awaited.
    renewed: bool,
}

pub(super) struct Seat {
    world: Arc<World>,
    pub(super) who: Participant,
    pub(super) client: Client,
    options: Options,
    speech: Speech,
    /// Where the partner is seen, or heard.
    pub(super) sink: Sink,
    offered: Instant,
    trouble: Option<Trouble>,
    next_try: Instant,
}

/// Comes back by themselves, which is recorded.
pub(super) fn tenacious(world: &World, who: Participant) -> Participant {
    let record = world.record.clone();
    who.tenacious(Tell::new(move |took| record.took(Stage::Resumed, took)))
}

impl Seat {
    /// Connects, and begins to speak; how long connecting took.
    ///
    /// # Errors
    /// As for [`connect`].
    pub(super) async fn take(
        world: &Arc<World>,
        mut who: Participant,
        options: Options,
        speech: Speech,
        sink: Sink,
    ) -> Result<(Self, Duration)> {
        let (began, mut lost) = (now(), Duration::ZERO);
        let connected = loop {
            let tried = timeout(CONNECT_WITHIN, connect(&world.fleet, options, &mut who)).await;
            let error = match tried.context("no connection").flatten() {
                Ok(connected) => break connected,
                Err(error) => error,
            };
            if error.is::<loadtest::tenacity::Gone>() || now() >= began + PATIENCE {
                return Err(error);
            }
            // The media node may have gone away in between: as in a page, another offer finds another.
            sleep(BETWEEN_TRIES).await;
            lost = now() - began;
        };
        let took = lost + connected.took;
        let (offered, client, world) = (connected.offered, connected.client, Arc::clone(world));
        let seat =
            Self { world, who, client, options, speech, sink, offered, trouble: None, next_try: offered };
        seat.speak();
        Ok((seat, took))
    }

    fn speak(&self) {
        for (source, sending) in &self.speech {
            self.client.send(*source, *sending);
        }
    }

    /// Reads until what was seen satisfies `condition`, or until then and all is well; whether it does. Media that are
    /// lost meanwhile are made anew.
    ///
    /// # Errors
    /// [`Discontinued`], or the server hangs up for good.
    pub(super) async fn until(
        &mut self,
        at: Instant,
        talking: bool,
        mut condition: impl FnMut(&Seen) -> bool,
    ) -> Result<bool> {
        loop {
            let look = at.min(now() + LOOK_EVERY).max(now());
            let (offered, next_try) = (self.offered, self.next_try);
            let attention = |seen: &Seen| condition(seen) || (closed(seen, offered) && now() >= next_try);
            self.who.until_at(look, attention).await.context(Discontinued)?;
            if condition(&self.who.seen) {
                return Ok(true);
            }
            self.look_after(talking).await.context(Discontinued)?;
            if now() >= at && self.trouble.is_none() {
                return Ok(false);
            }
        }
    }

    /// Waits for the first picture, or sound where that is all there is; when it was there.
    ///
    /// # Errors
    /// There is none within [`PATIENCE`], or as for [`Seat::until`].
    pub(super) async fn first_frame(&mut self) -> Result<Instant> {
        let latest = now() + PATIENCE;
        loop {
            if let Some(at) = self.client.seen().first_frame(self.sink) {
                return Ok(at);
            }
            ensure!(now() < latest, "no picture in {PATIENCE:?}");
            self.until(now() + LOOK_FOR_PICTURE_EVERY, true, |_| false).await?;
        }
    }

    async fn look_after(&mut self, talking: bool) -> Result<()> {
        let at = now();
        if let Some(trouble) = self.trouble {
            match self.client.seen().first_frame(self.sink).filter(|_| trouble.renewed) {
                Some(seen) => {
                    self.trouble = None;
                    let gap = seen.saturating_duration_since(trouble.last);
                    self.world.record.took(Stage::MediaAgain, gap);
                }
                None => ensure!(
                    at < trouble.noticed + GIVE_UP,
                    "sound and picture are not back within {} s",
                    GIVE_UP.as_secs()
                ),
            }
        }
        let heard = self.client.heard();
        let stalled = talking && heard.is_some_and(|heard| at.saturating_duration_since(heard) >= STALLED);
        let untried = self.trouble.is_some_and(|trouble| !trouble.renewed);
        let lost = closed(&self.who.seen, self.offered) || stalled || untried;
        if lost && wished(&self.who.seen) && at >= self.next_try {
            self.renew(talking).await?;
        }
        Ok(())
    }

    /// Offers anew. What does not work is tried again.
    async fn renew(&mut self, talking: bool) -> Result<()> {
        let trouble = match self.trouble {
            Some(trouble) => trouble,
            None => {
                let lines = self.client.counters().await.unwrap_or_default();
                let last = lines.iter().filter_map(|(_, line)| line.last).max();
                Trouble { noticed: now(), last: last.unwrap_or_else(now), renewed: false }
            }
        };
        self.trouble = Some(Trouble { renewed: false, ..trouble });
        match timeout(CONNECT_WITHIN, connect(&self.world.fleet, self.options, &mut self.who)).await {
            Ok(Ok(connected)) => {
                (self.client, self.offered) = (connected.client, connected.offered);
                self.speak();
                // Before the call there is nothing to see yet.
                self.trouble = talking.then_some(Trouble { renewed: true, ..trouble });
            }
            Ok(Err(error)) if error.is::<loadtest::tenacity::Gone>() => return Err(error),
            Ok(Err(error)) if now() >= trouble.noticed + GIVE_UP => return Err(error),
            Ok(Err(_)) | Err(_) => self.next_try = now() + BETWEEN_TRIES,
        }
        Ok(())
    }

    /// Cut off, like a page that is reloaded.
    pub(super) fn cut(self) -> (Participant, Options, Speech, Sink) {
        (self.who, self.options, self.speech, self.sink)
    }
}

/// Whether the server has ended the session that was offered then, or one after it, and another is wished for.
fn closed(seen: &Seen, offered: Instant) -> bool {
    seen.media_closed.is_some_and(|at| at > offered) && wished(seen)
}

fn wished(seen: &Seen) -> bool {
    let visit = seen.visit.as_ref().map(|visit| visit.media);
    let queue = seen.queue.as_ref().map(|queue| queue.media);
    visit.into_iter().chain(queue).any(|wish| wish != MediaWish::Idle)
}
