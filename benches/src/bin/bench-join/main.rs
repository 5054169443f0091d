//! How long it takes to join while others talk.
//!
//! Patients arrive as a Poisson process while pairs are in their calls. Each takes the whole way of a real
//! one: invited, link exchanged, WebSocket, checked in, warm connection, admitted, one reload in the call,
//! ended. Three spans are measured, as a browser would feel them:
//!
//! * offer → connected: from sending the offer to ICE and DTLS up (warm, and again after the reload);
//! * offer → first decodable frame: after the reload, into a live call;
//! * admit → first remote frame: from the clinician's click to the last packet of the patient's first keyframe.
//!
//! The server is a process of its own. The figures are void, and the run fails, if a journey failed or the clients
//! themselves were too slow. The last line is one JSON object.

mod workload;

use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;
use workload::{Samples, Workload};

/// How late the 99th of 100 frames may be sent: with less than a frame of sound the load is the one asked for.
/// Lateness makes the figures worse, not better.
const LATEST: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let workload = Workload::from_env()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let samples = runtime.block_on(workload::run(&workload))?;
    report(&workload, &samples);
    ensure!(
        !samples.load.saturated(LATEST),
        "void: the clients themselves were too slow ({:?})",
        samples.load
    );
    ensure!(samples.failed == 0, "{} of {} journeys failed", samples.failed, workload.journeys);
    Ok(())
}

fn report(workload: &Workload, samples: &Samples) {
    let connected = percentiles(&samples.connected);
    let frame = percentiles(&samples.first_frame);
    let admit = percentiles(&samples.admit_to_frame);
    for (name, of) in
        [("offer → connected", connected), ("offer → first frame", frame), ("admit → frame", admit)]
    {
        println!("{name:<20} p50 {:>7.1} ms   p95 {:>7.1} ms   max {:>7.1} ms", of.p50, of.p95, of.max);
    }
    let load = samples.load;
    let ms = |of: Duration| (of.as_secs_f64() * 10_000.0).round() / 10.0;
    let void = load.saturated(LATEST) || samples.failed > 0;
    let met = |limits: [f64; 3]| {
        !void && connected.p95 <= limits[0] && frame.p95 <= limits[1] && admit.p95 <= limits[2]
    };
    let figures = json!({
        "name": "join", "void": void,
        "connected_p50_ms": connected.p50, "connected_p95_ms": connected.p95,
        "first_frame_p50_ms": frame.p50, "first_frame_p95_ms": frame.p95,
        "admit_to_frame_p50_ms": admit.p50, "admit_to_frame_p95_ms": admit.p95,
        "journeys": workload.journeys, "failed": samples.failed,
        "generator": {
            "arrival_lag_p95_ms": percentiles(&samples.lag).p95,
            "frame_lag_p50_ms": ms(load.late_p50), "frame_lag_p99_ms": ms(load.late_p99),
            "busy": (load.busy * 100.0).round() / 100.0, "saturated": load.saturated(LATEST),
        },
        "offer_bytes": samples.offer_bytes,
        "conditions": {
            "arrivals_per_s": workload.rate, "arrivals": "poisson", "seed": workload.seed,
            "pairs_talking": workload.pairs, "pair_media": "1.0 Mbit/s VP8 + Opus each way",
            "transport": "UDP on loopback", "clients": "one thread, same machine", "cores": cores(),
        },
        "gate": { "connected_p95_ms": 80, "first_frame_p95_ms": 250, "admit_to_frame_p95_ms": 300, "met": met([80.0, 250.0, 300.0]) },
        "target": { "connected_p95_ms": 40, "first_frame_p95_ms": 120, "admit_to_frame_p95_ms": 93, "met": met([40.0, 120.0, 93.0]) },
    });
    println!("{figures}");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

#[derive(Clone, Copy)]
struct Percentiles {
    p50: f64,
    p95: f64,
    max: f64,
}

/// Nearest-rank percentiles, milliseconds.
fn percentiles(samples: &[Duration]) -> Percentiles {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let rank = (share * sorted.len() as f64).ceil() as usize;
        let ms = sorted.get(rank.saturating_sub(1)).map_or(f64::NAN, |d| d.as_secs_f64() * 1_000.0);
        (ms * 10.0).round() / 10.0
    };
    Percentiles { p50: at(0.50), p95: at(0.95), max: at(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let samples: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        let of = percentiles(&samples);
        assert_eq!((of.p50, of.p95, of.max), (50.0, 95.0, 100.0));
        assert!(percentiles(&[]).p95.is_nan());
    }
}
