//! Waiting rooms without media: as many connections as a clinic has people, how soon a queue shows who came, and
//! whether thousands can come back at once.

use super::{MOST_VISITS, read, sample_every};
use crate::{
    journey::{Journey, Waiting},
    plan,
    record::{Record, Stage},
    scrape::{Figures, Scrape},
    show::Show,
};
use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream};
use hdrhistogram::Histogram;
use loadtest::{
    consult::{check_in, invite, now},
    machine,
    media::Observation,
    participant::{Link, Participant, Seen},
};
use model::VisitId;
use signaling_protocol::view::{Modality, PhaseView};
use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

/// Files this process has open besides its connections: exchanges of links in course, standard streams, the runtime.
const OTHER_FILES: u64 = 300;

/// Connections from one loopback address: each has some 28,000 ports, some of which wait out their last minute.
const PER_ADDRESS: usize = 4_000;

/// Connections that are being opened at once.
const AT_ONCE: usize = 128;

const BETWEEN_INVITATIONS: Duration = Duration::from_millis(55);

/// How long the last to come, or to come back, is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found.
pub(crate) struct Found {
    pub(crate) record: Record,
    pub(crate) took: Duration,
    pub(crate) figures: BTreeMap<String, f64>,
    pub(crate) notes: Vec<String>,
    /// How late arrivals were sent, p99: the generator's own lateness.
    pub(crate) late: Histogram<u64>,
    pub(crate) busy: f64,
}

/// Who has checked in, and when that was to be: the clinicians' tasks look here.
type Expected = Arc<Mutex<std::collections::HashMap<VisitId, Instant>>>;

/// What a patient is told to do.
enum Order {
    CheckIn(VisitId, Instant),
    Return(oneshot::Sender<Result<()>>),
}

