//! What happens to a link, and when: a TOML file. A profile is a script that ships with the program.
//!
//! The conditions at any time are the starting ones with every step laid over them that holds then, in the
//! order of the file. Nothing is undone: a step that is over no longer takes part.

use super::{
    link::{Bursts, Conditions, Reorder},
    profiles,
    units::{Queue, Rate, Share, Span},
};
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::path::Path;

/// Most steps in a script, those of its profile included.
const MOST_STEPS: usize = 256;

/// Longest script, bytes.
const LONGEST: u64 = 256 * 1024;

/// From the client, or to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One direction, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ways {
    Up,
    Down,
    Both,
}

impl Ways {
    fn has(self, direction: Direction) -> bool {
        match self {
            Self::Up => direction == Direction::Up,
            Self::Down => direction == Direction::Down,
            Self::Both => true,
        }
    }
}

/// As written, and checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    /// One line on what it is like.
    #[serde(default)]
    pub(super) about: String,
    /// A shipped one to start from.
    pub(super) profile: Option<String>,
    #[serde(default)]
    pub(super) both: Change,
    #[serde(default)]
    pub(super) up: Change,
    #[serde(default)]
    pub(super) down: Change,
    #[serde(default, rename = "step")]
    pub(super) steps: Vec<Step>,
}

/// What holds for a while.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Since the clients' commands were started.
    pub(super) at: Span,
    /// How long; without it, from then on.
    #[serde(rename = "for")]
    pub(super) lasts: Option<Span>,
    /// Again and again: from one beginning to the next.
    pub(super) every: Option<Span>,
    /// Nothing enters the link.
    pub(super) cut: Option<Ways>,
    #[serde(default)]
    pub(super) both: Change,
    #[serde(default)]
    pub(super) up: Change,
    #[serde(default)]
    pub(super) down: Change,
    /// The server sees the client at another address and port from then on.
    #[serde(default)]
    pub(super) readdress: bool,
}

/// Conditions that are changed; the others stay.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) delay: Option<Span>,
    pub(super) jitter: Option<Span>,
    pub(super) loss: Option<Share>,
    pub(super) bursts: Option<BurstsText>,
    pub(super) reorder: Option<ReorderText>,
    pub(super) rate: Option<Rate>,
    pub(super) queue: Option<Queue>,
}

/// `{ share = "2 %", length = 8, loss = "100 %" }`
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BurstsText {
    share: Share,
    length: f64,
    #[serde(default = "all")]
    loss: Share,
}

/// `{ share = "1 %", by = "20 ms" }`
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReorderText {
    share: Share,
    by: Span,
}

impl From<BurstsText> for Bursts {
    fn from(BurstsText { share, length, loss }: BurstsText) -> Self {
        Self { share, length, loss }
    }
}

impl From<ReorderText> for Reorder {
    fn from(ReorderText { share, by }: ReorderText) -> Self {
        Self { share, by }
    }
}

fn all() -> Share {
    Share(1.0)
}

impl Script {
    /// A shipped profile's name, or a path: with a slash, or ending in `.toml`.
    ///
    /// # Errors
    /// There is no such profile or file, or it says something that means nothing.
    pub(super) fn load(name: &str) -> Result<Self> {
        if !name.contains('/') && !name.ends_with(".toml") {
            return Self::parse(profiles::text(name)?).with_context(|| format!("profile {name}"));
        }
        let path = Path::new(name);
        let length = path.metadata().with_context(|| name.to_owned())?.len();
        ensure!(length <= LONGEST, "{name}: longer than {LONGEST} bytes");
        let text = std::fs::read_to_string(path).with_context(|| name.to_owned())?;
        Self::parse(&text).with_context(|| name.to_owned())
    }

