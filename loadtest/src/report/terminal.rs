//! A report for a terminal: verdict first, then why, then figures. No colour: words and marks.

use super::{Report, Verdict, in_order, short, stage_words, value, words};
use std::fmt::Write as _;

/// The whole summary. `other` is compared with, where it is given.
pub(crate) fn summary(report: &Report, other: Option<&Report>) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report, other);
    out
}

fn write(out: &mut String, report: &Report, other: Option<&Report>) -> std::fmt::Result {
    writeln!(out, "\n{}: {}\n", report.verdict.word(), super::sentence(report))?;
    for why in &report.void {
        writeln!(out, "  void: {why}")?;
    }
    if report.verdict == Verdict::Void {
        writeln!(out, "  These figures tell of the clients, not of the server. Do not use them.\n")?;
    }
    for slo in &report.slos {
        let mark = if slo.met { "ok    " } else { "MISSED" };
        let measured =
            slo.measured.map_or_else(|| "not measured".to_owned(), |measured| value(&slo.name, measured));
        let before = other.and_then(|other| other.measured(&slo.name));
        let before =
            before.map(|before| format!("   before {}", value(&slo.name, before))).unwrap_or_default();
        let (about, _) = words(&slo.name);
        let about = if about.is_empty() { slo.name.as_str() } else { about };
        let than = super::than(&slo.name);
        writeln!(
            out,
            "  {mark}  {about:<42} {measured:>12}   {than} {}{before}",
            value(&slo.name, slo.limit)
        )?;
    }
    if !report.stages.is_empty() {
        writeln!(
            out,
            "\n  {:<42} {:>7} {:>9} {:>9} {:>9} {:>9}  ms",
            "", "count", "p50", "p95", "p99", "longest"
        )?;
        for (name, t) in in_order(&report.stages) {
            let about = stage_words(name);
            writeln!(
                out,
                "  {about:<42} {:>7} {:>9} {:>9} {:>9} {:>9}",
                t.count,
                short(t.p50_ms),
                short(t.p95_ms),
                short(t.p99_ms),
                short(t.max_ms)
            )?;
            if let Some(before) = other.and_then(|other| other.stages.get(name)) {
                writeln!(
                    out,
                    "  {:<42} {:>7} {:>9} {:>9} {:>9} {:>9}",
                    "    before",
                    before.count,
                    short(before.p50_ms),
                    short(before.p95_ms),
                    short(before.p99_ms),
                    short(before.max_ms)
                )?;
            }
        }
    }
    let forward = report.media.forward;
    if forward.count > 0 {
        writeln!(
            out,
            "\n  media     {} packets, {} lost; through the server p50 {} ms, p99 {} ms",
            report.media.packets,
            report.media.lost,
            short(forward.p50_ms),
            short(forward.p99_ms)
        )?;
    }
    for (name, figure) in &report.figures {
        let before = other.and_then(|other| other.figures.get(name));
        let before = before.map(|before| format!("   before {}", short(*before))).unwrap_or_default();
        writeln!(out, "  {name:<30} {}{before}", short(*figure))?;
    }
    for step in &report.steps {
        let verdict = step.why.as_deref().unwrap_or("well");
        writeln!(
            out,
            "  {:>5} consults  p99 {:>7} ms  {verdict}",
            step.consults,
            short(step.forward_p99_ms)
        )?;
    }
    if !report.failures.is_empty() {
        writeln!(out, "\n  What failed:")?;
        for failure in &report.failures {
            writeln!(out, "  {:>6} × {}: {}", failure.count, stage_words(&failure.stage), failure.why)?;
        }
    }
    if let Some(plan) = &report.capacity {
        writeln!(
            out,
            "\n  One consult costs {} of a core: {} consults on a node of {} cores with {} % kept free.",
            short(plan.cost.cores),
            plan.consults_per_node,
            short(plan.node.cores),
            short(plan.node.headroom * 100.0)
        )?;
        for (consults, nodes) in &plan.nodes {
            writeln!(
                out,
                "  {consults:>7} consults at a time: {nodes} node{}",
                if *nodes == 1 { "" } else { "s" }
            )?;
        }
        writeln!(out, "  {}", plan.cost.caveat())?;
    }
    for note in &report.notes {
        writeln!(out, "\n  Note: {note}.")?;
    }
    let generator = &report.generator;
    if generator.frames > 0 {
        writeln!(
            out,
            "\n  The clients were {} % busy on average and sent the 99th of 100 frames {} ms late.",
            short(generator.busy_mean * 100.0),
            short(generator.late_p99_ms)
        )?;
    }
    writeln!(out, "  Again: {}\n", report.command)
}
