//! `loadtest ramp`: how many consults at a time, and everybody is well.

use super::{conclude, find, plan, run::blank, runtime, this_machine, time_of_day};
use crate::{
    cli::{OutArgs, TargetArgs, Wrong},
    journey::{Arrivals, Device, Journey, Process, Slo, Visit},
    play::{Target, local_ip},
    report::{Generator, Judged, Report, Step, Verdict, capacity},
    scrape::Figures,
    show::Show,
};
use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream};
use loadtest::{
    consult::Pair,
    deployment::Place,
    machine,
    media::{Fleet, Load, Options},
    search::Search,
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{task::JoinSet, time::sleep};

/// How late the 99th of 100 frames may be sent.
const LATEST: Duration = Duration::from_millis(20);

/// Consults that begin at the same time.
const AT_ONCE: usize = 4;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// How many consults to begin with.
    #[arg(long, value_name = "CONSULTS", default_value_t = 20)]
    first: usize,
    /// How many to go up to. Default: as many as there are links; 320 with --start.
    #[arg(long, value_name = "CONSULTS")]
    most: Option<usize>,
    /// How fine to look.
    #[arg(long, value_name = "CONSULTS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    step: u64,
    /// How long a number settles before it is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    warm_s: u64,
    /// How long it is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    steady_s: u64,
    /// Well is: at most this share of packets lost,
    #[arg(long, value_name = "SHARE", default_value_t = 0.001)]
    loss: f64,
    /// and 99 of 100 packets through the server in this time.
    #[arg(long, value_name = "MS", default_value_t = 20.0)]
    forward_p99_ms: f64,
    /// So many must be well, or it ends with 3.
    #[arg(long, value_name = "CONSULTS")]
    at_least: Option<usize>,
    /// Keeps the server that --start starts on this core.
    #[arg(long, value_name = "CORE", requires = "start")]
    server_core: Option<usize>,
    /// Keeps the clients' thread on this core.
    #[arg(long, value_name = "CORE")]
    clients_core: Option<usize>,
    #[command(flatten)]
    out: OutArgs,
}

/// What one number of consults was like.
struct Held {
    load: Load,
    packets: u64,
    lost: u64,
    drops: u64,
    figures: Figures,
    empty_mib: Option<f64>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let report = runtime()?.block_on(ramp(args, &mut Show::new(args.out.quiet)))?;
    conclude(&report, &args.out)
}

async fn ramp(args: &Args, show: &mut Show) -> Result<Report> {
    let most = most(args).await?;
    let step = args.step as usize;
    ensure!(most >= step, Wrong(format!("--step {step} is more than the {most} consults there can be")));
    let mut report = blank("ramp", &workload(args, most));
    (report.journey, report.began) = ("ramp".to_owned(), time_of_day());
    let began = loadtest::consult::now();
    let mut search = Search::new(args.first.next_multiple_of(step), most, step);
    let mut best: Option<(usize, capacity::Cost)> = None;
    while let Some(consults) = search.next() {
        show.say(&format!("{consults} consults at a time"));
        let (found, held) = hold(args, consults).await?;
        report.target = found;
        let step = judge(args, consults, held, &mut report.void, &mut report.generator, &mut best);
        show.say(&format!("  {}", step.why.as_deref().unwrap_or("well")));
        search.tell(consults, step.healthy);
        report.steps.push(step);
        if !report.void.is_empty() {
            break;
        }
    }
    report.took_s = began.elapsed().as_secs_f64().round();
    report.machine = this_machine(&report.target);
    let healthy = search.healthy();
    report.figures.insert("healthy_consults".into(), healthy as f64);
    if !search.found_the_limit() {
        report.figures.insert("limit_not_found".into(), 1.0);
        report.notes.push(format!(
            "{most} consults were well and no more were tried: raise --most, or give more links"
        ));
    }
    report.capacity = best.and_then(|(_, cost)| plan(&args.out, cost));
    if let Some(limit) = args.at_least {
        let met = healthy >= limit;
        report.slos.push(Judged {
            name: "healthy_consults".into(),
            limit: limit as f64,
            measured: Some(healthy as f64),
            met,
        });
    }
    report.verdict = match (report.void.is_empty(), report.slos.iter().all(|slo| slo.met)) {
        (false, _) => Verdict::Void,
        (true, true) => Verdict::Met,
        (true, false) => Verdict::Missed,
    };
    Ok(report)
}

/// How far up one can go.
async fn most(args: &Args) -> Result<usize> {
    if args.target.start.is_some() {
        return Ok(args.most.unwrap_or(320));
    }
    match find(&args.target, 1, Place::default()).await?.target {
        Target::Deployment(links) => Ok(args.most.unwrap_or(links.len()).min(links.len())),
        Target::Whip(_) => Err(Wrong(
            "a ramp needs a deployment (--start, or --links): through WHIP, `loadtest run --journey ramp-up`"
                .into(),
        )
        .into()),
    }
}

/// What a report says of the workload.
fn workload(args: &Args, most: usize) -> Journey {
    Journey {
        about: "Consults of two, 1.0 Mbit/s VP8 and Opus each way, all at the same time".into(),
        seed: 1,
        clinicians: most,
        arrivals: Arrivals {
            process: Process::Constant,
            per_minute: 60.0 * AT_ONCE as f64,
            over_s: (args.warm_s + args.steady_s) as f64,
        },
        visit: Visit { talk_s: (args.warm_s + args.steady_s) as f64, ..Visit::default() },
        devices: BTreeMap::from([(Device::Laptop, 1.0)]),
        networks: BTreeMap::new(),
        waiting: None,
        slo: Slo { loss: Some(args.loss), forward_p99_ms: Some(args.forward_p99_ms), ..Slo::default() },
    }
}

