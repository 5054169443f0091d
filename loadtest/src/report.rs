//! What a run leaves behind: one JSON file, from which everything else is made.

use crate::journey::Journey;
use anyhow::{Context as _, Result, ensure};
use loadtest::plot::short;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

pub(crate) mod capacity;
pub(crate) mod html;
pub(crate) mod terminal;

/// The schema's name. Another one is refused; within it, fields are only added.
pub(crate) const SCHEMA: &str = "telehealth-loadtest/1";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: String,
    /// `run`, `ramp` or `waiting`.
    pub(crate) kind: String,
    pub(crate) verdict: Verdict,
    /// Why the figures must not be used.
    pub(crate) void: Vec<String>,
    pub(crate) slos: Vec<Judged>,
    pub(crate) began: String,
    pub(crate) took_s: f64,
    /// Repeats it.
    pub(crate) command: String,
    pub(crate) tool: String,
    pub(crate) target: Target,
    pub(crate) machine: Machine,
    /// Name or file.
    pub(crate) journey: String,
    pub(crate) workload: Journey,
    /// What differs from what was asked for, in words.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    pub(crate) people: People,
    pub(crate) stages: BTreeMap<String, Times>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) media: Media,
    pub(crate) generator: Generator,
    /// Single figures by name, with the unit last in it.
    pub(crate) figures: BTreeMap<String, f64>,
    pub(crate) series: Vec<Sample>,
    /// One per number tried, of a ramp.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) capacity: Option<capacity::Plan>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Met,
    Missed,
    Void,
}

/// One SLO.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) limit: f64,
    /// None: nothing was measured, which is a miss.
    pub(crate) measured: Option<f64>,
    pub(crate) met: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Target {
    /// `deployment`, `whip`, or `started here`.
    pub(crate) kind: String,
    pub(crate) url: String,
    /// As it says itself.
    pub(crate) build: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// Whether the server runs here too, and takes from the same cores.
    pub(crate) shared_with_target: bool,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct People {
    pub(crate) planned: u64,
    pub(crate) came: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Most consults at a time.
    pub(crate) most_at_once: u64,
    /// Calls that were begun and could not be continued after something of the target went away.
    #[serde(default)]
    pub(crate) lost_calls: u64,
}

/// Times of one stage, milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) stage: String,
    pub(crate) why: String,
    pub(crate) count: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) loss: f64,
    pub(crate) forward: Times,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Generator {
    pub(crate) frames: u64,
    pub(crate) late_p50_ms: f64,
    pub(crate) late_p99_ms: f64,
    /// Busiest second of its thread.
    pub(crate) busy_most: f64,
    pub(crate) busy_mean: f64,
}

/// One moment of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The end of it, after the beginning.
    pub(crate) at_s: f64,
    /// Came in it, and were to come.
    pub(crate) came: u64,
    pub(crate) planned: u64,
    pub(crate) in_call: u64,
    pub(crate) failed: u64,
    pub(crate) check_in_p95_ms: Option<f64>,
    pub(crate) connected_p95_ms: Option<f64>,
    pub(crate) first_frame_p95_ms: Option<f64>,
    pub(crate) forward_p50_ms: Option<f64>,
    pub(crate) forward_p99_ms: Option<f64>,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    /// Of the target, in cores.
    pub(crate) cpu: Option<f64>,
    pub(crate) memory_mib: Option<f64>,
    /// Of the generator's thread.
    pub(crate) busy: f64,
    #[serde(default)]
    pub(crate) connections: u64,
    #[serde(default)]
    pub(crate) queue_shows_p99_ms: Option<f64>,
}

/// One number of consults.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) consults: usize,
    pub(crate) healthy: bool,
    pub(crate) why: Option<String>,
    pub(crate) loss: f64,
    pub(crate) forward_p50_ms: f64,
    pub(crate) forward_p99_ms: f64,
    pub(crate) cpu: Option<f64>,
    pub(crate) memory_mib: Option<f64>,
}

impl Report {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or of another schema.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let said: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
        let schema = said["schema"].as_str().unwrap_or("none");
        ensure!(
            schema == SCHEMA,
            "{} has the schema `{schema}`; this program reads `{SCHEMA}`",
            path.display()
        );
        serde_json::from_value(said).with_context(|| format!("{} is not a whole report", path.display()))
    }

    /// Writes it: the whole file or none.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        write_whole(path, &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// What an SLO is judged by.
    pub(crate) fn measured(&self, slo: &str) -> Option<f64> {
        let stage = |name: &str, of: fn(&Times) -> f64| self.stages.get(name).filter(|t| t.count > 0).map(of);
        let forwarded = || (self.media.forward.count > 0).then_some(self.media.forward);
        match slo {
            "failed" => (self.people.came > 0).then(|| self.people.failed as f64 / self.people.came as f64),
            "loss" => (self.media.packets > 0).then_some(self.media.loss),
            "check_in_p95_ms" => stage("check_in", |t| t.p95_ms),
            "connected_p95_ms" => stage("connected", |t| t.p95_ms),
            "first_frame_p95_ms" => stage("first_frame", |t| t.p95_ms),
            "screen_p95_ms" => stage("screen", |t| t.p95_ms),
            "reconnect_p95_ms" => stage("reconnect", |t| t.p95_ms),
            "queue_shows_p99_ms" => stage("queue_shows", |t| t.p99_ms),
            "forward_p50_ms" => forwarded().map(|t| t.p50_ms),
            "forward_p99_ms" => forwarded().map(|t| t.p99_ms),
            other => self.figures.get(other).copied(),
        }
    }

    /// Judges every SLO of the workload, and the whole.
    pub(crate) fn judge(&mut self) {
        self.slos = self
            .workload
            .slo
            .limits()
            .map(|(key, limit)| {
                let name = key.trim_start_matches("slo.").to_owned();
                let measured = self.measured(&name);
                Judged { met: measured.is_some_and(|value| value <= limit), name, limit, measured }
            })
            .collect();
        self.verdict = if !self.void.is_empty() {
            Verdict::Void
        } else if self.slos.iter().all(|slo| slo.met) {
            Verdict::Met
        } else {
            Verdict::Missed
        };
    }
}

