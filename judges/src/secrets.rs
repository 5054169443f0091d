//! What must not stand in a repository: keys, tokens and passwords. Told by what they begin with, by what stands before
//! them, and by being more random than words are.

use serde::Deserialize;

/// Something that looks like a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Line, from 1.
    pub line: usize,
    /// What it looks like.
    pub what: &'static str,
    /// The word itself, for the list of what is allowed. Say no more of it than [`Finding::shown`].
    pub word: String,
}

/// What looks like a secret and is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    /// In which file, from the root; with a `*` at its end, in every file that begins so.
    pub path: String,
    /// The word begins so. Empty: any word.
    #[serde(default)]
    pub word: String,
    /// Why it is none.
    pub why: String,
}

/// The list of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowList {
    /// Each with its reason.
    pub allowed: Vec<Allowed>,
}

impl Allowed {
    /// Whether it is about this finding in this file.
    #[must_use]
    pub fn is_about(&self, path: &str, finding: &Finding) -> bool {
        let here = match self.path.strip_suffix('*') {
            Some(begin) => path.starts_with(begin),
            None => self.path == path,
        };
        here && finding.word.starts_with(&self.word)
    }
}

impl Finding {
    /// Enough to find it by.
    #[must_use]
    pub fn shown(&self) -> String {
        let begin: String = self.word.chars().take(6).collect();
        format!("line {}: {} ({begin}…, {} characters)", self.line, self.what, self.word.chars().count())
    }
}

/// What secrets of well-known makers begin with, and how long they are at least.
const PREFIXES: [(&str, usize, &str); 18] = [
    ("thp_", 60, "a key of a partner's system"),
    ("AKIA", 20, "an access key"),
    ("ASIA", 20, "an access key"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("github_pat_", 40, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("sk_live_", 20, "a payment key"),
    ("rk_live_", 20, "a payment key"),
    ("sk-ant-", 20, "a model's key"),
    ("AIza", 39, "a Google key"),
    ("npm_", 40, "an npm token"),
    ("pypi-AgEI", 40, "a PyPI token"),
    ("SG.", 60, "a mail key"),
];

/// Words after which a literal is a secret if it is not a word of people.
const NAMES: [&str; 8] =
    ["password", "passwd", "secret", "token", "api_key", "apikey", "private_key", "access_key"];

/// Least length of a literal behind one of [`NAMES`], and its least entropy, in bits a character.
const NAMED: (usize, f64) = (12, 3.2);
/// The same of any word: 32 random bytes are 43 characters of base64 with some 5 bits in each.
const RANDOM: (usize, f64) = (40, 4.6);
/// The same of hexadecimal, where nothing has more than 4: 32 bytes, a digest or a key.
const HEX: (usize, f64) = (64, 3.0);

/// Names of files that are secrets whatever is in them.
#[must_use]
pub fn is_a_key_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    ends(&[".pem", ".key", ".p8", ".pk8", ".p12", ".pfx", ".jks", ".kdbx", ".hmac"])
        || [".env", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_ed25519"].contains(&name)
}

/// Looks through a text.
#[must_use]
pub fn scan(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let mut put = |what, word: &str| found.push(Finding { line: n + 1, what, word: word.to_owned() });
        // In two pieces, so that this line is not one.
        if line.contains(concat!("-----BEGIN", " ")) && line.contains(concat!("PRIVATE", " KEY-----")) {
            put("a private key", line.trim());
            continue;
        }
        if let Some(word) = password_in_url(line) {
            put("a password in a URL", word);
        }
        for word in words(line) {
            if let Some(what) = kind(word, line) {
                put(what, word);
            }
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| c.is_ascii_alphanumeric() || "+/_-.~".contains(c);
    line.split(move |c| !part(c))
        .map(|word| word.trim_matches(['.', '/', '-', '~']))
        .filter(|word| word.len() > 7)
}

fn kind(word: &str, line: &str) -> Option<&'static str> {
    let known = PREFIXES.iter().find(|(prefix, len, _)| word.starts_with(prefix) && word.len() >= *len);
    if let Some((_, _, what)) = known.filter(|_| entropy(word) > 3.0) {
        return Some(what);
    }
    if word.starts_with("eyJ") && word.split('.').count() == 3 && word.len() > 60 {
        return Some("a signed token");
    }
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mixed =
        word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_hex && word.len() >= HEX.0 && entropy(word) >= HEX.1 {
        return Some("random hexadecimal");
    }
    if !is_hex && mixed && word.len() >= RANDOM.0 && entropy(word) >= RANDOM.1 {
        return Some("random characters");
    }
    (word.len() >= NAMED.0 && mixed && entropy(word) >= NAMED.1 && is_named_a_secret(line, word))
        .then_some("what is called a secret")
}

/// Whether the word is a literal behind a name of [`NAMES`] and `=` or `:`.
fn is_named_a_secret(line: &str, word: &str) -> bool {
    let Some((before, _)) = line.split_once(word) else { return false };
    let before = before.to_ascii_lowercase();
    let Some(before) = before.trim_end().strip_suffix(['"', '\'', '`']) else { return false };
    let Some(name) = before.trim_end().strip_suffix(['=', ':', '(']) else { return false };
    let name = name.trim_end().trim_end_matches(['"', '\'']);
    NAMES.iter().any(|known| name.ends_with(known) || name.ends_with(&known.replace('_', "-")))
}

/// `scheme://name:password@host`, where it is not a placeholder.
fn password_in_url(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(['/', ' ', '"', '\'', '`', '?', '#', '<']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let placeholder = password.len() < 8 || password.contains(['{', '$', '*', '…']) || password == "password";
    (!placeholder).then_some(password)
}

/// Bits a character, by how often each one stands in the word (Shannon).
fn entropy(word: &str) -> f64 {
    let mut counts = [0_u32; 256];
    word.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let len = word.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / len)
        .map(|p| -p * p.log2())
        .sum()
}