/// Holds so many for a while. What did not begin is `Err` of the inner result.
async fn hold(args: &Args, consults: usize) -> Result<(crate::report::Target, Result<Held>)> {
    let mut found = find(&args.target, consults, Place { core: args.server_core }).await?;
    let Target::Deployment(links) = &found.target else { unreachable!("asked before") };
    let ip = local_ip(links.first().context("no links")?.origin())?;
    let fleet = Fleet::start(args.clients_core)?;
    let held =
        held(args, consults, &fleet, links, Options { ip, ..Options::default() }, &mut found.scrape).await;
    Ok((found.about.clone(), held))
}

async fn held(
    args: &Args,
    consults: usize,
    fleet: &Fleet,
    links: &[loadtest::participant::Link],
    options: Options,
    scrape: &mut Option<crate::scrape::Scrape>,
) -> Result<Held> {
    let empty_mib = crate::play::read(scrape).await.memory_mib;
    let mut background = JoinSet::new();
    let mut pairs = Vec::new();
    {
        let mut beginning = stream::iter((1..).zip(links.iter().take(consults)))
            .map(|(tag, link)| async move {
                let mut own = JoinSet::new();
                let pair = Pair::begin(fleet, options, link, tag, &mut own).await;
                (pair, own)
            })
            .buffer_unordered(AT_ONCE);
        while let Some((pair, mut own)) = beginning.next().await {
            pairs.push(pair.context("a consult did not begin")?);
            background.spawn(async move { while own.join_next().await.is_some() {} });
        }
    }
    sleep(Duration::from_secs(args.warm_s)).await;
    fleet.observe().await?;
    crate::play::read(scrape).await;
    let drops = machine::socket_drops().unwrap_or(0);
    sleep(Duration::from_secs(args.steady_s)).await;
    let figures = crate::play::read(scrape).await;
    let seen = fleet.observe().await?;
    for pair in &pairs {
        pair.check().await?;
    }
    let drops = machine::socket_drops().unwrap_or(0).saturating_sub(drops);
    let held = Held { load: seen.load(), packets: seen.packets, lost: seen.lost, drops, figures, empty_mib };
    drop(pairs);
    // The clinicians end their visits, so that the next number finds them free.
    let _ = tokio::time::timeout(Duration::from_secs(10), async {
        while background.join_next().await.is_some() {}
    })
    .await;
    Ok(held)
}

fn judge(
    args: &Args,
    consults: usize,
    held: Result<Held>,
    void: &mut Vec<String>,
    generator: &mut Generator,
    best: &mut Option<(usize, capacity::Cost)>,
) -> Step {
    let ill = Step {
        consults,
        healthy: false,
        why: None,
        loss: 0.0,
        forward_p50_ms: 0.0,
        forward_p99_ms: 0.0,
        cpu: None,
        memory_mib: None,
    };
    let held = match held {
        Ok(held) => held,
        Err(error) => return Step { why: Some(format!("{error:#}")), ..ill },
    };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (load, latency) = (held.load, held.load.latency);
    let loss = held.lost as f64 / (held.packets + held.lost).max(1) as f64;
    let mut wrong = Vec::new();
    if held.packets == 0 {
        wrong.push("nothing was forwarded".to_owned());
    }
    if loss > args.loss {
        wrong.push(format!("{:.2} % lost", loss * 100.0));
    }
    if ms(latency.p99) > args.forward_p99_ms {
        wrong.push(format!("p99 {:.1} ms", ms(latency.p99)));
    }
    if held.drops > 0 {
        wrong.push(format!("{} datagrams found no room in a socket", held.drops));
    }
    let why = (!wrong.is_empty()).then(|| wrong.join(", "));
    // A busy thread is what makes figures void; one that is late at an ill number may be kept from its core by the
    // server that is too busy, where both share it.
    if load.busy > 0.9 || (why.is_none() && load.saturated(LATEST)) {
        void.push(format!(
            "at {consults} consults the clients were too slow: {:.0} % busy, the 99th of 100 frames {:.0} ms late",
            load.busy * 100.0,
            ms(load.late_p99)
        ));
    }
    generator.frames += load.frames;
    generator.late_p50_ms = generator.late_p50_ms.max(ms(load.late_p50));
    generator.late_p99_ms = generator.late_p99_ms.max(ms(load.late_p99));
    generator.busy_most = generator.busy_most.max(load.busy);
    generator.busy_mean = generator.busy_mean.max(load.busy);
    if why.is_none()
        && let Some(cpu) = held.figures.cpu
        && best.is_none_or(|(known, _)| known < consults)
    {
        let memory = held.figures.memory_mib.zip(held.empty_mib).map(|(full, empty)| (full - empty).max(0.0));
        let cost = capacity::Cost {
            cores: cpu / consults as f64,
            memory_mib: memory.map(|mib| mib / consults as f64),
            most_per_core: args.server_core.map(|_| consults as f64),
        };
        *best = Some((consults, cost));
    }
    Step {
        healthy: why.is_none(),
        why,
        loss,
        forward_p50_ms: ms(latency.p50),
        forward_p99_ms: ms(latency.p99),
        cpu: held.figures.cpu,
        memory_mib: held.figures.memory_mib,
        ..ill
    }
}