impl Verdict {
    /// What the program ends with.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Met => 0,
            Self::Missed => 3,
            Self::Void => 4,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Met => "Good enough",
            Self::Missed => "Not good enough",
            Self::Void => "Void",
        }
    }
}

/// What happened, in a sentence.
pub(crate) fn sentence(report: &Report) -> String {
    let people = &report.people;
    match report.kind.as_str() {
        "ramp" => {
            let most = report.figures.get("healthy_consults").copied().unwrap_or(0.0);
            let end =
                if report.figures.contains_key("limit_not_found") { "; nothing above was tried" } else { "" };
            format!("{} consults at a time are well{end}.", short(most))
        }
        "waiting" => {
            let connections = report.figures.get("connections").copied().unwrap_or(0.0);
            let failed = if people.failed == 0 {
                "nothing failed".to_owned()
            } else {
                format!("{} failed", people.failed)
            };
            format!("{} connections waited; {failed}.", short(connections))
        }
        _ => {
            let failed = match people.failed {
                0 => "nothing failed".to_owned(),
                1 => "one of them failed".to_owned(),
                n => format!("{n} of them failed"),
            };
            format!(
                "{} patients came in {} s, at most {} talked at a time; {failed}.",
                people.came,
                short(report.took_s),
                people.most_at_once
            )
        }
    }
}

/// Writes a file, or leaves what was there.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What an SLO is about, in words, and its unit.
pub(crate) fn words(slo: &str) -> (&'static str, &'static str) {
    match slo {
        "failed" => ("People for whom something failed", "%"),
        "loss" => ("Media packets that never came", "%"),
        "check_in_p95_ms" => ("Coming to checked in, 95 of 100", "ms"),
        "connected_p95_ms" => ("Offer to connected, 95 of 100", "ms"),
        "first_frame_p95_ms" => ("Admitted to first picture, 95 of 100", "ms"),
        "screen_p95_ms" => ("Screen shared to seen, 95 of 100", "ms"),
        "reconnect_p95_ms" => ("Reload to picture again, 95 of 100", "ms"),
        "queue_shows_p99_ms" => ("Check-in to shown in the queue, 99 of 100", "ms"),
        "forward_p50_ms" => ("Media through the server, half", "ms"),
        "forward_p99_ms" => ("Media through the server, 99 of 100", "ms"),
        "back_at_once_s" => ("All who were cut off are back", "s"),
        "kib_per_connection" => ("Server memory per waiting connection", "KiB"),
        "healthy_consults" => ("Consults at a time that are well", ""),
        _ => ("", ""),
    }
}

/// Which side of its limit an SLO is met on.
pub(crate) fn than(slo: &str) -> &'static str {
    if slo == "healthy_consults" { "at least" } else { "at most" }
}

/// A value of an SLO with its unit.
pub(crate) fn value(slo: &str, value: f64) -> String {
    let (_, unit) = words(slo);
    match unit {
        "%" => format!("{} %", short(value * 100.0)),
        unit => format!("{} {unit}", short(value)).trim_end().to_owned(),
    }
}

/// Stages in the order of a visit.
pub(crate) fn in_order(stages: &BTreeMap<String, Times>) -> impl Iterator<Item = (&String, &Times)> {
    const ORDER: [&str; 11] = [
        "hello",
        "check_in",
        "queue_shows",
        "waited",
        "connected",
        "first_frame",
        "screen",
        "reconnect",
        "back",
        "resumed",
        "media_again",
    ];
    let mut all: Vec<_> = stages.iter().collect();
    all.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name));
    all.into_iter()
}

/// What a stage is, in words.
pub(crate) fn stage_words(stage: &str) -> &'static str {
    match stage {
        "hello" => "Link exchanged, connection welcomed",
        "check_in" => "Coming to checked in",
        "waited" => "Waited for the clinician",
        "connected" => "Offer to connected",
        "first_frame" => "Admitted to first picture",
        "screen" => "Screen shared to seen",
        "reconnect" => "Reload to picture again",
        "talk" => "Talking",
        "end" => "End of the visit",
        "queue_shows" => "Check-in to shown in the queue",
        "back" => "Cut off to welcomed again",
        "resumed" => "Connection lost to welcomed again",
        "media_again" => "Last packet to picture again",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_tell_something() {
        for (value, text) in [
            (0.0, "0"),
            (0.0123, "0.012"),
            (0.5, "0.5"),
            (12.34, "12.3"),
            (1234.5, "1234"),
            (100.0, "100"),
            (20.0, "20"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(super::value("loss", 0.001), "0.1 %");
        assert_eq!(super::value("connected_p95_ms", 80.0), "80 ms");
    }

    #[test]
    fn every_slo_has_words() {
        let slo: crate::journey::Slo = toml::from_str(
            "failed=1\nloss=1\ncheck_in_p95_ms=1\nconnected_p95_ms=1\nfirst_frame_p95_ms=1\nscreen_p95_ms=1\n\
             reconnect_p95_ms=1\nforward_p50_ms=1\nforward_p99_ms=1\nqueue_shows_p99_ms=1\nback_at_once_s=1\nkib_per_connection=1",
        )
        .unwrap();
        assert_eq!(slo.limits().count(), 12);
        for (key, _) in slo.limits() {
            assert!(!words(key.trim_start_matches("slo.")).0.is_empty(), "{key}");
        }
    }
}
