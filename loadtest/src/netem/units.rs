//! What a script's values are written in: `"50 ms"`, `"1.5 Mbit/s"`, `"5 %"`, `"64 kB"`. A number without a
//! unit is refused.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// A span of time, nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Span(pub(super) u64);

/// Bits in a second; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rate(pub(super) Option<u64>);

/// A share of packets, from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Share(pub(super) f64);

/// How much may wait where the rate is limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Queue {
    /// No longer than this.
    Time(Span),
    /// No more than these bytes.
    Bytes(u64),
}

impl Default for Queue {
    /// What a home router that was not tuned holds.
    fn default() -> Self {
        Self::Time(Span::ms(250))
    }
}

/// Longest span a script may name: an hour.
const LONGEST: Span = Span::ms(3_600_000);

/// Slowest and fastest rate a script may name, bits in a second.
const SLOWEST: f64 = 1_000.0;
const FASTEST: f64 = 10_000_000_000.0;

/// Most bytes a queue may hold.
const MOST_BYTES: f64 = 64_000_000.0;

impl Span {
    pub(super) const fn ms(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let ns = number
            * match unit {
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "min" => 60e9,
                _ => return None,
            };
        (0.0..=LONGEST.0 as f64).contains(&ns).then_some(Self(ns as u64))
    }
}

impl Rate {
    fn parse(text: &str) -> Option<Self> {
        if text == "unlimited" {
            return Some(Self(None));
        }
        let (number, unit) = split(text)?;
        let bits = number
            * match unit {
                "bit/s" => 1.0,
                "kbit/s" => 1e3,
                "Mbit/s" => 1e6,
                "Gbit/s" => 1e9,
                _ => return None,
            };
        (SLOWEST..=FASTEST).contains(&bits).then_some(Self(Some(bits as u64)))
    }
}

impl Share {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        (unit == "%" && (0.0..=100.0).contains(&number)).then_some(Self(number / 100.0))
    }
}

impl Queue {
    fn parse(text: &str) -> Option<Self> {
        if let Some(span) = Span::parse(text) {
            return Some(Self::Time(span));
        }
        let (number, unit) = split(text)?;
        let bytes = number
            * match unit {
                "B" => 1.0,
                "kB" => 1e3,
                "MB" => 1e6,
                _ => return None,
            };
        (1.0..=MOST_BYTES).contains(&bytes).then_some(Self::Bytes(bytes as u64))
    }
}

/// A number and the unit behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

macro_rules! from_text {
    ($type:ty, $expected:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        <$type>::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

from_text!(Span, "a time like \"50 ms\": a number and us, ms, s or min, one hour at most");
from_text!(
    Rate,
    "a rate like \"1.5 Mbit/s\": a number and bit/s, kbit/s, Mbit/s or Gbit/s, from 1 kbit/s to 10 Gbit/s, or \"unlimited\""
);
from_text!(Share, "a share like \"5 %\", from 0 % to 100 %");
from_text!(Queue, "a time like \"250 ms\" or bytes like \"64 kB\" (B, kB or MB, 64 MB at most)");

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        match self.0 {
            0..1_000_000 => write!(f, "{} µs", ns / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{} ms", ns / 1e6),
            _ => write!(f, "{} s", ns / 1e9),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unlimited"),
            Some(bits @ 0..1_000_000) => write!(f, "{} kbit/s", bits as f64 / 1e3),
            Some(bits) => write!(f, "{} Mbit/s", bits as f64 / 1e6),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Through four decimals, so that 0.07 · 100 reads 7.
        write!(f, "{} %", (self.0 * 1e6).round() / 1e4)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(span) => span.fmt(f),
            Self::Bytes(bytes) => write!(f, "{} kB", *bytes as f64 / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_with_their_units() {
        assert_eq!(Span::parse("50 ms"), Some(Span::ms(50)));
        assert_eq!(Span::parse("1.5s"), Some(Span::ms(1_500)));
        assert_eq!(Span::parse("2 min"), Some(Span::ms(120_000)));
        assert_eq!(Rate::parse("150 kbit/s"), Some(Rate(Some(150_000))));
        assert_eq!(Rate::parse("unlimited"), Some(Rate(None)));
        assert_eq!(Share::parse("0.5 %"), Some(Share(0.005)));
        assert_eq!(Queue::parse("64 kB"), Some(Queue::Bytes(64_000)));
        assert_eq!(Queue::parse("250 ms"), Some(Queue::Time(Span::ms(250))));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in ["", "50", "ms", "-1 s", "2 h", "61 min", "1e9 s", "1..2 s"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        for text in ["1 Mbps", "0 kbit/s", "11 Gbit/s"] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
        for text in ["101 %", "0.5", "5 percent"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
        for text in ["0 B", "65 MB", "3 packets"] {
            assert_eq!(Queue::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read() {
        for text in ["50 ms", "1.5 s", "20 µs"] {
            assert_eq!(Span::parse(text).map(|it| it.to_string()), Some(text.to_owned()));
        }
        for text in ["150 kbit/s", "1.5 Mbit/s", "unlimited"] {
            assert_eq!(Rate::parse(text).map(|it| it.to_string()), Some(text.to_owned()));
        }
        for text in ["7 %", "0.1 %", "100 %"] {
            assert_eq!(Share::parse(text).map(|it| it.to_string()), Some(text.to_owned()));
        }
    }
}
