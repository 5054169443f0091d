//! Patients and clinicians of a whole deployment: check in, wait, are admitted, talk, share, reload, leave.
//!
//! Every visit is booked before the first patient comes. A clinician takes whoever waits first; the patient and the
//! clinician of one visit share a [`Booking`], which is how the synthetic patient knows when the click was.

use super::{
    MOST_VISITS, World, conclude,
    seat::{Discontinued, Seat, Speech, tenacious},
    sending,
};
use crate::{
    journey::Journey,
    plan::Arrival,
    record::{Record, Stage},
};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures_util::{StreamExt as _, stream};
use loadtest::{
    consult::{FIRST, FIRST_VOICE, check_in, invite, now},
    media::{Client, Sending, Sink, Source, Tag},
    participant::{Link, Participant, Seen, command_id},
};
use model::VisitId;
use signaling_protocol::{
    ClientMessage,
    view::{MediaWish, Modality, Outcome, PhaseView},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

/// Clinics that are opened at once.
const AT_ONCE: usize = 16;

/// Between two invitations of one clinician: the server takes 20 messages a second.
const BETWEEN_INVITATIONS: Duration = Duration::from_millis(55);

/// How long a patient waits in the queue, at most, beyond the time in which patients come.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// How long one side waits for the other in a step both take part in.
const TOGETHER: Duration = Duration::from_secs(20);

/// One visit, as both sides know it.
#[derive(Debug)]
struct Booking {
    person: Arrival,
    patient: Tag,
    clinician: Tag,
    /// When the clinician admitted.
    admitted: OnceLock<Instant>,
    /// When the clinician began to share.
    shared: watch::Sender<Option<Instant>>,
    /// The patient is through with it, one way or the other.
    over: AtomicBool,
    /// The call could not go on for one of the two.
    lost: AtomicBool,
}

impl Booking {
    /// Counts the call as lost, once, if that is what this error means.
    fn lost(&self, record: &Record, error: &anyhow::Error) {
        let in_call = self.admitted.get().is_some();
        if in_call && error.is::<Discontinued>() && !self.lost.swap(true, Ordering::Relaxed) {
            record.lost_call();
        }
    }
}

type Failed = (Stage, anyhow::Error);

trait At<T> {
    /// Says in which stage it failed.
    fn at(self, stage: Stage) -> Result<T, Failed>;
}

impl<T> At<T> for Result<T> {
    fn at(self, stage: Stage) -> Result<T, Failed> {
        self.map_err(|error| (stage, error))
    }
}

/// A clinician at work, and whom they will see.
pub(crate) struct Clinic {
    world: Arc<World>,
    seat: Seat,
    bookings: HashMap<VisitId, Arc<Booking>>,
    links: Vec<(Link, Arc<Booking>)>,
}

/// Opens the waiting rooms and books every visit.
///
/// # Errors
/// There are too few links, or a clinic does not open.
pub(crate) async fn open(
    world: &Arc<World>,
    journey: &Journey,
    links: &[Link],
    people: &[Arrival],
) -> Result<Vec<Clinic>> {
    let count = journey.clinicians;
    ensure!(
        links.len() >= count,
        "the journey has {count} clinicians and there are links for {}: give more links, or --clinicians {}",
        links.len(),
        links.len()
    );
    let each = people.len().div_ceil(count);
    ensure!(
        each <= MOST_VISITS,
        "{} patients are {each} for each of {count} clinicians; at most {MOST_VISITS}: raise `clinicians`",
        people.len()
    );
    let mut opening = stream::iter(links.iter().take(count).enumerate())
        .map(|(n, link)| {
            let theirs: Vec<_> = people.iter().cloned().enumerate().skip(n).step_by(count).collect();
            Clinic::open(world, link, n, theirs)
        })
        .buffer_unordered(AT_ONCE);
    let mut clinics = Vec::new();
    while let Some(clinic) = opening.next().await {
        clinics.push(clinic.context("a clinician cannot begin")?);
    }
    Ok(clinics)
}

/// Everybody comes, from `begin` on; until the last visit is over.
pub(crate) async fn play(clinics: Vec<Clinic>, begin: Instant) {
    let last = clinics.iter().flat_map(|clinic| &clinic.links).map(|(_, booking)| booking.person.at).max();
    let latest = begin + last.unwrap_or_default() + LONGEST_WAIT;
    let (mut patients, mut clinicians) = (JoinSet::new(), JoinSet::new());
    for mut clinic in clinics {
        for (link, booking) in std::mem::take(&mut clinic.links) {
            patients.spawn(patient(Arc::clone(&clinic.world), link, booking, begin, latest));
        }
        clinicians.spawn(clinic.serve(latest));
    }
    while patients.join_next().await.is_some() {}
    // They finish the visit they are in.
    let _ = timeout(TOGETHER, async { while clinicians.join_next().await.is_some() {} }).await;
}

impl Clinic {
    async fn open(world: &Arc<World>, link: &Link, n: usize, people: Vec<(usize, Arrival)>) -> Result<Self> {
        let mut clinician = tenacious(world, Participant::join(link).await?);
        world.record.build(&clinician.build);
        let warm = |seen: &Seen| seen.queue.as_ref().is_some_and(|queue| queue.media == MediaWish::Warm);
        let ready = now() + TOGETHER;
        ensure!(
            clinician.until_at(ready, warm).await?,
            "the clinician is not asked to connect: is another visit in course in this waiting room?"
        );
        let own = Tag(1_000_000 + n as u32);
        let sending = Sending::talking(own);
        let speech = vec![(Source::Microphone, sending), (Source::Camera, sending)];
        let (mut seat, _) = Seat::take(world, clinician, world.clinicians, speech, FIRST).await?;
        let clinician = &mut seat.who;
        let (mut bookings, mut links) = (HashMap::new(), Vec::new());
        for (number, person) in people {
            let (visit, link) = invite(clinician).await?;
            let booking = Arc::new(Booking {
                person,
                patient: Tag(number as u32 + 1),
                clinician: own,
                admitted: OnceLock::new(),
                shared: watch::Sender::new(None),
                over: AtomicBool::new(false),
                lost: AtomicBool::new(false),
            });
            links.push((link.via(clinician.origin()), Arc::clone(&booking)));
            bookings.insert(visit, booking);
            sleep(BETWEEN_INVITATIONS).await;
        }
        Ok(Self { world: Arc::clone(world), seat, bookings, links })
    }

    /// Takes one patient after the other.
    async fn serve(mut self, latest: Instant) {
        while self.bookings.values().any(|booking| !booking.over.load(Ordering::Relaxed)) && now() < latest {
            let visit = match self.next().await {
                Ok(Some(visit)) => visit,
                Ok(None) => continue,
                Err(error) => return self.world.record.failed(Stage::Hello, &error.context("the clinician")),
            };
            let Some(booking) = self.bookings.get(&visit).cloned() else { continue };
            if let Err((stage, error)) = self.consult(visit, &booking).await {
                booking.lost(&self.world.record, &error);
                self.world.record.failed(stage, &error.context("the clinician"));
                // The next patient must not pay for it.
                let outcome = Outcome::TechnicalFailure;
                let end = ClientMessage::End { id: command_id(), visit, outcome };
                if self.seat.who.ask(end).await.is_err() {
                    return;
                }
                booking.over.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whoever waits first, if somebody does soon.
    async fn next(&mut self) -> Result<Option<VisitId>> {
        let first = |seen: &Seen, bookings: &HashMap<VisitId, Arc<Booking>>| {
            let queue = seen.queue.as_ref()?;
            let free = queue.media == MediaWish::Warm;
            let waits = queue.entries.iter().find(|entry| {
                let waiting = matches!(entry.phase, PhaseView::Waiting { .. });
                waiting && entry.connected && bookings.contains_key(&entry.visit)
            });
            waits.filter(|_| free).map(|entry| entry.visit)
        };
        let soon = now() + Duration::from_millis(500);
        let bookings = &self.bookings;
        self.seat.until(soon, false, |seen| first(seen, bookings).is_some()).await?;
        Ok(first(&self.seat.who.seen, bookings))
    }

    async fn consult(&mut self, visit: VisitId, booking: &Booking) -> Result<(), Failed> {
        let Self { world, seat, .. } = self;
        let person = &booking.person;
        seat.client.forget().await.at(Stage::FirstFrame)?;
        seat.sink = if person.sound_only { FIRST_VOICE } else { FIRST };
        let clicked = now();
        let _ = booking.admitted.set(clicked);
        let admit = ClientMessage::Admit { id: command_id(), visit };
        seat.who.ask(admit).await.context("admit").at(Stage::FirstFrame)?;
        let seen = seat.first_frame().await.at(Stage::FirstFrame)?;
        world.record.took(Stage::FirstFrame, seen.saturating_duration_since(clicked));
        let ends = clicked + person.talk;
        if person.shares {
            seat.until(clicked + person.talk / 4, true, |_| false).await.at(Stage::Screen)?;
            let asked = now();
            let share = ClientMessage::ShareRequest { id: command_id(), visit };
            seat.who.ask(share).await.context("share").at(Stage::Screen)?;
            seat.client.send(Source::Screen, Sending::modestly(booking.clinician));
            booking.shared.send_replace(Some(asked));
        }
        seat.until(ends, true, |_| false).await.at(Stage::Talk)?;
        whose(&seat.client, seat.sink, booking.patient).await.at(Stage::Talk)?;
        if person.shares {
            seat.client.stop(Source::Screen);
        }
        let end = ClientMessage::End { id: command_id(), visit, outcome: Outcome::Done };
        seat.who.ask(end).await.context("end").at(Stage::End).map(drop)
    }
}

/// Reads until then.
async fn keep(who: &mut Participant, until: Instant, stage: Stage) -> Result<(), Failed> {
    who.until_at(until, |_| false).await.at(stage).map(drop)
}

/// Nobody hears anybody but their partner.
async fn whose(media: &Client, sink: Sink, partner: Tag) -> Result<()> {
    let lines = media.counters().await?;
    for (known, line) in &lines {
        if let Some(tag) = line.tag
            && tag != partner
        {
            bail!("{known:?} brought somebody else");
        }
    }
    let last = lines.iter().find(|(known, _)| *known == sink).and_then(|(_, line)| line.last);
    let silent = now().saturating_duration_since(last.context("nothing came")?);
    ensure!(silent < Duration::from_secs(1), "nothing came for the last {:.1} s", silent.as_secs_f64());
    Ok(())
}

/// The whole way of one patient.
async fn patient(world: Arc<World>, link: Link, booking: Arc<Booking>, begin: Instant, latest: Instant) {
    let intended = begin + booking.person.at;
    sleep_until(intended.into()).await;
    world.record.came();
    let result = visit(&world, &link, &booking, intended, latest).await;
    if let Err((_, error)) = &result {
        booking.lost(&world.record, error);
    }
    conclude(&world.record, result);
    booking.over.store(true, Ordering::Relaxed);
}

/// Counts a call for as long as it lives.
struct InCall<'a>(&'a Record);

impl<'a> InCall<'a> {
    fn begin(record: &'a Record) -> Self {
        record.call(true);
        Self(record)
    }
}

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        self.0.call(false);
    }
}

fn phase(seen: &Seen) -> Option<&PhaseView> {
    seen.visit.as_ref().map(|visit| &visit.phase)
}

fn ended(seen: &Seen) -> bool {
    matches!(phase(seen), Some(PhaseView::Ended { .. }))
}

fn wishes(seen: &Seen, wish: MediaWish) -> bool {
    seen.visit.as_ref().is_some_and(|visit| visit.media == wish)
}

async fn visit(
    world: &Arc<World>,
    link: &Link,
    booking: &Booking,
    intended: Instant,
    latest: Instant,
) -> Result<(), Failed> {
    let (record, person) = (&world.record, &booking.person);
    let mut who = tenacious(world, Participant::join(link).await.at(Stage::Hello)?);
    record.took_since(Stage::Hello, intended);
    keep(&mut who, intended + person.think, Stage::CheckIn).await?;
    let modality = if person.sound_only { Modality::Sound } else { Modality::Video };
    check_in(&mut who, modality).await.at(Stage::CheckIn)?;
    record.took_since(Stage::CheckIn, intended + person.think);
    let checked_in = now();

    let called = |seen: &Seen| wishes(seen, MediaWish::Warm) || wishes(seen, MediaWish::Live);
    until(&mut who, latest, called, "nobody had time for them before the end").await.at(Stage::Waited)?;
    let (options, speech) = (person.on(world.patients), speech(person, booking.patient));
    let (mut seat, took) = Seat::take(world, who, options, speech, FIRST).await.at(Stage::Connected)?;
    record.took(Stage::Connected, took);

    let admitted = |seen: &Seen| matches!(phase(seen), Some(PhaseView::InCall { .. }));
    let in_time = seat.until(latest, false, admitted).await.at(Stage::Waited)?;
    if !in_time {
        return Err((Stage::Waited, anyhow!("nobody had time for them before the end")));
    }
    record.took_since(Stage::Waited, checked_in);
    let _counted = InCall::begin(record);
    let clicked =
        *booking.admitted.get().ok_or_else(|| anyhow!("admitted by somebody else")).at(Stage::FirstFrame)?;
    let frame = seat.first_frame().await.at(Stage::FirstFrame)?;
    record.took(Stage::FirstFrame, frame.saturating_duration_since(clicked));

    if person.shares {
        screen(record, booking, &mut seat).await.at(Stage::Screen)?;
    }
    if person.reconnects {
        seat.until(clicked + person.talk / 2, true, |_| false).await.at(Stage::Talk)?;
        seat = reload(world, seat).await.at(Stage::Reconnect)?;
    }
    // The clinician ends it.
    let enough = clicked + person.talk + TOGETHER;
    match seat.until(enough, true, ended).await {
        Ok(true) => {}
        Ok(false) => return Err((Stage::End, anyhow!("the visit does not end"))),
        Err(error) => return Err((Stage::Talk, error)),
    }
    heard(&seat.client, booking.clinician).await.at(Stage::Talk)
}

fn speech(person: &Arrival, tag: Tag) -> Speech {
    let sending = sending(person.device, tag);
    let mut speech = vec![(Source::Microphone, sending)];
    if !person.sound_only {
        speech.push((Source::Camera, sending));
    }
    speech
}

async fn until(
    who: &mut Participant,
    latest: Instant,
    condition: impl FnMut(&Seen) -> bool,
    otherwise: &'static str,
) -> Result<()> {
    ensure!(who.until_at(latest, condition).await?, otherwise);
    Ok(())
}

/// Waits for the clinician's screen.
async fn screen(record: &Record, booking: &Booking, seat: &mut Seat) -> Result<()> {
    let mut shared = booking.shared.subscribe();
    let asked = {
        let share = async { shared.wait_for(Option::is_some).await.map(|at| *at) };
        tokio::pin!(share);
        loop {
            tokio::select! {
                at = timeout(booking.person.talk + TOGETHER, &mut share) => {
                    break at.context("no screen was shared")??.context("when")?;
                }
                more = seat.until(now() + Duration::from_secs(1), true, ended) => {
                    ensure!(!more?, "the visit ended before the screen was shared");
                }
            }
        }
    };
    let frame = seat.client.first_frame(Sink::Screen).await.context("the screen")?;
    record.took(Stage::Screen, frame.saturating_duration_since(asked));
    Ok(())
}

/// The page is reloaded: everything is cut off, and comes again.
async fn reload(world: &Arc<World>, seat: Seat) -> Result<Seat> {
    let cut = now();
    let (who, options, speech, sink) = seat.cut();
    let mut who = tenacious(world, who.vanish().again().await?);
    until(&mut who, cut + TOGETHER, |seen| wishes(seen, MediaWish::Live), "not in the room again").await?;
    let (mut seat, _) = Seat::take(world, who, options, speech, sink).await?;
    let frame = seat.first_frame().await?;
    world.record.took(Stage::Reconnect, frame.saturating_duration_since(cut));
    Ok(seat)
}

/// Nobody but the clinician was heard or seen.
async fn heard(client: &Client, clinician: Tag) -> Result<()> {
    for (sink, line) in client.counters().await? {
        if line.tag.is_some_and(|tag| tag != clinician) {
            bail!("{sink:?} brought somebody else");
        }
    }
    Ok(())
}
