//! What the pure cores cost, one by one: no socket, no clock, no encryption.
//!
//! Inputs are shaped like those of a call and the same in every run. A figure is the time of one packet, message or
//! journey. The last line is one JSON object.
//!
//! Reading order: [`media`] (what each packet passes), [`feedback`] (what is said of packets, and how fast to send),
//! [`signaling`] (a visit, and its words), [`summary`].

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

mod feedback;
mod media;
mod signaling;
mod summary;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use std::time::Duration;

fn main() {
    let summary = summary::Summary::begin();
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(summary.directory())
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .nresamples(10_000)
        .configure_from_args();
    media::all(&mut criterion);
    feedback::all(&mut criterion);
    signaling::all(&mut criterion);
    criterion.final_summary();
    summary.print();
}

/// Benches of which one run deals with one packet or message.
fn single<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    group
}
