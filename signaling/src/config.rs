//! What an operator can choose, with units and consequences.

use crate::limits;
use serde::{Deserialize, Serialize};

/// Signaling's knobs. Every field has a default; unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// WebSockets open at once. One past it is answered 503. Each waiting one costs some 10 KiB.
    /// Default 50000.
    pub max_connections: usize,
    /// Milliseconds a shutdown waits for appends and goodbyes before it cuts them off. Default 8000;
    /// at most 10000.
    pub drain_timeout_ms: u64,
    /// Tell clients at shutdown that the server goes away (close 1001) rather than that it restarts
    /// (1012). They come back either way; use it when another node takes over. Default false.
    pub drain_for_good: bool,
    /// Patients who ask who opened their visit read names; without, only as what somebody works. Default true.
    pub patients_read_names: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 50_000,
            drain_timeout_ms: 8_000,
            drain_for_good: false,
            patients_read_names: true,
        }
    }
}

/// A knob has a value that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signaling.{knob} {why}")]
pub struct InvalidConfig {
    /// Which.
    pub knob: &'static str,
    /// Why not.
    pub why: &'static str,
}

impl Config {
    /// Says which knob has a value that cannot work.
    ///
    /// # Errors
    /// A sentence that names the knob.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let bad = |knob, why| Err(InvalidConfig { knob, why });
        if !(1..=limits::MAX_CONNECTIONS).contains(&self.max_connections) {
            return bad("max_connections", "must be between 1 and 1000000");
        }
        if !(100..=10_000).contains(&self.drain_timeout_ms) {
            return bad("drain_timeout_ms", "must be between 100 and 10000");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_values_past_each_limit_are_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let with = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().map_err(|error| error.knob)
        };
        assert_eq!(with(|c| c.max_connections = 0), Err("max_connections"));
        assert_eq!(with(|c| c.max_connections = 1_000_000), Ok(()));
        assert_eq!(with(|c| c.max_connections = 1_000_001), Err("max_connections"));
        assert_eq!(with(|c| c.drain_timeout_ms = 10_000), Ok(()));
        assert_eq!(with(|c| c.drain_timeout_ms = 10_001), Err("drain_timeout_ms"));
    }

    #[test]
    fn unknown_knobs_are_refused() {
        assert!(serde_json::from_str::<Config>("{}").is_ok());
        assert!(serde_json::from_str::<Config>(r#"{"max_conections": 1}"#).is_err());
    }
}
