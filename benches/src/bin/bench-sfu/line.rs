//! How processor time and latency grow with the number of consults, and whether that is a straight line.

use crate::{
    measure::{Conditions, Sample, Server, valid},
    ms,
    ramp::{self, Verdict},
    round, write_out,
};
use anyhow::{Context as _, Result, ensure};
use benches::env;
use serde_json::{Value, json};
use std::{num::ParseIntError, str::FromStr};

/// How often a point is made again that the clients or the machine spoiled.
const VOID_AGAIN: usize = 3;

/// A server that was not well so often in a row is asked for no more.
const GIVEN_UP_AFTER: usize = 2;

/// Numbers of consults, in rising order.
struct Points(Vec<usize>);

impl FromStr for Points {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// What one server did.
struct Series {
    server: Server,
    points: Vec<Value>,
    /// Consults and percent of the core, of those points that count.
    fitted: Vec<(f64, f64)>,
    ill: usize,
}

impl Series {
    const fn new(server: Server) -> Self {
        Self { server, points: Vec::new(), fitted: Vec::new(), ill: 0 }
    }

    /// One more point; the median run by processor time of as many as are asked for.
    async fn measure(&mut self, conditions: &Conditions) -> Result<()> {
        if self.ill >= GIVEN_UP_AFTER {
            return Ok(());
        }
        let (mut runs, mut spare) = (Vec::new(), VOID_AGAIN);
        while runs.len() < conditions.repeats {
            let told = |sample: &Sample| {
                if sample.void().is_some() {
                    println!("{:?} {:>4}  a void run", self.server, conditions.consults);
                }
            };
            match valid(self.server, conditions, &mut spare, told).await {
                Ok(sample) => runs.push(sample),
                Err(error) => {
                    println!("{:?} {:>4}  {error:#}", self.server, conditions.consults);
                    self.points
                        .push(json!({ "consults": conditions.consults, "failed": format!("{error:#}") }));
                    self.ill += 1;
                    return Ok(());
                }
            }
        }
        runs.sort_by(|a, b| a.core_percent.total_cmp(&b.core_percent));
        let middle = runs.len() / 2;
        self.take(conditions.consults, &runs.into_iter().nth(middle).context("REPEATS is 0")?);
        Ok(())
    }

    fn take(&mut self, consults: usize, sample: &Sample) {
        let (void, wrong) = match (sample.void(), ramp::judge(sample)) {
            (Some(why), _) | (None, Verdict::Void(why)) => (Some(why), None),
            (None, Verdict::Ill(why)) => (None, Some(why)),
            (None, Verdict::Healthy) => (None, None),
        };
        println!(
            "{:?} {consults:>4}  {:5.1} % of the core  {:5.2} µs/packet  p50 {:?} p99 {:?}{}{}",
            self.server,
            sample.core_percent,
            sample.cpu_us(),
            sample.load.latency.p50,
            sample.load.latency.p99,
            wrong.as_ref().map(|why| format!("  not well: {why}")).unwrap_or_default(),
            void.as_ref().map(|why| format!("  VOID: {why}")).unwrap_or_default(),
        );
        let well = void.is_none() && wrong.is_none();
        self.points.push(json!({
            "consults": consults, "core_percent": round(sample.core_percent), "cpu_us_per_packet": round(sample.cpu_us()),
            "p50_ms": round(ms(sample.load.latency.p50)), "p99_ms": round(ms(sample.load.latency.p99)),
            "p999_ms": round(ms(sample.load.latency.p999)), "loss": sample.loss(),
            "kib_per_participant": sample.kib_per_participant.round(),
            "clients_busy": round(sample.load.busy), "well": well, "not_well": wrong, "void": void,
        }));
        if well {
            self.fitted.push((consults as f64, sample.core_percent));
            self.ill = 0;
        } else {
            self.ill += 1;
        }
    }

