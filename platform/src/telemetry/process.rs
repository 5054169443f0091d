//! The process as Linux sees it, under the names that every Prometheus dashboard knows.

use crate::clock::{Clock as _, SystemClock};
use prometheus::{
    Counter, Gauge, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::fs;

/// Clock ticks a second in `/proc/self/stat`: `USER_HZ`, 100 on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Registers memory, CPU time, threads and open files of this process; read on each scrape.
///
/// # Errors
/// They are registered already.
pub fn register_process_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    let started = Gauge::with_opts(Opts::new("process_start_time_seconds", "When this process started"))?;
    started.set(SystemClock.now().as_millis() as f64 / 1_000.0);
    registry.register(Box::new(started))?;
    for (name, help, read) in FIGURES {
        registry
            .register(Box::new(Figure { gauge: Gauge::with_opts(Opts::new(*name, *help))?, read: *read }))?;
    }
    registry.register(Box::new(CpuTime(Counter::with_opts(Opts::new(
        "process_cpu_seconds_total",
        "CPU time, user and system",
    ))?)))?;
    Ok(())
}

type Read = fn() -> Option<f64>;

const FIGURES: &[(&str, &str, Read)] = &[
    ("process_resident_memory_bytes", "Memory in use", || Some(status("VmRSS:")? * 1_024.0)),
    ("process_resident_memory_peak_bytes", "Most memory ever in use", || Some(status("VmHWM:")? * 1_024.0)),
    ("process_threads", "Threads", || status("Threads:")),
    ("process_open_fds", "Open files and sockets", || {
        Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
    }),
];

struct Figure {
    gauge: Gauge,
    read: Read,
}

impl Collector for Figure {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(value) = (self.read)() {
            self.gauge.set(value);
        }
        self.gauge.collect()
    }
}

struct CpuTime(Counter);

impl Collector for CpuTime {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(now) = cpu_seconds() {
            self.0.inc_by((now - self.0.get()).max(0.0));
        }
        self.0.collect()
    }
}

fn status(field: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of proc(5) `stat`, counted after the command name, which may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_can_be_read_and_is_plausible() {
        for (name, _, read) in FIGURES {
            let value = read();
            assert!(value.is_some_and(|value| value >= 0.0), "{name}: {value:?}");
        }
        assert!(status("VmRSS:").unwrap() > 100.0);
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_seconds().unwrap();
        let mut sum = 0_u64;
        while cpu_seconds().unwrap() < before + 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
