//! Where spans go, and how many.

use super::endpoint::Endpoint;

/// The knobs of tracing.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `http://host:port`, where an OpenTelemetry collector takes OTLP/HTTP; `/v1/traces` is put behind it. None: off.
    pub endpoint: Option<String>,
    /// Share of traces that are recorded, 0 to 1.
    pub sample: f64,
}

/// A knob has a value that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("telemetry.{knob} {why}")]
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
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(InvalidConfig { knob: "sample", why: "must be between 0 and 1" });
        }
        self.endpoint().map(drop)
    }

    pub(super) fn endpoint(&self) -> Result<Option<Endpoint>, InvalidConfig> {
        let bad = |why| InvalidConfig { knob: "otlp_endpoint", why };
        self.endpoint.as_deref().map(Endpoint::parse).transpose().map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_share() {
        let with = |sample| Config { endpoint: None, sample }.check().map_err(|error| error.knob);
        assert_eq!((with(0.0), with(1.0)), (Ok(()), Ok(())));
        for sample in [-0.001, 1.001, f64::NAN, f64::INFINITY] {
            assert_eq!(with(sample), Err("sample"), "{sample}");
        }
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_named() {
        let with = |endpoint: &str| Config { endpoint: Some(endpoint.to_owned()), sample: 1.0 }.check();
        assert_eq!(with("http://localhost:4318"), Ok(()));
        assert!(
            with("https://collector:4318").unwrap_err().to_string().starts_with("telemetry.otlp_endpoint ")
        );
    }
}
