//! The audit trail's second place.

use super::{ConfigError, SecretUrl};
use platform::{
    audit::second_place::{
        SecondPlace,
        directory::Directory,
        s3::{self, S3},
    },
    clock::Clock,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};

/// Where copies of sealed rows of the audit trail are kept, beside the event log: docs/audit.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Audit {
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

impl Audit {
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
