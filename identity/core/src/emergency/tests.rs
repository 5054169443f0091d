use super::*;
use proptest::prelude::*;
use std::time::Duration;
use uuid::Uuid;

const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MILLI: Duration = Duration::from_millis(1);
const ROOM: WaitingRoomId = WaitingRoomId(Uuid::from_u128(1));

fn who(n: u128) -> AccountId {
    AccountId(Uuid::from_u128(n))
}

fn id(n: u128) -> EmergencyId {
    EmergencyId(Uuid::from_u128(n))
}

fn ask(of: u128, by: u128, reason: &str) -> Command {
    let (id, by, category) = (id(of), who(by), Category::Danger);
    Command::Ask { id, by, waiting_room: ROOM, visit: None, category, reason: reason.into() }
}

fn review(of: u128, by: u128, verdict: Verdict, note: &str) -> Command {
    Command::Review { id: id(of), by: who(by), verdict, note: note.into() }
}

const WHY: &str = "Unconscious, allergies unknown";

#[derive(Default)]
struct Story {
    all: Emergencies,
    after: Duration,
}

impl Story {
    fn now(&self) -> Timestamp {
        T0 + self.after
    }

    fn says(&mut self, command: Command) -> Result<usize, Rejection> {
        let events = decide(&self.all, self.now(), command)?;
        let count = events.len();
        events.into_iter().for_each(|event| self.all.evolve(T0 + self.after, event));
        Ok(count)
    }

    fn open(&self, by: u128) -> usize {
        self.all.grants(who(by), self.now()).len()
    }
}

#[test]
fn an_emergency_lasts_an_hour_for_whoever_declared_it() {
    let mut story = Story::default();
    story.says(ask(1, 7, WHY)).unwrap();
    assert_eq!((story.open(7), story.open(8)), (1, 0));
    story.after = EMERGENCY_TTL - MILLI;
    assert_eq!(story.open(7), 1);
    story.after = EMERGENCY_TTL;
    assert_eq!(story.open(7), 0);
    assert!(story.all.get(id(1)).unwrap().review.is_none(), "it waits for its review");
}

#[test]
fn whoever_declared_it_hands_it_back_and_nobody_else() {
    let mut story = Story::default();
    story.says(ask(1, 7, WHY)).unwrap();
    assert_eq!(story.says(Command::End { id: id(1), by: who(8) }), Err(Rejection::Unknown));
    assert_eq!(story.says(Command::End { id: id(2), by: who(7) }), Err(Rejection::Unknown));
    story.after = Duration::from_secs(9);
    assert_eq!(story.says(Command::End { id: id(1), by: who(7) }), Ok(1));
    assert_eq!(story.open(7), 0);
    assert_eq!(story.says(Command::End { id: id(1), by: who(7) }), Ok(0), "it is over: nothing is to change");
}

#[test]
fn somebody_else_reviews_it_once_and_finding_it_not_justified_ends_it() {
    let mut story = Story::default();
    story.says(ask(1, 7, WHY)).unwrap();
    story.says(ask(2, 7, WHY)).unwrap();
    assert_eq!(story.says(review(1, 7, Verdict::Justified, "")), Err(Rejection::Oneself));
    assert_eq!(story.says(review(9, 8, Verdict::Justified, "")), Err(Rejection::Unknown));
    assert_eq!(story.says(review(1, 8, Verdict::NotJustified, " ")), Err(Rejection::Note));
    assert_eq!(story.says(review(1, 8, Verdict::Justified, "")), Ok(1));
    assert_eq!(story.open(7), 2, "a justified one goes on");
    assert_eq!(story.says(review(1, 8, Verdict::NotJustified, "no")), Err(Rejection::Reviewed));
    assert_eq!(story.says(review(2, 8, Verdict::NotJustified, "Wrong patient")), Ok(1));
    assert_eq!(story.open(7), 1);
    assert_eq!(story.all.get(id(2)).unwrap().review.as_ref().unwrap().note.expose(), "Wrong patient");
}

#[test]
fn a_reason_is_demanded_up_to_its_limit_and_so_is_a_note() {
    let judged = |reason: &str| Story::default().says(ask(1, 7, reason));
    for bad in ["", "         ", "too short", "a bell \u{7} in between"] {
        assert_eq!(judged(bad), Err(Rejection::Reason), "{bad:?}");
    }
    assert_eq!(judged(&"é".repeat(*REASON_CHARS.start())), Ok(1));
    assert_eq!(judged(&"é".repeat(*REASON_CHARS.end())), Ok(1));
    assert_eq!(judged(&"é".repeat(REASON_CHARS.end() + 1)), Err(Rejection::Reason));
    let noted = |chars: usize| {
        let mut story = Story::default();
        story.says(ask(1, 7, WHY)).unwrap();
        story.says(review(1, 8, Verdict::NotJustified, &"n".repeat(chars)))
    };
    assert_eq!((noted(MAX_NOTE_CHARS), noted(MAX_NOTE_CHARS + 1)), (Ok(1), Err(Rejection::Note)));
}

