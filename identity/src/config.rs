//! What an operator can choose.

use serde::{Deserialize, Serialize};

/// Identity's knobs. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What the healthcare unit is called on the pages of those who work there, and in their authenticator apps.
    /// Default `Telehealth`.
    pub unit_name: String,
    /// E-mail address of whoever is invited as the first administrator, while nobody works here. The link is written to
    /// `first-administrator.link` in the data directory, another one at each start until it was used. Default none:
    /// nobody can sign in.
    pub first_administrator: Option<String>,
    /// Memory for hashing one password with Argon2id, KiB. Default 19,456 (OWASP's cheat sheet: 19 MiB, 2 passes). More
    /// makes stolen hashes harder to guess and sign-ins slower; two are hashed at a time.
    pub password_memory_kib: u32,
    /// Wrong passwords and codes for one account from browsers that never signed in to it, in an hour. Default 10. Who
    /// signed in on a browser before has as many of their own, so that nobody is locked out by somebody who guesses.
    pub wrong_factors_per_hour: u32,
    /// Wrong passwords and invitations in an hour from one network (an IPv4 address or an IPv6 /64), of browsers that
    /// nobody has signed in with. Default 300: a hospital may be one address.
    pub wrong_factors_per_hour_and_network: u32,
    /// The hospital's own sign-in, beside accounts of this platform. Default none.
    pub provider: Option<crate::provider::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            unit_name: "Telehealth".into(),
            first_administrator: None,
            password_memory_kib: 19_456,
            wrong_factors_per_hour: 10,
            wrong_factors_per_hour_and_network: 300,
            provider: None,
        }
    }
}
