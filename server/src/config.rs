//! One field per service. File, then environment, then flags; each outweighs the one before.
//!
//! A key nobody knows or a value that cannot be is one line that names it, and exit code 2.

mod audit;
mod fleet;
mod vault;

pub(crate) use audit::Audit;
pub(crate) use fleet::{Bus, Fleet, Presence, SecretUrl, Store};
pub(crate) use vault::{Kek, Vault};

use crate::{cli::Common, http::proxies::ForwardedHeader, roles::Roles};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything an operator can choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where keys, events, certificates and the previous build's pages live. Default `data`, beside
    /// where the program was started. Back it up; who can read all of it can read every visit.
    pub(crate) data_dir: PathBuf,
    /// What this process does: `portal`, `signaling`, `sfu`. Default all.
    pub(crate) roles: Roles,
    pub(crate) http: Http,
    pub(crate) metrics: Metrics,
    pub(crate) telemetry: platform::telemetry::Config,
    pub(crate) portal: portal_api::Config,
    pub(crate) identity: identity::Config,
    pub(crate) signaling: signaling::Config,
    pub(crate) webhooks: webhooks::Config,
    pub(crate) sfu: sfu::Config,
    pub(crate) store: Store,
    pub(crate) audit: Audit,
    pub(crate) presence: Presence,
    pub(crate) bus: Bus,
    pub(crate) fleet: Fleet,
    pub(crate) vault: Vault,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            roles: Roles::all(),
            http: Http::default(),
            metrics: Metrics::default(),
            telemetry: platform::telemetry::Config::default(),
            portal: portal_api::Config::default(),
            identity: identity::Config::default(),
            signaling: signaling::Config::default(),
            webhooks: webhooks::Config::default(),
            sfu: sfu::Config::default(),
            store: Store::default(),
            audit: Audit::default(),
            presence: Presence::default(),
            bus: Bus::default(),
            fleet: Fleet::default(),
            vault: Vault::default(),
        }
    }
}

/// Pages, signaling, WHIP and WHEP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    /// `address:port`. Default `localhost:8080`, which browsers trust with camera and microphone. Any
    /// address that is not loopback needs TLS. Port 0 picks a free one.
    pub(crate) listen: String,
    /// PEM file with the certificate and its chain. Default none. Replaced, it is taken up within seconds.
    pub(crate) tls_certificate: Option<PathBuf>,
    /// PEM file with its private key. Default none.
    pub(crate) tls_key: Option<PathBuf>,
    /// What people's browsers call this server, `https://visits.example.org`, for links and as the one
    /// origin that may connect. Default: from `listen`.
    pub(crate) public_url: Option<String>,
    /// Networks of the proxies before this server, as `10.0.0.0/8`, separated by commas: whom they name as the client is believed. Default none:
    /// whoever connects is the client. Behind a proxy that is not named here, all people share its throttles.
    pub(crate) trusted_proxies: Option<String>,
    /// The header they write: `x-forwarded-for` or `forwarded`. Default the former.
    pub(crate) forwarded_header: ForwardedHeader,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "localhost:8080".into(),
            tls_certificate: None,
            tls_key: None,
            public_url: None,
            trusted_proxies: None,
            forwarded_header: ForwardedHeader::default(),
        }
    }
}

/// `/metrics`, `/healthz`, `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    /// `address:port`. Default `localhost:9090`. No TLS and no password: keep it inside.
    pub(crate) listen: String,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: "localhost:9090".into() }
    }
}

/// The configuration cannot be used. One line that names the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ConfigError(pub(crate) String);

/// Reads the file, the environment and the flags.
pub(crate) fn load(common: &Common) -> Result<Config, ConfigError> {
    let environment = config::Environment::with_prefix("TELEHEALTH").separator("__").try_parsing(true);
    load_with(common, environment)
}