/// Plays it.
///
/// # Errors
/// It cannot begin, or so many do not connect that nothing can be said.
pub(crate) async fn play(
    journey: &Journey,
    waiting: &Waiting,
    links: &[Link],
    mut scrape: Option<Scrape>,
    show: &mut Show,
) -> Result<Found> {
    let mut notes = Vec::new();
    let connections = affordable(waiting.connections, &mut notes);
    let clinics = journey.clinicians;
    ensure!(
        links.len() >= clinics,
        "the journey has {clinics} clinicians and there are links for {}: give more links, or --clinicians {}",
        links.len(),
        links.len()
    );
    ensure!(
        connections > clinics,
        "only {connections} connections can be opened, and {clinics} are clinicians'"
    );
    let patients = connections - clinics;
    let each = patients.div_ceil(clinics);
    ensure!(
        each <= MOST_VISITS,
        "{patients} patients are {each} in each of {clinics} waiting rooms; at most {MOST_VISITS}: raise `clinicians`"
    );
    let arrivals = plan::people(journey);
    let arriving = arrivals.len().min(patients);
    let record = Record::default();
    record.planned(patients);
    let began = now();
    let expected = Expected::default();

    // Clinicians, and everybody's visit.
    show.say(&format!("{clinics} clinicians open their waiting rooms for {patients} patients"));
    let empty = read(&mut scrape).await;
    let mut clinicians = JoinSet::new();
    let mut booked = Vec::new();
    {
        let opening = stream::iter(links.iter().take(clinics).enumerate())
            .map(|(n, link)| {
                let theirs = patients / clinics + usize::from(n < patients % clinics);
                clinic(link.clone().from(source(link, n)), theirs)
            })
            .buffer_unordered(AT_ONCE);
        tokio::pin!(opening);
        while let Some(opened) = opening.next().await {
            let (clinician, visits) = opened.context("a clinician cannot begin")?;
            record.build(&clinician.build);
            record.connections(1);
            booked.extend(visits);
            clinicians.spawn(watch_queue(clinician, Arc::clone(&expected), record.clone()));
        }
    }
    let with_clinicians = read(&mut scrape).await;

    // Patients connect; all but those who come later check in at once.
    show.say(&format!("{patients} patients connect"));
    let mut orders = Vec::new();
    let mut everybody = JoinSet::new();
    {
        let gap = Duration::from_secs_f64(1.0 / waiting.open_per_second);
        let first = now();
        let many = booked.len();
        let opening = stream::iter(booked.into_iter().enumerate())
            .map(|(n, (visit, link))| {
                let record = record.clone();
                let at = first + gap * n as u32;
                let later = n + arriving >= many;
                async move {
                    sleep_until(at.into()).await;
                    record.came();
                    let link = link.clone().from(source(&link, n));
                    let who = connect(&link, later, at, &record).await;
                    (visit, later, who)
                }
            })
            .buffer_unordered(AT_ONCE);
        tokio::pin!(opening);
        let mut shown = now();
        while let Some((visit, later, who)) = opening.next().await {
            match who {
                Ok(who) => {
                    let (order, orders_) = mpsc::channel(2);
                    everybody.spawn(wait(who, orders_, Arc::clone(&expected), record.clone()));
                    orders.push((visit, later, order));
                }
                Err((stage, error)) => {
                    record.failed(stage, &error);
                    record.done(false);
                }
            }
            if shown.elapsed() > Duration::from_secs(1) {
                shown = now();
                sample(&record, began, &mut scrape, 0.0).await;
                show.update(began.elapsed(), Duration::from_secs(1), &record.now());
            }
        }
    }
    // What connecting needed for a moment is given back.
    sleep(Duration::from_secs(3)).await;
    let full = read(&mut scrape).await;
    sample(&record, began, &mut scrape, 0.0).await;

    // The last of them check in at the journey's times.
    show.say(&format!("{arriving} of them check in, as the journey says"));
    let mut late = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
    let busy_then = (now(), machine::Processor::of(std::process::id())?);
    let to_come: Vec<_> = orders.iter().filter(|(_, later, _)| *later).collect();
    let start = now();
    let every = sample_every(journey.over());
    let mut next = start + every;
    let mut planned = 0;
    for (arrival, (visit, _, order)) in arrivals.iter().zip(&to_come) {
        let at = start + arrival.at;
        while at >= next {
            sleep_until(next.into()).await;
            sample(&record, began, &mut scrape, planned as f64).await;
            show.update(began.elapsed(), Duration::from_secs(1), &record.now());
            (planned, next) = (0, next + every);
        }
        sleep_until(at.into()).await;
        planned += 1;
        late.saturating_record(u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX));
        // Before they are told: until the queue shows them they are waited for below.
        lock(&expected).insert(*visit, at);
        if order.send(Order::CheckIn(*visit, at)).await.is_err() {
            lock(&expected).remove(visit);
            record.failed(Stage::CheckIn, &anyhow::anyhow!("the server had hung up"));
            record.done(false);
        }
    }
    // Until the queues have shown everybody.
    let all_shown = async {
        while !lock(&expected).is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(PATIENCE, all_shown).await.is_err() {
        for _ in lock(&expected).drain() {
            record.failed(Stage::QueueShows, &anyhow::anyhow!("the clinician's queue did not show them"));
            record.done(false);
        }
    }
    sample(&record, began, &mut scrape, planned as f64).await;
    let used = machine::Processor::of(std::process::id())?.since(busy_then.1);
    let busy = (used.user + used.system).as_secs_f64() / busy_then.0.elapsed().as_secs_f64();

    // Thousands come back at once.
    let returning = waiting.reconnect.min(orders.len());
    show.say(&format!("{returning} are cut off and come back at once"));
    let cut = now();
    let mut back = JoinSet::new();
    for (_, _, order) in orders.iter().take(returning) {
        let (done, is_back) = oneshot::channel();
        let order = order.clone();
        back.spawn(async move {
            order.send(Order::Return(done)).await.ok().context("the server had hung up")?;
            timeout(PATIENCE, is_back).await.context("not back within a minute")?.context("gave up")?
        });
    }
    let (mut returned, mut last) = (0_u64, cut);
    while let Some(result) = back.join_next().await {
        match result.context("a task ended").and_then(|result| result) {
            Ok(()) => {
                returned += 1;
                last = now();
                record.took_since(Stage::Back, cut);
            }
            Err(error) => {
                record.failed(Stage::Back, &error);
                record.done(false);
            }
        }
    }
    sample(&record, began, &mut scrape, 0.0).await;
    let back_s = last.saturating_duration_since(cut).as_secs_f64();

    let failed = record.people().failed;
    for _ in 0..(patients as u64).saturating_sub(failed) {
        record.done(true);
    }
    let mut figures = BTreeMap::from([
        ("connections".to_owned(), record.now().connections as f64),
        ("arrivals".to_owned(), to_come.len() as f64),
        ("reconnected_at_once".to_owned(), returned as f64),
    ]);
    // If one of them did not, there is no such time.
    if returning > 0 && returned == returning as u64 {
        figures.insert("back_at_once_s".into(), back_s);
    }
    per_connection(&mut figures, [empty, with_clinicians, full], clinics, orders.len());
    show.finish();
    everybody.abort_all();
    Ok(Found { record, took: began.elapsed(), figures, notes, late, busy })
}

