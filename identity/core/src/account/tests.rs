use super::*;
use policy::StaffRole;
use std::time::Duration;
use uuid::Uuid;

const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ANA: AccountId = AccountId(Uuid::from_u128(1));
const BEN: AccountId = AccountId(Uuid::from_u128(2));

/// Ana's account and the time.
struct Story {
    account: Option<Account>,
    now: Timestamp,
}

impl Story {
    fn invited() -> Self {
        let mut story = Self { account: None, now: T0 };
        story.says(invite("link 1")).unwrap();
        story
    }

    fn joined() -> Self {
        let mut story = Self::invited();
        story.says(join("link 1")).unwrap();
        story
    }

    fn says(&mut self, command: Command) -> Result<Event, Rejection> {
        let event = decide(self.account.as_ref(), ANA, self.now, command)?;
        self.account = Account::evolve(self.account.take(), self.now, event.clone());
        Ok(event)
    }

    fn account(&self) -> &Account {
        self.account.as_ref().unwrap()
    }
}

fn invite(link: &str) -> Command {
    Command::Invite {
        login: Login::new("ana@b.c").unwrap(),
        name: "Ana".into(),
        roles: [StaffRole::Clinician].into(),
        duties: Duties::new(),
        invitation: SecretHash::of(link),
        by: Some(BEN),
    }
}

fn join(link: &str) -> Command {
    Command::Join {
        invitation: SecretHash::of(link),
        password: "hash".into(),
        totp: "secret".into(),
        step: 100,
        recovery: [SecretHash::of("r1"), SecretHash::of("r2")].into(),
        session: SessionId(Uuid::from_u128(8)),
    }
}

fn sign_in(second: Second) -> Command {
    Command::SignIn { session: SessionId(Uuid::from_u128(9)), second }
}

#[test]
fn an_invitation_works_once_until_it_is_too_old_or_replaced() {
    let mut story = Story::invited();
    assert_eq!(story.says(join("link 2")), Err(Rejection::NoInvitation));
    story.now = T0 + INVITATION_TTL;
    assert_eq!(story.says(join("link 1")), Err(Rejection::NoInvitation));
    story.says(Command::Reinvite { invitation: SecretHash::of("link 2"), by: Some(BEN) }).unwrap();
    assert_eq!(story.says(join("link 1")), Err(Rejection::NoInvitation));
    story.now = story.now + INVITATION_TTL - Duration::from_millis(1);
    story.says(join("link 2")).unwrap();
    assert_eq!(story.says(join("link 2")), Err(Rejection::NoInvitation));
    assert!(story.account().factors().is_some());
}

#[test]
fn a_code_of_the_app_counts_once_and_so_do_those_before_it() {
    let mut story = Story::joined();
    for step in [99, 100] {
        assert_eq!(story.says(sign_in(Second::Code { step })), Err(Rejection::WrongCode));
    }
    story.says(sign_in(Second::Code { step: 102 })).unwrap();
    assert_eq!(story.says(sign_in(Second::Code { step: 101 })), Err(Rejection::WrongCode));
    assert_eq!(story.says(Command::Confirm { step: 102 }), Err(Rejection::WrongCode));
    story.says(Command::Confirm { step: 103 }).unwrap();
    assert_eq!(story.says(sign_in(Second::Code { step: 103 })), Err(Rejection::WrongCode));
}

#[test]
fn a_recovery_code_is_used_up_and_new_ones_replace_all_that_are_left() {
    let mut story = Story::joined();
    let recover = |code| sign_in(Second::Recovery(SecretHash::of(code)));
    assert_eq!(story.says(recover("r3")), Err(Rejection::WrongCode));
    story.says(recover("r1")).unwrap();
    assert_eq!(story.says(recover("r1")), Err(Rejection::WrongCode));
    story.says(Command::MakeRecoveryCodes { recovery: [SecretHash::of("r3")].into() }).unwrap();
    assert_eq!(story.says(recover("r2")), Err(Rejection::WrongCode));
    story.says(recover("r3")).unwrap();
}

