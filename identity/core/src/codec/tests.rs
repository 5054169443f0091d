use super::*;
use crate::{account, emergency, secret::SecretHash, session, text::Login};
use model::{Timestamp, WaitingRoomId};
use policy::{AccountId, EmergencyId, SessionId, StaffRole};
use proptest::prelude::*;
use uuid::Uuid;

const CANARY: &str = "canary";

fn account_events() -> Vec<account::Event> {
    use account::Event::*;
    let (invitation, expires_at) = (SecretHash::of("x"), Timestamp(9));
    let by = Some(AccountId(Uuid::from_u128(1)));
    let (roles, duties) = ([StaffRole::Clinician].into(), [WaitingRoomId(Uuid::from_u128(2))].into());
    let recovery: std::collections::BTreeSet<_> = [SecretHash::of("r")].into();
    let session = SessionId(Uuid::from_u128(3));
    let passkey = account::PasskeyId(Uuid::from_u128(4));
    let all = vec![
        Invited {
            login: Login::new("canary@b.c").unwrap(),
            name: CANARY.into(),
            roles,
            duties,
            invitation,
            expires_at,
            by,
        },
        Reinvited { invitation, expires_at, by: None },
        Joined {
            password: CANARY.into(),
            totp: CANARY.into(),
            step: 7,
            recovery: recovery.clone(),
            session: Some(session),
        },
        JoinedByPasskey {
            passkey,
            credential: "id".into(),
            key: "key".into(),
            counter: 1,
            name: CANARY.into(),
            answered: SecretHash::of("c"),
            session,
        },
        Provided {
            login: Login::new("canary@b.c").unwrap(),
            name: CANARY.into(),
            roles: [StaffRole::Sre].into(),
            session,
        },
        ProvidedAgain { roles: [StaffRole::Sre].into(), session },
        PasskeyAdded {
            passkey,
            credential: "id".into(),
            key: "key".into(),
            counter: 1,
            name: CANARY.into(),
            answered: SecretHash::of("c"),
        },
        PasskeyRemoved { passkey },
        PasskeyShown { passkey, counter: 2, answered: SecretHash::of("c"), session: None },
        RightsChanged { roles: [StaffRole::Sre].into(), duties: [].into(), by },
        Disabled { by },
        Enabled { by },
        SignedIn { session, step: 8 },
        Recovered { session, code: SecretHash::of("r") },
        Confirmed { step: 9 },
        PasswordChanged { password: CANARY.into() },
        RecoveryCodesMade { recovery },
    ];
    for event in &all {
        match event {
            Invited { .. } | Reinvited { .. } | Joined { .. } | RightsChanged { .. } | Disabled { .. } => {}
            Enabled { .. } | SignedIn { .. } | Recovered { .. } | Confirmed { .. } => {}
            PasswordChanged { .. } | RecoveryCodesMade { .. } => {}
            JoinedByPasskey { .. } | PasskeyAdded { .. } | PasskeyRemoved { .. } | PasskeyShown { .. } => {}
            Provided { .. } | ProvidedAgain { .. } => {}
        }
    }
    all
}

fn session_events() -> Vec<session::Event> {
    use session::Event::*;
    let refresh = SecretHash::of("t");
    let all = vec![
        Started {
            account: AccountId(Uuid::from_u128(1)),
            surroundings: session::Surroundings::Shared,
            refresh,
        },
        Renewed { refresh, beside: true },
        Renewed { refresh, beside: false },
        Locked,
        Mistaken,
        Unlocked,
        Confirmed,
        Ended { ending: session::Ending::Theft },
    ];
    for event in &all {
        match event {
            Started { .. } | Renewed { .. } | Locked | Mistaken | Unlocked | Confirmed | Ended { .. } => {}
        }
    }
    all
}

fn survives<E: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(events: Vec<E>) {
    for event in events {
        let Encoded { kind, body, phi } = encode(&event);
        assert_ne!(kind, "", "{event:?}");
        assert!(!body.contains(CANARY), "{body}");
        assert_eq!(decode::<E>(kind, SCHEMA, &body, phi.as_deref()).as_ref(), Ok(&event));
        assert_eq!(decode::<E>(kind, SCHEMA + 1, &body, phi.as_deref()).as_ref(), Ok(&event));
        let newer = decode::<E>(kind, SCHEMA + 2, &body, phi.as_deref());
        assert_eq!(newer, Err(DecodeError::TooNew { kind: kind.to_owned(), schema: SCHEMA + 2 }));
        let more = body.replacen('{', "{\"fromTheFuture\":1,", 1).replace(",}", "}");
        assert_eq!(decode::<E>(kind, SCHEMA, &more, phi.as_deref()), Ok(event));
    }
}

fn emergency_events() -> Vec<emergency::Event> {
    use emergency::Event::*;
    let (id, by) = (EmergencyId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
    let all = vec![
        EmergencyBegun {
            id,
            by,
            waiting_room: WaitingRoomId(Uuid::from_u128(3)),
            visit: Some(model::VisitId(Uuid::from_u128(4))),
            category: emergency::Category::Danger,
            reason: CANARY.into(),
            until: Timestamp(9),
        },
        EmergencyEnded { id },
        EmergencyReviewed { id, by, verdict: emergency::Verdict::NotJustified, note: CANARY.into() },
    ];
    for event in &all {
        match event {
            EmergencyBegun { .. } | EmergencyEnded { .. } | EmergencyReviewed { .. } => {}
        }
    }
    all
}

#[test]
fn every_event_survives_and_keeps_phi_apart() {
    survives(account_events());
    survives(session_events());
    survives(emergency_events());
}

#[test]
fn an_account_whose_phi_was_erased_still_loads_and_lets_nobody_in() {
    let mut account = None;
    for event in account_events().into_iter().take(3) {
        let Encoded { kind, body, phi } = encode(&event);
        let phi = phi.map(|_| ERASED);
        account = account::Account::evolve(account, Timestamp(1), decode(kind, SCHEMA, &body, phi).unwrap());
    }
    let account = account.unwrap();
    assert_eq!((account.name.expose().as_str(), account.login.expose()), (ERASED_TEXT, ERASED_TEXT));
    assert_eq!(account.factors().unwrap().password.as_ref().unwrap().expose(), ERASED_TEXT);
}

proptest! {
    #[test]
    fn arbitrary_text_is_an_event_or_an_error(kind in "[a-z-]{0,20}", body in any::<String>(), phi: Option<String>) {
        let _ = decode::<account::Event>(&kind, SCHEMA, &body, phi.as_deref());
        let _ = decode::<emergency::Event>(&kind, SCHEMA, &body, phi.as_deref());
        let _ = decode::<session::Event>(&kind, SCHEMA, &body, phi.as_deref());
    }
}
