//! Everything that is measured while people come and go.

use crate::report::{Failure, Generator, Media, People, Sample, Times};
use hdrhistogram::Histogram;
use loadtest::{
    consult::now,
    media::{Load, Observation},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Longest time told apart, µs.
const LONGEST_US: u64 = 600_000_000;

/// Different reasons of failure that are kept; further ones count as `other`.
const MOST_REASONS: usize = 100;

/// A step of a visit that is timed, or fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Hello,
    CheckIn,
    Waited,
    Connected,
    FirstFrame,
    Screen,
    Reconnect,
    Talk,
    End,
    QueueShows,
    Back,
    Resumed,
    MediaAgain,
}

impl Stage {
    /// As it stands in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::CheckIn => "check_in",
            Self::Waited => "waited",
            Self::Connected => "connected",
            Self::FirstFrame => "first_frame",
            Self::Screen => "screen",
            Self::Reconnect => "reconnect",
            Self::Talk => "talk",
            Self::End => "end",
            Self::QueueShows => "queue_shows",
            Self::Back => "back",
            Self::Resumed => "resumed",
            Self::MediaAgain => "media_again",
        }
    }
}

/// A cheap handle for everybody who measures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    stages: BTreeMap<Stage, Clock>,
    failures: BTreeMap<(Stage, String), u64>,
    people: People,
    in_call: u64,
    connections: u64,
    media: Option<Observation>,
    /// Packets that came to the target, and were lost on the way, by its reports.
    taken: Option<(u64, u64)>,
    busy: Vec<f64>,
    samples: Vec<Sample>,
    /// Of the sample that is being made.
    came: u64,
    failed: u64,
    build: Option<String>,
}

/// Times of a stage: since the beginning, and since the last sample.
#[derive(Debug)]
struct Clock {
    all: Histogram<u64>,
    recent: Histogram<u64>,
}

/// Where things stand, for the live view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) people: People,
    pub(crate) in_call: u64,
    pub(crate) connections: u64,
    pub(crate) last: Option<Sample>,
}

fn histogram() -> Histogram<u64> {
    // Bounds and precision are constants that fit.
    Histogram::new_with_bounds(1, LONGEST_US, 3)
        .unwrap_or_else(|_| Histogram::new(3).unwrap_or_else(|_| unreachable!()))
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST_US)
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn times(of: &Histogram<u64>) -> Times {
    let at = |quantile| ms(of.value_at_quantile(quantile));
    Times {
        count: of.len(),
        p50_ms: at(0.50),
        p90_ms: at(0.90),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        max_ms: ms(of.max()),
    }
}

impl Record {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing here is left half done by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stage took from `intended` until now: if the generator itself was late, that counts.
    pub(crate) fn took_since(&self, stage: Stage, intended: Instant) {
        self.took(stage, now().saturating_duration_since(intended));
    }

    pub(crate) fn took(&self, stage: Stage, time: Duration) {
        let mut inner = self.inner();
        let clock =
            inner.stages.entry(stage).or_insert_with(|| Clock { all: histogram(), recent: histogram() });
        clock.all.saturating_record(us(time));
        clock.recent.saturating_record(us(time));
    }

    pub(crate) fn failed(&self, stage: Stage, why: &anyhow::Error) {
        let mut inner = self.inner();
        inner.failed += 1;
        let why = plain(&format!("{why:#}"));
        let known = inner.failures.contains_key(&(stage, why.clone()));
        let key = if known || inner.failures.len() < MOST_REASONS { why } else { "other".to_owned() };
        *inner.failures.entry((stage, key)).or_default() += 1;
    }

    pub(crate) fn planned(&self, people: usize) {
        self.inner().people.planned = people as u64;
    }

    pub(crate) fn came(&self) {
        let mut inner = self.inner();
        inner.came += 1;
        inner.people.came += 1;
    }

    /// Somebody is through with their visit.
    pub(crate) fn done(&self, well: bool) {
        let mut inner = self.inner();
        *(if well { &mut inner.people.done } else { &mut inner.people.failed }) += 1;
    }

    /// A call could not be continued.
    pub(crate) fn lost_call(&self) {
        self.inner().people.lost_calls += 1;
    }

    pub(crate) fn call(&self, begins: bool) {
        let mut inner = self.inner();
        inner.in_call = if begins { inner.in_call + 1 } else { inner.in_call.saturating_sub(1) };
        inner.people.most_at_once = inner.people.most_at_once.max(inner.in_call);
    }

    /// The target says that so many packets came to it, and so many were lost.
    pub(crate) fn taken(&self, packets: u64, lost: u64) {
        let mut inner = self.inner();
        let (all, all_lost) = inner.taken.unwrap_or_default();
        inner.taken = Some((all + packets, all_lost + lost));
    }

    /// Whether the target's word is all there is about media.
    pub(crate) fn only_published(&self) -> bool {
        self.inner().taken.is_some()
    }

    pub(crate) fn connections(&self, open: i64) {
        let mut inner = self.inner();
        inner.connections = inner.connections.saturating_add_signed(open);
    }

    pub(crate) fn build(&self, build: &str) {
        self.inner().build.get_or_insert_with(|| build.to_owned());
    }

    pub(crate) fn target_build(&self) -> Option<String> {
        self.inner().build.clone().filter(|build| !build.is_empty())
    }