#[test]
fn who_is_disabled_or_begins_anew_is_let_in_no_more_and_their_sessions_are_over() {
    let mut story = Story::joined();
    story.says(sign_in(Second::Code { step: 101 })).unwrap();
    assert_eq!(story.account().sessions.len(), 2);
    story.now = T0 + Duration::from_secs(1);
    story.says(Command::Admit { admit: false, by: Some(BEN) }).unwrap();
    assert_eq!((story.account().sessions.len(), story.account().sessions_since), (0, story.now));
    assert_eq!(story.says(sign_in(Second::Code { step: 102 })), Err(Rejection::NotActive));
    let anew = Command::Reinvite { invitation: SecretHash::of("link 2"), by: Some(BEN) };
    assert_eq!(story.says(anew.clone()), Err(Rejection::NotActive));
    story.says(Command::Admit { admit: true, by: Some(BEN) }).unwrap();
    story.says(sign_in(Second::Code { step: 102 })).unwrap();
    story.says(anew).unwrap();
    assert_eq!(story.says(sign_in(Second::Code { step: 103 })), Err(Rejection::NotActive));
    assert_eq!(story.says(Command::ChangePassword { password: "x".into() }), Err(Rejection::NotActive));
}

#[test]
fn who_was_disabled_before_they_joined_can_join_when_they_are_let_in_again() {
    let mut story = Story::invited();
    story.says(Command::Admit { admit: false, by: Some(BEN) }).unwrap();
    assert_eq!(story.says(join("link 1")), Err(Rejection::NoInvitation));
    story.says(Command::Admit { admit: true, by: Some(BEN) }).unwrap();
    story.says(join("link 1")).unwrap();
}

#[test]
fn nobody_changes_their_own_rights() {
    let mut story = Story::joined();
    let (roles, duties, by) = ([StaffRole::Auditor].into(), Duties::new(), Some(ANA));
    for own in [
        Command::ChangeRights { roles, duties, by },
        Command::Admit { admit: false, by },
        Command::Reinvite { invitation: SecretHash::of("x"), by },
    ] {
        assert_eq!(story.says(own), Err(Rejection::Oneself));
    }
}

#[test]
fn somebody_has_a_role_and_no_more_waiting_rooms_than_the_limit() {
    let mut story = Story::joined();
    let change = |roles: &[StaffRole], duties: usize| Command::ChangeRights {
        roles: roles.iter().copied().collect(),
        duties: (0..duties).map(|n| WaitingRoomId(Uuid::from_u128(n as u128))).collect(),
        by: Some(BEN),
    };
    assert_eq!(story.says(change(&[], 0)), Err(Rejection::NoRole));
    assert_eq!(story.says(change(&[StaffRole::Sre], MAX_DUTIES + 1)), Err(Rejection::TooManyDuties));
    story.says(change(&[StaffRole::Sre], MAX_DUTIES)).unwrap();
    assert_eq!(story.account().duties.len(), MAX_DUTIES);
}

#[test]
fn an_account_is_invited_once_and_lists_its_newest_sessions() {
    let mut story = Story::joined();
    assert_eq!(story.says(invite("link 2")), Err(Rejection::Exists));
    for n in 0..=MAX_LISTED_SESSIONS as u128 {
        let (session, second) = (SessionId(Uuid::from_u128(n)), Second::Code { step: 200 + n as u64 });
        story.says(Command::SignIn { session, second }).unwrap();
    }
    assert_eq!(story.account().sessions.len(), MAX_LISTED_SESSIONS);
    assert_eq!(story.account().sessions[0], SessionId(Uuid::from_u128(1)));
    assert_eq!(decide(None, ANA, T0, Command::Confirm { step: 1 }), Err(Rejection::Unknown));
}

fn key(n: u128) -> NewPasskey {
    NewPasskey {
        id: PasskeyId(Uuid::from_u128(n)),
        credential: format!("credential {n}"),
        key: "key".into(),
        counter: 1,
        name: "Laptop".into(),
    }
}

fn add(n: u128) -> Command {
    Command::AddPasskey { passkey: key(n), answered: SecretHash::of(&format!("made {n}")) }
}

fn show(n: u128, counter: u32, challenge: &str) -> Command {
    let (passkey, answered) = (PasskeyId(Uuid::from_u128(n)), SecretHash::of(challenge));
    Command::ShowPasskey { passkey, counter, answered, session: Some(SessionId(Uuid::from_u128(9))) }
}

#[test]
fn a_passkey_counts_for_each_challenge_once_and_its_counter_goes_on() {
    let mut story = Story::joined();
    story.says(add(1)).unwrap();
    assert_eq!(story.says(add(1)), Err(Rejection::PasskeyKnown));
    assert_eq!(story.says(show(2, 2, "a")), Err(Rejection::WrongPasskey));
    story.says(show(1, 2, "a")).unwrap();
    assert_eq!(story.says(show(1, 3, "a")), Err(Rejection::WrongPasskey), "answered before");
    assert_eq!(story.says(show(1, 2, "b")), Err(Rejection::WrongPasskey), "a copy counts by itself");
    assert_eq!(story.says(show(1, 0, "b")), Err(Rejection::WrongPasskey));
    story.says(show(1, 3, "b")).unwrap();
    let shown = story.account().factors().unwrap().passkeys[0].shown_at;
    assert_eq!(shown, Some(T0));
}

