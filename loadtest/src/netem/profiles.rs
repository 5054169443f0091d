//! The scripts that ship with the program. Their figures are chosen to be typical, not measured anywhere.

use anyhow::{Result, anyhow};

macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        /// Every one: name and text.
        pub(super) const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("profiles/", $name, ".toml")))),*];
    };
}

profiles!(
    "good-wifi",
    "busy-wifi",
    "4g",
    "3g",
    "rural",
    "satellite",
    "train",
    "loss-5",
    "loss-bursts",
    "100k",
    "rebinding",
);

/// The text of one.
///
/// # Errors
/// There is none of that name.
pub(super) fn text(name: &str) -> Result<&'static str> {
    find(name).map(|(_, text)| *text)
}

/// The name of one, for good.
///
/// # Errors
/// There is none of that name.
pub(super) fn name(name: &str) -> Result<&'static str> {
    find(name).map(|(name, _)| *name)
}

fn find(name: &str) -> Result<&'static (&'static str, &'static str)> {
    ALL.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        anyhow!("there is no profile `{name}`; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    #[test]
    fn every_profile_is_a_script_and_says_what_it_is() {
        for (name, _) in ALL {
            let script = Script::load(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert!(!script.about.is_empty(), "{name}");
            // So that taking one in ends.
            assert_eq!(script.profile, None, "{name}");
        }
    }
}
