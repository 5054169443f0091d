//! A healthcare unit, as it is described and as it is served.

use crate::{
    host::Host,
    limits::{MAX_NAME_CHARS, MAX_SLUG_CHARS},
};
use model::TenantId;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What pages are shown in, unless somebody chooses otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::En => "en",
            Self::Es => "es",
        })
    }
}

/// Not something a unit can be described with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undescribed {
    /// Empty, too long, or with control characters.
    #[error("a unit's name has 1 to 100 characters")]
    Name,
    /// Empty, too long, or with other characters.
    #[error("a unit's slug has 1 to 40 of a-z, 0-9 and hyphens between them")]
    Slug,
    /// Not in the time zone database.
    #[error("no such time zone: write it as America/New_York (IANA)")]
    Zone,
    /// None that there are pages in.
    #[error("pages are in en or es")]
    Language,
}

impl FromStr for Language {
    type Err = Undescribed;
    fn from_str(text: &str) -> Result<Self, Undescribed> {
        match text {
            "en" => Ok(Self::En),
            "es" => Ok(Self::Es),
            _ => Err(Undescribed::Language),
        }
    }
}

/// What an operator says of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// What people call it: 1 to [`MAX_NAME_CHARS`].
    pub name: String,
    /// What operators call it: short, and no other unit's.
    pub slug: String,
    /// Where browsers find it, the one that links begin with first. No other unit's.
    #[serde(default)]
    pub hosts: Vec<Host>,
    /// Its time zone: `America/New_York` (IANA).
    pub zone: String,
    /// What its pages are in.
    #[serde(default)]
    pub language: Language,
}

impl Described {
    /// Trims the name, and checks what can be checked without other units.
    ///
    /// # Errors
    /// [`Undescribed`].
    pub fn checked(mut self) -> Result<Self, Undescribed> {
        self.name = self.name.trim().to_owned();
        let chars = self.name.chars().count();
        if !(1..=MAX_NAME_CHARS).contains(&chars) || self.name.chars().any(char::is_control) {
            return Err(Undescribed::Name);
        }
        let slug = &self.slug;
        let plain = slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !(1..=MAX_SLUG_CHARS).contains(&slug.len())
            || !plain
            || slug.starts_with('-')
            || slug.ends_with('-')
        {
            return Err(Undescribed::Slug);
        }
        jiff::tz::TimeZone::get(&self.zone).map_err(|_| Undescribed::Zone)?;
        Ok(self)
    }
}

/// A unit, as requests find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which: a part of every key.
    pub id: TenantId,
    /// What was said of it.
    pub described: Described,
    /// What its links begin with: `https://visits.clinic.example`, without a slash at the end.
    pub url: String,
    /// Origins whose pages are its own: those may open a WebSocket.
    pub origins: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Described {
        Described {
            name: " Lakeside ".into(),
            slug: "lakeside".into(),
            hosts: Vec::new(),
            zone: "America/New_York".into(),
            language: Language::Es,
        }
    }

    #[test]
    fn a_unit_is_described_within_its_limits() {
        assert_eq!(described().checked().map(|described| described.name), Ok("Lakeside".to_owned()));
        let name = |name: String| Described { name, ..described() }.checked().map(drop);
        assert_eq!(name("é".repeat(MAX_NAME_CHARS)), Ok(()));
        for bad in [String::new(), " ".into(), "a\nb".into(), "é".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(name(bad), Err(Undescribed::Name));
        }
        let slug = |slug: &str| Described { slug: slug.into(), ..described() }.checked().map(drop);
        assert_eq!(slug(&"a".repeat(MAX_SLUG_CHARS)), Ok(()));
        for bad in ["", "A", "a b", "-a", "a-", "é", &"a".repeat(MAX_SLUG_CHARS + 1)] {
            assert_eq!(slug(bad), Err(Undescribed::Slug), "{bad}");
        }
        let zone = |zone: &str| Described { zone: zone.into(), ..described() }.checked().map(drop);
        assert_eq!(zone("UTC"), Ok(()));
        for bad in ["", "New York", "Mars/Olympus"] {
            assert_eq!(zone(bad), Err(Undescribed::Zone), "{bad}");
        }
        assert_eq!("es".parse(), Ok(Language::Es));
        assert_eq!("tlh".parse::<Language>(), Err(Undescribed::Language));
    }
}
