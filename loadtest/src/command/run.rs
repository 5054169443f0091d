//! `loadtest run`: a journey against a target.

use super::{command_line, conclude, find, plan, runtime, this_machine, time_of_day, tool};
use crate::{
    cli::{OutArgs, TargetArgs, Wrong, wrong},
    journey::{self, Journey},
    play::{self, Engines, Played, Target, waiting},
    record::Stage,
    report::{Generator, Report, SCHEMA, Verdict, capacity},
    show::Show,
};
use anyhow::Result;
use loadtest::{deployment::Place, machine};
use std::{collections::BTreeMap, time::Duration};

/// How late the 99th of 100 frames may be sent for figures to tell of the server: less than a frame of sound.
const LATEST: Duration = Duration::from_millis(20);

/// How late the 99th of 100 check-ins may be.
const LATEST_CHECK_IN: Duration = Duration::from_millis(50);

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A journey that ships (`loadtest journeys`), or a TOML file.
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "consults")]
    journey: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    overrides: Overrides,
    /// Who speaks WebRTC through the `webrtc` crate instead of through clients of ours.
    #[cfg(feature = "interop")]
    #[arg(long, value_name = "WHO", value_enum)]
    webrtc: Option<Who>,
    #[command(flatten)]
    out: OutArgs,
}

/// Some of the people in a journey.
#[cfg(feature = "interop")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Who {
    Patients,
    Clinicians,
    Everybody,
}

impl Args {
    #[cfg(not(feature = "interop"))]
    fn engines(&self) -> Engines {
        Engines::default()
    }

    #[cfg(feature = "interop")]
    fn engines(&self) -> Engines {
        use loadtest::media::Engine;
        let of = |who| match self.webrtc {
            Some(those) if those == who || those == Who::Everybody => Engine::WebRtc,
            _ => Engine::Own,
        };
        Engines { patients: of(Who::Patients), clinicians: of(Who::Clinicians) }
    }
}

/// What differs from the journey's file.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Instead of what the journey says")]
struct Overrides {
    /// Other people.
    #[arg(long)]
    seed: Option<u64>,
    /// Clinicians at work: the most consults at a time.
    #[arg(long, value_name = "N")]
    clinicians: Option<usize>,
    /// Patients a minute.
    #[arg(long, value_name = "N")]
    per_minute: Option<f64>,
    /// How long patients come.
    #[arg(long, value_name = "SECONDS")]
    over_s: Option<f64>,
    /// How long a consult lasts.
    #[arg(long, value_name = "SECONDS")]
    talk_s: Option<f64>,
    /// Connections in waiting rooms, of a journey that has them.
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Of them, how many come back at once.
    #[arg(long, value_name = "N")]
    reconnect: Option<usize>,
}

impl Overrides {
    fn apply(&self, journey: &mut Journey) -> Result<()> {
        fn set<T: Copy>(to: &mut T, from: Option<T>) {
            if let Some(value) = from {
                *to = value;
            }
        }
        set(&mut journey.seed, self.seed);
        set(&mut journey.clinicians, self.clinicians);
        set(&mut journey.arrivals.per_minute, self.per_minute);
        set(&mut journey.arrivals.over_s, self.over_s);
        set(&mut journey.visit.talk_s, self.talk_s);
        match &mut journey.waiting {
            Some(waiting) => {
                set(&mut waiting.connections, self.connections);
                set(&mut waiting.reconnect, self.reconnect);
            }
            None if self.connections.or(self.reconnect).is_some() => {
                return Err(
                    Wrong("--connections and --reconnect are for journeys with [waiting]".into()).into()
                );
            }
            None => {}
        }
        Ok(())
    }
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let (name, text) = journey::text(&args.journey).map_err(wrong)?;
    let mut journey = Journey::parse(&name, &text).map_err(wrong)?;
    args.overrides.apply(&mut journey)?;
    journey.check().map_err(wrong)?;
    let mut show = Show::new(args.out.quiet);
    let mut report = runtime()?.block_on(play(args, &name, journey, &mut show))?;
    report.judge();
    conclude(&report, &args.out)
}

async fn play(args: &Args, name: &str, journey: Journey, show: &mut Show) -> Result<Report> {
    if let Some(waiting) = &journey.waiting {
        // Before the server is started, which inherits it.
        let _ = machine::raise_open_files(waiting.connections as u64 + 1_000);
    }
    let mut found = find(&args.target, journey.clinicians, Place::default()).await?;
    show.say(&format!("{name}: {} at {}", journey.about, found.about.url));
    let began = time_of_day();
    let scrape = found.scrape.take();
    let mut report = match (&journey.waiting, &found.target) {
        (Some(waiting), Target::Deployment(links)) => {
            of_waiting(waiting::play(&journey, waiting, links, scrape, show).await?, &journey)
        }
        (Some(_), Target::Whip(_)) => {
            return Err(Wrong(
                "a journey with [waiting] needs a deployment: an SFU has no waiting rooms".into(),
            )
            .into());
        }
        (None, target) => {
            of_consults(args, play::play(&journey, target, args.engines(), scrape, show).await?, &journey)
        }
    };
    report.machine = this_machine(&found.about);
    report.target = crate::report::Target { build: report.target.build.take(), ..found.about.clone() };
    (report.journey, report.began) = (name.to_owned(), began);
    Ok(report)
}

