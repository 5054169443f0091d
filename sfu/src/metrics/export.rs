//! The names under which figures are scraped.

use super::{
    Cell, Drop, Feedback, Media, Path, Profile, RUN_BOUNDS, Runs, ShardMetrics, Stage, Stranger, TIME_BOUNDS,
    Times, Traffic,
};
use prometheus::{core::Desc, proto};
use std::sync::Arc;

type Shards = [Arc<ShardMetrics>];

/// Every figure, summed over the shards.
pub(super) fn families(shards: &Shards) -> Vec<proto::MetricFamily> {
    let sum = |of: &dyn Fn(&ShardMetrics) -> &Cell| -> f64 {
        shards.iter().map(|shard| of(shard).get()).sum::<u64>() as f64
    };
    let traffic = |what: &dyn Fn(&Traffic) -> &Cell| {
        let mut samples = Vec::new();
        for kind in Media::ALL {
            let n = *kind as usize;
            let (inward, outward) = (sum(&|s| what(&s.received[n])), sum(&|s| what(&s.forwarded[n])));
            samples.push((labels(&[("direction", "in"), ("kind", kind.label())]), inward));
            samples.push((labels(&[("direction", "out"), ("kind", kind.label())]), outward));
        }
        samples
    };
    let one = |of: &dyn Fn(&ShardMetrics) -> &Cell| vec![(Vec::new(), sum(of))];
    macro_rules! by {
        ($label:literal, $all:ty, $field:ident) => {
            <$all>::ALL
                .iter()
                .map(|v| (labels(&[($label, v.label())]), sum(&|s| &s.$field[*v as usize])))
                .collect()
        };
    }
    vec![
        counter("packets_total", "Media packets, as the engine saw them.", traffic(&|t| &t.packets)),
        counter("bytes_total", "Bytes of media payload.", traffic(&|t| &t.bytes)),
        counter("datagrams_in_total", "Datagrams and TCP frames received.", one(&|s| &s.datagrams_in)),
        counter("datagrams_out_total", "Datagrams and TCP frames sent.", one(&|s| &s.datagrams_out)),
        counter(
            "udp_sends_total",
            "System calls that sent UDP; below datagrams by segmentation.",
            one(&|s| &s.sends),
        ),
        family(
            "run_length",
            "Datagrams that passed the kernel in one piece: received (GRO) or sent (GSO).",
            proto::MetricType::HISTOGRAM,
            vec![runs(shards, "in", &|s| &s.runs_in), runs(shards, "out", &|s| &s.runs_out)],
        ),
        times(
            "forward_duration_seconds",
            "From the read of a batch to the send of what it became, without pacing.",
            shards,
            &|s| &s.forward_time,
        ),
        times("loop_duration_seconds", "One turn of a shard's loop, without waiting.", shards, &|s| {
            &s.loop_time
        }),
        gauge("rooms", "Rooms with somebody in them.", one(&|s| &s.rooms)),
        gauge("sessions", "Sessions, warm ones included.", one(&|s| &s.sessions)),
        gauge("participants", "Sessions seated in a room.", one(&|s| &s.seated)),
        counter("joins_total", "Sessions by how far they got.", by!("stage", Stage, stages)),
        counter(
            "srtp_profiles_total",
            "Sessions by negotiated SRTP profile.",
            by!("profile", Profile, profiles),
        ),
        counter("candidate_pairs_total", "Connected sessions by transport.", by!("path", Path, paths)),
        counter(
            "dropped_packets_total",
            "Packets that went no further, by reason.",
            by!("reason", Drop, drops),
        ),
        counter(
            "unauthenticated_packets_total",
            "Packets of nobody known, by what was wrong.",
            by!("reason", Stranger, strangers),
        ),
        counter("feedback_total", "NACKs and keyframe requests.", by!("kind", Feedback, feedback)),
        counter(
            "rtx_packets_total",
            "Packets on repair streams: answers to NACKs, and padding that probes for bandwidth.",
            one(&|s| &s.rtx_out),
        ),
        gauge(
            "estimate_bits_per_second",
            "Sum of bandwidth estimates towards clients.",
            one(&|s| &s.estimate_bps),
        ),
        gauge("sent_bits_per_second", "Sent to clients in the last second.", one(&|s| &s.sent_bps)),
        counter("pulses_total", "Pulses sent on data channels.", one(&|s| &s.pulses)),
        counter(
            "caught_panics_total",
            "Sessions ended because their state machine panicked. Must stay 0.",
            one(&|s| &s.panics),
        ),
        gauge("tcp_connections", "Open ICE-TCP connections.", one(&|s| &s.tcp_connections)),
        counter("closed_total", "Sessions that ended.", one(&|s| &s.closed)),
    ]
}