    /// Ends a sample.
    pub(crate) fn sample(
        &self,
        at: Duration,
        planned: u64,
        seen: Observation,
        cpu: Option<f64>,
        memory_mib: Option<f64>,
    ) {
        let mut inner = self.inner();
        let recent = |inner: &Inner, stage: Stage, quantile: f64| {
            let clock = inner.stages.get(&stage)?;
            (!clock.recent.is_empty()).then(|| ms(clock.recent.value_at_quantile(quantile)))
        };
        let forward =
            |quantile: f64| (!seen.latency.is_empty()).then(|| ms(seen.latency.value_at_quantile(quantile)));
        let sample = Sample {
            at_s: (at.as_secs_f64() * 10.0).round() / 10.0,
            came: inner.came,
            planned,
            in_call: inner.in_call,
            failed: inner.failed,
            check_in_p95_ms: recent(&inner, Stage::CheckIn, 0.95),
            connected_p95_ms: recent(&inner, Stage::Connected, 0.95),
            first_frame_p95_ms: recent(&inner, Stage::FirstFrame, 0.95),
            forward_p50_ms: forward(0.50),
            forward_p99_ms: forward(0.99),
            packets: seen.packets,
            lost: seen.lost,
            cpu,
            memory_mib,
            busy: seen.busy,
            connections: inner.connections,
            queue_shows_p99_ms: recent(&inner, Stage::QueueShows, 0.99),
        };
        inner.samples.push(sample);
        inner.busy.push(seen.busy);
        (inner.came, inner.failed) = (0, 0);
        for clock in inner.stages.values_mut() {
            clock.recent.reset();
        }
        match &mut inner.media {
            None => inner.media = Some(seen),
            Some(all) => {
                // Both have the same bounds.
                let _ = all.late.add(&seen.late);
                let _ = all.latency.add(&seen.latency);
                all.packets += seen.packets;
                all.lost += seen.lost;
            }
        }
    }

    pub(crate) fn now(&self) -> Now {
        let inner = self.inner();
        Now {
            people: inner.people,
            in_call: inner.in_call,
            connections: inner.connections,
            last: inner.samples.last().copied(),
        }
    }

    pub(crate) fn people(&self) -> People {
        self.inner().people
    }

    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.inner().samples.clone()
    }

    pub(crate) fn stages(&self) -> BTreeMap<String, Times> {
        self.inner()
            .stages
            .iter()
            .map(|(stage, clock)| (stage.name().to_owned(), times(&clock.all)))
            .collect()
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        let inner = self.inner();
        let failure = |((stage, why), count): (&(Stage, String), &u64)| Failure {
            stage: stage.name().to_owned(),
            why: why.clone(),
            count: *count,
        };
        inner.failures.iter().map(failure).collect()
    }

    pub(crate) fn media(&self) -> Media {
        let inner = self.inner();
        let Some(seen) = &inner.media else { return Media::default() };
        let (taken, taken_lost) = inner.taken.unwrap_or_default();
        let (packets, lost) = (seen.packets + taken, seen.lost + taken_lost);
        let all = packets + lost;
        Media {
            packets,
            lost,
            loss: if all == 0 { 0.0 } else { lost as f64 / all as f64 },
            forward: times(&seen.latency),
        }
    }

    /// How hard the clients had to work, over the whole run.
    pub(crate) fn load(&self) -> Option<Load> {
        let inner = self.inner();
        let seen = inner.media.as_ref()?;
        let busy = inner.busy.iter().sum::<f64>() / inner.busy.len().max(1) as f64;
        Some(Load { busy, ..seen.load() })
    }

    pub(crate) fn generator(&self) -> Generator {
        let inner = self.inner();
        let Some(seen) = &inner.media else { return Generator::default() };
        let at = |quantile| ms(seen.late.value_at_quantile(quantile));
        Generator {
            frames: seen.late.len(),
            late_p50_ms: at(0.50),
            late_p99_ms: at(0.99),
            busy_most: inner.busy.iter().copied().fold(0.0, f64::max),
            busy_mean: inner.busy.iter().sum::<f64>() / inner.busy.len().max(1) as f64,
        }
    }
}

/// A reason without what differs between two people it happened to: ids and ports.
fn plain(why: &str) -> String {
    let word = |word: &str| {
        let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
        let trimmed = word.trim_matches(|c: char| !c.is_alphanumeric());
        if trimmed.len() == 36 && trimmed.chars().all(hex) { "…".to_owned() } else { word.to_owned() }
    };
    why.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(packets: u64, late_us: u64) -> Observation {
        let (mut late, latency) = (histogram(), histogram());
        late.saturating_record(late_us);
        Observation { late, latency, packets, lost: 1, busy: packets as f64 / 100.0 }
    }

    #[test]
    fn samples_add_up_to_the_whole() {
        let record = Record::default();
        record.took(Stage::CheckIn, Duration::from_millis(10));
        record.came();
        record.sample(Duration::from_secs(1), 1, seen(10, 5_000), Some(0.5), None);
        record.took(Stage::CheckIn, Duration::from_millis(30));
        record
            .failed(Stage::Connected, &anyhow::anyhow!("no  answer to 0198f7a0-0000-7000-8000-000000000001"));
        record.sample(Duration::from_secs(2), 1, seen(30, 1_000), None, None);
        let samples = record.samples();
        assert_eq!(samples.iter().map(|s| (s.came, s.failed)).collect::<Vec<_>>(), [(1, 0), (0, 1)]);
        assert!(samples[0].check_in_p95_ms.is_some_and(|ms| (10.0..10.1).contains(&ms)));
        assert!(samples[1].check_in_p95_ms.is_some_and(|ms| (30.0..30.1).contains(&ms)), "only the new one");
        let all = record.stages()["check_in"];
        assert_eq!((all.count, all.p50_ms.round(), all.max_ms.round()), (2, 10.0, 30.0));
        let media = record.media();
        assert_eq!((media.packets, media.lost), (40, 2));
        let generator = record.generator();
        assert_eq!((generator.frames, generator.busy_most), (2, 0.3));
        assert!((5.0..5.1).contains(&generator.late_p99_ms));
        assert_eq!(record.failures()[0].why, "no answer to …");
    }
}
