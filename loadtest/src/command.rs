//! What each subcommand does, and what they share: finding the target, saying what was found.

use crate::{
    cli::{OutArgs, TargetArgs, Wrong, wrong},
    play::{Target, whip::Rooms},
    report::{self as reports, Report, capacity},
    scrape::Scrape,
};
use anyhow::{Context as _, Result};
use loadtest::{
    deployment::{Deployment, Place, links_of},
    machine,
    net::Origin,
    participant::Link,
};
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) mod journeys;
pub(crate) mod ramp;
pub(crate) mod report;
pub(crate) mod run;

/// A target that can be loaded now. Dropping it ends what was started.
pub(crate) struct Found {
    pub(crate) target: Target,
    pub(crate) about: reports::Target,
    pub(crate) scrape: Option<Scrape>,
    _started: Option<Deployment>,
}

/// Finds the target, or starts it with so many waiting rooms.
pub(crate) async fn find(args: &TargetArgs, rooms: usize, place: Place) -> Result<Found> {
    let mut started = None;
    let (target, kind, mut metrics) = if let Some(program) = &args.start {
        let server = Deployment::run(program, rooms, place).await?;
        let (links, metrics) = (server.clinicians.clone(), server.metrics.clone());
        started = Some(server);
        (Target::Deployment(links), "started here", metrics)
    } else if let Some(file) = &args.links {
        let links = links(file, args.target.as_deref()).map_err(wrong)?;
        (Target::Deployment(links), "deployment", None)
    } else if let Some(file) = &args.tokens {
        let rooms = read(file).and_then(|text| Rooms::listed(&text)).map_err(wrong)?;
        (Target::Whip(Arc::new(rooms)), "WHIP and WHEP", None)
    } else if let Some(whip) = &args.whip {
        let rooms = Rooms::made(whip, args.whep.as_deref(), args.bearer.clone()).map_err(wrong)?;
        (Target::Whip(Arc::new(rooms)), "WHIP and WHEP", None)
    } else {
        return Err(Wrong(
            "whom to load? One of:\n  --start target/perf/telehealth           a server of its own, on this machine\n  \
             --links FILE [--target URL]              a deployment: clinicians' links, or a ready file\n  \
             --tokens FILE                            its SFU: what `telehealth token` printed\n  \
             --whip URL --whep URL [--bearer TOKEN]   any SFU"
                .into(),
        )
        .into());
    };
    if let Some(url) = &args.metrics {
        metrics = Some(url.clone());
    }
    let scrape = match &metrics {
        Some(url) => Some(Scrape::open(url).await?),
        None => None,
    };
    let url = match &target {
        Target::Deployment(links) => links.first().map(|link| link.origin().to_string()),
        Target::Whip(rooms) => Some(rooms.origin()?.to_string()),
    };
    let about = reports::Target { kind: kind.into(), url: url.unwrap_or_default(), build: None };
    Ok(Found { target, about, scrape, _started: started })
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Clinicians' links: a ready file, or one a line.
fn links(file: &Path, target: Option<&str>) -> Result<Vec<Link>> {
    let text = read(file)?;
    let links = match serde_json::from_str(&text) {
        Ok(ready) => links_of(&ready),
        Err(_) => text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .enumerate()
            .map(|(n, line)| line.parse().with_context(|| format!("link {}", n + 1)))
            .collect(),
    };
    let links: Vec<Link> = links
        .with_context(|| format!("{}: clinicians' links, one a line, or a ready file", file.display()))?;
    anyhow::ensure!(!links.is_empty(), "{}: no links", file.display());
    let Some(target) = target else { return Ok(links) };
    let (target, _) = Origin::split(target).with_context(|| format!("--target {target}"))?;
    Ok(links.into_iter().map(|link| link.via(&target)).collect())
}

/// The machine that the clients run on.
pub(crate) fn this_machine(target: &reports::Target) -> reports::Machine {
    let (processor, kernel) = machine::names();
    let here = ["//localhost", "//127.", "//[::1]"].iter().any(|local| target.url.contains(local));
    reports::Machine {
        processor,
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gib: (machine::memory_kib().unwrap_or(0) as f64 / 1_048_576.0 * 10.0).round() / 10.0,
        kernel,
        shared_with_target: here,
    }
}

pub(crate) fn tool() -> String {
    format!("loadtest {}", env!("LOADTEST_BUILD"))
}

/// What was typed, to be typed again; without secrets.
pub(crate) fn command_line() -> String {
    again(std::env::args().skip(1))
}

fn again(args: impl Iterator<Item = String>) -> String {
    let mut words = vec!["loadtest".to_owned()];
    let mut secret = false;
    for arg in args {
        let hide = std::mem::replace(&mut secret, arg == "--bearer");
        words.push(match (hide, arg.strip_prefix("--bearer=")) {
            (true, _) => "\"$LOADTEST_BEARER\"".to_owned(),
            (_, Some(_)) => "--bearer=\"$LOADTEST_BEARER\"".to_owned(),
            _ => quoted(&arg),
        });
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The time of day, UTC, as ISO 8601 writes it.
#[expect(clippy::disallowed_methods, reason = "a report says when it was made")]
pub(crate) fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    written(since)
}

/// Days to a civil date by Hinnant's algorithm (https://howardhinnant.github.io/date_algorithms.html#civil_from_days).
fn written(since: u64) -> String {
    let (days, second) = (since / 86_400 + 719_468, since % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let (d, month) = (of_year - (153 * m + 2) / 5 + 1, if m < 10 { m + 3 } else { m - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{d:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// A plan from what was measured.
pub(crate) fn plan(out: &OutArgs, cost: capacity::Cost) -> Option<capacity::Plan> {
    let node = capacity::Node { cores: out.node_cores, memory_gib: out.node_gib, headroom: out.headroom };
    capacity::plan(cost, node, out.plan_for)
}

/// Writes the report and says what stands in it; what the program ends with.
pub(crate) fn conclude(report: &Report, out: &OutArgs) -> Result<u8> {
    report.save(&out.out)?;
    let html = out.out.with_extension("html");
    reports::write_whole(&html, &reports::html::page(report, None))?;
    print(&reports::terminal::summary(report, None));
    print(&format!("  Report: {} and {}\n", out.out.display(), html.display()));
    Ok(report.verdict.exit_code())
}

/// To standard output. Somebody who has read enough, as `head` does, is no failure.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The runtime that people's signaling runs on.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_iso_8601() {
        for (since, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_335_001, "2026-11-22T08:10:01Z"),
        ] {
            assert_eq!(written(since), text);
        }
    }

    #[test]
    fn a_command_can_be_typed_again_and_holds_no_secret() {
        let typed = |args: &[&str]| again(args.iter().map(|arg| (*arg).to_owned()));
        assert_eq!(typed(&["run", "--whip", "http://x/{room}"]), "loadtest run --whip 'http://x/{room}'");
        for args in [&["run", "--bearer", "s3cret"][..], &["run", "--bearer=s3cret"]] {
            let text = typed(args);
            assert!(!text.contains("s3cret") && text.contains("$LOADTEST_BEARER"), "{text}");
        }
    }

    #[test]
    fn links_are_a_ready_file_or_lines() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("links");
        for text in [
            "# ours
http://a/clinic#k=1

",
            r#"{"clinicians":["http://a/clinic#k=1"]}"#,
        ] {
            fs::write(&file, text).unwrap();
            let found = links(&file, Some("http://10.0.0.1:8080")).unwrap();
            assert_eq!((found.len(), found[0].origin().place().as_str()), (1, "10.0.0.1:8080"));
        }
        for (text, says) in [("hello", "link 1"), ("", "no links"), ("{}", "names no clinicians")] {
            fs::write(&file, text).unwrap();
            let said = format!("{:#}", links(&file, None).unwrap_err());
            assert!(said.contains(says) && said.contains("links:"), "{said}");
        }
    }
}
