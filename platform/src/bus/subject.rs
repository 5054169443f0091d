//! Names on the bus: subjects, patterns over them, and durable consumers.

use crate::limits::{MAX_CONSUMER_NAME_BYTES, MAX_SUBJECT_BYTES};
use std::{fmt, sync::Arc};

/// The name is empty, too long, or holds something else than its alphabet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a valid name on the bus")]
pub struct InvalidName;

macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// What a message is about: `visit.admitted.<id>`. Tokens of `[a-z0-9_-]` between dots, together at most
/// `limits::MAX_SUBJECT_BYTES`. Ids and words of ours only: it is logged and kept by servers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subject(Arc<str>);

/// Which subjects: a subject in which `*` stands for any one token, and `>` at the end for one or more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pattern(Arc<str>);

/// A durable consumer's name: `[a-z0-9_-]`, at most `limits::MAX_CONSUMER_NAME_BYTES`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConsumerName(Arc<str>);

name!(Subject);
name!(Pattern);
name!(ConsumerName);

impl Subject {
    /// Checks and takes a subject.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = text.len() <= MAX_SUBJECT_BYTES && text.split('.').all(is_token);
        if valid { Ok(Self(text.into())) } else { Err(InvalidName) }
    }
}

impl Pattern {
    /// Checks and takes a pattern.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let (body, last) = text.rsplit_once('.').map_or((None, text), |(body, last)| (Some(body), last));
        let any = |token: &str| token == "*" || is_token(token);
        let valid = text.len() <= MAX_SUBJECT_BYTES
            && (last == ">" || any(last))
            && body.is_none_or(|body| body.split('.').all(any));
        if valid { Ok(Self(text.into())) } else { Err(InvalidName) }
    }

    /// Whether a subject is meant.
    pub fn matches(&self, subject: &Subject) -> bool {
        let mut tokens = subject.0.split('.');
        for part in self.0.split('.') {
            match (part, tokens.next()) {
                (">", rest) => return rest.is_some(),
                ("*", Some(_)) => {}
                (part, Some(token)) if part == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }
}

impl ConsumerName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let valid = text.len() <= MAX_CONSUMER_NAME_BYTES && is_token(text);
        if valid { Ok(Self(text.into())) } else { Err(InvalidName) }
    }
}

fn is_token(token: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !token.is_empty() && token.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subjects_are_tokens_between_dots() {
        for valid in ["a", "visit.admitted.0190-ab", "a_b.c"] {
            assert!(Subject::new(valid).is_ok(), "{valid}");
        }
        for invalid in ["", ".", "a.", ".a", "a..b", "A", "a b", "a.*", "a.>", "ä", "a\r\nb"] {
            assert!(Subject::new(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn names_are_as_long_as_they_may_be_and_not_longer() {
        assert!(Subject::new(&"a".repeat(MAX_SUBJECT_BYTES)).is_ok());
        assert!(Subject::new(&"a".repeat(MAX_SUBJECT_BYTES + 1)).is_err());
        assert!(Pattern::new(&"a".repeat(MAX_SUBJECT_BYTES)).is_ok());
        assert!(Pattern::new(&"a".repeat(MAX_SUBJECT_BYTES + 1)).is_err());
        assert!(ConsumerName::new(&"a".repeat(MAX_CONSUMER_NAME_BYTES)).is_ok());
        assert!(ConsumerName::new(&"a".repeat(MAX_CONSUMER_NAME_BYTES + 1)).is_err());
        assert!(ConsumerName::new("a.b").is_err());
    }

    #[test]
    fn patterns_end_in_the_rest_or_name_each_token() {
        for valid in [">", "*", "a.>", "a.*.c", "*.*", "a.b"] {
            assert!(Pattern::new(valid).is_ok(), "{valid}");
        }
        for invalid in ["", "a.>.b", ">.a", "a*", "a.", "a.>>"] {
            assert!(Pattern::new(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn patterns_match_as_nats_matches() {
        let matches = |pattern: &str, subject: &str| {
            Pattern::new(pattern).unwrap().matches(&Subject::new(subject).unwrap())
        };
        for (pattern, subject) in [(">", "a"), (">", "a.b"), ("a.>", "a.b.c"), ("a.*.c", "a.b.c"), ("a", "a")]
        {
            assert!(matches(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [("a.>", "a"), ("*", "a.b"), ("a.*", "a"), ("a", "b"), ("a", "a.b")] {
            assert!(!matches(pattern, subject), "{pattern} {subject}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in ".{0,200}") {
            let (subject, pattern) = (Subject::new(&text), Pattern::new(&text));
            if let (Ok(subject), Ok(pattern)) = (subject, pattern) {
                prop_assert!(pattern.matches(&subject));
            }
        }
    }
}
