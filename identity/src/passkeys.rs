//! Passkeys (WebAuthn Level 3): what browsers are asked, and whether what they answer is signed by the key they have.
//!
//! A challenge is the SHA-256 of a ticket that this service has signed and keeps no copy of: any process of a fleet can
//! judge the answer, and asking for many costs no memory. That each counts once is remembered by the account that
//! answered it.

use crate::{
    limits::{MAX_ENCODED_BYTES, PASSKEY_TIMEOUT},
    service::Identity,
};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use identity_core::{
    account::{Account, NewPasskey, Passkey, PasskeyId},
    limits::CHALLENGE_TTL,
    passkey::{ALGORITHMS, Ceremony, PublicKey, RelyingParty, Unfit, check_client, read_authenticator},
    secret::SecretHash,
};
use model::Phi;
use policy::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a challenge is for: the `aud` of its ticket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To sign in, whoever it is.
    SignIn,
    /// To unlock or to confirm.
    Show,
    /// To make one more.
    Add,
}

impl Purpose {
    const fn audience(self) -> &'static str {
        match self {
            Self::SignIn => "passkey-sign-in",
            Self::Show => "passkey-show",
            Self::Add => "passkey-add",
        }
    }
}

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct TicketClaims {
    /// Who may answer; anybody if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<AccountId>,
}

/// What a page passes on to `navigator.credentials`.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PasskeyAsked")]
pub(crate) struct Asked {
    pub(crate) ticket: String,
    pub(crate) public_key: Value,
}

/// What a browser answers where a passkey was shown. Bytes are base64url.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ShownPasskey {
    pub(crate) ticket: String,
    pub(crate) id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

/// What a browser answers where one was made.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct MadePasskey {
    pub(crate) name: Phi<String>,
    client_data: String,
    authenticator_data: String,
}

/// Why a passkey does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The challenge is too old, or none of ours.
    BeginAgain,
    /// Whatever else: people are told one thing.
    Wrong,
}

impl From<Unfit> for Refused {
    fn from(unfit: Unfit) -> Self {
        tracing::debug!(%unfit, "A passkey was refused");
        Self::Wrong
    }
}

/// What the challenge of a ticket is, base64url.
pub(crate) fn challenge(ticket: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, ticket.as_bytes()))
}

fn bytes(encoded: &str) -> Result<Vec<u8>, Refused> {
    let whole = encoded.len() <= MAX_ENCODED_BYTES;
    whole.then(|| URL_SAFE_NO_PAD.decode(encoded).ok()).flatten().ok_or(Refused::Wrong)
}

fn timeout_ms() -> u64 {
    u64::try_from(PASSKEY_TIMEOUT.as_millis()).unwrap_or(u64::MAX)
}

impl Identity {
    /// Where passkeys are bound to: the unit's own host. None if browsers cannot use them there.
    pub(crate) fn relying_party(&self) -> Option<RelyingParty> {
        RelyingParty::of(self.public_url())
    }

    fn challenge_ticket(&self, purpose: Purpose, account: Option<AccountId>) -> String {
        self.ticket(purpose.audience(), CHALLENGE_TTL, TicketClaims { account })
    }

    /// Asks for a passkey: one of `of`, or whichever the browser has for this host.
    pub(crate) fn ask_for_passkey(
        &self,
        at: &RelyingParty,
        purpose: Purpose,
        of: Option<(AccountId, &Account)>,
    ) -> Asked {
        let ticket = self.challenge_ticket(purpose, of.map(|(id, _)| id));
        let allowed = of.map_or_else(Vec::new, |(_, account)| descriptors(account));
        let public_key = json!({
            "challenge": challenge(&ticket),
            "rpId": at.id,
            "timeout": timeout_ms(),
            "userVerification": "required",
            "allowCredentials": allowed,
        });
        Asked { ticket, public_key }
    }

    /// Asks for one more.
    pub(crate) fn ask_to_add(&self, at: &RelyingParty, id: AccountId, account: &Account) -> Asked {
        let ticket = self.challenge_ticket(Purpose::Add, Some(id));
        let public_key = self.creation(at, &ticket, id, account);
        Asked { ticket, public_key }
    }