#[test]
fn so_many_at_a_time_and_so_many_a_day_and_not_one_more() {
    let mut story = Story::default();
    for n in 0..MAX_OPEN_EMERGENCIES as u128 {
        assert_eq!(story.says(ask(n, 7, WHY)), Ok(1));
    }
    assert_eq!(story.says(ask(90, 7, WHY)), Err(Rejection::TooMany));
    assert_eq!(story.says(ask(90, 8, WHY)), Ok(1), "somebody else's are their own");
    let mut story = Story::default();
    for n in 0..MAX_EMERGENCIES_A_DAY as u128 {
        assert_eq!(story.says(ask(n, 7, WHY)), Ok(1));
        assert_eq!(story.says(Command::End { id: id(n), by: who(7) }), Ok(1));
    }
    assert_eq!(story.says(ask(90, 7, WHY)), Err(Rejection::TooMany));
    story.after = DAY;
    assert_eq!(story.says(ask(90, 7, WHY)), Ok(1));
}

#[test]
fn beyond_the_limit_the_oldest_reviewed_one_is_forgotten_and_else_the_oldest_is_counted() {
    let mut all = Emergencies::default();
    let begun = |n: u128, at: Timestamp| Event::EmergencyBegun {
        id: id(n),
        by: who(n),
        waiting_room: ROOM,
        visit: None,
        category: Category::Other,
        reason: WHY.into(),
        until: at + EMERGENCY_TTL,
    };
    for n in 0..MAX_EMERGENCIES_KEPT as u128 {
        let at = T0 + MILLI * u32::try_from(n).unwrap();
        all.evolve(at, begun(n, at));
    }
    let (by, note) = (who(9_999), Phi::default());
    all.evolve(T0, Event::EmergencyReviewed { id: id(2), by, verdict: Verdict::Justified, note });
    assert_eq!((all.known.len(), all.overlooked), (MAX_EMERGENCIES_KEPT, 0));
    let late = T0 + DAY;
    all.evolve(late, begun(90_000, late));
    assert_eq!((all.known.len(), all.overlooked, all.get(id(2))), (MAX_EMERGENCIES_KEPT, 0, None));
    all.evolve(late, begun(90_001, late));
    assert_eq!((all.known.len(), all.overlooked, all.get(id(0))), (MAX_EMERGENCIES_KEPT, 1, None));
}

#[derive(Clone, Debug)]
enum Step {
    Later(u32),
    Ask(u128, String),
    End(u128, u128),
    Review(u128, u128, bool, String),
}

fn step() -> impl Strategy<Value = Step> {
    let text = || prop_oneof![Just(WHY.to_owned()), ".{0,20}"];
    prop_oneof![
        (0..2_000_u32).prop_map(Step::Later),
        (0..4_u128, text()).prop_map(|(by, why)| Step::Ask(by, why)),
        (0..30_u128, 0..4_u128).prop_map(|(of, by)| Step::End(of, by)),
        (0..30_u128, 0..4_u128, any::<bool>(), text())
            .prop_map(|(of, by, yes, note)| Step::Review(of, by, yes, note)),
    ]
}

proptest! {
    /// Whatever people do, in whatever order: nobody has more than they may, nothing lasts longer than it may, nothing
    /// goes on that was found wrong, nobody judges themselves, nothing is judged twice, and what is replayed is the same.
    #[test]
    fn nobody_ever_gets_more_than_the_rules_give(steps in prop::collection::vec(step(), 0..60)) {
        let mut story = Story::default();
        let mut recorded: Vec<(Timestamp, Event)> = Vec::new();
        let mut next = 0;
        for step in steps {
            let command = match step {
                Step::Later(seconds) => {
                    story.after += Duration::from_secs(seconds.into());
                    continue;
                }
                Step::Ask(by, why) => {
                    next += 1;
                    ask(next - 1, by, &why)
                }
                Step::End(of, by) => Command::End { id: id(of), by: who(by) },
                Step::Review(of, by, yes, note) => {
                    review(of, by, if yes { Verdict::Justified } else { Verdict::NotJustified }, &note)
                }
            };
            let now = story.now();
            let before = story.all.clone();
            match decide(&story.all, now, command) {
                Err(_) => prop_assert_eq!(&story.all, &before),
                Ok(events) => for event in events {
                    if let Event::EmergencyReviewed { id, by, .. } = &event {
                        let was = before.get(*id).unwrap();
                        prop_assert!(was.review.is_none() && was.by != *by);
                    }
                    recorded.push((now, event.clone()));
                    story.all.evolve(now, event);
                },
            }
            for (_, one) in story.all.all() {
                prop_assert!(one.until <= one.at + EMERGENCY_TTL);
                prop_assert!(REASON_CHARS.contains(&one.reason.expose().chars().count()));
                let wrong = one.review.as_ref().is_some_and(|review| review.verdict == Verdict::NotJustified);
                prop_assert!(!(wrong && one.lasts(now)));
            }
            for by in 0..4 {
                prop_assert!(story.open(by) <= MAX_OPEN_EMERGENCIES);
                let day = story.all.all().filter(|(_, one)| one.by == who(by) && now.since(one.at) < DAY).count();
                prop_assert!(day <= MAX_EMERGENCIES_A_DAY);
            }
        }
        let mut again = Emergencies::default();
        recorded.into_iter().for_each(|(at, event)| again.evolve(at, event));
        prop_assert_eq!(again, story.all);
    }
}
