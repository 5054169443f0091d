//! TLS to a real PostgreSQL.

use crate::postgres::config;
use platform::event_log::{
    EventStore as _,
    postgres::{Config, Error, PostgresStore},
};
use prometheus::Registry;
use std::path::PathBuf;
use testkit::{
    engines::{Certificate, Postgres},
    event_log::{append, stream},
};

async fn open(url: &str, ca_file: Option<PathBuf>) -> Result<PostgresStore, Error> {
    let config = Config { url: url.to_owned().into(), schema: "events".to_owned(), owner: None, ca_file };
    PostgresStore::open(&config, &Registry::new()).await
}

#[tokio::test]
async fn a_server_that_proves_who_it_is_is_written_to_over_tls() {
    let certificate = Certificate::new();
    let server = Postgres::start_tls(&certificate);
    // It takes nobody without TLS, so whoever gets in has it.
    for options in ["?sslmode=require", "?sslmode=verify-full", ""] {
        let store = open(&format!("{}{options}", server.url()), Some(certificate.cert())).await.unwrap();
        store.append(append(stream(options.len() as u128), 0, None, 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_whose_certificate_somebody_else_signed_is_refused() {
    let server = Postgres::start_tls(&Certificate::new());
    for ca_file in [Some(Certificate::new()), None] {
        let ca_path = ca_file.as_ref().map(Certificate::cert);
        let error = open(&format!("{}?sslmode=require", server.url()), ca_path).await.unwrap_err();
        assert!(matches!(error, Error::Untrusted(_)), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_is_for_the_name_that_was_called() {
    let certificate = Certificate::new();
    let server = Postgres::start_tls(&certificate);
    let url = server.url().replace("127.0.0.1", "localhost");
    let error = open(&url, Some(certificate.cert())).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted(_)), "{error:?}");
}

#[tokio::test]
async fn a_server_that_wants_tls_and_a_url_that_does_not_are_told_apart_in_one_line() {
    let certificate = Certificate::new();
    let server = Postgres::start_tls(&certificate);
    let url = format!("{}?sslmode=disable", server.url());
    let error = open(&url, Some(certificate.cert())).await.unwrap_err();
    assert!(matches!(error, Error::TlsDemanded), "{error:?}");
    assert!(error.to_string().contains("sslmode=verify-full") && !error.to_string().contains('\n'));
}

#[tokio::test]
async fn a_server_without_tls_is_not_written_to_when_tls_is_asked_for() {
    let server = Postgres::start(false);
    let certificate = Certificate::new();
    let plain = config(&server, "events");
    drop(PostgresStore::open(&plain, &Registry::new()).await.unwrap());
    let asked = Config { ca_file: Some(certificate.cert()), ..plain };
    let error = PostgresStore::open(&asked, &Registry::new()).await.unwrap_err();
    assert!(matches!(error, Error::NoTls), "{error:?}");
    assert!(error.to_string().contains("sslmode=disable"), "{error}");
    // A name that is not this machine's by its looks, and leads to it: as a remote server would be met.
    let elsewhere = server.url().replace("127.0.0.1", "db.internal") + "?hostaddr=127.0.0.1";
    let error = open(&elsewhere, None).await.unwrap_err();
    assert!(matches!(error, Error::NoTls), "{error:?}");
    drop(open(&format!("{elsewhere}&sslmode=disable"), None).await.unwrap());
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "a letter\n").unwrap();
    for path in [empty, dir.path().join("missing.pem")] {
        let error = open("postgresql://u@127.0.0.1:1/db", Some(path.clone())).await.unwrap_err();
        assert!(matches!(&error, Error::Certificates { path: named, .. } if *named == path), "{error:?}");
    }
}
