//! What everything in a simulated world shares: its seed, its time, its story.

use crate::random::Random;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Lines of the story that are kept for whoever looks at a failure.
const KEPT_LINES: usize = 60;

pub(crate) struct Sim {
    random: Mutex<Random>,
    began: Instant,
    story: Mutex<Story>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    failures: Mutex<Vec<String>>,
    loud: bool,
}

#[derive(Default)]
struct Story {
    lines: VecDeque<String>,
    /// Of all lines, also those that are no longer kept.
    fingerprint: DefaultHasher,
}

impl Sim {
    pub(crate) fn new(seed: u64, loud: bool) -> Arc<Self> {
        Arc::new(Self {
            random: Mutex::new(Random::new(seed)),
            began: Instant::now(),
            story: Mutex::default(),
            counts: Mutex::default(),
            failures: Mutex::default(),
            loud,
        })
    }

    /// Virtual time since the beginning.
    pub(crate) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.lock())
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.draw(|random| random.chance(percent))
    }

    pub(crate) fn millis(&self, from: u64, to: u64) -> Duration {
        self.draw(|random| random.millis(from, to))
    }

    /// Something that is meant to happen now and then did.
    pub(crate) fn count(&self, what: &'static str) {
        *self.counts.lock().entry(what).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().clone()
    }

    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        let now = self.now().as_millis();
        let line = format!("{now:>6} {}", line());
        if self.loud {
            println!("{line}");
        }
        let mut story = self.story.lock();
        line.hash(&mut story.fingerprint);
        if story.lines.len() >= KEPT_LINES {
            story.lines.pop_front();
        }
        story.lines.push_back(line);
    }

    /// Something that must never happen did.
    pub(crate) fn fail(&self, what: impl Into<String>) {
        let what = what.into();
        self.tell(|| format!("FAILED: {what}"));
        self.failures.lock().push(what);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.lock().is_empty()
    }

    /// What went wrong, after the last lines of the story.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let failures = self.failures.lock();
        let Some(first) = failures.first() else { return Ok(()) };
        let story = self.story.lock();
        let lines: Vec<_> = story.lines.iter().map(String::as_str).collect();
        Err(format!("{}\n{first}", lines.join("\n")))
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.story.lock().fingerprint.finish()
    }
}
