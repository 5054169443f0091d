use super::*;
use policy::AccountId;
use uuid::Uuid;

const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn token(n: u32) -> SecretHash {
    SecretHash::of(&n.to_string())
}

/// A session and the time.
struct Story {
    session: Option<Session>,
    now: Timestamp,
}

impl Story {
    fn begun(surroundings: Surroundings) -> Self {
        let mut story = Self { session: None, now: T0 };
        let account = AccountId(Uuid::from_u128(1));
        story.says(Command::Start { account, surroundings, refresh: token(0) }).unwrap();
        story
    }

    fn says(&mut self, command: Command) -> Result<Vec<Event>, Rejection> {
        let events = decide(self.session.as_ref(), self.now, command)?;
        for event in events.clone() {
            self.session = Session::evolve(self.session.take(), self.now, event);
        }
        Ok(events)
    }

    fn renews(&mut self, shown: u32, next: u32) -> Result<Vec<Event>, Rejection> {
        self.says(Command::Renew { shown: token(shown), next: token(next), idle: Duration::ZERO })
    }

    fn later(&mut self, by: Duration) -> &mut Self {
        self.now = self.now + by;
        self
    }

    fn ended(&self) -> Option<Ending> {
        self.session.as_ref().unwrap().ended
    }
}

#[test]
fn a_token_is_replaced_each_time_and_one_that_comes_again_ends_the_session_for_everybody() {
    let mut story = Story::begun(Surroundings::Ward);
    for n in 0..5 {
        assert_eq!(
            story.later(MINUTE).renews(n, n + 1).unwrap(),
            [Event::Renewed { refresh: token(n + 1), beside: false }]
        );
    }
    assert_eq!(story.later(MINUTE).renews(2, 9).unwrap(), [Event::Ended { ending: Ending::Theft }]);
    assert_eq!(story.renews(5, 10), Err(Rejection::Over(Ending::Theft)));
}

#[test]
fn a_guess_does_not_end_anybodys_session() {
    let mut story = Story::begun(Surroundings::Ward);
    assert_eq!(story.renews(77, 78), Err(Rejection::Unknown));
    assert_eq!(story.ended(), None);
    assert!(story.renews(0, 1).is_ok());
}

#[test]
fn two_tabs_that_ask_at_once_both_go_on_whichever_answer_the_browser_keeps() {
    for kept in [1, 2] {
        let mut story = Story::begun(Surroundings::Ward);
        story.later(MINUTE).renews(0, 1).unwrap();
        let second = story.later(RENEWAL_GRACE).renews(0, 2).unwrap();
        assert_eq!(second, [Event::Renewed { refresh: token(2), beside: true }]);
        story.later(5 * MINUTE).renews(kept, 3).unwrap();
        // The other one was stolen, then, if it ever comes.
        story.later(RENEWAL_GRACE + Duration::from_millis(1)).renews(3 - kept, 4).unwrap();
        assert_eq!(story.ended(), Some(Ending::Theft));
    }
}

#[test]
fn a_replaced_token_counts_until_the_grace_is_over_and_not_a_moment_longer() {
    for (late, ended) in [(Duration::ZERO, None), (Duration::from_millis(1), Some(Ending::Theft))] {
        let mut story = Story::begun(Surroundings::Ward);
        story.renews(0, 1).unwrap();
        story.later(RENEWAL_GRACE + late).renews(0, 2).unwrap();
        assert_eq!(story.ended(), ended);
    }
}

#[test]
fn so_many_tabs_may_ask_at_once_and_the_next_asks_again() {
    let mut story = Story::begun(Surroundings::Ward);
    for n in 0..MAX_CURRENT as u32 {
        story.renews(0, 1 + n).unwrap();
    }
    assert_eq!(story.renews(0, 99), Err(Rejection::Unknown));
    assert!(story.renews(1, 100).is_ok());
}

#[test]
fn a_session_remembers_as_many_replaced_tokens_as_it_says() {
    let mut story = Story::begun(Surroundings::Ward);
    for n in 0..=MAX_REPLACED as u32 {
        story.later(RENEWAL_GRACE * 2).renews(n, n + 1).unwrap();
    }
    assert_eq!(story.later(RENEWAL_GRACE * 2).renews(0, 9_999), Err(Rejection::Unknown));
    story.renews(1, 9_999).unwrap();
    assert_eq!(story.ended(), Some(Ending::Theft));
}

#[test]
fn a_screen_nobody_touches_is_locked_as_soon_as_its_surroundings_say() {
    for (surroundings, minutes) in
        [(Surroundings::Shared, 5), (Surroundings::Ward, 15), (Surroundings::Private, 30)]
    {
        let mut story = Story::begun(surroundings);
        let renew = |idle, shown, next| Command::Renew { shown: token(shown), next: token(next), idle };
        let almost = minutes * MINUTE - Duration::from_millis(1);
        assert_eq!(story.says(renew(almost, 0, 1)).unwrap().len(), 1);
        assert_eq!(story.says(renew(minutes * MINUTE, 1, 2)).unwrap()[1], Event::Locked);
        assert_eq!(story.says(renew(minutes * MINUTE, 2, 3)).unwrap().len(), 1, "once");
    }
}

#[test]
fn a_locked_session_is_unlocked_by_the_right_factor_and_ends_after_too_many_wrong_ones() {
    let mut story = Story::begun(Surroundings::Ward);
    story.says(Command::Lock).unwrap();
    assert_eq!(story.says(Command::Lock).unwrap(), []);
    assert_eq!(story.says(Command::Confirm), Err(Rejection::Locked));
    for _ in 1..MAX_WRONG_UNLOCKS {
        assert_eq!(story.says(Command::Unlock { right: false }).unwrap(), [Event::Mistaken]);
    }
    let mut unlocked = Story { session: story.session.clone(), now: story.now };
    unlocked.later(MINUTE).says(Command::Unlock { right: true }).unwrap();
    let session = unlocked.session.unwrap();
    assert_eq!((session.locked, session.confirmed_at), (None, T0 + MINUTE));
    story.says(Command::Unlock { right: false }).unwrap();
    assert_eq!(story.ended(), Some(Ending::WrongFactors));
}

#[test]
fn a_session_is_over_after_half_a_day_whatever_happened() {
    let mut story = Story::begun(Surroundings::Private);
    story.now = T0 + SESSION_TTL - Duration::from_millis(1);
    assert!(story.session.as_ref().unwrap().is_open(story.now));
    story.renews(0, 1).unwrap();
    story.later(Duration::from_millis(1));
    assert!(!story.session.as_ref().unwrap().is_open(story.now));
    assert_eq!(story.renews(1, 2).unwrap(), [Event::Ended { ending: Ending::Expired }]);
}

#[test]
fn what_is_not_there_can_only_begin_and_begins_once() {
    for command in [Command::Lock, Command::Confirm, Command::End { ending: Ending::SignedOut }] {
        assert_eq!(decide(None, T0, command), Err(Rejection::Unknown));
    }
    let mut story = Story::begun(Surroundings::Ward);
    let account = AccountId(Uuid::from_u128(2));
    let again = Command::Start { account, surroundings: Surroundings::Ward, refresh: token(5) };
    assert_eq!(story.says(again), Err(Rejection::Unknown));
}