    fn json(&self) -> Value {
        let fit = Fit::of(&self.fitted).map(|fit| {
            json!({
                "percent_per_consult": (fit.slope * 10_000.0).round() / 10_000.0, "percent_at_zero": round(fit.at_zero),
                "r2": (fit.r2 * 10_000.0).round() / 10_000.0, "worst_residual_percent": round(fit.worst_residual),
                "points": self.fitted.len(),
            })
        });
        json!({ "name": self.server.name(), "points": self.points, "fit": fit })
    }
}

/// The straight line that is nearest to some points (least squares).
#[derive(Clone, Copy, Debug)]
struct Fit {
    slope: f64,
    at_zero: f64,
    /// Share of the variance that it explains.
    r2: f64,
    /// The farthest point from it.
    worst_residual: f64,
}

impl Fit {
    /// `None` for fewer than three points: through two there is always one.
    fn of(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let (mean_x, mean_y) =
            (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in points {
            let (dx, dy) = (x - mean_x, y - mean_y);
            (xx, xy, yy) = (xx + dx * dx, xy + dx * dy, yy + dy * dy);
        }
        if points.len() < 3 || xx == 0.0 {
            return None;
        }
        let slope = xy / xx;
        let at_zero = mean_y - slope * mean_x;
        let residuals = || points.iter().map(|(x, y)| y - (at_zero + slope * x));
        let unexplained: f64 = residuals().map(|r| r * r).sum();
        let worst_residual =
            residuals().fold(0.0, |worst: f64, r| if r.abs() > worst.abs() { r } else { worst });
        let r2 = if yy == 0.0 { 1.0 } else { 1.0 - unexplained / yy };
        Some(Self { slope, at_zero, r2, worst_residual })
    }
}

pub(crate) async fn run(conditions: Conditions) -> Result<()> {
    let Points(consults) = env("POINTS", Points(vec![10, 25, 50, 75, 100, 150, 200]))?;
    let conditions = Conditions { repeats: env("REPEATS", 1)?, ..conditions };
    let mut all = vec![Series::new(Server::Telehealth)];
    if conditions.janus {
        all.push(Series::new(Server::Janus));
    }
    for consults in consults {
        for series in &mut all {
            series.measure(&Conditions { consults, ..conditions }).await?;
        }
    }
    let (cpu, kernel) = loadtest::machine::names();
    let figures = json!({
        "name": "sfu-line",
        "series": all.iter().map(Series::json).collect::<Vec<_>>(),
        "conditions": {
            "media": "1.0 Mbit/s VP8 + Opus each way", "warm_s": conditions.warm.as_secs(),
            "steady_s": conditions.steady.as_secs(), "repeats": conditions.repeats,
            "statistic": "the median run by processor time", "server": "one core", "clients": "one core",
            "fitted": "points with loss <= 0.1 % and p99 <= 20 ms", "profile": "perf",
            "srtp": "AEAD_AES_256_GCM", "cpu": cpu, "kernel": kernel, "build": benches::build(),
        },
        "gate": null, "target": null,
    });
    println!("{figures}");
    write_out(&figures)?;
    ensure!(all.iter().any(|series| !series.fitted.is_empty()), "void: see above");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_what_lies_beside_it() {
        let line = |x: f64| (x, 3.0 + 0.5 * x);
        let fit = Fit::of(&[10.0, 20.0, 50.0].map(line)).unwrap();
        assert!((fit.slope - 0.5).abs() < 1e-9 && (fit.at_zero - 3.0).abs() < 1e-9);
        assert!((fit.r2 - 1.0).abs() < 1e-9 && fit.worst_residual.abs() < 1e-9);
        let fit = Fit::of(&[(0.0, 0.0), (1.0, 1.0), (2.0, 0.5), (3.0, 3.0)]).unwrap();
        assert!((fit.slope - 0.85).abs() < 1e-9 && (fit.r2 - 0.6964).abs() < 1e-4, "{fit:?}");
        assert!((fit.worst_residual + 1.05).abs() < 1e-9, "{fit:?}");
        assert!(Fit::of(&[(1.0, 1.0), (2.0, 2.0)]).is_none() && Fit::of(&[(1.0, 1.0); 3]).is_none());
    }
}
