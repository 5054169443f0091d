//! What a process does of all that the platform does.

use serde::{Deserialize, Serialize};

/// One part of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// Pages, and the exchange of links.
    Portal,
    /// Waiting rooms and visits, over WebSockets.
    Signaling,
    /// Forwards media.
    Sfu,
}

impl Role {
    /// Its name in configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Signaling => "signaling",
            Self::Sfu => "sfu",
        }
    }
}

/// The roles of a process; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Role>", into = "Vec<Role>")]
pub(crate) struct Roles(Vec<Role>);

impl Roles {
    /// Every role there is: the platform in one process.
    pub(crate) fn all() -> Self {
        Self(vec![Role::Portal, Role::Signaling, Role::Sfu])
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Their names, separated by commas.
    pub(crate) fn names(&self) -> String {
        self.0.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Whether other processes have to do the rest.
    pub(crate) fn need_others(&self) -> bool {
        self.0.len() < Self::all().0.len()
    }
}

impl TryFrom<Vec<Role>> for Roles {
    type Error = &'static str;

    fn try_from(mut roles: Vec<Role>) -> Result<Self, &'static str> {
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() { Err("roles: a process needs at least one") } else { Ok(Self(roles)) }
    }
}

impl From<Roles> for Vec<Role> {
    fn from(roles: Roles) -> Self {
        roles.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_a_set_and_never_empty() {
        let read = |json: &str| serde_json::from_str::<Roles>(json);
        let twice = read(r#"["sfu","portal","sfu"]"#).unwrap();
        assert_eq!(Vec::from(twice.clone()), [Role::Portal, Role::Sfu]);
        assert!(twice.need_others() && !twice.has(Role::Signaling));
        assert!(!Roles::all().need_others());
        assert!(read("[]").is_err() && read(r#"["janitor"]"#).is_err());
    }
}
