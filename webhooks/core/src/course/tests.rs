use super::*;
use crate::{limits::MAX_ORDERS_KEPT, notice::Kind, webhook::Order};
use policy::AccountId;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn webhook() -> Webhook {
    Webhook {
        by: AccountId(Uuid::from_u128(1)),
        url: "https://his.example".to_owned().into(),
        events: Kind::ALL.into(),
        note: String::new().into(),
        added_at: NOW,
        secret: "secret".to_owned().into(),
        old_secret: None,
        off: None,
        orders: Default::default(),
    }
}

fn order(webhook: &mut Webhook, from: Option<u64>) {
    let number = webhook.ordered() + 1;
    webhook.orders.push_back(Order { number, from });
}

#[test]
fn pauses_double_between_their_bounds() {
    for (before, least, most) in [(0, 500, 1_000), (1, 1_000, 2_000), (5, 16_000, 32_000)] {
        assert_eq!(pause(before, 0), Duration::from_millis(least));
        assert_eq!(pause(before, u32::MAX), Duration::from_millis(most));
    }
    for before in [12, 30, 31, u32::MAX] {
        assert_eq!(pause(before, u32::MAX), LONGEST_RETRY, "{before}");
    }
    assert!(pause(11, u32::MAX) < LONGEST_RETRY);
}

#[test]
fn it_is_switched_off_after_days_of_nothing_but_failures_and_not_before() {
    let mut course = Course::after(0);
    let refused = Answer::Refused(500);
    assert_eq!(course.answered(1, refused, NOW, 0), Verdict::Again);
    let last = NOW + OFF_AFTER;
    let before = Timestamp(last.as_millis() - 1);
    assert_eq!(course.clone().answered(1, refused, before, 0), Verdict::Again);
    assert_eq!(course.clone().answered(1, refused, last, 0), Verdict::Off(Because::Failing));
    // One that was accepted begins anew.
    assert_eq!(course.answered(1, Answer::Accepted(204), before, 0), Verdict::Next);
    assert_eq!(course.answered(2, refused, last, 0), Verdict::Again);
}

#[test]
fn who_says_that_it_is_gone_is_taken_at_its_word() {
    let mut course = Course::after(0);
    assert_eq!(course.answered(1, Answer::Refused(410), NOW, 0), Verdict::Off(Because::Gone));
    assert_eq!(course.cursor, 0, "what was not accepted is sent when it is switched on again");
}

#[test]
fn an_order_is_carried_out_once_and_the_earliest_of_several_counts() {
    let (mut course, mut webhook) = (Course::after(50), webhook());
    assert!(!course.obey(&webhook));
    course.answered(51, Answer::NoName, NOW, 0);
    order(&mut webhook, Some(10));
    order(&mut webhook, Some(40));
    order(&mut webhook, None);
    assert!(course.obey(&webhook) && !course.obey(&webhook));
    assert_eq!((course.cursor, course.ordered, course.failing), (9, 3, None));
    course.answered(10, Answer::Accepted(200), NOW, 0);
    order(&mut webhook, Some(90));
    assert!(course.obey(&webhook));
    assert_eq!(course.cursor, 10, "a replay of what is still to come passes over nothing");
    order(&mut webhook, Some(0));
    assert!(course.obey(&webhook));
    assert_eq!(course.cursor, 0);
    assert!(webhook.orders.len() < MAX_ORDERS_KEPT);
}

#[test]
fn what_went_wrong_is_said_in_words() {
    for (answer, says) in [
        (Answer::Refused(302), "final address"),
        (Answer::Refused(401), "secret"),
        (Answer::Refused(503), "503"),
        (Answer::Forbidden, "private network"),
        (Answer::NotTrusted, "certificate"),
    ] {
        assert!(answer.words().contains(says), "{}", answer.words());
    }
}

/// What may come between two events of the world.
#[derive(Clone, Debug)]
enum Happens {
    /// The receiver has it, and says so or not; the note of it is kept or lost with the process.
    Sent {
        received: bool,
        answer: Answer,
        noted: bool,
    },
    /// Somebody wants everything again from an event on.
    Replay(u64),
    Time(u32),
}

fn happens() -> impl Strategy<Value = Happens> {
    let failures = prop_oneof![
        (300_u16..600).prop_map(Answer::Refused),
        Just(Answer::TooLate),
        Just(Answer::NoConnection),
        Just(Answer::Broken),
        Just(Answer::NotTrusted),
    ];
    prop_oneof![
        6 => any::<bool>().prop_map(|noted| Happens::Sent { received: true, answer: Answer::Accepted(200), noted }),
        // Whether somebody has it who did not say so, nobody knows.
        4 => (any::<bool>(), failures, any::<bool>())
            .prop_map(|(received, answer, noted)| Happens::Sent { received, answer, noted }),
        1 => (1_u64..12).prop_map(Happens::Replay),
        3 => any::<u32>().prop_map(Happens::Time),
    ]
}

proptest! {
    #[test]
    fn everything_arrives_in_order_whatever_happens(
        all in prop::collection::vec(happens(), 0..80), events in 1_u64..12, random: u32
    ) {
        let (mut kept, mut webhook) = (Course::default(), webhook());
        let (mut received, mut now) = (Vec::new(), NOW);
        let send = |course: &mut Course, received: &mut Vec<u64>, has: bool, answer: Answer, now: Timestamp| {
            let place = course.cursor + 1;
            if place > events {
                return;
            }
            if has {
                received.push(place);
            }
            let before = course.clone();
            let verdict = course.answered(place, answer, now, random);
            // Past an event only when it was accepted; otherwise later, within bounds.
            assert_eq!(course.cursor, if answer.is_accepted() { place } else { before.cursor });
            assert_eq!(verdict == Verdict::Next, answer.is_accepted());
            if let Some(failing) = course.failing {
                let pause = failing.again.since(now);
                assert!(pause >= FIRST_RETRY / 2 && pause <= LONGEST_RETRY, "{pause:?}");
                assert!(failing.since <= now);
            }
        };
        for one in all {
            match one {
                Happens::Sent { received: has, answer, noted } => {
                    let mut course = kept.clone();
                    send(&mut course, &mut received, has, answer, now);
                    if noted {
                        kept = course;
                    }
                }
                Happens::Replay(from) => {
                    order(&mut webhook, Some(from));
                    let before = kept.cursor;
                    prop_assert!(kept.obey(&webhook) && kept.cursor <= before);
                }
                Happens::Time(s) => now = now + Duration::from_secs(s.into()),
            }
        }
        while kept.cursor < events {
            send(&mut kept, &mut received, true, Answer::Accepted(200), now);
        }
        // Each event for the first time in its order, and none left out.
        let mut first = Vec::new();
        for place in received {
            if !first.contains(&place) {
                first.push(place);
            }
        }
        prop_assert_eq!(first, (1..=events).collect::<Vec<_>>());
    }

    #[test]
    fn a_course_is_read_as_it_was_written(cursor: u64, sent: u64, ordered: u64, failing in prop::option::of((any::<i64>(), any::<u32>(), any::<i64>()))) {
        let failing = failing.map(|(since, tries, again)| Failing { since: Timestamp(since), tries, again: Timestamp(again) });
        let course = Course { cursor, sent, ordered, failing };
        let text = serde_json::to_string(&course).unwrap();
        prop_assert_eq!(serde_json::from_str::<Course>(&text).unwrap(), course);
    }
}