fn load_with(common: &Common, environment: config::Environment) -> Result<Config, ConfigError> {
    let mut builder = config::Config::builder();
    if let Some(path) = &common.config {
        builder = builder.add_source(config::File::from(path.as_path()).format(config::FileFormat::Toml));
    }
    builder = builder.add_source(environment.prefix_separator("__"));
    let flags = [
        ("data_dir", common.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned())),
        ("http.listen", common.listen.clone()),
        ("metrics.listen", common.metrics_listen.clone()),
        ("sfu.udp_port", common.media_port.map(|port| port.to_string())),
    ];
    if !common.roles.is_empty() {
        let roles: Vec<_> = common.roles.iter().map(|role| role.as_str()).collect();
        builder = builder.set_override("roles", roles).map_err(one_line)?;
    }
    for (key, value) in flags {
        builder = builder.set_override_option(key, value).map_err(one_line)?;
    }
    let config: Config = builder.build().map_err(one_line)?.try_deserialize().map_err(one_line)?;
    config.sfu.check().map_err(|error| ConfigError(error.to_string()))?;
    fleet::check(&config)?;
    vault::check(&config)?;
    config.audit.terms()?;
    config.audit.second_place(std::sync::Arc::new(platform::clock::SystemClock))?;
    config.signaling.check().map_err(|error| ConfigError(error.to_string()))?;
    Ok(config)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn one_line(error: config::ConfigError) -> ConfigError {
    ConfigError(error.to_string().split('\n').map(str::trim).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn read(toml: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), toml).unwrap();
        let common = Common { config: Some(file.path().to_owned()), ..Common::default() };
        let variables: HashMap<_, _> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let source = config::Environment::with_prefix("TELEHEALTH").separator("__").try_parsing(true);
        load_with(&common, source.source(Some(variables))).map_err(|error| error.0)
    }

    #[track_caller]
    fn refused(toml: &str, environment: &[(&str, &str)], names: &str) {
        let said = read(toml, environment).unwrap_err();
        assert!(said.contains(names) && !said.contains('\n'), "{said}");
    }

    #[test]
    fn the_example_is_the_default_and_explains_every_key() {
        let example = include_str!("../../config/example.toml");
        assert_eq!(read(example, &[]).unwrap(), Config::default());
        let mut every = serde_json::to_value(Config::default()).unwrap();
        let mut keys: Vec<String> = Vec::new();
        for (section, value) in every.as_object_mut().unwrap() {
            match value.as_object() {
                Some(fields) => keys.extend(fields.keys().cloned()),
                None => keys.push(section.clone()),
            }
        }
        for key in keys {
            let (value, table) = (format!("{key} = "), format!(".{key}]"));
            let stands = |line: &str| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&value) || line.starts_with('[') && line.ends_with(&table)
            };
            assert!(example.lines().any(stands), "config/example.toml does not explain {key}");
        }
    }

    #[test]
    fn the_example_of_a_provider_is_one_once_it_is_uncommented() {
        let example = include_str!("../../config/example.toml");
        let described = example
            .lines()
            .skip_while(|line| *line != "# [identity.provider]")
            .take_while(|line| !line.is_empty());
        // What is explained begins with a capital letter, what can be set with anything else.
        let set = described
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| !line.starts_with(|first: char| first.is_ascii_uppercase()));
        let provider = read(&set.collect::<Vec<_>>().join("\n"), &[]).unwrap().identity.provider.unwrap();
        assert_eq!((provider.name.as_str(), provider.roles.len()), ("Riverside Hospital", 2));
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(read("", &[]).unwrap(), Config::default());
    }

    #[test]
    fn the_environment_outweighs_the_file_and_flags_outweigh_both() {
        let environment =
            [("TELEHEALTH__SFU__UDP_PORT", "40001"), ("TELEHEALTH__SFU__ADVERTISE", "192.0.2.1,2001:db8::1")];
        let config = read("[sfu]\nudp_port = 40000\nshards = 2\n", &environment).unwrap();
        assert_eq!((config.sfu.udp_port, config.sfu.shards), (40_001, 2));
        assert!(matches!(config.sfu.advertise, sfu::Advertise::These(these) if these.len() == 2));
        let common = Common { media_port: Some(7), listen: Some("localhost:1".into()), ..Common::default() };
        let config = load_with(&common, config::Environment::with_prefix("NOTHING_SETS_THIS")).unwrap();
        assert_eq!((config.sfu.udp_port, config.http.listen.as_str()), (7, "localhost:1"));
    }

    #[test]
    fn an_unknown_key_is_named_wherever_it_stands() {
        refused("colour = 1", &[], "colour");
        refused("[sfu]\nudp_prot = 1", &[], "udp_prot");
        refused("[http]\nlisten_on = \"x\"", &[], "listen_on");
        refused("", &[("TELEHEALTH__METRICS__PORT", "1")], "port");
    }

    #[test]
    fn a_second_place_is_whole_or_named_by_what_is_missing() {
        assert!(read("[audit]\ncopy_dir = \"/mnt/copies\"", &[]).is_ok());
        for (days, fits) in [(2_191, false), (2_192, true), (36_525, true), (36_526, false)] {
            let toml = format!("[audit]\nretention_days = {days}");
            assert_eq!(read(&toml, &[]).is_ok(), fits, "{days}");
        }
        refused("[audit]\nretention_days = 2191", &[], "audit.retention_days");
        let s3 = "[audit]\ns3_endpoint = \"https://s3.test\"\ns3_bucket = \"b\"\ns3_region = \"r\"\ns3_access_key = \"k\"\n";
        refused(s3, &[], "audit.s3_secret_key");
        let secret = [("TELEHEALTH__AUDIT__S3_SECRET_KEY", "sesame")];
        let config = read(s3, &secret).unwrap();
        assert!(!format!("{config:?}").contains("sesame"));
        refused(&s3.replace("https", "ftp"), &secret, "audit.s3_endpoint");
        refused(&s3.replace("s3_region = \"r\"\n", ""), &secret, "audit.s3_region");
        refused(&format!("{s3}copy_dir = \"/x\""), &secret, "audit.copy_dir");
    }

    #[test]
    fn a_bad_value_is_named_with_its_key() {
        refused("[sfu]\nudp_port = \"many\"", &[], "sfu.udp_port");
        refused("[sfu]\nudp_port = 70000", &[], "sfu.udp_port");
        refused("[sfu]\nshards = 0", &[], "sfu.shards");
        refused("", &[("TELEHEALTH__SFU__SHARDS", "lots")], "sfu.shards");
        refused("[telemetry]\nformat = \"xml\"", &[], "xml");
        refused("[vault]\nkek = \"paper\"", &[], "paper");
        refused("[store]\npostgres = \"postgresql://a\"\n[vault]\nschema = \"events\"", &[], "vault.schema");
        refused("this is not toml", &[], "toml");
    }
}
