//! AWS Signature Version 4 for one kind of request: a PUT or GET of an object, with its headers signed. Pure.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use crate::audit::{
    chain::{hex, sha256},
    verify::report::Utc,
};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use model::Timestamp;
use std::fmt::Write as _;

/// Who signs, and for what.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Id of the access key.
    pub access_key: &'a str,
    /// Its secret.
    pub secret_key: &'a str,
    /// `us-east-1`, for example.
    pub region: &'a str,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("region", &self.region).finish_non_exhaustive()
    }
}

/// `20260523T000000Z`.
#[must_use]
pub fn amz_date(at: Timestamp) -> String {
    let text = Utc(at).to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

/// A path as it stands in the request and in what is signed: each byte encoded but `A-Z a-z 0-9 - . _ ~ /`.
#[must_use]
pub fn encode_path(path: &str) -> String {
    path.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
        encoded
    })
}

/// The header `Authorization`. `path` is encoded; `headers` are all that are to be signed, with lower-case names in
/// their order, `host`, `x-amz-content-sha256` and `x-amz-date` among them.
#[must_use]
pub fn authorization(
    scope: Scope<'_>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    payload: &[u8; 32],
    at: Timestamp,
) -> String {
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{method}\n{path}\n\n");
    for (name, value) in headers {
        let _ = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _ = write!(canonical, "\n{names}\n{}", hex(payload));
    let date_time = amz_date(at);
    let date = date_time.split('T').next().unwrap_or_default();
    let credential = format!("{date}/{}/s3/aws4_request", scope.region);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{date_time}\n{credential}\n{}", hex(&sha256(canonical.as_bytes())));
    let mut key = format!("AWS4{}", scope.secret_key).into_bytes();
    for part in [date, scope.region, "s3", "aws4_request"] {
        key = sign(&key, part);
    }
    let signature = hex(&sign(&key, &to_sign));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{credential},SignedHeaders={names},Signature={signature}",
        scope.access_key
    )
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples that AWS publishes with the description of the signature: GET and PUT of an object.
    #[test]
    fn the_published_examples_come_out() {
        let scope = Scope {
            access_key: "AKIAIOSFODNN7EXAMPLE",
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1",
        };
        // 2013-05-24T00:00:00Z
        let at = Timestamp::from_millis(1_369_353_600_000);
        let empty = sha256(b"");
        let headers = [
            ("host", "examplebucket.s3.amazonaws.com"),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", &hex(&empty)),
            ("x-amz-date", "20130524T000000Z"),
        ];
        let get = authorization(scope, "GET", "/test.txt", &headers, &empty, at);
        let signature = |text: &str| text.rsplit('=').next().unwrap().to_owned();
        assert_eq!(signature(&get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let body = sha256(b"Welcome to Amazon S3.");
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("host", "examplebucket.s3.amazonaws.com"),
            ("x-amz-content-sha256", &hex(&body)),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let put = authorization(scope, "PUT", &encode_path("/test$file.text"), &headers, &body, at);
        assert_eq!(signature(&put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        assert!(put.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature="
        ));
    }

    #[test]
    fn paths_and_dates_are_written_as_they_are_signed() {
        assert_eq!(encode_path("/a b/ü~_.-$"), "/a%20b/%C3%BC~_.-%24");
        assert_eq!(amz_date(Timestamp::from_millis(1_369_353_600_999)), "20130524T000000Z");
    }
}
