//! Journeys: who comes, when, with what, and what is good enough. Read from TOML; every key is checked and what is
//! wrong is said by file and key.

use anyhow::{Context as _, Result, bail, ensure};
use loadtest::media::Network;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Display, fs, path::Path, time::Duration};

/// A journey, as it stands in its file. docs/load-testing.md explains every key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Journey {
    /// One line for the list.
    pub(crate) about: String,
    /// Where the same people come from again.
    #[serde(default = "one")]
    pub(crate) seed: u64,
    /// Clinicians who take patients one after the other: the most consults at a time.
    pub(crate) clinicians: usize,
    /// When patients come.
    pub(crate) arrivals: Arrivals,
    /// What a visit is like.
    #[serde(default)]
    pub(crate) visit: Visit,
    /// Shares of devices.
    #[serde(default = "laptops")]
    pub(crate) devices: BTreeMap<Device, f64>,
    /// Shares of the networks that patients' media takes, by the name of a `netem` profile.
    #[serde(default)]
    pub(crate) networks: BTreeMap<String, f64>,
    /// Waiting rooms only: connections and no media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<Waiting>,
    /// What is good enough.
    #[serde(default)]
    pub(crate) slo: Slo,
}

/// When patients come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrivals {
    pub(crate) process: Process,
    /// The rate: for `spike` outside of it, for the others the highest.
    pub(crate) per_minute: f64,
    /// How long patients come.
    pub(crate) over_s: f64,
}

/// How the rate changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Process {
    /// Evenly spaced.
    Constant,
    /// Independent of each other, at one rate.
    Poisson,
    /// Poisson; five times the rate in the third fifth.
    Spike,
    /// Poisson; from nothing to the rate in a straight line.
    Ramp,
    /// Poisson; a quick rise (a tenth), the rate for eight tenths, a quick fall: what a contract calls peak.
    ContractPeak,
    /// Poisson; 24 hours of a clinic pressed into the time there is.
    TypicalDay,
}

/// What a visit is like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Visit {
    /// Seconds a consult lasts on average.
    pub(crate) talk_s: f64,
    /// Whether every consult lasts exactly that.
    pub(crate) talk_even: bool,
    /// Seconds a patient takes on average before they check in: reads, tries devices.
    pub(crate) think_s: f64,
    /// Share of patients without a camera.
    pub(crate) sound_only: f64,
    /// Share of consults in which a screen is shared.
    pub(crate) screen_share: f64,
    /// Share of patients whose page is reloaded in the call.
    pub(crate) reconnect: f64,
    /// Whether cameras are sent in three sizes.
    pub(crate) simulcast: bool,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            talk_s: 20.0,
            talk_even: false,
            think_s: 0.0,
            sound_only: 0.0,
            screen_share: 0.0,
            reconnect: 0.0,
            simulcast: false,
        }
    }
}

/// What somebody holds in their hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Device {
    /// 1 Mbit/s.
    Laptop,
    /// 0.5 Mbit/s.
    Phone,
    /// 0.15 Mbit/s.
    OldPhone,
}

/// Waiting rooms only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Waiting {
    /// Connections in all, clinicians included.
    pub(crate) connections: usize,
    /// How fast they are opened.
    pub(crate) open_per_second: f64,
    /// How many come back at once at the end.
    pub(crate) reconnect: usize,
}

/// What is good enough. What is not named is not judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Slo {
    /// Share of people for whom something failed.
    pub(crate) failed: Option<f64>,
    /// Share of media packets that never came.
    pub(crate) loss: Option<f64>,
    pub(crate) check_in_p95_ms: Option<f64>,
    pub(crate) connected_p95_ms: Option<f64>,
    pub(crate) first_frame_p95_ms: Option<f64>,
    pub(crate) screen_p95_ms: Option<f64>,
    pub(crate) reconnect_p95_ms: Option<f64>,
    pub(crate) forward_p50_ms: Option<f64>,
    pub(crate) forward_p99_ms: Option<f64>,
    pub(crate) queue_shows_p99_ms: Option<f64>,
    pub(crate) back_at_once_s: Option<f64>,
    pub(crate) kib_per_connection: Option<f64>,
}

