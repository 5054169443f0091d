//! What the process says while it runs: events on standard error, figures for Prometheus.
//!
//! Standard output is left to what a person or a tool asked for.

use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

mod process;

pub use process::register_process_metrics;

/// The knobs of logging and tracing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// For people or for machines. Default `human`.
    pub format: Format,
    /// Which events, as `tracing` filter directives: `info`, `warn,sfu=debug`. Default `info`.
    /// `RUST_LOG`, where set, wins. Of the libraries only warnings are ever taken: they do not know what
    /// is confidential.
    pub filter: String,
    /// `http://host:port` of an OpenTelemetry collector that takes traces (OTLP/HTTP, `/v1/traces`). Default none: no
    /// traces, and no cost.
    pub otlp_endpoint: Option<String>,
    /// Share of traces that are recorded, 0 to 1. Default 1: a visit has some twenty spans.
    pub sample: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Human, filter: "info".into(), otlp_endpoint: None, sample: 1.0 }
    }
}

impl Config {
    /// Where spans go, and how many.
    #[must_use]
    pub fn traces(&self) -> crate::trace::Config {
        crate::trace::Config { endpoint: self.otlp_endpoint.clone(), sample: self.sample }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One readable line.
    Human,
    /// One JSON object a line.
    Json,
}

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("telemetry.filter: {0}")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

/// Starts logging, once per process. A second call is ignored, so that tests may share a process.
///
/// # Errors
/// The filter cannot be read.
pub fn init(config: &Config) -> Result<(), InvalidFilter> {
    let from_env = std::env::var(EnvFilter::DEFAULT_ENV).ok().and_then(|text| text.parse().ok());
    let filter = match from_env {
        Some(filter) => filter,
        None => EnvFilter::builder().parse(&config.filter)?,
    };
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged));
    let writer = std::io::stderr;
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = match config.format {
        Format::Human => {
            registry.with(fmt::layer().with_writer(writer).with_target(false).with_ansi(colours)).try_init()
        }
        Format::Json => registry.with(fmt::layer().json().with_writer(writer)).try_init(),
    };
    Ok(())
}

/// The crates whose events are written with the rule in mind that no name, address, SDP or secret is in
/// them.
const OURS: &[&str] = &[
    "telehealth",
    "platform",
    "portal_api",
    "sfu",
    "sfu_core",
    "signaling",
    "signaling_core",
    "signaling_protocol",
];

/// Libraries do not know that rule: the ICE agent tells its passwords and its peers' addresses, an HTTP
/// stack its headers. Whatever the filter says, of theirs only warnings are taken.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    let from = event.target().split("::").next().unwrap_or_default();
    *event.level() <= Level::WARN || OURS.contains(&from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tracing::Subscriber;

    #[test]
    fn of_libraries_only_warnings_are_taken_whatever_the_filter_says() {
        struct Count(Arc<AtomicUsize>);
        impl<S: Subscriber> tracing_subscriber::Layer<S> for Count {
            fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let taken = Arc::new(AtomicUsize::new(0));
        let everything: EnvFilter = "trace".parse().unwrap();
        let layers = tracing_subscriber::registry().with(everything).with(filter_fn(may_be_logged));
        tracing::subscriber::with_default(layers.with(Count(Arc::clone(&taken))), || {
            let so_far = |expected| assert_eq!(taken.load(Ordering::Relaxed), expected);
            tracing::info!(target: "str0m::ice", "a password");
            tracing::trace!(target: "hyper::proto", "a header");
            tracing::info!(target: "sfu_of_another", "an address");
            so_far(0);
            tracing::warn!(target: "rustls", "trouble");
            so_far(1);
            tracing::trace!(target: "sfu::shard", "ours");
            tracing::debug!(target: "telehealth", "ours");
            so_far(3);
        });
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let config = Config { filter: "sfu=loud".into(), ..Config::default() };
        let error = init(&config).unwrap_err().to_string();
        assert!(error.starts_with("telemetry.filter: "), "{error}");
    }
}
