//! Clients that the `webrtc` crate speaks for: a stranger to our server, to our engine and to our packets.
//!
//! SDP, ICE, DTLS, SRTP, SCTP, reports, feedback and repairs are the crate's, with its own codecs and interceptors as
//! it registers them by default. What is sent ([`super::outgoing`]) and how it is judged ([`super::incoming`]) is what
//! all clients share. Each costs several tasks and many allocations per packet: tests of interoperability have a few.
//!
//! In reading order: `connection` (what it is made of), `client` (one of them at work).

use super::{Act, Milestones, Observation, Options, Sink, Source, lines, now, observed::Observed, session};
use anyhow::{Context as _, Result};
use client::Running;
use connection::{Connection, Happened};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

mod client;
mod connection;

/// Commands waiting for one client. Full: the command is lost, and whoever waits for its answer is told.
const ACTS: usize = 64;

/// What the clients of this kind saw together.
#[derive(Debug)]
pub(super) struct Tally {
    packets: AtomicU64,
    lost: AtomicU64,
    late: Mutex<Observed>,
}

impl Tally {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let late = Mutex::new(Observed::new()?);
        Ok(Arc::new(Self { packets: AtomicU64::new(0), lost: AtomicU64::new(0), late }))
    }

    fn count(&self, packets: u64, lost: u64) {
        self.packets.fetch_add(packets, Ordering::Relaxed);
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    fn late(&self, by: Duration) {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).late(by);
    }

    /// Adds what was seen since this was last asked.
    pub(super) fn add_to(&self, mut seen: Observation) -> Observation {
        let counted = (self.packets.swap(0, Ordering::Relaxed), self.lost.swap(0, Ordering::Relaxed));
        let theirs = self.late.lock().unwrap_or_else(PoisonError::into_inner).take(counted, 0.0);
        seen.packets += theirs.packets;
        seen.lost += theirs.lost;
        // Both have the same bounds.
        let _ = seen.late.add(&theirs.late);
        seen
    }
}

/// An offer that waits for its answer.
pub(super) struct Pending {
    connection: Connection,
    happened: mpsc::Receiver<Happened>,
    offer: String,
    sends: Vec<Source>,
    receives: Vec<Sink>,
    tally: Arc<Tally>,
}

impl Pending {
    pub(super) async fn offer(options: Options, tally: &Arc<Tally>) -> Result<(Self, String)> {
        let (sends, receives) = pool(options);
        let (connection, happened) = Connection::open(options, &sends, &receives).await?;
        let offer = connection.offer().await.context("the webrtc crate makes no offer")?;
        let tally = Arc::clone(tally);
        Ok((Self { connection, happened, offer: offer.clone(), sends, receives, tally }, offer))
    }

    pub(super) async fn answered(self, answer: &str) -> Result<(Remote, watch::Receiver<Milestones>)> {
        let Self { connection, happened, offer, sends, receives, tally } = self;
        let (ours, mut theirs) = (lines::read(&offer), lines::read(answer));
        for line in &mut theirs {
            // Extensions and repairs are the crate's affair.
            line.extensions.clear();
            line.repair_type = None;
        }
        let (outgoing, incoming) = session::agreed((&sends, &receives), &ours, &theirs, now())?;
        connection.answered(answer).await.context("the webrtc crate takes no such answer")?;
        let (acts, commands) = mpsc::channel(ACTS);
        let (milestones, seen) = watch::channel(Milestones::default());
        let running = Running::new(connection, outgoing, incoming, milestones, tally);
        let mut tasks = JoinSet::new();
        tasks.spawn(running.run(commands, happened));
        Ok((Remote { acts, _tasks: tasks }, seen))
    }
}

/// The fixed pool a browser of ours offers, in its order.
fn pool(options: Options) -> (Vec<Source>, Vec<Sink>) {
    let mut sends = Vec::new();
    if options.sends {
        sends.extend([Source::Microphone, Source::Camera]);
        sends.extend(options.share.then_some(Source::Screen));
    }
    let mut receives: Vec<_> =
        (0..options.slots).flat_map(|slot| [Sink::Audio(slot), Sink::Video(slot)]).collect();
    receives.extend(options.screen.then_some(Sink::Screen));
    (sends, receives)
}

/// A client at work, which goes with this.
#[derive(Debug)]
pub(super) struct Remote {
    acts: mpsc::Sender<Act>,
    /// Aborted when dropped: a pulled cable.
    _tasks: JoinSet<()>,
}

impl Remote {
    pub(super) fn tell(&self, act: Act) {
        let _ = self.acts.try_send(act);
    }
}
