//! A report as one HTML file: no script, no font, nothing from elsewhere. Light and dark, phone and desk.

use super::{
    Judged, Report, Sample, Step, Times, Verdict, in_order, sentence, short, stage_words, value, words,
};
use loadtest::plot::{Line, Plot, Text};
use std::fmt::{self, Write as _};

/// The whole page. `other` is compared with, where it is given.
pub(crate) fn page(report: &Report, other: Option<&Report>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report, other);
    out
}

fn write(out: &mut String, report: &Report, other: Option<&Report>) -> fmt::Result {
    let title = format!("{}: {}", report.journey, report.verdict.word());
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
        Text(&title),
        concat!(include_str!("html/style.css"), include_str!("../plot/marks.css"))
    )?;
    header(out, report, other)?;
    out.push_str("<main>\n");
    slos(out, report, other)?;
    if report.kind == "ramp" {
        ramp_plots(out, &report.steps, report)?
    } else {
        plots(out, report)?
    }
    failures(out, report)?;
    stages(out, report, other)?;
    capacity(out, report)?;
    conditions(out, report, other)?;
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

const fn state(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Met => ("good", CHECK),
        Verdict::Missed => ("danger", CROSS),
        Verdict::Void => ("attention", VOID),
    }
}

const CHECK: &str = "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M5 12.5l4.5 4.5L19 7.5\"/></svg>";
const CROSS: &str = "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path d=\"M6.5 6.5l11 11M17.5 6.5l-11 11\"/></svg>";
const VOID: &str = "<svg class=\"icon\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"8.5\"/><path d=\"M6 18L18 6\"/></svg>";

fn header(out: &mut String, report: &Report, other: Option<&Report>) -> fmt::Result {
    let (class, icon) = state(report.verdict);
    write!(
        out,
        "<header>\n<p class=\"quiet\">Load test · {} · {}</p>\n<h1 class=\"{class}\">{icon}{}</h1>\n<p class=\"lead\">{}</p>\n",
        Text(&report.journey),
        Text(&report.began),
        report.verdict.word(),
        Text(&sentence(report))
    )?;
    for why in &report.void {
        writeln!(
            out,
            "<p class=\"note attention\">{VOID}<span>Void: {}. These figures tell of the clients, not of the server. Do not use them.</span></p>",
            Text(why)
        )?;
    }
    for note in &report.notes {
        writeln!(out, "<p class=\"note\"><span>{}.</span></p>", Text(note))?;
    }
    if let Some(other) = other {
        writeln!(
            out,
            "<p class=\"quiet\">Compared with {} of {} ({}).</p>",
            Text(&other.journey),
            Text(&other.began),
            Text(other.target.build.as_deref().unwrap_or("unknown build"))
        )?;
    }
    out.push_str("</header>\n");
    Ok(())
}