    /// Reads and checks; takes in the profile it starts from.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut script: Self = toml::from_str(text)?;
        if let Some(name) = &script.profile {
            let base = Self::parse(profiles::text(name)?)?;
            script.up = base.up.then(script.both).then(script.up);
            script.down = base.down.then(script.both).then(script.down);
            script.both = base.both.then(script.both);
            script.steps.splice(0..0, base.steps);
        }
        ensure!(script.steps.len() <= MOST_STEPS, "more than {MOST_STEPS} steps");
        for (i, step) in script.steps.iter().enumerate() {
            step.check().with_context(|| format!("step {} (at {})", i + 1, step.at))?;
        }
        for change in [&script.both, &script.up, &script.down] {
            change.check()?;
        }
        Ok(script)
    }

    /// What holds before any step.
    pub(super) fn start(&self, direction: Direction) -> Conditions {
        let own = if direction == Direction::Up { self.up } else { self.down };
        own.over(self.both.over(Conditions::default()))
    }

    /// What holds at a time.
    pub(super) fn conditions(&self, at_ns: u64, direction: Direction) -> Conditions {
        let mut conditions = self.start(direction);
        for step in self.steps.iter().filter(|step| step.holds(at_ns)) {
            let own = if direction == Direction::Up { step.up } else { step.down };
            conditions = own.over(step.both.over(conditions));
            conditions.cut |= step.cut.is_some_and(|ways| ways.has(direction));
        }
        conditions
    }

    /// How often the client's address has changed by then.
    pub(super) fn readdressed(&self, at_ns: u64) -> u64 {
        self.steps.iter().filter(|step| step.readdress).map(|step| step.begun(at_ns)).sum()
    }

    /// The next time after this one that anything changes.
    pub(super) fn next_change(&self, after_ns: u64) -> Option<u64> {
        self.steps.iter().filter_map(|step| step.next_change(after_ns)).min()
    }
}

impl Step {
    fn check(&self) -> Result<()> {
        for change in [&self.both, &self.up, &self.down] {
            change.check()?;
        }
        let nothing = Change::default();
        let lasting = self.cut.is_some() || [self.both, self.up, self.down] != [nothing; 3];
        ensure!(lasting || self.readdress, "changes nothing: say cut, both, up, down or readdress");
        if self.readdress && (lasting || self.lasts.is_some()) {
            bail!("readdress happens at once and stays: give it a step of its own, without `for`");
        }
        if let Some(every) = self.every {
            ensure!(every >= Span::ms(1), "`every` is 1 ms at least");
            if lasting {
                let lasts = self.lasts.context("with `every`, say `for` how long")?;
                ensure!(lasts < every, "`for` is shorter than `every`");
            }
        }
        ensure!(self.lasts != Some(Span(0)), "`for` is longer than nothing");
        Ok(())
    }

    fn holds(&self, at_ns: u64) -> bool {
        let Some(since) = at_ns.checked_sub(self.at.0) else { return false };
        let since = self.every.map_or(since, |every| since % every.0);
        self.lasts.is_none_or(|lasts| since < lasts.0)
    }

    /// How often it has begun.
    fn begun(&self, at_ns: u64) -> u64 {
        let Some(since) = at_ns.checked_sub(self.at.0) else { return 0 };
        1 + self.every.map_or(0, |every| since / every.0)
    }

    fn next_change(&self, after_ns: u64) -> Option<u64> {
        let begins = match (after_ns.checked_sub(self.at.0), self.every) {
            (None, _) => Some(self.at.0),
            (Some(since), Some(every)) => Some(self.at.0 + (since / every.0 + 1) * every.0),
            (Some(_), None) => None,
        };
        let last_begun = self.begun(after_ns).checked_sub(1);
        let ends = last_begun
            .zip(self.lasts)
            .map(|(times, lasts)| self.at.0 + times * self.every.map_or(0, |every| every.0) + lasts.0);
        begins.into_iter().chain(ends.filter(|ends| *ends > after_ns)).min()
    }
}

impl Change {
    /// Both, the later one's word counting.
    fn then(self, later: Self) -> Self {
        Self {
            delay: later.delay.or(self.delay),
            jitter: later.jitter.or(self.jitter),
            loss: later.loss.or(self.loss),
            bursts: later.bursts.or(self.bursts),
            reorder: later.reorder.or(self.reorder),
            rate: later.rate.or(self.rate),
            queue: later.queue.or(self.queue),
        }
    }

    fn over(self, under: Conditions) -> Conditions {
        Conditions {
            cut: under.cut,
            delay: self.delay.unwrap_or(under.delay),
            jitter: self.jitter.unwrap_or(under.jitter),
            loss: self.loss.unwrap_or(under.loss),
            bursts: self.bursts.map_or(under.bursts, Into::into),
            reorder: self.reorder.map_or(under.reorder, Into::into),
            rate: self.rate.unwrap_or(under.rate),
            queue: self.queue.unwrap_or(under.queue),
        }
    }

    fn check(&self) -> Result<()> {
        if let Some(bursts) = self.bursts {
            ensure!(
                (1.0..=1e6).contains(&bursts.length),
                "bursts.length is a number of packets, from 1 to 1,000,000"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
