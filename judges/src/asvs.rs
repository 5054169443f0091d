//! What docs/asvs.toml says of each requirement of OWASP ASVS 5.0, and what is wrong with it.

use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Where a requirement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The software does it.
    Met,
    /// Some of it is missing, or not shown by a test.
    Partly,
    /// Nothing is done about it yet.
    Open,
    /// Whoever runs it has to.
    Operator,
    /// There is nothing here that it is about.
    NotApplicable,
}

impl State {
    /// In the order of the summary's columns.
    pub const ALL: [Self; 5] = [Self::Met, Self::Partly, Self::Open, Self::Operator, Self::NotApplicable];
}

/// One requirement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// As the standard numbers it: chapter, section, requirement.
    pub id: String,
    /// What it asks for, in a few words of ours.
    pub asks: String,
    /// Where it stands.
    pub state: State,
    /// What the software does.
    #[serde(default)]
    pub by: String,
    /// What shows it, as `file::name`.
    #[serde(default)]
    pub tests: Vec<String>,
    /// What is missing, whose it is, why it does not apply, or why it is met without a test.
    #[serde(default)]
    pub because: String,
}

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// In the standard's order.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

/// Names of the standard's chapters, the first first.
const CHAPTERS: [&str; 17] = [
    "Encoding and sanitisation",
    "Validation and business logic",
    "Web frontend",
    "API and web services",
    "Files",
    "Authentication",
    "Sessions",
    "Authorisation",
    "Self-contained tokens",
    "OAuth and OIDC",
    "Cryptography",
    "Secure communication",
    "Configuration",
    "Data protection",
    "Secure coding and architecture",
    "Logging and errors",
    "WebRTC",
];

/// Ids of a list of one id and level a line; `#` begins a comment.
#[must_use]
pub fn ids(list: &str) -> Vec<&str> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(' ').next()).filter(|id| !id.is_empty()).collect()
}

fn chapter(id: &str) -> usize {
    id.split('.').next().and_then(|chapter| chapter.parse().ok()).unwrap_or(0)
}

/// Requirements of each chapter.
#[must_use]
pub fn by_chapter<'a>(ids: impl IntoIterator<Item = &'a str>) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(chapter(id)).or_default() += 1;
    }
    counts
}

/// What is wrong with the book: every id once and in the list's order, and every claim with what it needs. `read` gives
/// the text of a file of the repository.
pub fn judge(list: &str, book: &Book, mut read: impl FnMut(&str) -> Option<String>) -> Vec<String> {
    let (wanted, mut wrong) = (ids(list), Vec::new());
    let had: Vec<_> = book.requirements.iter().map(|one| one.id.as_str()).collect();
    let (wanted_set, had_set): (BTreeSet<_>, BTreeSet<_>) =
        (wanted.iter().copied().collect(), had.iter().copied().collect());
    wrong.extend(wanted_set.difference(&had_set).map(|id| format!("{id} has no entry")));
    wrong.extend(had_set.difference(&wanted_set).map(|id| format!("{id} is none of the list")));
    if wrong.is_empty() && had != wanted {
        wrong.push("an entry stands twice, or not in the list's order".to_owned());
    }
    for one in &book.requirements {
        let Requirement { id, asks, state, by, tests, because } = one;
        let mut say = |what: &str| wrong.push(format!("{id} ({state:?}) {what}"));
        if asks.is_empty() {
            say("does not say what is asked");
        }
        if matches!(state, State::Met | State::Partly) && by.is_empty() {
            say("does not say what the software does");
        }
        if *state == State::Met && tests.is_empty() && because.is_empty() {
            say("has neither a test nor a reason");
        }
        if *state == State::Met && !tests.is_empty() && !because.is_empty() {
            say("has a test and an excuse");
        }
        if *state != State::Met && because.is_empty() {
            say("does not say why");
        }
        if matches!(state, State::Open | State::NotApplicable) && !tests.is_empty() {
            say("has a test of nothing");
        }
    }
    let tests = book.requirements.iter().flat_map(|one| one.tests.iter().map(|test| (&one.id, test)));
    for (id, test) in tests {
        if let Err(why) = exists(test, &mut read) {
            wrong.push(format!("{id} names {test}: {why}"));
        }
    }
    wrong
}

/// Whether a test that is named as `file::name` is there: a Rust function with the attribute of a test, or the title of
/// a test of the pages.
///
/// # Errors
/// What is not there.
pub fn exists(test: &str, mut read: impl FnMut(&str) -> Option<String>) -> Result<(), &'static str> {
    let (path, name) = test.split_once("::").ok_or("it is not file::name")?;
    let text = read(path).ok_or("there is no such file")?;
    if !path.ends_with(".rs") {
        let quoted = format!("(\"{name}\",");
        return if text.contains(&quoted) { Ok(()) } else { Err("the file has no test of this title") };
    }
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let function = format!("fn {name}(");
    let at = lines.iter().position(|line| line.strip_prefix("async ").unwrap_or(line).starts_with(&function));
    let before = lines[..at.ok_or("the file has no such function")?].iter().rev();
    let attributes = before.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let mut tests =
        attributes.filter(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    tests.next().map(|_| ()).ok_or("the function is no test")
}

/// The table that stands in docs/SECURITY.md: requirements of each chapter by state.
#[must_use]
pub fn summary(book: &Book) -> String {
    let mut table = String::from(
        "| chapter | met | partly | open | operator | not applicable | in all |\n|---|---|---|---|---|---|---|\n",
    );
    let count = |of: &dyn Fn(&Requirement) -> bool| book.requirements.iter().filter(|one| of(one)).count();
    for (number, name) in (1..).zip(CHAPTERS) {
        let _ = write!(table, "| V{number} {name} |");
        for state in State::ALL {
            let _ = write!(table, " {} |", count(&|one| chapter(&one.id) == number && one.state == state));
        }
        let _ = writeln!(table, " {} |", count(&|one| chapter(&one.id) == number));
    }
    table.push_str("| **all** |");
    for state in State::ALL {
        let _ = write!(table, " **{}** |", count(&|one| one.state == state));
    }
    let _ = writeln!(table, " **{}** |", book.requirements.len());
    table
}
