//! `--lan`, as a phone meets it.

use crate::{http::Answer, process::Server};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

#[test]
fn a_phone_gets_a_code_the_warnings_meaning_and_tls_1_3() {
    let server = Server::start_with(&["--demo", "--lan", "--listen", "[::]:0"], &[]);
    assert!(server.url().starts_with("https://"), "{}", server.url());
    let port = server.http().port();
    let certificate = CertificateDer::from_pem_file(server.data().join("tls/lan.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    // The certificate names every address, IPv4, IPv6 and `localhost` alike.
    for host in ["127.0.0.1", "::1", "localhost"] {
        let name = ServerName::try_from(host).unwrap().to_owned();
        let connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect((host, port)).unwrap());
        stream
            .write_all(
                format!("GET /problems/link-over HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let answer = Answer::parse(&String::from_utf8_lossy(&text));
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert!(!answer.headers.contains_key("strict-transport-security"));
    }
    let said = server.everything_said();
    assert!(said.contains("not private") && said.contains('▀'), "{said}");
}