const fn one() -> u64 {
    1
}

fn laptops() -> BTreeMap<Device, f64> {
    BTreeMap::from([(Device::Laptop, 1.0)])
}

/// What ships with the program.
const NAMED: [(&str, &str); 8] = [
    ("smoke", include_str!("../journeys/smoke.toml")),
    ("consults", include_str!("../journeys/consults.toml")),
    ("morning-spike", include_str!("../journeys/morning-spike.toml")),
    ("ramp-up", include_str!("../journeys/ramp-up.toml")),
    ("contract-peak", include_str!("../journeys/contract-peak.toml")),
    ("typical-day", include_str!("../journeys/typical-day.toml")),
    ("weak-networks", include_str!("../journeys/weak-networks.toml")),
    ("waiting", include_str!("../journeys/waiting.toml")),
];

/// Names and texts of the journeys that ship.
pub(crate) fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMED.into_iter()
}

/// The text of a journey: one that ships, or a file.
///
/// # Errors
/// There is none.
pub(crate) fn text(which: &str) -> Result<(String, String)> {
    if let Some((name, text)) = named().find(|(name, _)| *name == which) {
        return Ok((name.to_owned(), text.to_owned()));
    }
    if !Path::new(which).exists() && !which.ends_with(".toml") {
        let names: Vec<_> = named().map(|(name, _)| name).collect();
        bail!("no journey is called `{which}`. There are: {}; or name a .toml file", names.join(", "));
    }
    Ok((which.to_owned(), fs::read_to_string(which).with_context(|| format!("cannot read {which}"))?))
}

impl Journey {
    /// Reads and checks a journey. `from` is named in errors.
    ///
    /// # Errors
    /// A key is unknown, missing or out of its range.
    pub(crate) fn parse(from: &str, text: &str) -> Result<Self> {
        let journey: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            anyhow::anyhow!("{from}, line {line}: {}", error.message())
        })?;
        journey.check().with_context(|| from.to_owned())?;
        Ok(journey)
    }

    /// Whether every value is within its bounds.
    ///
    /// # Errors
    /// One is not.
    pub(crate) fn check(&self) -> Result<()> {
        within("clinicians", self.clinicians, 1, 100_000)?;
        within("arrivals.per_minute", self.arrivals.per_minute, 0.01, 1_000_000.0)?;
        within("arrivals.over_s", self.arrivals.over_s, 1.0, 7.0 * 86_400.0)?;
        within("visit.talk_s", self.visit.talk_s, 0.5, 86_400.0)?;
        within("visit.think_s", self.visit.think_s, 0.0, 3_600.0)?;
        for (key, share) in [
            ("visit.sound_only", self.visit.sound_only),
            ("visit.screen_share", self.visit.screen_share),
            ("visit.reconnect", self.visit.reconnect),
        ] {
            within(key, share, 0.0, 1.0)?;
        }
        shares("devices", self.devices.values())?;
        ensure!(!self.devices.is_empty(), "devices: name at least one of laptop, phone, old-phone");
        if !self.networks.is_empty() {
            shares("networks", self.networks.values())?;
            for name in self.networks.keys() {
                Network::named(name, 0).context("networks")?;
            }
        }
        if let Some(waiting) = &self.waiting {
            within("waiting.connections", waiting.connections, self.clinicians + 1, 1_000_000)?;
            within("waiting.open_per_second", waiting.open_per_second, 1.0, 100_000.0)?;
            within("waiting.reconnect", waiting.reconnect, 0, waiting.connections - self.clinicians)?;
        }
        for (key, limit) in self.slo.limits() {
            within(key, limit, 0.0, 1e9)?;
        }
        Ok(())
    }

    /// How long patients come.
    pub(crate) fn over(&self) -> Duration {
        Duration::from_secs_f64(self.arrivals.over_s)
    }
}

