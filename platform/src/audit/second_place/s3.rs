//! A bucket of S3, or of anything that speaks its protocol (MinIO, Ceph): one PUT for each copy, path style.
//!
//! Give the access key the right to put objects and no other, and the bucket an object lock: then whoever takes this
//! machine over can add copies and take none away.

use super::{
    NotTaken, PlaceFuture, SecondPlace,
    sigv4::{Scope, amz_date, authorization, encode_path},
};
use crate::{
    audit::chain::{hex, sha256},
    clock::Clock,
    exchange::exchange,
};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{fmt, path::PathBuf, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest answer that is read, bytes: it is only looked at for its status.
const MAX_ANSWER: usize = 16 * 1_024;

/// Longest endpoint that is taken, bytes.
const MAX_ENDPOINT: usize = 512;

/// Where the bucket is.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://host[:port]`, or `http://` on a network that is yours alone.
    pub endpoint: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Its region, `us-east-1` for example.
    pub region: String,
    /// Id of the access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// PEM certificates of who signs the endpoint's; without it, the system's are trusted.
    pub ca_file: Option<PathBuf>,
}

/// Copies as objects in a bucket.
pub struct S3 {
    config: Config,
    /// `host` or `host:port`, as it is signed.
    authority: String,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    clock: Arc<dyn Clock>,
}

/// The bucket cannot be used as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub &'static str);

impl S3 {
    /// A bucket; connects only when there is something to copy.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Unusable> {
        let (secure, authority, host, port) = endpoint(&config.endpoint)?;
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        if !plain(&config.bucket) || !plain(&config.region) || config.access_key.is_empty() {
            return Err(Unusable("bucket, region and access key have to be given"));
        }
        let tls = if secure {
            let name = host.trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(|_| Unusable("the endpoint has no host"))?;
            Some((connector(&config)?, name))
        } else {
            None
        };
        Ok(Self { config, authority, host, port, tls, clock })
    }

    async fn put(&self, name: &str, copy: Vec<u8>) -> Result<StatusCode, &'static str> {
        let (now, payload) = (self.clock.now(), sha256(&copy));
        let (date, payload_hex) = (amz_date(now), hex(&payload));
        let path = encode_path(&format!("/{}/{name}", self.config.bucket));
        let signed = [
            ("host", self.authority.as_str()),
            ("x-amz-content-sha256", payload_hex.as_str()),
            ("x-amz-date", date.as_str()),
        ];
        let scope = Scope {
            access_key: &self.config.access_key,
            secret_key: self.config.secret_key.expose_secret(),
            region: &self.config.region,
        };
        let authorization = authorization(scope, "PUT", &path, &signed, &payload, now);
        let mut request = Request::builder()
            .method(Method::PUT)
            .uri(&path)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_LENGTH, copy.len());
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(copy)).map_err(|_| "the request cannot be made")?;
        let host = self.host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.port)).await.map_err(|_| "no connection")?;
        let answer = match &self.tls {
            None => exchange(stream, request, MAX_ANSWER).await,
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), stream).await.map_err(|_| "no TLS connection")?;
                exchange(stream, request, MAX_ANSWER).await
            }
        };
        Ok(answer.map_err(|_| "no answer")?.status())
    }
}

