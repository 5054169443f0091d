//! Who arrives when, and what each does.

use anyhow::{Context as _, Result};
use benches::env;
use loadtest::{
    consult::{FIRST, Pair, check_in, connect, invite, now, talk},
    deployment::{Deployment, Place},
    media::{Client, Fleet, Load, Options, Sending, Tag},
    participant::{Link, Participant, command_id},
    random::Random,
};
use signaling_protocol::{
    ClientMessage,
    view::{MediaWish, Modality, Outcome, PhaseView},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet};

/// What is asked of the server.
pub(crate) struct Workload {
    pub(crate) journeys: usize,
    /// Arrivals a second.
    pub(crate) rate: f64,
    pub(crate) pairs: usize,
    pub(crate) seed: u64,
    /// Waiting rooms that take arrivals in turn.
    clinics: usize,
}

impl Workload {
    /// `JOURNEYS`, `RATE`, `PAIRS`, `SEED`.
    pub(crate) fn from_env() -> Result<Self> {
        Ok(Self {
            journeys: env("JOURNEYS", 300)?,
            rate: env("RATE", 10.0)?,
            pairs: env("PAIRS", 20)?,
            seed: env("SEED", 1)?,
            clinics: env("CLINICS", 32)?,
        })
    }
}

/// What was measured.
pub(crate) struct Samples {
    pub(crate) connected: Vec<Duration>,
    pub(crate) first_frame: Vec<Duration>,
    pub(crate) admit_to_frame: Vec<Duration>,
    /// How long arrivals stood in line before a clinician was free: the generator's own lateness.
    pub(crate) lag: Vec<Duration>,
    pub(crate) failed: usize,
    pub(crate) offer_bytes: usize,
    /// Of the media clients, while patients arrived.
    pub(crate) load: Load,
}

/// How long patient and clinician talk before the patient's page is reloaded.
const CALL_BEFORE_RELOAD: Duration = Duration::from_secs(1);

struct Journey {
    connected: [Duration; 2],
    first_frame: Duration,
    admit_to_frame: Duration,
    lag: Duration,
    offer_bytes: usize,
}

pub(crate) async fn run(workload: &Workload) -> Result<Samples> {
    let fleet = Arc::new(Fleet::start(None)?);
    let deployment = Deployment::start(workload.pairs + workload.clinics, Place::default()).await?;
    let (for_pairs, for_arrivals) = deployment.clinicians.split_at(workload.pairs);
    // Ends with the run: who lingers is cut off.
    let mut background = JoinSet::new();
    let mut talking = Vec::new();
    for (tag, link) in (1..).zip(for_pairs) {
        talking.push(
            Pair::begin(&fleet, Options::default(), link, tag, &mut background)
                .await
                .context("a pair that talks")?,
        );
    }
    eprintln!("{} pairs talk; {} patients arrive", talking.len(), workload.journeys);

    let (arrive, arrivals) = mpsc::channel::<Instant>(workload.journeys.max(1));
    let arrivals = Arc::new(tokio::sync::Mutex::new(arrivals));
    let (done, mut results) = mpsc::channel(workload.journeys.max(1));
    for (tag, link) in (10_000..).zip(for_arrivals) {
        let clinic = Clinic::open(&fleet, link, tag).await.context("a clinic")?;
        background.spawn(clinic.serve(Arc::clone(&arrivals), done.clone()));
    }
    drop(done);
    // What connecting them cost is not measured.
    fleet.load().await?;

    let mut random = Random::new(workload.seed);
    let mut at = tokio::time::Instant::now();
    for _ in 0..workload.journeys {
        at += random.exponential(workload.rate);
        tokio::time::sleep_until(at).await;
        arrive.send(at.into_std()).await?;
    }
    drop(arrive);

    let (mut journeys, mut failed) = (Vec::new(), 0);
    while let Some(result) = results.recv().await {
        match result {
            Ok(journey) => journeys.push(journey),
            Err(error) => {
                eprintln!("a journey failed: {error:#}");
                failed += 1;
            }
        }
    }
    for pair in &talking {
        pair.check().await?;
    }
    Ok(Samples::of(&journeys, failed, fleet.load().await?))
}