/// KiB of server memory for each waiting connection, and for each clinician with the visits of their room.
fn per_connection(figures: &mut BTreeMap<String, f64>, at: [Figures; 3], clinics: usize, patients: usize) {
    let kib = |from: Figures, to: Figures, people: usize| {
        Some((to.memory_mib? - from.memory_mib?) * 1_024.0 / people.max(1) as f64)
    };
    let [empty, with_clinicians, full] = at;
    for (name, value) in [
        ("kib_per_connection", kib(with_clinicians, full, patients)),
        ("kib_per_connection_all_in", kib(empty, full, clinics + patients)),
        ("server_memory_mib", full.memory_mib),
    ] {
        if let Some(value) = value {
            figures.insert(name.into(), value);
        }
    }
}

/// As many connections as this process may open files.
fn affordable(asked: usize, notes: &mut Vec<String>) -> usize {
    let limit = machine::raise_open_files(asked as u64 + OTHER_FILES);
    let most = usize::try_from(limit.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    if most < asked {
        notes.push(format!(
            "{asked} connections were asked for and {most} played: this machine allows {limit} open files in one \
             process (RLIMIT_NOFILE), and will not be persuaded to more"
        ));
    }
    asked.min(most)
}

/// The n-th loopback address to connect from, if that is where the server is.
fn source(link: &Link, n: usize) -> Option<IpAddr> {
    let place = link.origin().place();
    let here = place.starts_with("localhost:") || place.starts_with("127.");
    let last = u8::try_from(1 + n / PER_ADDRESS).unwrap_or(u8::MAX);
    here.then(|| Ipv4Addr::new(127, 0, 0, last).into())
}

/// A clinician, and visits for so many.
async fn clinic(link: Link, visits: usize) -> Result<(Participant, Vec<(VisitId, Link)>)> {
    let mut clinician = Participant::join(&link).await?;
    let mut booked = Vec::new();
    for _ in 0..visits {
        let (visit, link) = invite(&mut clinician).await?;
        booked.push((visit, link.via(clinician.origin())));
        sleep(BETWEEN_INVITATIONS).await;
    }
    Ok((clinician, booked))
}

/// Somebody who connects, and checks in unless they do that later.
async fn connect(
    link: &Link,
    later: bool,
    intended: Instant,
    record: &Record,
) -> Result<Participant, (Stage, anyhow::Error)> {
    let mut who = Participant::join(link).await.map_err(|error| (Stage::Hello, error))?;
    record.took_since(Stage::Hello, intended);
    record.connections(1);
    if !later {
        check_in(&mut who, Modality::Video).await.map_err(|error| (Stage::CheckIn, error))?;
    }
    Ok(who)
}

/// Reads a queue, and says when somebody who was expected stands in it.
async fn watch_queue(mut clinician: Participant, expected: Expected, record: Record) {
    let mut shown = HashSet::new();
    loop {
        let mut waits = Vec::new();
        let new = |seen: &Seen| {
            waits.clear();
            let entries = seen.queue.iter().flat_map(|queue| &queue.entries);
            waits.extend(
                entries
                    .filter(|entry| matches!(entry.phase, PhaseView::Waiting { .. }))
                    .map(|entry| entry.visit)
                    .filter(|visit| !shown.contains(visit)),
            );
            !waits.is_empty()
        };
        let next = now() + Duration::from_secs(3_600);
        if clinician.until_at(next, new).await.is_err() {
            record.connections(-1);
            return;
        }
        for visit in waits.drain(..) {
            if let Some(intended) = lock(&expected).remove(&visit) {
                record.took_since(Stage::QueueShows, intended);
            }
            shown.insert(visit);
        }
    }
}

/// Waits, and does as told.
async fn wait(mut who: Participant, mut orders: mpsc::Receiver<Order>, expected: Expected, record: Record) {
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            ended = who.until_at(now() + Duration::from_secs(3_600), |_| false) => {
                if ended.is_err() {
                    record.failed(Stage::Waited, &anyhow::anyhow!("the server hung up on somebody who waited"));
                    record.connections(-1);
                    return;
                }
                continue;
            }
        };
        match order {
            None => return,
            Some(Order::CheckIn(visit, intended)) => match check_in(&mut who, Modality::Video).await {
                Ok(()) => record.took_since(Stage::CheckIn, intended),
                Err(error) => {
                    lock(&expected).remove(&visit);
                    record.failed(Stage::CheckIn, &error);
                    record.done(false);
                }
            },
            Some(Order::Return(done)) => {
                record.connections(-1);
                match who.vanish().again().await {
                    Ok(back) => {
                        record.connections(1);
                        let _ = done.send(Ok(()));
                        who = back;
                    }
                    Err(error) => {
                        let _ = done.send(Err(error));
                        return;
                    }
                }
            }
        }
    }
}

