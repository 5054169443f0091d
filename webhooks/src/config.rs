//! What an operator can choose.

use platform::outbound::Reach;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Webhooks' knobs. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Also send into private networks and to this machine. Default false: whoever may add a webhook could otherwise have this
    /// server send to what only it can reach. For a server inside a hospital, whose own systems are there.
    pub allow_private: bool,
    /// Ports that may be sent to, separated by commas. Default `443`.
    pub ports: String,
    /// PEM file with the authorities whose certificates are trusted, and no others. Default none: the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self { allow_private: false, ports: "443".into(), ca_file: None }
    }
}

impl Config {
    pub(crate) const fn reach(&self) -> Reach {
        if self.allow_private { Reach::AlsoPrivate } else { Reach::Public }
    }

    /// The ports; none if they cannot be read.
    pub(crate) fn ports(&self) -> Option<Vec<u16>> {
        self.ports.split(',').map(|port| port.trim().parse().ok().filter(|port| *port > 0)).collect()
    }
}