pub(super) fn desc(family: &proto::MetricFamily) -> Option<Desc> {
    let names = family.get_metric().first()?.get_label().iter().map(|l| l.name().to_owned()).collect();
    Desc::new(family.name().to_owned(), family.help().to_owned(), names, std::collections::HashMap::new())
        .ok()
}

type Sample = (Vec<proto::LabelPair>, f64);

fn labels(pairs: &[(&str, &str)]) -> Vec<proto::LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = proto::LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().map(pair).collect()
}

fn family(
    name: &str,
    help: &str,
    kind: proto::MetricType,
    metrics: Vec<proto::Metric>,
) -> proto::MetricFamily {
    let mut family = proto::MetricFamily::default();
    family.set_name(format!("telehealth_sfu_{name}"));
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(name: &str, help: &str, samples: Vec<Sample>) -> proto::MetricFamily {
    let metric = |(labels, value): Sample| {
        let mut counter = proto::Counter::default();
        counter.set_value(value);
        let mut metric = proto::Metric::from_label(labels);
        metric.set_counter(counter);
        metric
    };
    family(name, help, proto::MetricType::COUNTER, samples.into_iter().map(metric).collect())
}

fn gauge(name: &str, help: &str, samples: Vec<Sample>) -> proto::MetricFamily {
    let metric = |(labels, value): Sample| {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        let mut metric = proto::Metric::from_label(labels);
        metric.set_gauge(gauge);
        metric
    };
    family(name, help, proto::MetricType::GAUGE, samples.into_iter().map(metric).collect())
}

fn times(
    name: &str,
    help: &str,
    shards: &Shards,
    of: &dyn Fn(&ShardMetrics) -> &Times,
) -> proto::MetricFamily {
    let count = |n: usize| shards.iter().map(|shard| of(shard).buckets[n].get()).sum::<u64>();
    let sum = shards.iter().map(|shard| of(shard).sum_ns.get()).sum::<u64>() as f64 / 1e9;
    let metric = histogram(&[], &TIME_BOUNDS, &count, sum);
    family(name, help, proto::MetricType::HISTOGRAM, vec![metric])
}

fn runs(shards: &Shards, direction: &str, of: &dyn Fn(&ShardMetrics) -> &Runs) -> proto::Metric {
    let count = |n: usize| shards.iter().map(|shard| of(shard).buckets[n].get()).sum::<u64>();
    let sum = shards.iter().map(|shard| of(shard).datagrams.get()).sum::<u64>() as f64;
    histogram(&[("direction", direction)], &RUN_BOUNDS.map(|bound| bound as f64), &count, sum)
}

/// One histogram from counts per bucket, the last of which is above every bound.
fn histogram(
    labels_of: &[(&str, &str)],
    bounds: &[f64],
    count: &dyn Fn(usize) -> u64,
    sum: f64,
) -> proto::Metric {
    let mut histogram = proto::Histogram::default();
    let mut cumulative = 0;
    let mut buckets = Vec::new();
    for (n, bound) in bounds.iter().copied().enumerate() {
        cumulative += count(n);
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(cumulative);
        buckets.push(bucket);
    }
    histogram.set_bucket(buckets);
    // The encoder writes the last bucket, +Inf, from the count.
    histogram.set_sample_count(cumulative + count(bounds.len()));
    histogram.set_sample_sum(sum);
    let mut metric = proto::Metric::from_label(labels(labels_of));
    metric.set_histogram(histogram);
    metric
}
