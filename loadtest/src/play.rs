//! Plays a journey: who takes part, what is sampled meanwhile, and what is left of it.

use crate::{
    journey::{Device, Journey},
    plan::{self, Arrival},
    record::Record,
    report::People,
    scrape::{Figures, Scrape},
    show::Show,
};
use anyhow::{Context as _, Result, ensure};
use loadtest::{
    consult::now,
    media::{Engine, Fleet, Options, Sending, Tag},
    net::Origin,
    participant::Link,
};
use std::{
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep_until;

pub(crate) mod deployment;
mod seat;
pub(crate) mod waiting;
pub(crate) mod whip;

/// Visits that one clinician may have open at a time, by the server's own limit, less a few.
pub(crate) const MOST_VISITS: usize = 900;

/// Whom to load.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A deployment, through these clinicians' waiting rooms.
    Deployment(Vec<Link>),
    /// An SFU, through WHIP and WHEP.
    Whip(Arc<whip::Rooms>),
}

impl Target {
    fn origin(&self) -> Result<Origin> {
        match self {
            Self::Deployment(links) => Ok(links.first().context("no clinician's link")?.origin().clone()),
            Self::Whip(rooms) => rooms.origin(),
        }
    }
}

/// What everybody in a run shares.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) record: Record,
    pub(crate) patients: Options,
    pub(crate) clinicians: Options,
}

/// Whose WebRTC people speak.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Engines {
    pub(crate) patients: Engine,
    pub(crate) clinicians: Engine,
}

/// A play that is over.
pub(crate) struct Played {
    pub(crate) record: Record,
    pub(crate) took: Duration,
    /// Of the target, before and after.
    pub(crate) before: Figures,
    pub(crate) after: Figures,
    /// Datagrams that sockets of this machine had no room for.
    pub(crate) drops: u64,
}

/// Plays the whole journey.
///
/// # Errors
/// It cannot begin. What fails later is part of what is measured.
pub(crate) async fn play(
    journey: &Journey,
    target: &Target,
    engines: Engines,
    scrape: Option<Scrape>,
    show: &mut Show,
) -> Result<Played> {
    let people = plan::people(journey);
    ensure!(!people.is_empty(), "nobody comes: raise arrivals.per_minute or arrivals.over_s");
    let ip = local_ip(&target.origin()?)?;
    let options = |engine| Options { ip, engine, simulcast: journey.visit.simulcast, ..Options::default() };
    let world = Arc::new(World {
        fleet: Fleet::start(None)?,
        record: Record::default(),
        patients: options(engines.patients),
        clinicians: options(engines.clinicians),
    });
    world.record.planned(people.len());
    show.say(&format!("{} patients will come; getting ready", people.len()));
    match target {
        Target::Deployment(links) => {
            let clinics = deployment::open(&world, journey, links, &people).await?;
            watched(&world, scrape, show, &people, journey, |begin| deployment::play(clinics, begin)).await
        }
        Target::Whip(rooms) => {
            let (world_, rooms, persons) = (Arc::clone(&world), Arc::clone(rooms), people.clone());
            watched(&world, scrape, show, &people, journey, |begin| whip::play(world_, rooms, persons, begin))
                .await
        }
    }
}

/// Runs it while samples are taken and shown.
async fn watched<F>(
    world: &Arc<World>,
    mut scrape: Option<Scrape>,
    show: &mut Show,
    people: &[Arrival],
    journey: &Journey,
    play: impl FnOnce(Instant) -> F,
) -> Result<Played>
where
    F: Future<Output = ()> + Send + 'static,
{
    // What getting ready cost is not measured.
    world.fleet.observe().await?;
    let drops = loadtest::machine::socket_drops().unwrap_or(0);
    let begin = now() + Duration::from_millis(100);
    let before = read(&mut scrape).await;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(play(begin));
    let every = sample_every(journey.over());
    let mut next = begin + every;
    let (mut after, mut counted) = (before, 0);
    loop {
        let over = tokio::select! {
            _ = tasks.join_next() => true,
            () = sleep_until(next.into()) => false,
        };
        let seen = world.fleet.observe().await?;
        after = newer(read(&mut scrape).await, after);
        let at = now().saturating_duration_since(begin);
        let due = people.partition_point(|person| person.at <= at);
        let planned = due - std::mem::replace(&mut counted, due);
        world.record.sample(at, planned as u64, seen, after.cpu, after.memory_mib);
        show.update(at, journey.over(), &world.record.now());
        if over {
            break;
        }
        next += every;
    }
    show.finish();
    let drops = loadtest::machine::socket_drops().unwrap_or(0).saturating_sub(drops);
    Ok(Played {
        record: world.record.clone(),
        took: now().saturating_duration_since(begin),
        before,
        after,
        drops,
    })
}

/// A page that does not answer once says nothing new.
fn newer(new: Figures, old: Figures) -> Figures {
    Figures { cpu: new.cpu, cpu_s: new.cpu_s.or(old.cpu_s), memory_mib: new.memory_mib.or(old.memory_mib) }
}

pub(crate) async fn read(scrape: &mut Option<Scrape>) -> Figures {
    match scrape {
        Some(scrape) => scrape.read().await.unwrap_or_default(),
        None => Figures::default(),
    }
}

/// A second, or so that a long run has some three hundred samples.
pub(crate) fn sample_every(over: Duration) -> Duration {
    Duration::from_secs((over.as_secs() / 300).max(1))
}

/// The address of this machine that the target can be reached from.
pub(crate) fn local_ip(origin: &Origin) -> Result<IpAddr> {
    let place = origin.place();
    let reach = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(&place)?;
        Ok(socket.local_addr()?.ip())
    };
    let ip = reach().with_context(|| format!("{place} cannot be reached over IPv4, which media need"))?;
    Ok(if ip.is_loopback() { Ipv4Addr::LOCALHOST.into() } else { ip })
}

/// What a device sends.
pub(crate) fn sending(device: Device, tag: Tag) -> Sending {
    match device {
        Device::Laptop => Sending::talking(tag),
        Device::Phone => Sending::modestly(tag),
        Device::OldPhone => Sending::quietly(tag),
    }
}

/// How it went for one person: the shared part of every journey.
pub(crate) fn conclude(record: &Record, result: Result<(), (crate::record::Stage, anyhow::Error)>) {
    if let Err((stage, error)) = &result {
        record.failed(*stage, error);
    }
    record.done(result.is_ok());
}

/// Everybody who was to come.
pub(crate) fn unfinished(people: People) -> u64 {
    people.planned.saturating_sub(people.done + people.failed)
}
