//! No secret is in any tracked file; and a planted one is found.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use judges::{
    mutate::Random,
    secrets::{AllowList, Finding, is_a_key_file, scan},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What no editor opens: compressed, so every long run of bytes would look like a secret.
const COMPRESSED: [&str; 6] = [".png", ".jpg", ".woff2", ".ico", ".vp8", ".webp"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn allow_list() -> AllowList {
    toml::from_str(&fs::read_to_string(root().join("judges/secrets-allowed.toml")).unwrap()).unwrap()
}

/// The files of a checkout: what git would commit.
fn files(root: &Path) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What is found in a checkout, by file.
fn look(root: &Path) -> Vec<(String, Finding)> {
    let mut all = Vec::new();
    for path in files(root) {
        if is_a_key_file(&path) {
            all.push((path.clone(), Finding { line: 0, what: "a key file", word: path.clone() }));
        }
        if COMPRESSED.iter().any(|end| path.ends_with(end)) {
            continue;
        }
        // Deleted and not committed yet.
        let Ok(bytes) = fs::read(root.join(&path)) else { continue };
        all.extend(scan(&String::from_utf8_lossy(&bytes)).into_iter().map(|finding| (path.clone(), finding)));
    }
    all
}

/// `${NAME:-…}` in a file of compose is a default; a password has to be asked for.
#[test]
fn nothing_is_deployed_with_a_password_that_everybody_knows() {
    let has_default = |line: &str| {
        let names = line.split("${").skip(1).filter_map(|rest| rest.split_once(":-")).map(|(name, _)| name);
        names
            .into_iter()
            .any(|name| name.contains("PASSWORD") || name.contains("SECRET") || name.contains("KEY"))
    };
    assert!(has_default("x: \"${POSTGRES_PASSWORD:-telehealth}\""), "it would be found");
    let all: Vec<_> = files(&root()).into_iter().filter(|path| path.starts_with("deploy/")).collect();
    assert!(all.iter().any(|path| path.ends_with("compose.yaml")));
    for path in all {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        let bad: Vec<_> = text.lines().filter(|line| has_default(line)).collect();
        assert!(bad.is_empty(), "{path}: {bad:?}");
    }
}

#[test]
fn no_secret_is_in_a_tracked_file() {
    let (found, list) = (look(&root()), allow_list());
    assert!(files(&root()).len() > 300, "the files were not found");
    let unexplained: Vec<String> = found
        .iter()
        .filter(|(path, finding)| !list.allowed.iter().any(|allowed| allowed.is_about(path, finding)))
        .map(|(path, finding)| format!("{path}, {}", finding.shown()))
        .collect();
    assert!(unexplained.is_empty(), "{} secrets:\n{}", unexplained.len(), unexplained.join("\n"));
    for allowed in &list.allowed {
        let used = found.iter().any(|(path, finding)| allowed.is_about(path, finding));
        assert!(used && allowed.why.len() > 10, "{} {:?} explains nothing", allowed.path, allowed.word);
    }
}

/// Random characters of an alphabet: a secret that stands in no file, this one included.
fn random(alphabet: &[u8], len: usize, random: &mut Random) -> String {
    (0..len).map(|_| char::from(alphabet[random.below(alphabet.len())])).collect()
}

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[test]
fn a_planted_secret_of_every_kind_is_found_and_not_shown() {
    let mut noise = Random::new(11);
    let mut letters = |len| random(LETTERS, len, &mut noise);
    let (key, name) = (concat!("-----BEGIN", " "), concat!("PRIVATE", " KEY-----"));
    let planted = [
        format!("{key}{name}"),
        format!("{key}EC {name}"),
        format!("export AWS=AKIA{}", letters(16).to_uppercase()),
        format!("  token: ghp_{}", letters(36)),
        format!("GITLAB=glpat-{}", letters(20)),
        format!("let password = \"{}1A\";", letters(14)),
        format!("{{\"api_key\": \"{}1A\"}}", letters(24)),
        format!("url = \"postgres://app:{}@db.example.org/app\"", letters(16)),
        format!("key {}+/{}", letters(30), letters(14)),
        format!("bearer eyJ{}.eyJ{}.{}", letters(20), letters(40), letters(86)),
    ];
    let dir = tempfile::tempdir().unwrap();
    assert!(Command::new("git").args(["init", "-q"]).current_dir(dir.path()).status().unwrap().success());
    for secret in &planted {
        fs::write(dir.path().join("notes.md"), format!("# Notes\n\nSome words.\n{secret}\n")).unwrap();
        let found = look(dir.path());
        assert_eq!(found.len(), 1, "{secret}: {found:?}");
        let (path, finding) = &found[0];
        assert_eq!((path.as_str(), finding.line), ("notes.md", 4));
        assert!(!finding.shown().contains(&finding.word), "it is shown in full");
    }
    fs::write(dir.path().join("notes.md"), "# Notes\n").unwrap();
    fs::write(dir.path().join("server.key"), "x").unwrap();
    assert_eq!(look(dir.path())[0].1.what, "a key file");
    fs::write(dir.path().join(".gitignore"), "*.key\n").unwrap();
    assert!(look(dir.path()).is_empty(), "what git ignores is not committed");
}

#[test]
fn words_numbers_and_placeholders_are_not_secrets() {
    for plain in [
        "let password = config.password_file;",
        "password = \"PLEASE_CHANGE_ME\"",
        "postgres://app:{password}@localhost/app",
        "postgres://app@localhost/app",
        "0af7651916cd43dd8448eb211c80319c",
        "00000000-0000-0000-0000-000000000001",
        "a_test_with_a_name_that_is_much_longer_than_forty_characters_is_not_a_secret",
        "https://www.rfc-editor.org/rfc/rfc8445.html#section-7.3.1.5",
    ] {
        assert_eq!(scan(plain), Vec::new(), "{plain}");
    }
}