impl SecondPlace for S3 {
    fn keep(&self, name: String, copy: Vec<u8>) -> PlaceFuture<'_, Result<(), NotTaken>> {
        Box::pin(async move {
            match self.put(&name, copy).await {
                Ok(status) if status.is_success() => Ok(()),
                Ok(status) => Err(NotTaken(format!("status {}", status.as_u16()))),
                Err(why) => Err(NotTaken(why.to_owned())),
            }
        })
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Whether it is secure, the authority as browsers write it, host and port.
fn endpoint(text: &str) -> Result<(bool, String, String, u16), Unusable> {
    let wrong = Unusable("the endpoint has to be https://host or https://host:port");
    let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(wrong),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if text.len() > MAX_ENDPOINT || authority.is_empty() || !authority.bytes().all(plain) {
        return Err(wrong);
    }
    let default = if secure { 443 } else { 80 };
    let after_brackets = authority.rsplit(']').next().unwrap_or(authority);
    let (host, port) = match after_brackets.rsplit_once(':') {
        Some((_, port)) => (&authority[..authority.len() - port.len() - 1], port.parse().map_err(|_| wrong)?),
        None => (authority, default),
    };
    if host.is_empty() || port == 0 {
        return Err(wrong);
    }
    let shown = if port == default { host.to_owned() } else { format!("{host}:{port}") };
    Ok((secure, shown, host.to_owned(), port))
}

fn connector(config: &Config) -> Result<TlsConnector, Unusable> {
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(path) => {
            let unreadable = Unusable("the certificates to trust cannot be read");
            let certificates = CertificateDer::pem_file_iter(path).map_err(|_| unreadable)?;
            let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|_| unreadable)?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(unreadable);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| Unusable("TLS cannot be used"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
    use axum::{
        Router,
        extract::State,
        http::{HeaderMap, Uri},
        routing::any,
    };
    use model::Timestamp;
    use parking_lot::Mutex;
    use proptest::prelude::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    type Kept = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

    /// A bucket that takes what is signed rightly, worked out from the description and not with the code above.
    async fn put(
        State(kept): State<Kept>,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: axum::body::Bytes,
    ) -> StatusCode {
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let payload = hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body).as_ref());
        let date = header("x-amz-date");
        let request = format!(
            "{method}\n{}\n\nhost:{}\nx-amz-content-sha256:{payload}\nx-amz-date:{date}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{payload}",
            uri.path(),
            header("host"),
        );
        let hashed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, request.as_bytes());
        let scope = format!("{}/eu-central-1/s3/aws4_request", &date[..8]);
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(hashed.as_ref()));
        let mac = |key: &[u8], text: &str| sign(&Key::new(HMAC_SHA256, key), text.as_bytes());
        let day = mac(format!("AWS4{SECRET}").as_bytes(), &date[..8]);
        let region = mac(day.as_ref(), "eu-central-1");
        let service = mac(region.as_ref(), "s3");
        let key = mac(service.as_ref(), "aws4_request");
        let wanted = hex(mac(key.as_ref(), &text).as_ref());
        if !header("authorization").ends_with(&format!("Signature={wanted}")) {
            return StatusCode::FORBIDDEN;
        }
        kept.lock().push((uri.path().to_owned(), body.to_vec()));
        StatusCode::OK
    }

    fn config(endpoint: &str, secret: &str) -> Config {
        Config {
            endpoint: endpoint.to_owned(),
            bucket: "trail".to_owned(),
            region: "eu-central-1".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: secret.to_owned().into(),
            ca_file: None,
        }
    }

    #[tokio::test]
    async fn a_bucket_takes_a_copy_that_is_signed_rightly_and_no_other() {
        let kept = Kept::default();
        let router = Router::new().fallback(any(put)).with_state(Arc::clone(&kept));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let s3 = S3::new(config(&endpoint, SECRET), Arc::clone(&clock) as _).unwrap();
        s3.keep("t/0/000000000001-ab.audit".to_owned(), b"copy".to_vec()).await.unwrap();
        assert_eq!(*kept.lock(), [("/trail/t/0/000000000001-ab.audit".to_owned(), b"copy".to_vec())]);
        let wrong = S3::new(config(&endpoint, "another"), clock).unwrap();
        let refused = wrong.keep("t/0/2.audit".to_owned(), b"copy".to_vec()).await;
        assert_eq!(refused, Err(NotTaken("status 403".to_owned())));
        assert!(!format!("{wrong:?} {refused:?}").contains("another"));
    }

    #[test]
    fn an_endpoint_is_a_host_and_perhaps_a_port() {
        let read = |text: &str| endpoint(text).ok().map(|(secure, shown, _, port)| (secure, shown, port));
        assert_eq!(read("https://s3.test"), Some((true, "s3.test".to_owned(), 443)));
        assert_eq!(read("https://s3.test:443/"), Some((true, "s3.test".to_owned(), 443)));
        assert_eq!(read("http://[::1]:9000"), Some((false, "[::1]:9000".to_owned(), 9_000)));
        for bad in ["", "s3.test", "https://", "https://:1", "https://a:0", "https://a/b", "https://u@a"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(endpoint(&format!("https://{}", "a".repeat(MAX_ENDPOINT - 8))).is_ok());
        assert!(endpoint(&format!("https://{}", "a".repeat(MAX_ENDPOINT - 7))).is_err());
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_an_endpoint_or_refused(text in "(https?://)?.{0,40}") {
            let _ = endpoint(&text);
        }
    }
}
