//! docs/SECURITY.md and docs/asvs.toml claim nothing that no test shows; and what they may not claim is found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use judges::asvs::{Book, State, by_chapter, exists, ids, judge, summary};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Where the counts stand in docs/SECURITY.md.
const MARKS: [&str; 2] = ["<!-- counts of docs/asvs.toml -->\n", "<!-- end of counts -->\n"];

/// Requirements of levels 1 and 2 of each chapter of ASVS 5.0.0.
const OF_CHAPTERS: [usize; 17] = [27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7];

/// The standards and specifications of 45 CFR 164.312.
const HIPAA: [&str; 12] = [
    "(a)(1)",
    "(a)(2)(i)",
    "(a)(2)(ii)",
    "(a)(2)(iii)",
    "(a)(2)(iv)",
    "(b)",
    "(c)(1)",
    "(c)(2)",
    "(d)",
    "(e)(1)",
    "(e)(2)(i)",
    "(e)(2)(ii)",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn list() -> String {
    read("judges/asvs-5.0.txt").unwrap()
}

fn book() -> Book {
    toml::from_str(&read("docs/asvs.toml").unwrap()).unwrap()
}

#[test]
fn every_requirement_has_an_entry_and_every_claim_what_it_needs() {
    let (list, book) = (list(), book());
    let expected: BTreeMap<_, _> = (1..).zip(OF_CHAPTERS).collect();
    assert_eq!(by_chapter(ids(&list)), expected, "the list is whole");
    assert_eq!(by_chapter(book.requirements.iter().map(|one| one.id.as_str())), expected);
    let wrong = judge(&list, &book, read);
    assert!(wrong.is_empty(), "{} of docs/asvs.toml:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_counts_in_the_document_are_those_of_the_entries() {
    let (text, table) = (read("docs/SECURITY.md").unwrap(), summary(&book()));
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (written, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("UPDATE_SECURITY").is_some() {
        let all = [before, MARKS[0], &table, MARKS[1], after].concat();
        return fs::write(root().join("docs/SECURITY.md"), all).unwrap();
    }
    assert_eq!(written, table, "UPDATE_SECURITY=1 cargo test -p judges --test security writes them anew");
}

/// What the document names between backquotes as `file::name`.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.contains('/') && word.contains("::")).collect()
}

#[test]
fn every_test_that_the_document_names_exists() {
    let text = read("docs/SECURITY.md").unwrap();
    let named = named(&text);
    assert!(named.len() >= 40, "{} tests: has the way they are named changed?", named.len());
    let wrong: Vec<_> =
        named.into_iter().filter_map(|test| Some((test, exists(test, read).err()?))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(exists("judges/tests/security.rs::nothing_of_that_name", read).is_err());
}

#[test]
fn every_paragraph_of_the_security_rule_has_a_row() {
    let text = read("docs/SECURITY.md").unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| (")).collect();
    for paragraph in HIPAA {
        let of: Vec<_> = rows.iter().filter(|row| row.starts_with(&format!("| {paragraph} "))).collect();
        assert_eq!(of.len(), 1, "{paragraph}");
        let cells: Vec<_> = of[0].trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{paragraph}: {cells:?}");
        assert!(
            !named(cells[2]).is_empty() || cells[2].starts_with("none"),
            "{paragraph} is shown by nothing"
        );
    }
    assert_eq!(rows.len(), HIPAA.len());
}

#[test]
fn nothing_says_that_somebody_has_attested_it() {
    for path in ["docs/SECURITY.md", "docs/asvs.toml"] {
        let text = read(path).unwrap().to_lowercase();
        for word in ["certified", "compliant", "guaranteed", "hipaa-ready"] {
            assert!(!text.contains(word), "{path} says {word}");
        }
    }
}

/// Changes the book, and says what is found wrong with it.
fn after(change: impl FnOnce(&mut Book)) -> Vec<String> {
    let mut book = book();
    change(&mut book);
    judge(&list(), &book, read)
}

#[test]
fn each_false_claim_is_found_and_named() {
    let first = |book: &Book, state, tested: bool| {
        let mut all = book.requirements.iter();
        all.position(|one| one.state == state && one.tests.is_empty() != tested).unwrap()
    };
    let found = |wrong: Vec<String>, what: &str| {
        assert!(wrong.len() == 1 && wrong[0].contains(what), "{what}: {wrong:?}");
    };
    found(after(|book| drop(book.requirements.remove(7))), "has no entry");
    found(after(|book| book.requirements[7].id = "18.1.1".into()).split_off(1), "is none of the list");
    found(after(|book| book.requirements.swap(1, 2)), "order");
    found(after(|book| book.requirements.push(book.requirements[0].clone())), "stands twice");
    let met = |change: fn(&mut judges::asvs::Requirement)| {
        after(|book| {
            let at = first(book, State::Met, true);
            change(&mut book.requirements[at]);
        })
    };
    found(met(|one| one.tests.clear()), "neither a test nor a reason");
    found(met(|one| one.because = "trust us".into()), "an excuse");
    found(met(|one| one.by.clear()), "what the software does");
    found(met(|one| one.asks.clear()), "what is asked");
    found(met(|one| one.tests[0].push('x')), "no such function");
    found(met(|one| one.tests[0] = "platform/src/keys/none.rs::x".into()), "no such file");
    found(met(|one| one.tests[0] = "platform/src/keys.rs::new_link_key".into()), "is no test");
    found(met(|one| one.tests[0] = "web/call/session.test.ts::is perfect".into()), "no test of this title");
    found(met(|one| one.tests[0] = "all of them".into()), "not file::name");
    for state in [State::Partly, State::Open, State::Operator, State::NotApplicable] {
        let silent = after(|book| {
            let at = first(book, state, false);
            book.requirements[at].because.clear();
        });
        found(silent, "does not say why");
    }
    let boast = after(|book| {
        let at = first(book, State::Open, false);
        book.requirements[at].tests.push("platform/src/keys.rs::keys_print_nothing".into());
    });
    found(boast, "a test of nothing");
    let mut changed = book();
    changed.requirements[0].state = State::Operator;
    assert_ne!(summary(&changed), summary(&book()), "another state is another count");
}

/// Sources of the pages, tests left out.
fn pages(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["node_modules", "testing", "dist", "e2e", "gallery", "tools"].contains(&name.as_str()) {
                pages(&path, into);
            }
        } else if (name.ends_with(".ts") || name.ends_with(".tsx")) && !name.contains(".test.") {
            into.push(path);
        }
    }
}

/// Where a page would make markup or code of a text.
fn dangerous(text: &str) -> Option<&'static str> {
    const WAYS: [&str; 9] = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "dangerouslySetInnerHTML",
        "document.write",
        "srcdoc",
        "createContextualFragment",
        "new Function",
        "javascript:",
    ];
    let evaluates = text.match_indices("eval(").any(|(at, _)| {
        !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '$' || before == '_')
    });
    WAYS.into_iter().find(|way| text.contains(way)).or_else(|| evaluates.then_some("eval"))
}

#[test]
fn no_page_makes_html_or_code_of_text() {
    let mut files = Vec::new();
    pages(&root().join("web"), &mut files);
    assert!(files.len() > 100, "the sources of the pages were not found: {}", files.len());
    for path in files {
        assert_eq!(dangerous(&fs::read_to_string(&path).unwrap()), None, "{}", path.display());
    }
    for planted in
        ["a.innerHTML = chat", "<p dangerouslySetInnerHTML={x} />", "x = eval(chat)", "new Function(chat)"]
    {
        assert!(dangerous(planted).is_some(), "{planted}");
    }
    for harmless in ["page.$eval(id)", "retrieval(x)", "a.textContent = chat"] {
        assert_eq!(dangerous(harmless), None, "{harmless}");
    }
}