fn lock(expected: &Expected) -> std::sync::MutexGuard<'_, std::collections::HashMap<VisitId, Instant>> {
    expected.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn sample(record: &Record, began: Instant, scrape: &mut Option<Scrape>, planned: f64) {
    let figures = read(scrape).await;
    let histogram = || Histogram::new(3).unwrap_or_else(|_| unreachable!());
    let nothing = Observation { late: histogram(), latency: histogram(), packets: 0, lost: 0, busy: 0.0 };
    record.sample(began.elapsed(), planned as u64, nothing, figures.cpu, figures.memory_mib);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_this_machine_come_from_several_addresses() {
        let here: Link = "http://localhost:8080/visit#k=x".parse().unwrap();
        let there: Link = "https://clinic.example/visit#k=x".parse().unwrap();
        assert_eq!(source(&here, 0), Some(Ipv4Addr::new(127, 0, 0, 1).into()));
        assert_eq!(source(&here, 3 * PER_ADDRESS), Some(Ipv4Addr::new(127, 0, 0, 4).into()));
        assert_eq!(source(&there, 5_000), None);
    }

    #[test]
    fn memory_is_that_which_the_waiting_added() {
        let at = |memory_mib| Figures { memory_mib: Some(memory_mib), ..Figures::default() };
        let mut figures = BTreeMap::new();
        per_connection(&mut figures, [at(50.0), at(60.0), at(160.0)], 100, 10_240);
        assert!((figures["kib_per_connection"] - 10.0).abs() < 0.01);
    }
}
