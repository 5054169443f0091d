//! Why the media plane cannot start.

use crate::config::InvalidConfig;

/// Why the media plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A knob has a value that cannot work.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// A socket could not be bound: most often the port is in use.
    #[error("cannot listen for media on {transport} port {port}")]
    Bind {
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Something else that the system refused.
    #[error("the media plane cannot {what}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A metric of this name is registered already.
    #[error("cannot register the media plane's metrics")]
    Metrics(#[from] prometheus::Error),
}
