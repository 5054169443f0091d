//! What the target says of itself: processor time and memory from its Prometheus page.

use anyhow::{Context as _, Result};
use hyper::Method;
use loadtest::{consult::now, http, net::Origin};
use std::time::Instant;

/// A page of figures, and what it said last.
#[derive(Debug)]
pub(crate) struct Scrape {
    origin: Origin,
    path: String,
    last: Option<(Instant, f64)>,
}

/// What it said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Cores in use since the last time.
    pub(crate) cpu: Option<f64>,
    /// Seconds of processor time, since it started.
    pub(crate) cpu_s: Option<f64>,
    pub(crate) memory_mib: Option<f64>,
}

impl Scrape {
    /// Finds the page.
    ///
    /// # Errors
    /// It is not there, or says nothing of its process.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let (origin, path) = Origin::split(url).with_context(|| format!("--metrics {url}"))?;
        let path = if path.is_empty() { "/metrics" } else { path };
        let mut opened = Self { origin, path: path.to_owned(), last: None };
        let figures = opened.read().await.with_context(|| format!("--metrics {url}"))?;
        figures
            .cpu_s
            .with_context(|| format!("--metrics {url}: no process_cpu_seconds_total on that page"))?;
        Ok(opened)
    }

    pub(crate) async fn read(&mut self) -> Result<Figures> {
        let page = http::send(&self.origin, Method::GET, &self.path, &[], String::new()).await?.good()?.body;
        let at = now();
        let cpu_s = value(&page, "process_cpu_seconds_total");
        let memory_mib = value(&page, "process_resident_memory_bytes").map(|bytes| bytes / 1_048_576.0);
        let cpu = cpu_s.zip(self.last).and_then(|(now_s, (then, then_s))| {
            let wall = at.saturating_duration_since(then).as_secs_f64();
            (wall > 0.05 && now_s >= then_s).then(|| (now_s - then_s) / wall)
        });
        if let Some(cpu_s) = cpu_s {
            self.last = Some((at, cpu_s));
        }
        Ok(Figures { cpu, cpu_s, memory_mib })
    }
}

/// The value of a figure without labels in the Prometheus text format.
fn value(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let page = "# HELP cpu x\n# TYPE cpu counter\ncpu_total 9\ncpu{a=\"b\"} 3\ncpu 1.5e1 1700000\n";
        assert_eq!(value(page, "cpu"), Some(15.0));
        assert_eq!(value(page, "cpu_tot"), None);
        assert_eq!(value("", "cpu"), None);
    }
}
