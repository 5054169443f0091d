//! Batch work in an open loop: histories of waiting rooms, a page each, so many a second whatever the answers do. On a
//! thread of its own that is served after the one that measures critical work.

use crate::{critical::ms, wire::Wire};
use anyhow::{Context as _, Result, ensure};
use loadtest::{consult::now, net::Origin, participant::Link};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, interval},
};

/// Connections. More than the lane works on and lets wait together.
pub(crate) const CONNECTIONS: usize = 192;

/// How often a new token is got for the same histories: one lives for a minute.
const TOKENS_EVERY: Duration = Duration::from_secs(20);

/// What the scheduler takes from the thread, in the way of `nice(1)`.
const NICENESS: i32 = 10;

/// So many a second, or as fast as eight callers are answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    PerSecond(f64),
    Callers(usize),
}

/// What became of what was offered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) offered: usize,
    pub(crate) good: usize,
    pub(crate) shed: usize,
    /// Shed without a word on when to come again, answered in another way, or not at all.
    pub(crate) wrong: usize,
    pub(crate) good_ms: Vec<f64>,
    pub(crate) shed_ms: Vec<f64>,
    pub(crate) late_ms: Vec<f64>,
    pub(crate) seconds: f64,
}

impl Sample {
    pub(crate) fn offered_per_s(&self) -> f64 {
        self.offered as f64 / self.seconds
    }

    pub(crate) fn goodput(&self) -> f64 {
        self.good as f64 / self.seconds
    }

    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.good += other.good;
        self.shed += other.shed;
        self.wrong += other.wrong;
        self.good_ms.extend(other.good_ms);
        self.shed_ms.extend(other.shed_ms);
        self.late_ms.extend(other.late_ms);
    }
}

struct Job {
    offer: Offer,
    long: Duration,
    done: oneshot::Sender<Result<Sample>>,
}

/// The thread.
pub(crate) struct Batch(mpsc::Sender<Job>);

impl Batch {
    /// Reads the histories of these waiting rooms in turn, so many visits a page.
    pub(crate) fn start(rooms: Vec<Link>, page: usize) -> Result<Self> {
        let (sender, jobs) = mpsc::channel(1);
        thread::Builder::new().name("batch".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // What goes wrong here is heard by whoever waits for a job.
            let _ = rustix::process::nice(NICENESS);
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(work(rooms, page, jobs));
            }
        })?;
        Ok(Self(sender))
    }

    pub(crate) async fn run(&self, offer: Offer, long: Duration) -> Result<Sample> {
        let (done, sample) = oneshot::channel();
        self.0.send(Job { offer, long, done }).await.ok().context("the batch thread ended")?;
        sample.await.context("the batch thread ended")?
    }
}

type Requests = Arc<Mutex<Vec<Arc<Vec<u8>>>>>;

async fn work(rooms: Vec<Link>, page: usize, mut jobs: mpsc::Receiver<Job>) -> Result<()> {
    let origin = rooms.first().context("no waiting room")?.origin().clone();
    let requests: Requests = Requests::default();
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| Wire::new(&origin)).collect();
    renewed(&rooms, page, &origin, &requests).await?;
    let mut renew = interval(TOKENS_EVERY);
    loop {
        tokio::select! {
            _ = renew.tick() => renewed(&rooms, page, &origin, &requests).await?,
            job = jobs.recv() => {
                let Some(Job { offer, long, done }) = job else { return Ok(()) };
                let run = run(&mut wires, &requests, offer, long);
                let mut run = std::pin::pin!(run);
                let result = loop {
                    tokio::select! {
                        result = &mut run => break result,
                        _ = renew.tick() => renewed(&rooms, page, &origin, &requests).await?,
                    }
                };
                let _ = done.send(result);
            }
        }
    }
}

async fn renewed(rooms: &[Link], page: usize, origin: &Origin, requests: &Requests) -> Result<()> {
    let mut fresh = Vec::new();
    for room in rooms {
        let token = room.token().await?;
        let request = format!(
            "GET /api/v1/history?limit={page} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n",
            origin.authority()
        );
        fresh.push(Arc::new(request.into_bytes()));
    }
    *requests.lock() = fresh;
    Ok(())
}

async fn run(wires: &mut Vec<Wire>, requests: &Requests, offer: Offer, long: Duration) -> Result<Sample> {
    ensure!(!requests.lock().is_empty(), "there are no tokens");
    let begin = now() + Duration::from_millis(20);
    let (apart, callers) = match offer {
        Offer::PerSecond(rate) => (Duration::from_secs_f64(1.0 / rate), CONNECTIONS),
        Offer::Callers(callers) => (Duration::ZERO, callers.min(CONNECTIONS)),
    };
    let next = Arc::new(AtomicU32::new(0));
    let mut asking = JoinSet::new();
    for mut wire in wires.drain(..callers) {
        let (requests, next) = (Arc::clone(requests), Arc::clone(&next));
        asking.spawn(async move {
            let mut sample = Sample::default();
            loop {
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let due = begin + apart * turn;
                if due.max(now()) >= begin + long {
                    return (wire, sample);
                }
                let request = {
                    let requests = requests.lock();
                    Arc::clone(&requests[turn as usize % requests.len()])
                };
                // In a closed loop each is due when the one before is done.
                let due = if apart.is_zero() { now() } else { due };
                sample.offered += 1;
                match wire.ask_at(due, &request).await {
                    Ok(answer) => {
                        sample.late_ms.push(ms(answer.late));
                        match (answer.status, answer.says_when_to_retry) {
                            (200, _) => {
                                sample.good += 1;
                                sample.good_ms.push(ms(answer.took));
                            }
                            (503, true) => {
                                sample.shed += 1;
                                sample.shed_ms.push(ms(answer.took));
                            }
                            _ => sample.wrong += 1,
                        }
                    }
                    Err(_) => {
                        sample.wrong += 1;
                        wire = wire.anew();
                    }
                }
            }
        });
    }
    let mut all = Sample::default();
    while let Some(done) = asking.join_next().await {
        let (wire, sample) = done?;
        wires.push(wire);
        all.add(sample);
    }
    all.seconds = Instant::now().into_std().saturating_duration_since(begin).max(long).as_secs_f64();
    Ok(all)
}
