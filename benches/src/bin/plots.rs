//! Draws what `bench-sfu line` and `bench-sfu idle` wrote: beside each `<name>.json`, `<name>-core.svg`, and of those
//! who talk `<name>-p50.svg` and `<name>-p99.svg`.

use anyhow::{Context as _, Result, ensure};
use loadtest::plot::{Line, Plot};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    ensure!(!files.is_empty(), "usage: plots data.json ...");
    for file in files {
        for (path, svg) in draw(&file).with_context(|| file.display().to_string())? {
            fs::write(&path, svg)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

/// What is drawn from one file of data, and where it belongs.
fn draw(file: &Path) -> Result<Vec<(PathBuf, String)>> {
    let data: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let series = data["series"].as_array().context("no series in it")?;
    let stem = file.file_stem().context("a name")?.to_string_lossy();
    let plots = [
        ("core", if data["muted"].is_null() { core(series) } else { idle(series) }),
        ("p50", latency(series, "p50_ms", "How long does half of the packets take at most?", None)),
        ("p99", latency(series, "p99_ms", "How long do 99 of 100 packets take at most?", Some(20.0))),
    ];
    let named = plots
        .into_iter()
        .filter_map(|(name, plot)| Some((file.with_file_name(format!("{stem}-{name}.svg")), plot.svg()?)));
    Ok(named.collect())
}

fn core(series: &[Value]) -> Plot<'_> {
    let mut lines = lines(series, "core_percent");
    lines.extend(series.first().and_then(fitted));
    Plot {
        title: "How much of its core does the server need?",
        unit: "% of a core",
        x: "consults of two, 1 Mbit/s each way",
        until: None,
        limit: None,
        lines,
    }
}

fn idle(series: &[Value]) -> Plot<'_> {
    Plot {
        title: "How much of a core do the muted need?",
        unit: "% of a core",
        x: "people connected and muted",
        until: None,
        limit: Some(10.0),
        lines: lines(series, "core_percent"),
    }
}

fn latency<'a>(series: &'a [Value], key: &str, title: &'a str, limit: Option<f64>) -> Plot<'a> {
    let (unit, x) = ("ms, from client to client", "consults of two, 1 Mbit/s each way");
    Plot { title, unit, x, until: None, limit, lines: lines(series, key) }
}

fn lines<'a>(series: &'a [Value], key: &str) -> Vec<Line<'a>> {
    series
        .iter()
        .map(|one| Line { name: one["name"].as_str().unwrap_or("?"), points: points(one, key) })
        .collect()
}

/// Points that have the figure; those of which the clients tell, not the server, are left out.
fn points(one: &Value, key: &str) -> Vec<(f64, f64)> {
    let point = |point: &Value| {
        point["void"].is_null().then_some(())?;
        let x = point["consults"].as_f64().or_else(|| point["muted"].as_f64())?;
        Some((x, point[key].as_f64()?))
    };
    one["points"].as_array().into_iter().flatten().filter_map(point).collect()
}

/// The straight line of a series, over the points that made it.
fn fitted(one: &Value) -> Option<Line<'static>> {
    let (slope, at_zero) =
        (one["fit"]["percent_per_consult"].as_f64()?, one["fit"]["percent_at_zero"].as_f64()?);
    let well = one["points"].as_array()?.iter().filter(|point| point["well"] == true);
    let last = well.filter_map(|point| point["consults"].as_f64()).fold(0.0, f64::max);
    let points = [0.0, last].map(|x| (x, at_zero + slope * x)).to_vec();
    Some(Line { name: "straight line", points })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: &str = r#"{"series": [
        {"name": "telehealth", "fit": {"percent_per_consult": 0.5, "percent_at_zero": 1.0}, "points": [
            {"consults": 10, "core_percent": 6.0, "p50_ms": 0.1, "p99_ms": 1.0, "well": true, "void": null},
            {"consults": 50, "core_percent": 26.0, "p50_ms": 0.2, "p99_ms": 2.0, "well": true, "void": null},
            {"consults": 100, "core_percent": 99.0, "p50_ms": 90.0, "p99_ms": 91.0, "well": false, "void": "late"}]},
        {"name": "janus", "fit": null, "points": [
            {"consults": 10, "core_percent": 20.0, "p50_ms": 1.0, "p99_ms": 9.0, "well": true, "void": null},
            {"consults": 50, "failed": "no answer"}]}]}"#;

    #[test]
    fn every_figure_is_drawn_from_the_points_that_have_it() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("line.json");
        fs::write(&file, DATA)?;
        let drawn = draw(&file)?;
        let names: Vec<_> = drawn.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["line-core.svg", "line-p50.svg", "line-p99.svg"]);
        let core = &drawn[0].1;
        assert!(
            core.contains(">telehealth<") && core.contains(">janus<") && core.contains(">straight line<")
        );
        assert!(
            core.contains("telehealth: highest 26 at 50, last 26."),
            "the void point is left out: {core}"
        );
        assert!(core.contains("straight line: highest 26 at 50"));
        assert!(!drawn[1].1.contains(">at most ") && drawn[2].1.contains(">at most 20<"));
        Ok(())
    }

    #[test]
    fn of_people_who_are_muted_there_is_one_plot_with_its_gate() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("idle.json");
        let points = r#"[{"muted": 1000, "core_percent": 2.0}, {"muted": 5000, "core_percent": 8.5}]"#;
        fs::write(
            &file,
            format!(r#"{{"muted": 5000, "series": [{{"name": "telehealth", "points": {points}}}]}}"#),
        )?;
        let drawn = draw(&file)?;
        let [(path, svg)] = drawn.as_slice() else { anyhow::bail!("{} plots", drawn.len()) };
        assert!(path.ends_with("idle-core.svg") && svg.contains(">at most 10<"));
        assert!(svg.contains("telehealth: highest 8.5 at 5"), "{svg}");
        Ok(())
    }

    #[test]
    fn the_plots_of_the_documents_are_drawn_from_the_data_beside_them() -> Result<()> {
        let plots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots");
        for entry in fs::read_dir(plots).into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            for (svg, drawn) in draw(&path)? {
                assert!(fs::read_to_string(&svg)? == drawn, "{} is old: make plots", svg.display());
            }
        }
        Ok(())
    }
}
