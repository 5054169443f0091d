//! An authenticator in software, with the browser around it: what WebAuthn says they answer.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};

enum Pair {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// One passkey, and what a tampered one would do otherwise.
pub(crate) struct Authenticator {
    pair: Pair,
    id: Vec<u8>,
    user: String,
    pub(crate) counter: u32,
    pub(crate) origin: String,
    pub(crate) host: String,
    /// Present and verified.
    pub(crate) flags: u8,
}

impl Authenticator {
    pub(crate) fn new(algorithm: i64, id: u8) -> Self {
        let pair = match algorithm {
            -7 => Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            -8 => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
            -257 => Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
            other => unreachable!("{other}"),
        };
        let (origin, host) = ("https://visits.example".to_owned(), "visits.example".to_owned());
        Self { pair, id: vec![id; 16], user: String::new(), counter: 0, origin, host, flags: 0b101 }
    }

    fn cose(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Es256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], x, &[0x22, 0x58, 32], y].concat()
            }
            Pair::Ed25519(pair) => {
                [&[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32][..], pair.public_key().as_ref()].concat()
            }
            Pair::Rs256(pair) => {
                let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let head = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0];
                [&head[..], &n, &[0x21, 0x43, 1, 0, 1]].concat()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn client(&self, ceremony: &str, asked: &Value) -> Vec<u8> {
        let said = json!({
            "type": ceremony,
            "challenge": asked["challenge"],
            "origin": self.origin,
            "crossOrigin": false,
        });
        said.to_string().into_bytes()
    }

    fn said(&self, attested: &[u8]) -> Vec<u8> {
        let host = digest(&SHA256, self.host.as_bytes());
        let flags = self.flags | if attested.is_empty() { 0 } else { 0x40 };
        [host.as_ref(), &[flags], &self.counter.to_be_bytes(), attested].concat()
    }

    /// What `navigator.credentials.create` gives.
    pub(crate) fn makes(&mut self, asked: &Value, name: &str) -> Value {
        assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
        assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
        self.user = asked["user"]["id"].as_str().unwrap().to_owned();
        let length = u16::try_from(self.id.len()).unwrap().to_be_bytes();
        let attested = [&[0; 16][..], &length, &self.id, &self.cose()].concat();
        json!({
            "name": name,
            "clientData": B64.encode(self.client("webauthn.create", asked)),
            "authenticatorData": B64.encode(self.said(&attested)),
        })
    }

    /// What `navigator.credentials.get` gives.
    pub(crate) fn shows(&mut self, asked: &Value) -> Value {
        assert_eq!(asked["publicKey"]["userVerification"], "required");
        self.counter += 1;
        let (client, said) = (self.client("webauthn.get", &asked["publicKey"]), self.said(&[]));
        let signed = [said.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        json!({
            "ticket": asked["ticket"],
            "id": B64.encode(&self.id),
            "clientData": B64.encode(client),
            "authenticatorData": B64.encode(said),
            "signature": B64.encode(self.sign(&signed)),
            "userHandle": self.user,
        })
    }
}