impl Slo {
    /// Every limit that is set, by its key.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let all = [
            ("slo.failed", self.failed),
            ("slo.loss", self.loss),
            ("slo.check_in_p95_ms", self.check_in_p95_ms),
            ("slo.connected_p95_ms", self.connected_p95_ms),
            ("slo.first_frame_p95_ms", self.first_frame_p95_ms),
            ("slo.screen_p95_ms", self.screen_p95_ms),
            ("slo.reconnect_p95_ms", self.reconnect_p95_ms),
            ("slo.forward_p50_ms", self.forward_p50_ms),
            ("slo.forward_p99_ms", self.forward_p99_ms),
            ("slo.queue_shows_p99_ms", self.queue_shows_p99_ms),
            ("slo.back_at_once_s", self.back_at_once_s),
            ("slo.kib_per_connection", self.kib_per_connection),
        ];
        all.into_iter().filter_map(|(key, limit)| Some((key, limit?)))
    }
}

fn within<T: PartialOrd + Display>(key: &str, value: T, least: T, most: T) -> Result<()> {
    ensure!(value >= least && value <= most, "{key} = {value}: must be from {least} to {most}");
    Ok(())
}

fn shares<'a>(key: &str, all: impl Iterator<Item = &'a f64>) -> Result<()> {
    let mut sum = 0.0;
    for share in all {
        within(&format!("{key}: a share"), *share, 0.0, 1.0)?;
        sum += share;
    }
    ensure!((sum - 1.0).abs() < 0.005, "{key}: the shares make {sum:.2}; they must make 1");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        format!("{:#}", Journey::parse("x.toml", text).expect_err(text))
    }

    #[test]
    fn what_ships_is_right_and_says_what_it_is() {
        for (name, text) in named() {
            let journey = Journey::parse(name, text).unwrap();
            assert!(!journey.about.is_empty() && journey.about.chars().count() <= 90, "{name}");
            assert!(journey.slo.limits().count() > 1, "{name} judges nothing");
            let again: Journey = toml::from_str(&toml::to_string(&journey).unwrap()).unwrap();
            assert_eq!(again, journey);
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_file_key_and_what_is_allowed() {
        let good =
            "about = 'x'\nclinicians = 1\n[arrivals]\nprocess = 'poisson'\nper_minute = 6\nover_s = 10\n";
        assert!(Journey::parse("x.toml", good).is_ok());
        for (text, says) in [
            (good.replace("over_s", "over"), &["x.toml, line 6", "unknown field `over`", "`over_s`"][..]),
            (good.replace("poisson", "posson"), &["x.toml, line 4", "posson", "`contract-peak`"]),
            (good.replace("over_s = 10\n", ""), &["x.toml, line 3", "missing field `over_s`"]),
            (good.replace("= 6", "= 0"), &["x.toml", "arrivals.per_minute = 0", "from 0.01 to"]),
            (format!("{good}[visit]\nsound_only = 2.0"), &["visit.sound_only = 2", "from 0 to 1"]),
            (format!("{good}[devices]\nlaptop = 0.5"), &["devices", "0.50", "must make 1"]),
            (format!("{good}[devices]\ntoaster = 1.0"), &["toaster", "`old-phone`"]),
            (format!("{good}[slo]\njoin = 1"), &["unknown field `join`", "`connected_p95_ms`"]),
            (format!("{good}[waiting]\nconnections = 1\nopen_per_second = 9\nreconnect = 0"), &["from 2 to"]),
        ] {
            let said = wrong(&text);
            for part in says {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_there_are() {
        let said = format!("{:#}", text("mornin").unwrap_err());
        assert!(said.contains("`mornin`") && said.contains("morning-spike"), "{said}");
        assert!(format!("{:#}", text("not-there.toml").unwrap_err()).contains("cannot read not-there.toml"));
    }
}
