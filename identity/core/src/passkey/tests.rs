use super::*;
use proptest::prelude::*;

fn here() -> RelyingParty {
    RelyingParty::of("https://visits.example").unwrap()
}

const ES256: &[u8] = &[
    0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0x22, 0x58, 0x20, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
];

fn data(flags: u8, more: &[u8]) -> Vec<u8> {
    let mut data = Sha256::digest(b"visits.example").to_vec();
    data.push(flags);
    data.extend(7_u32.to_be_bytes());
    data.extend(more);
    data
}

fn made(id: &[u8], key: &[u8]) -> Vec<u8> {
    let length = u16::try_from(id.len()).unwrap().to_be_bytes();
    [&[9; 16], length.as_slice(), id, key].concat()
}

#[test]
fn a_relying_party_is_the_host_that_browsers_know() {
    let of = |url| RelyingParty::of(url).map(|party| (party.id, party.origin));
    let party = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
    assert_eq!(of("https://Visits.Example/x"), party("visits.example", "https://visits.example"));
    assert_eq!(of("https://visits.example:443"), party("visits.example", "https://visits.example"));
    assert_eq!(of("https://a.b:8443/"), party("a.b", "https://a.b:8443"));
    assert_eq!(of("http://localhost:8080"), party("localhost", "http://localhost:8080"));
    for none in [
        "http://visits.example",
        "https://192.0.2.1",
        "https://[::1]:8443",
        "visits.example",
        "https://",
        "https://u@a.b",
    ] {
        assert_eq!(of(none), None, "{none}");
    }
}

#[test]
fn client_data_counts_for_one_ceremony_challenge_and_origin() {
    let said = |ceremony: &str, challenge: &str, origin: &str, more: &str| {
        let text = format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{origin}"{more}}}"#);
        check_client(text.as_bytes(), Ceremony::Get, "abc", &here())
    };
    let origin = "https://visits.example";
    assert_eq!(said("webauthn.get", "abc", origin, r#","crossOrigin":false,"other":{}"#), Ok(()));
    assert_eq!(said("webauthn.create", "abc", origin, ""), Err(Unfit::Ceremony));
    assert_eq!(said("webauthn.get", "abd", origin, ""), Err(Unfit::Challenge));
    for foreign in ["https://visits.example.evil", "http://visits.example", "https://visits.example:444"] {
        assert_eq!(said("webauthn.get", "abc", foreign, ""), Err(Unfit::Origin), "{foreign}");
    }
    assert_eq!(said("webauthn.get", "abc", origin, r#","crossOrigin":true"#), Err(Unfit::Origin));
    let long = |length: usize| {
        let pad = "x".repeat(length);
        said("webauthn.get", "abc", origin, &format!(r#","pad":"{pad}""#))
    };
    let most = MAX_CLIENT_DATA_BYTES
        - r#"{"type":"webauthn.get","challenge":"abc","origin":"https://visits.example","pad":""}"#.len();
    assert_eq!((long(most), long(most + 1)), (Ok(()), Err(Unfit::Malformed)));
}

#[test]
fn an_authenticator_says_who_was_verified_at_which_host() {
    let both = USER_PRESENT | USER_VERIFIED;
    assert_eq!(read_authenticator(&data(both, &[]), &here()), Ok(Said { counter: 7, made: None }));
    for flags in [0, USER_PRESENT, USER_VERIFIED] {
        assert_eq!(read_authenticator(&data(flags, &[]), &here()), Err(Unfit::NotVerified));
    }
    let elsewhere = RelyingParty::of("https://example").unwrap();
    assert_eq!(read_authenticator(&data(both, &[]), &elsewhere), Err(Unfit::Host));
    assert_eq!(read_authenticator(&data(both, &[1]), &here()), Err(Unfit::Malformed));
    assert_eq!(read_authenticator(&data(both, &[])[..36], &here()), Err(Unfit::Malformed));
    assert!(read_authenticator(&data(both | EXTENDED, &[0xa1, 0x61, b'a', 0xf5]), &here()).is_ok());
    assert_eq!(read_authenticator(&data(both | EXTENDED, &[0xa1, 0x61]), &here()), Err(Unfit::Malformed));
}

#[test]
fn a_passkey_that_was_made_has_an_id_and_a_key_of_a_known_kind() {
    let flags = USER_PRESENT | USER_VERIFIED | ATTESTED;
    let read = |id: &[u8], key: &[u8]| read_authenticator(&data(flags, &made(id, key)), &here());
    let expected = Made { credential: vec![5; 16], key: ES256.to_vec() };
    assert_eq!(read(&[5; 16], ES256).unwrap().made, Some(expected));
    assert!(read(&[5; MAX_CREDENTIAL_ID_BYTES], ES256).is_ok());
    for (id, key) in [
        (&[][..], ES256),
        (&[5; MAX_CREDENTIAL_ID_BYTES + 1], ES256),
        (&[5; 16], &ES256[..70]),
        (&[5; 16], &[ES256, &[0]].concat()),
    ] {
        assert_eq!(read(id, key), Err(Unfit::Malformed));
    }
    let mut other_curve = ES256.to_vec();
    other_curve[6] = 2;
    assert_eq!(read(&[5; 16], &other_curve), Err(Unfit::Key));
}

#[test]
fn keys_are_p256_ed25519_or_rsa_that_is_long_enough() {
    assert!(
        matches!(PublicKey::read(ES256), Ok(PublicKey::Es256(point)) if point.len() == 65 && point[0] == 4)
    );
    let ed = [&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20][..], &[3; 32]].concat();
    assert_eq!(PublicKey::read(&ed), Ok(PublicKey::Ed25519(vec![3; 32])));
    let rsa = |bytes: usize| {
        let length = u16::try_from(bytes).unwrap().to_be_bytes();
        let n = vec![0x81; bytes];
        PublicKey::read(
            &[&[0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59][..], &length, &n, &[0x21, 0x43, 1, 0, 1]].concat(),
        )
    };
    assert!(rsa(256).is_ok() && rsa(512).is_ok());
    assert_eq!((rsa(255), rsa(513)), (Err(Unfit::Key), Err(Unfit::Key)));
    // Said twice, or followed by something.
    let twice = [&[0xa5, 1, 1, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 0x20][..], &[3; 32]].concat();
    for bad in [&twice[..], &[&ed[..], &[0]].concat(), &[0x80], &[]] {
        assert_eq!(PublicKey::read(bad), Err(Unfit::Key));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(more in proptest::collection::vec(any::<u8>(), 0..300), flags in any::<u8>()) {
        let _ = read_authenticator(&more, &here());
        let _ = read_authenticator(&data(flags, &more), &here());
        let _ = PublicKey::read(&more);
        let _ = check_client(&more, Ceremony::Create, "abc", &here());
    }

    #[test]
    fn any_address_has_a_host_or_none(url in any::<String>()) {
        let _ = RelyingParty::of(&url);
        let _ = RelyingParty::of(&format!("https://{url}"));
    }
}
