//! W3C Trace Context: which trace something belongs to, as it travels between processes and from pages.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};
use std::{fmt, num::NonZeroU64, num::NonZeroU128, str::FromStr};

/// Which trace, and which span of it is the parent of what is begun next. Written as a `traceparent` of version 00
/// (W3C Trace Context, section 3.2): `00-<trace id>-<span id>-<flags>`, 55 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The whole trace.
    pub trace: NonZeroU128,
    /// One span of it.
    pub span: NonZeroU64,
    /// Whether whoever began it records it.
    pub sampled: bool,
}

/// Not a `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidTraceparent;

impl fmt::Display for InvalidTraceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a traceparent")
    }
}

impl std::error::Error for InvalidTraceparent {}

/// Characters of a `traceparent` of version 00.
const LENGTH: usize = 55;
/// Longest one that is looked at: later versions may add to it. Longer is no traceparent.
const MAX_LENGTH: usize = 128;

impl TraceContext {
    /// The context in a field that may hold anything, for `#[serde(deserialize_with = "TraceContext::lenient")]`:
    /// what is malformed counts as absent, as section 4.3 of the recommendation demands.
    ///
    /// # Errors
    /// Those of the format; never for what the field holds.
    pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(match Any::deserialize(deserializer)? {
            Any::Text(text) => text.parse().ok(),
            Any::Other(IgnoredAny) => None,
        })
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceparent;

    /// Versions above 00 are read as far as 00 goes; `ff` is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let (head, rest) = bytes.split_at_checked(LENGTH).ok_or(InvalidTraceparent)?;
        let dashes = [2, 35, 52].iter().all(|at| head[*at] == b'-');
        let version = hex(&head[..2]).ok_or(InvalidTraceparent)?;
        let longer = version > 0 && rest.first() == Some(&b'-') && bytes.len() <= MAX_LENGTH;
        if !dashes || version == 0xff || !(rest.is_empty() || longer) {
            return Err(InvalidTraceparent);
        }
        let trace = hex(&head[3..35]).and_then(NonZeroU128::new).ok_or(InvalidTraceparent)?;
        let span = hex(&head[36..52]).and_then(|span| NonZeroU64::new(u64::try_from(span).ok()?));
        let flags = hex(&head[53..]).ok_or(InvalidTraceparent)?;
        Ok(Self { trace, span: span.ok_or(InvalidTraceparent)?, sampled: flags & 1 == 1 })
    }
}

/// Lower-case digits only: upper case is malformed.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TraceContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<TraceContext> {
        text.parse().ok()
    }

    #[test]
    fn the_example_of_the_recommendation_is_read_and_written_back() {
        let context = parse(EXAMPLE).unwrap();
        assert_eq!(context.trace.get(), 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((context.span.get(), context.sampled), (0xb7ad_6b71_6920_3331, true));
        assert_eq!(context.to_string(), EXAMPLE);
        assert!(!parse(&EXAMPLE.replace("-01", "-00")).unwrap().sampled);
        assert!(parse(&EXAMPLE.replace("-01", "-ff")).unwrap().sampled, "unknown flags are passed over");
    }

    #[test]
    fn a_later_version_may_add_to_it_and_this_one_may_not() {
        let later = EXAMPLE.replacen("00", "01", 1);
        assert!(parse(&later).is_some());
        assert!(parse(&format!("{later}-more")).is_some());
        assert!(parse(&format!("{later}more")).is_none());
        assert!(parse(&format!("{EXAMPLE}-more")).is_none());
        assert!(parse(&format!("{later}-{}", "x".repeat(MAX_LENGTH - LENGTH - 1))).is_some());
        assert!(parse(&format!("{later}-{}", "x".repeat(MAX_LENGTH - LENGTH))).is_none());
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let zero_trace = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
        let zero_span = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16));
        for text in [
            "",
            "00",
            &EXAMPLE[..54],
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace('-', "_"),
            &EXAMPLE.replacen("00", "ff", 1),
            &EXAMPLE.replace("b7ad", "b7zd"),
            &EXAMPLE.replace("b7ad", "+7ad"),
            &EXAMPLE.replace("b7", "é"),
            &zero_trace,
            &zero_span,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_field_that_holds_anything_else_counts_as_absent() {
        #[derive(Deserialize)]
        struct Holder {
            #[serde(default, deserialize_with = "TraceContext::lenient")]
            traceparent: Option<TraceContext>,
        }
        let read = |text: &str| serde_json::from_str::<Holder>(text).unwrap().traceparent;
        assert_eq!(read(&format!(r#"{{"traceparent":"{EXAMPLE}"}}"#)), parse(EXAMPLE));
        for other in [
            "{}",
            r#"{"traceparent":null}"#,
            r#"{"traceparent":7}"#,
            r#"{"traceparent":{"a":[1]}}"#,
            r#"{"traceparent":"x"}"#,
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