impl Samples {
    fn of(journeys: &[Journey], failed: usize, load: Load) -> Self {
        let each = |of: fn(&Journey) -> Duration| journeys.iter().map(of).collect();
        Self {
            connected: journeys.iter().flat_map(|journey| journey.connected).collect(),
            first_frame: each(|journey| journey.first_frame),
            admit_to_frame: each(|journey| journey.admit_to_frame),
            lag: each(|journey| journey.lag),
            failed,
            offer_bytes: journeys.iter().map(|journey| journey.offer_bytes).max().unwrap_or(0),
            load,
        }
    }
}

/// A clinician who is present, and takes patients one after the other.
struct Clinic {
    fleet: Arc<Fleet>,
    clinician: Participant,
    media: Client,
    tag: u32,
}

impl Clinic {
    async fn open(fleet: &Arc<Fleet>, link: &Link, tag: u32) -> Result<Self> {
        let mut clinician = Participant::join(link).await?;
        clinician
            .until(|seen| seen.queue.as_ref().is_some_and(|queue| queue.media == MediaWish::Warm))
            .await?;
        let media = connect(fleet, Options::default(), &mut clinician).await?.client;
        Ok(Self { fleet: Arc::clone(fleet), clinician, media, tag })
    }

    async fn serve(
        mut self,
        arrivals: Arc<tokio::sync::Mutex<mpsc::Receiver<Instant>>>,
        done: mpsc::Sender<Result<Journey>>,
    ) {
        // Small: clinicians who wait for a patient should not weigh on what is measured.
        talk(&self.media, Sending::quietly(Tag(self.tag)));
        loop {
            let Some(due) = arrivals.lock().await.recv().await else { return };
            let lag = now().saturating_duration_since(due);
            let result = self.journey(lag).await;
            let failed = result.is_err();
            if done.send(result).await.is_err() || failed {
                return;
            }
        }
    }

    async fn journey(&mut self, lag: Duration) -> Result<Journey> {
        let (visit, link) = invite(&mut self.clinician).await?;
        let mut patient = Participant::join(&link).await?;
        check_in(&mut patient, Modality::Video).await?;
        patient.until(|seen| seen.visit.as_ref().is_some_and(|v| v.media == MediaWish::Warm)).await?;
        let warm =
            connect(&self.fleet, Options::default(), &mut patient).await.context("the warm connection")?;
        talk(&warm.client, Sending::talking(Tag(self.tag + 1)));

        self.media.forget().await?;
        let clicked = now();
        self.clinician.ask(ClientMessage::Admit { id: command_id(), visit }).await?;
        let (seen_by_patient, seen_by_clinician) =
            tokio::try_join!(warm.client.first_frame(FIRST), self.media.first_frame(FIRST))
                .context("after admission")?;
        patient
            .until(|seen| matches!(seen.visit.as_ref().map(|v| &v.phase), Some(PhaseView::InCall { .. })))
            .await?;

        // Nobody reloads at once; and the SFU spares a camera two keyframes within half a second.
        tokio::time::sleep(CALL_BEFORE_RELOAD).await;
        // The page goes without a goodbye.
        drop(warm.client);
        let live = connect(&self.fleet, Options::default(), &mut patient).await.context("after a reload")?;
        talk(&live.client, Sending::talking(Tag(self.tag + 1)));
        let frame = live.client.first_frame(FIRST).await.context("after a reload")?;

        self.clinician.ask(ClientMessage::End { id: command_id(), visit, outcome: Outcome::Done }).await?;
        self.clinician
            .until(|seen| seen.queue.as_ref().is_some_and(|queue| queue.media == MediaWish::Warm))
            .await?;
        Ok(Journey {
            connected: [warm.took, live.took],
            first_frame: frame - live.offered,
            admit_to_frame: seen_by_patient.max(seen_by_clinician) - clicked,
            lag,
            offer_bytes: live.offer_bytes,
        })
    }
}