#[test]
fn a_passkey_that_never_counts_is_taken() {
    let mut story = Story::joined();
    let passkey = NewPasskey { counter: 0, ..key(1) };
    story.says(Command::AddPasskey { passkey, answered: SecretHash::of("x") }).unwrap();
    story.says(show(1, 0, "a")).unwrap();
    story.says(show(1, 0, "b")).unwrap();
}

#[test]
fn answered_challenges_are_remembered_as_long_as_they_could_come_again_and_no_more_than_so_many() {
    let mut story = Story::joined();
    story.says(add(1)).unwrap();
    // Making it has answered one.
    for n in 1..u32::try_from(MAX_ANSWERED).unwrap() {
        story.says(show(1, n + 1, &n.to_string())).unwrap();
    }
    assert_eq!(story.says(show(1, 100, "one more")), Err(Rejection::WrongPasskey));
    story.now = T0 + CHALLENGE_TTL;
    story.says(show(1, 100, "one more")).unwrap();
    assert_eq!(story.account().factors().unwrap().answered.len(), 1);
}

#[test]
fn passkeys_are_so_many_and_the_last_way_in_stays() {
    let mut story = Story::invited();
    let joins = |link| Command::JoinByPasskey {
        invitation: SecretHash::of(link),
        passkey: key(0),
        answered: SecretHash::of("made 0"),
        session: SessionId(Uuid::from_u128(8)),
    };
    assert_eq!(story.says(joins("link 2")), Err(Rejection::NoInvitation));
    story.says(joins("link 1")).unwrap();
    let remove = |n| Command::RemovePasskey { passkey: PasskeyId(Uuid::from_u128(n)) };
    assert_eq!(story.says(remove(0)), Err(Rejection::LastWayIn));
    assert_eq!(story.says(remove(5)), Err(Rejection::Unknown));
    for without in [
        Command::ChangePassword { password: "x".into() },
        Command::MakeRecoveryCodes { recovery: BTreeSet::new() },
    ] {
        assert_eq!(story.says(without), Err(Rejection::NotActive));
    }
    for n in 1..MAX_PASSKEYS as u128 {
        story.says(add(n)).unwrap();
    }
    assert_eq!(story.says(add(99)), Err(Rejection::TooManyPasskeys));
    story.says(remove(0)).unwrap();
    assert_eq!(story.says(show(0, 9, "z")), Err(Rejection::WrongPasskey));
    // Who has a password as well can do without any.
    let mut story = Story::joined();
    story.says(add(1)).unwrap();
    story.says(remove(1)).unwrap();
}

#[test]
fn who_begins_anew_has_no_passkeys_left() {
    let mut story = Story::joined();
    story.says(add(1)).unwrap();
    story.says(Command::Reinvite { invitation: SecretHash::of("link 2"), by: Some(BEN) }).unwrap();
    assert_eq!(story.says(show(1, 2, "a")), Err(Rejection::NotActive));
    story.says(join("link 2")).unwrap();
    assert_eq!(story.says(show(1, 2, "a")), Err(Rejection::WrongPasskey));
}

#[test]
fn the_hospital_s_sign_in_says_anew_each_time_as_what_somebody_works() {
    let mut story = Story { account: None, now: T0 };
    let provide = |roles: &[StaffRole]| Command::Provide {
        login: Login::new("ana@b.c").unwrap(),
        name: "Ana".into(),
        roles: roles.iter().copied().collect(),
        session: SessionId(Uuid::from_u128(9)),
    };
    assert_eq!(story.says(provide(&[])), Err(Rejection::NoRole));
    story.says(provide(&[StaffRole::Clinician])).unwrap();
    story.says(provide(&[StaffRole::Auditor])).unwrap();
    assert_eq!(story.account().roles, [StaffRole::Auditor].into());
    assert_eq!(story.says(provide(&[])), Err(Rejection::NoRole));
    story.says(Command::Admit { admit: false, by: Some(BEN) }).unwrap();
    assert_eq!(story.says(provide(&[StaffRole::Auditor])), Err(Rejection::NotActive));
    // Somebody who was invited is not taken over by it.
    assert_eq!(Story::joined().says(provide(&[StaffRole::Auditor])), Err(Rejection::Exists));
}
