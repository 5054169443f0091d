//! How a command ends when it does not end well.

use std::process::ExitCode;

/// One line for the person who started it, and an exit code for what started it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration cannot be used: an unknown key, a bad value, a port in use. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Anything else. Exit code 1.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Broken(_) => ExitCode::FAILURE,
        }
    }
}

macro_rules! usage {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Usage(error.to_string())
            }
        }
    )+};
}

usage!(
    crate::config::ConfigError,
    crate::http::ListenError,
    crate::tls::TlsError,
    platform::telemetry::InvalidFilter,
    platform::keys::KeyFileError,
    platform::event_log::sqlite::OpenError,
);

impl From<sfu::Error> for Failure {
    fn from(error: sfu::Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        match error {
            sfu::Error::Bind { .. } => Self::Usage(format!("sfu.udp_port: {error}{cause}")),
            sfu::Error::Config(_) => Self::Usage(error.to_string()),
            _ => Self::Broken(format!("{error}{cause}")),
        }
    }
}

impl From<crate::http::lanes::StartError> for Failure {
    fn from(error: crate::http::lanes::StartError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::Broken(format!("{error}{cause}"))
    }
}

impl From<prometheus::Error> for Failure {
    fn from(error: prometheus::Error) -> Self {
        Self::Broken(format!("metrics cannot be registered: {error}"))
    }
}

impl From<signaling::Error> for Failure {
    fn from(error: signaling::Error) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        match error {
            signaling::Error::Config(_) => Self::Usage(error.to_string()),
            _ => Self::Broken(format!("{error}{cause}")),
        }
    }
}