    /// What a browser needs to make a passkey for whom a ticket is.
    pub(crate) fn creation(
        &self,
        at: &RelyingParty,
        ticket: &str,
        id: AccountId,
        account: &Account,
    ) -> Value {
        let kinds = ALGORITHMS.map(|algorithm| json!({ "type": "public-key", "alg": algorithm }));
        json!({
            "challenge": challenge(ticket),
            "rp": { "id": at.id, "name": self.unit },
            "user": {
                "id": URL_SAFE_NO_PAD.encode(id.0.as_bytes()),
                "name": account.login.expose(),
                "displayName": account.name.expose(),
            },
            "pubKeyCredParams": kinds,
            "excludeCredentials": descriptors(account),
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "attestation": "none",
            "timeout": timeout_ms(),
        })
    }

    /// The passkey that was made for a ticket, which the caller has verified.
    pub(crate) fn made(
        &self,
        ticket: &str,
        name: Phi<String>,
        said: &MadePasskey,
    ) -> Result<NewPasskey, Refused> {
        let at = self.relying_party().ok_or(Refused::Wrong)?;
        check_client(&bytes(&said.client_data)?, Ceremony::Create, &challenge(ticket), &at)?;
        let authenticator = read_authenticator(&bytes(&said.authenticator_data)?, &at)?;
        let made = authenticator.made.ok_or(Refused::Wrong)?;
        Ok(NewPasskey {
            id: PasskeyId(platform::ids::fresh()),
            credential: URL_SAFE_NO_PAD.encode(made.credential),
            key: URL_SAFE_NO_PAD.encode(made.key),
            counter: authenticator.counter,
            name,
        })
    }

    /// Whether a ticket is of this purpose and person.
    pub(crate) fn check_ticket(
        &self,
        purpose: Purpose,
        account: Option<AccountId>,
        ticket: &str,
    ) -> Result<(), Refused> {
        let claims = self.ticketed::<TicketClaims>(purpose.audience(), ticket).ok_or(Refused::BeginAgain)?;
        if claims.account == account { Ok(()) } else { Err(Refused::Wrong) }
    }
}

impl ShownPasskey {
    /// Whose it says it is: what the browser was given as the person's id when the passkey was made.
    pub(crate) fn account(&self) -> Option<AccountId> {
        let handle = bytes(self.user_handle.as_deref()?).ok()?;
        Uuid::from_slice(&handle).ok().map(AccountId)
    }

    /// Which of somebody's passkeys it is and how often it has signed, if the signature is right and over this ticket's
    /// challenge. The caller has verified the ticket.
    pub(crate) fn check(&self, at: &RelyingParty, account: &Account) -> Result<(PasskeyId, u32), Refused> {
        let passkeys = account.factors().map_or(&[][..], |factors| &factors.passkeys);
        let known = passkeys.iter().find(|one| one.made.credential == self.id).ok_or(Refused::Wrong)?;
        let (client, authenticator) = (bytes(&self.client_data)?, bytes(&self.authenticator_data)?);
        check_client(&client, Ceremony::Get, &challenge(&self.ticket), at)?;
        let said = read_authenticator(&authenticator, at)?;
        let key = PublicKey::read(&bytes(&known.made.key)?)?;
        let signed = [authenticator.as_slice(), digest(&SHA256, &client).as_ref()].concat();
        if is_signed(&key, &signed, &bytes(&self.signature)?) {
            Ok((known.made.id, said.counter))
        } else {
            Err(Refused::Wrong)
        }
    }

    /// What the account remembers of the challenge.
    pub(crate) fn answered(&self) -> SecretHash {
        SecretHash::of(&self.ticket)
    }
}

fn is_signed(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let checked = match key {
        PublicKey::Es256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
        }
        PublicKey::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        PublicKey::Rs256 { n, e } => {
            RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        }
    };
    checked.is_ok()
}

fn descriptors(account: &Account) -> Vec<Value> {
    let passkeys = account.factors().map_or(&[][..], |factors| &factors.passkeys);
    let one = |passkey: &Passkey| json!({ "type": "public-key", "id": passkey.made.credential });
    passkeys.iter().map(one).collect()
}
