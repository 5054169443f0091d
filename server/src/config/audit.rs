//! The audit trail: how long it is kept, and its second place.

use super::{ConfigError, SecretUrl};
use platform::{
    audit::{
        prune::Terms,
        second_place::{
            SecondPlace,
            directory::Directory,
            s3::{self, S3},
        },
    },
    clock::Clock,
    limits::{MAX_AUDIT_RETENTION, MIN_AUDIT_RETENTION},
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long rows of the audit trail are kept, and where copies of them are, beside the event log: docs/audit.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Audit {
    /// How long rows are kept, days: 2,192 (six years) to 36,525. Default 2,557: seven years.
    pub(crate) retention_days: u32,
    /// Processes that seal prune what is older, once a day. Default true. Without it, only `telehealth audit prune` does.
    pub(crate) prune: bool,
    /// Directory that copies are put into, on another machine's disk. It has to be there. Default none.
    pub(crate) copy_dir: Option<PathBuf>,
    /// `https://host[:port]` of S3 or what speaks its protocol. Default none: no copies go there.
    pub(crate) s3_endpoint: Option<String>,
    /// Its bucket.
    pub(crate) s3_bucket: Option<String>,
    /// The bucket's region.
    pub(crate) s3_region: Option<String>,
    /// Id of the access key, which needs to put objects and nothing else.
    pub(crate) s3_access_key: Option<String>,
    /// Its secret. Better set as `TELEHEALTH__AUDIT__S3_SECRET_KEY` than written down.
    pub(crate) s3_secret_key: Option<SecretUrl>,
    /// PEM certificates of who signs the endpoint's certificate. Default: the system's.
    pub(crate) s3_ca_file: Option<PathBuf>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            retention_days: 2_557,
            prune: true,
            copy_dir: None,
            s3_endpoint: None,
            s3_bucket: None,
            s3_region: None,
            s3_access_key: None,
            s3_secret_key: None,
            s3_ca_file: None,
        }
    }
}

impl Audit {
    /// When rows may go.
    ///
    /// # Errors
    /// They would go too early, or be kept for longer than anybody can say.
    pub(crate) fn terms(&self) -> Result<Terms, ConfigError> {
        let retention = DAY * self.retention_days;
        if !(MIN_AUDIT_RETENTION..=MAX_AUDIT_RETENTION).contains(&retention) {
            let days = |limit: Duration| limit.as_secs() / DAY.as_secs();
            let (least, most) = (days(MIN_AUDIT_RETENTION), days(MAX_AUDIT_RETENTION));
            return Err(ConfigError(format!("audit.retention_days: {least} (six years) to {most}")));
        }
        Ok(Terms { retention, copied: self.copy_dir.is_some() || self.s3_endpoint.is_some() })
    }

    /// The second place, if there is one.
    ///
    /// # Errors
    /// The key that cannot be used.
    pub(crate) fn second_place(
        &self,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Arc<dyn SecondPlace>>, ConfigError> {
        let Some(endpoint) = &self.s3_endpoint else {
            let directory = self.copy_dir.clone().map(Directory::new);
            return Ok(directory.map(|directory| Arc::new(directory) as Arc<dyn SecondPlace>));
        };
        if self.copy_dir.is_some() {
            return Err(ConfigError(
                "audit.copy_dir: there is audit.s3_endpoint too, and one place only".into(),
            ));
        }
        let given = |key: &str, value: &Option<String>| {
            value
                .clone()
                .ok_or_else(|| ConfigError(format!("audit.{key}: has to be given with audit.s3_endpoint")))
        };
        let secret = self.s3_secret_key.as_ref().map(|secret| secret.expose().to_owned());
        let config = s3::Config {
            endpoint: endpoint.clone(),
            bucket: given("s3_bucket", &self.s3_bucket)?,
            region: given("s3_region", &self.s3_region)?,
            access_key: given("s3_access_key", &self.s3_access_key)?,
            secret_key: given("s3_secret_key", &secret)?.into(),
            ca_file: self.s3_ca_file.clone(),
        };
        let s3 =
            S3::new(config, clock).map_err(|error| ConfigError(format!("audit.s3_endpoint: {error}")))?;
        Ok(Some(Arc::new(s3)))
    }
}