pub(super) fn blank(kind: &str, journey: &Journey) -> Report {
    Report {
        schema: SCHEMA.into(),
        kind: kind.into(),
        verdict: Verdict::Void,
        void: Vec::new(),
        slos: Vec::new(),
        began: String::new(),
        took_s: 0.0,
        command: command_line(),
        tool: tool(),
        target: Default::default(),
        machine: Default::default(),
        journey: String::new(),
        workload: journey.clone(),
        notes: Vec::new(),
        people: Default::default(),
        stages: BTreeMap::new(),
        failures: Vec::new(),
        media: Default::default(),
        generator: Generator::default(),
        figures: BTreeMap::new(),
        series: Vec::new(),
        steps: Vec::new(),
        capacity: None,
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn of_consults(args: &Args, played: Played, journey: &Journey) -> Report {
    let Played { record, took, before, after, drops } = played;
    let left = play::unfinished(record.people());
    for _ in 0..left {
        record.failed(Stage::End, &anyhow::anyhow!("not through when everything was over"));
        record.done(false);
    }
    let mut report = blank("run", journey);
    report.took_s = tenth(took.as_secs_f64());
    report.people = record.people();
    report.stages = record.stages();
    report.failures = record.failures();
    report.media = record.media();
    report.generator = record.generator();
    report.series = record.samples();
    report.target.build = record.target_build();
    if record.only_published() {
        report
            .notes
            .push("Nobody subscribed: packets and loss are what the target's receiver reports say".into());
    }
    if let Some(load) = record.load()
        && load.saturated(LATEST)
    {
        report.void.push(format!(
            "the clients were too slow: {:.0} % busy, the 99th of 100 frames {:.0} ms late (at most 90 % and {} ms)",
            load.busy * 100.0,
            load.late_p99.as_secs_f64() * 1_000.0,
            LATEST.as_millis()
        ));
    }
    if drops > 0 {
        report.figures.insert("datagrams_without_room_here".into(), drops as f64);
    }
    // Consults times seconds: what the server's seconds were for.
    let consult_s: f64 = {
        let mut last = 0.0;
        let each = |sample: &crate::report::Sample| {
            let span = sample.at_s - std::mem::replace(&mut last, sample.at_s);
            sample.in_call as f64 * span
        };
        report.series.iter().map(each).sum()
    };
    if let Some((from, to)) = before.cpu_s.zip(after.cpu_s) {
        report.figures.insert("server_cpu_s".into(), ((to - from) * 100.0).round() / 100.0);
        let cores = (to - from) / consult_s.max(f64::EPSILON);
        let most = report.people.most_at_once.max(1) as f64;
        let peak = report.series.iter().filter_map(|sample| sample.memory_mib).fold(0.0, f64::max);
        let memory_mib = before.memory_mib.map(|empty| (peak - empty).max(0.0) / most);
        if report.media.packets > 0 {
            let us = (to - from) * 1e6 / report.media.packets as f64;
            report.figures.insert("server_us_per_media_packet".into(), tenth(us));
        }
        if consult_s > 1.0 && report.void.is_empty() {
            report.capacity = plan(&args.out, capacity::Cost { cores, memory_mib, most_per_core: None });
        }
    }
    report
}

fn of_waiting(found: waiting::Found, journey: &Journey) -> Report {
    let waiting::Found { record, took, figures, notes, late, busy } = found;
    let mut report = blank("waiting", journey);
    report.took_s = tenth(took.as_secs_f64());
    report.people = record.people();
    report.stages = record.stages();
    report.failures = record.failures();
    report.series = record.samples();
    report.target.build = record.target_build();
    (report.figures, report.notes) = (figures, notes);
    let late_ms = late.value_at_quantile(0.99) as f64 / 1_000.0;
    report.figures.insert("arrivals_late_p99_ms".into(), tenth(late_ms));
    report.figures.insert("clients_cores".into(), (busy * 100.0).round() / 100.0);
    if Duration::from_micros(late.value_at_quantile(0.99)) > LATEST_CHECK_IN {
        report.void.push(format!(
            "the clients were too slow: the 99th of 100 check-ins was sent {late_ms:.0} ms late (at most {} ms)",
            LATEST_CHECK_IN.as_millis()
        ));
    }
    report
}