fn slos(out: &mut String, report: &Report, other: Option<&Report>) -> fmt::Result {
    if report.slos.is_empty() {
        return Ok(());
    }
    out.push_str("<section>\n<h2>Was it good enough?</h2>\n<div class=\"scroll\"><table class=\"slos\">\n<thead><tr><th scope=\"col\">What was asked</th><th scope=\"col\" class=\"n\">Limit</th><th scope=\"col\" class=\"n\">Measured</th>");
    if other.is_some() {
        out.push_str("<th scope=\"col\" class=\"n\">Before</th>");
    }
    out.push_str("<th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
    for slo in &report.slos {
        slo_row(out, slo, other)?;
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

fn slo_row(out: &mut String, slo: &Judged, other: Option<&Report>) -> fmt::Result {
    let (class, icon, word) = if slo.met { ("good", CHECK, "Met") } else { ("danger", CROSS, "Missed") };
    let than = super::than(&slo.name);
    let (about, _) = words(&slo.name);
    let about = if about.is_empty() { slo.name.as_str() } else { about };
    let measured =
        slo.measured.map_or_else(|| "not measured".to_owned(), |measured| value(&slo.name, measured));
    write!(
        out,
        "<tr><th scope=\"row\">{}</th><td class=\"n limited\">{than} {}</td><td class=\"n strong\">{}</td>",
        Text(about),
        Text(&value(&slo.name, slo.limit)),
        Text(&measured)
    )?;
    if let Some(other) = other {
        let before =
            other.measured(&slo.name).map_or_else(|| "–".to_owned(), |before| value(&slo.name, before));
        write!(out, "<td class=\"n quiet before\">{}</td>", Text(&before))?;
    }
    writeln!(out, "<td class=\"{class}\"><span class=\"verdict\">{icon}{word}</span></td></tr>")
}

fn plots(out: &mut String, report: &Report) -> fmt::Result {
    let limit = |name: &str| report.slos.iter().find(|slo| slo.name == name).map(|slo| slo.limit);
    let samples = &report.series;
    let (planned, came) =
        if report.kind == "waiting" { ("check in", "connect") } else { ("planned", "came") };
    let any_call = samples.iter().any(|sample| sample.in_call > 0);
    let any_failed = samples.iter().any(|sample| sample.failed > 0);
    let until = samples.last().map(|last| last.at_s);
    let all: [(&str, &str, Option<f64>, Vec<Line<'_>>); 9] = [
        (
            "How many came?",
            "in each second",
            None,
            vec![
                line(planned, samples, per_second(samples, |s| Some(s.planned as f64))),
                line(came, samples, per_second(samples, |s| Some(s.came as f64))),
            ],
        ),
        (
            "How many talked at a time?",
            "consults",
            None,
            vec![line("in a call", samples, |s| any_call.then_some(s.in_call as f64))],
        ),
        (
            "How many were connected?",
            "connections",
            None,
            vec![line("connected", samples, |s| (s.connections > 0).then_some(s.connections as f64))],
        ),
        (
            "When did something fail?",
            "in each sample",
            None,
            vec![line("failed", samples, |s| any_failed.then_some(s.failed as f64))],
        ),
        (
            "How long did joining take?",
            "ms, 95 of 100",
            limit("first_frame_p95_ms"),
            vec![
                line("admitted to picture", samples, |s| s.first_frame_p95_ms),
                line("offer to connected", samples, |s| s.connected_p95_ms),
                line("to checked in", samples, |s| s.check_in_p95_ms),
            ],
        ),
        (
            "How long did media take through the server?",
            "ms",
            limit("forward_p99_ms"),
            vec![
                line("99 of 100", samples, |s| s.forward_p99_ms),
                line("half", samples, |s| s.forward_p50_ms),
            ],
        ),
        (
            "How soon did queues show who came?",
            "ms, 99 of 100",
            limit("queue_shows_p99_ms"),
            vec![line("check-in to shown", samples, |s| s.queue_shows_p99_ms)],
        ),
        (
            "What was lost?",
            "% of packets",
            limit("loss").map(|limit| limit * 100.0),
            vec![line("lost", samples, |s| {
                let all = s.packets + s.lost;
                (all > 0).then(|| s.lost as f64 * 100.0 / all as f64)
            })],
        ),
        (
            "What did it cost?",
            "cores",
            None,
            vec![
                line("server", samples, |s| s.cpu),
                line("clients", samples, |s| (s.packets > 0).then_some(s.busy)),
            ],
        ),
    ];
    let memory =
        ("How much memory did the server use?", "MiB", None, vec![line("server", samples, |s| s.memory_mib)]);
    out.push_str("<section>\n<h2>How did it go?</h2>\n<div class=\"plots\">\n");
    let x = "Seconds after the beginning";
    for (title, unit, limit, lines) in all.into_iter().chain([memory]) {
        Plot { title, unit, x, until, limit, lines }.write(out)?;
    }
    out.push_str("</div>\n</section>\n");
    Ok(())
}

fn ramp_plots(out: &mut String, steps: &[Step], report: &Report) -> fmt::Result {
    let mut steps: Vec<&Step> = steps.iter().filter(|step| step.forward_p99_ms > 0.0).collect();
    steps.sort_by_key(|step| step.consults);
    let points = |of: &dyn Fn(&Step) -> Option<f64>| -> Vec<(f64, f64)> {
        steps.iter().filter_map(|step| Some((step.consults as f64, of(step)?))).collect()
    };
    let limit = report.workload.slo.forward_p99_ms;
    let loss = report.workload.slo.loss.map(|loss| loss * 100.0);
    out.push_str("<section>\n<h2>Where does it bend?</h2>\n<div class=\"plots\">\n");
    let x = "Consults at a time";
    let media = vec![
        Line { name: "99 of 100", points: points(&|s| Some(s.forward_p99_ms)) },
        Line { name: "half", points: points(&|s| Some(s.forward_p50_ms)) },
    ];
    let lost = vec![Line { name: "lost", points: points(&|s| Some(s.loss * 100.0)) }];
    let cpu = vec![Line { name: "server", points: points(&|s| s.cpu) }];
    let memory = vec![Line { name: "server", points: points(&|s| s.memory_mib) }];
    for (title, unit, limit, lines) in [
        ("How long did media take through the server?", "ms", limit, media),
        ("What was lost?", "% of packets", loss, lost),
        ("What did it cost the server?", "cores", None, cpu),
        ("How much memory did the server use?", "MiB", None, memory),
    ] {
        Plot { title, unit, x, until: None, limit, lines }.write(out)?;
    }
    out.push_str("</div>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\" class=\"n\">Consults</th><th scope=\"col\" class=\"n\">Media p99</th><th scope=\"col\" class=\"n\">Loss</th><th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
    let mut tried: Vec<&Step> = report.steps.iter().collect();
    tried.sort_by_key(|step| step.consults);
    for step in tried {
        let (class, icon) = if step.healthy { ("good", CHECK) } else { ("danger", CROSS) };
        let verdict = step.why.as_deref().unwrap_or("Well");
        let p99 = if step.forward_p99_ms > 0.0 {
            format!("{} ms", short(step.forward_p99_ms))
        } else {
            "–".into()
        };
        writeln!(
            out,
            "<tr><td class=\"n\">{}</td><td class=\"n\">{p99}</td><td class=\"n\">{} %</td><td class=\"{class}\"><span class=\"verdict\">{icon}{}</span></td></tr>",
            step.consults,
            short(step.loss * 100.0),
            Text(verdict)
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

fn line<'a>(name: &'a str, samples: &[Sample], of: impl Fn(&Sample) -> Option<f64>) -> Line<'a> {
    Line { name, points: samples.iter().filter_map(|sample| Some((sample.at_s, of(sample)?))).collect() }
}

/// A count in a sample as a rate.
fn per_second(samples: &[Sample], of: fn(&Sample) -> Option<f64>) -> impl Fn(&Sample) -> Option<f64> {
    let every = match samples {
        [first, second, ..] => (second.at_s - first.at_s).max(0.1).round().max(1.0),
        _ => 1.0,
    };
    move |sample| of(sample).map(|count| count / every)
}

fn failures(out: &mut String, report: &Report) -> fmt::Result {
    if report.kind == "ramp" && report.failures.is_empty() {
        return Ok(());
    }
    out.push_str("<section>\n<h2>What failed?</h2>\n");
    if report.failures.is_empty() {
        out.push_str("<p>Nothing.</p>\n</section>\n");
        return Ok(());
    }
    let most = report.failures.iter().map(|failure| failure.count).max().unwrap_or(1).max(1);
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Step</th><th scope=\"col\">Why</th><th scope=\"col\" class=\"n\">People</th><th aria-hidden=\"true\"></th></tr></thead>\n<tbody>\n");
    for failure in &report.failures {
        let share = failure.count * 100 / most;
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"n\">{}</td><td class=\"bar\" aria-hidden=\"true\"><i style=\"width:{share}%\"></i></td></tr>",
            Text(stage_words(&failure.stage)),
            Text(&failure.why),
            failure.count
        )?;
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    Ok(())
}

fn stages(out: &mut String, report: &Report, other: Option<&Report>) -> fmt::Result {
    let forward = report.media.forward;
    if report.stages.is_empty() && forward.count == 0 {
        return Ok(());
    }
    out.push_str("<section>\n<h2>How long did each step take?</h2>\n<p class=\"quiet\">Milliseconds, from the time it was meant to begin: a client that was late counts against the figure, not for it.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Step</th><th scope=\"col\" class=\"n\">Count</th><th scope=\"col\" class=\"n\">Half</th><th scope=\"col\" class=\"n\">95 of 100</th><th scope=\"col\" class=\"n\">99 of 100</th><th scope=\"col\" class=\"n\">Longest</th></tr></thead>\n<tbody>\n");
    let mut row = |about: &str, t: &Times, before: Option<&Times>| {
        let cell = |now: f64, then: fn(&Times) -> f64| match before {
            Some(before) => format!("{}<br><small>{}</small>", short(now), short(then(before))),
            None => short(now),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            Text(about),
            t.count,
            cell(t.p50_ms, |t| t.p50_ms),
            cell(t.p95_ms, |t| t.p95_ms),
            cell(t.p99_ms, |t| t.p99_ms),
            cell(t.max_ms, |t| t.max_ms)
        )
    };
    for (name, t) in in_order(&report.stages) {
        row(stage_words(name), t, other.and_then(|other| other.stages.get(name)))?;
    }
    if forward.count > 0 {
        row("A media packet through the server", &forward, other.map(|other| &other.media.forward))?;
    }
    out.push_str("</tbody>\n</table></div>\n");
    if other.is_some() {
        out.push_str("<p class=\"quiet\">Small: before.</p>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

fn capacity(out: &mut String, report: &Report) -> fmt::Result {
    let Some(plan) = &report.capacity else { return Ok(()) };
    let memory = plan.cost.memory_mib.map(|mib| format!(" and {} MiB", short(mib))).unwrap_or_default();
    write!(
        out,
        "<section>\n<h2>How many nodes?</h2>\n<p>A consult cost the server {} of a core{memory}. A node of {} cores and {} GiB, with {} % kept free, carries {} at a time.</p>\n<div class=\"scroll\"><table class=\"narrow\">\n<thead><tr><th scope=\"col\" class=\"n\">Consults at a time</th><th scope=\"col\" class=\"n\">Nodes</th></tr></thead>\n<tbody>\n",
        short(plan.cost.cores),
        short(plan.node.cores),
        short(plan.node.memory_gib),
        short(plan.node.headroom * 100.0),
        plan.consults_per_node
    )?;
    for (consults, nodes) in &plan.nodes {
        writeln!(out, "<tr><td class=\"n\">{consults}</td><td class=\"n strong\">{nodes}</td></tr>")?;
    }
    write!(out, "</tbody>\n</table></div>\n<p class=\"quiet\">{}</p>\n</section>\n", plan.cost.caveat())
}

fn conditions(out: &mut String, report: &Report, other: Option<&Report>) -> fmt::Result {
    out.push_str("<section>\n<h2>Under which conditions?</h2>\n<dl>\n");
    let machine = &report.machine;
    let generator = &report.generator;
    let shared = if machine.shared_with_target { "; the server runs on it too" } else { "" };
    let mut all = vec![
        (
            "Server",
            format!(
                "{}, {} ({})",
                report.target.url,
                report.target.build.as_deref().unwrap_or("unknown build"),
                report.target.kind
            ),
        ),
        ("Clients", report.tool.clone()),
        (
            "Their machine",
            format!(
                "{}, {} cores, {} GiB, {}{shared}",
                machine.processor,
                machine.cores,
                short(machine.memory_gib),
                machine.kernel
            ),
        ),
    ];
    if generator.frames > 0 {
        all.push((
            "Clients' lateness",
            format!(
                "99 of 100 frames at most {} ms late; busy {} % on average, {} % at most",
                short(generator.late_p99_ms),
                short(generator.busy_mean * 100.0),
                short(generator.busy_most * 100.0)
            ),
        ));
    }
    if !report.figures.is_empty() {
        let figures: Vec<_> = report
            .figures
            .iter()
            .map(|(name, value)| format!("{} {}", name.replace('_', " "), short(*value)))
            .collect();
        all.push(("Figures", figures.join(" · ")));
    }
    if let Some(other) = other {
        all.push(("Before", format!("{}, {}", other.tool, other.command)));
    }
    for (what, is) in all {
        writeln!(out, "<dt>{what}</dt><dd>{}</dd>", Text(&is))?;
    }
    let workload = toml::to_string(&report.workload).unwrap_or_default();
    write!(
        out,
        "</dl>\n<h3>Again</h3>\n<pre tabindex=\"0\">{}</pre>\n<details><summary>The journey</summary><pre tabindex=\"0\">{}</pre></details>\n</section>\n",
        Text(&report.command),
        Text(&workload)
    )
}
