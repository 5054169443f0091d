//! What an operator can choose.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The portal's knobs. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Wrong links one source (an IPv4 address or an IPv6 /64) may try in a minute. Default 30. Links
    /// have 128 bits, so this only keeps the log and the store quiet; raise it where many people share
    /// one address, for example behind a proxy.
    pub wrong_links_per_minute: u32,
    /// Requests of one person in a second, at a stretch and on average, over all their sessions. Default 50. Beyond it: 429.
    /// Each process counts for itself.
    pub requests_per_second_and_person: u32,
    /// Requests in a second of all people of a healthcare unit and all its partners. Default 2,000.
    pub requests_per_second_and_unit: u32,
    /// Requests in a second with one partner's key. Default 20.
    pub requests_per_second_and_partner: u32,
    /// Serve the pages from this directory instead of those built in. Default: built in.
    pub web_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wrong_links_per_minute: 30,
            requests_per_second_and_person: 50,
            requests_per_second_and_unit: 2_000,
            requests_per_second_and_partner: 20,
            web_dir: None,
        }
    }
}
