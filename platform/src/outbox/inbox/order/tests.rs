use super::*;
use crate::bus::Subject;
use model::{TenantId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

const HERE: Partition = Partition(0);

fn letter(partition: Partition, position: u64) -> Letter {
    Letter {
        partition,
        position: Position(position),
        tenant: TenantId(Uuid::nil()),
        subject: Subject::new("a").unwrap(),
        body: "{}".into(),
        at: Timestamp::from_millis(0),
    }
}

fn order(now: Instant) -> Order {
    let mut order = Order::default();
    order.place(HERE, Position(0), now);
    order
}

fn ends(oldest: u64, head: u64) -> Ends {
    Ends { partition: HERE.0, oldest, head }
}

/// Handles all that can be handled; their positions.
fn handle(order: &mut Order, now: Instant) -> Vec<u64> {
    let mut handled = Vec::new();
    while let Some(letter) = order.next(now) {
        let (partition, position) = (letter.partition, letter.position);
        handled.push(position.0);
        order.place(partition, position, now);
    }
    handled
}

#[test]
fn what_comes_early_waits_for_what_is_before_it() {
    let now = Instant::now();
    let mut order = order(now);
    assert_eq!(order.take_in(letter(HERE, 2), now), Judged::Kept);
    assert_eq!(order.take_in(letter(HERE, 2), now), Judged::Repeated);
    assert_eq!(handle(&mut order, now), [] as [u64; 0]);
    assert_eq!(order.take_in(letter(HERE, 1), now), Judged::Kept);
    assert_eq!(handle(&mut order, now), [1, 2]);
    assert_eq!(order.take_in(letter(HERE, 1), now), Judged::Repeated);
    assert_eq!(order.lag(), 0);
}

#[test]
fn as_many_wait_as_may_and_the_latest_go_first() {
    let now = Instant::now();
    let mut order = order(now);
    let last = MAX_EARLY as u64 + 2;
    for position in 3..=last {
        assert_eq!(order.take_in(letter(HERE, position), now), Judged::Kept);
    }
    assert_eq!(order.take_in(letter(HERE, last + 1), now), Judged::Dropped);
    assert_eq!(order.take_in(letter(HERE, 2), now), Judged::Kept, "the last had to go for it");
    assert_eq!(order.take_in(letter(HERE, 1), now), Judged::Kept);
    assert_eq!(handle(&mut order, now), (1..last - 1).collect::<Vec<_>>());
}

#[test]
fn as_many_partitions_are_known_as_may_be() {
    let now = Instant::now();
    let mut order = Order::default();
    for partition in 0..MAX_PARTITIONS {
        assert!(order.has_room());
        order.place(Partition(partition as u16), Position(0), now);
    }
    assert!(!order.has_room());
}

#[test]
fn what_is_missing_is_asked_for_after_a_while_and_page_by_page() {
    let now = Instant::now();
    let mut order = order(now);
    order.ends(ends(1, 300), now);
    assert_eq!(order.missing(now), [], "it may be on its way");
    assert_eq!(order.deadline(), Some(now + INBOX_PATIENCE));
    let later = now + INBOX_PATIENCE;
    assert_eq!(order.missing(later), [(HERE, Position(0))]);
    assert_eq!(order.missing(later), [], "once");
    assert_eq!(order.missing(later + OUTBOX_LOOKS), [(HERE, Position(0))], "and again when nothing came");
    let page = OUTBOX_PAGE as u64;
    for position in 1..=page {
        order.take_in(letter(HERE, position), later);
    }
    assert_eq!(handle(&mut order, later).len(), OUTBOX_PAGE);
    assert_eq!(order.missing(later), [(HERE, Position(page))], "the next page at once");
}

#[test]
fn nothing_is_asked_for_while_it_comes() {
    let mut now = Instant::now();
    let mut order = order(now);
    order.ends(ends(1, 100), now);
    for position in 1..=100 {
        now += INBOX_PATIENCE / 2;
        assert_eq!(order.missing(now), []);
        order.take_in(letter(HERE, position), now);
        assert_eq!(handle(&mut order, now), [position]);
    }
    assert_eq!((order.deadline(), order.lag()), (None, 0));
}

#[test]
fn what_is_forgotten_is_not_asked_for_and_not_passed_over() {
    let now = Instant::now();
    let mut order = order(now);
    order.ends(ends(5, 6), now);
    order.take_in(letter(HERE, 5), now);
    let later = now + INBOX_PATIENCE * 10;
    assert_eq!((order.missing(later), handle(&mut order, later)), (vec![], vec![]));
    let gone = Astray::Gone { place: Position(0), oldest: Position(5) };
    assert_eq!(order.astray().collect::<Vec<_>>(), [(HERE, gone)]);
    order.place(HERE, Position(4), later);
    assert_eq!(order.astray().count(), 0);
    assert_eq!(handle(&mut order, later), [5]);
}

#[test]
fn an_outbox_that_ends_too_early_is_believed_after_a_while() {
    let now = Instant::now();
    let mut order = order(now);
    order.place(HERE, Position(9), now);
    (1..AHEAD).for_each(|_| order.ends(ends(1, 4), now));
    assert_eq!(order.astray().count(), 0, "what is told may be old");
    order.ends(ends(1, 4), now);
    assert_eq!(order.astray().count(), 1);
    order.ends(ends(1, 9), now);
    assert_eq!(order.astray().count(), 0);
}

#[test]
fn what_cannot_be_handled_is_tried_again_later_and_less_and_less_often() {
    let mut now = Instant::now();
    let mut order = order(now);
    order.take_in(letter(HERE, 1), now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert!(order.next(now).is_some());
        order.pause(HERE, now);
        assert!(order.next(now).is_none());
        let until = order.deadline().unwrap();
        pauses.push(until - now);
        now = until;
    }
    assert!(pauses.is_sorted() && pauses[0] == MAX_HANDLER_PAUSE / 100 && pauses[8] == MAX_HANDLER_PAUSE);
    assert_eq!(handle(&mut order, now), [1]);
}

#[test]
fn partitions_take_turns() {
    let now = Instant::now();
    let mut order = Order::default();
    for partition in [Partition(0), Partition(1)] {
        order.place(partition, Position(0), now);
        for position in 1..=2 {
            order.take_in(letter(partition, position), now);
        }
    }
    let mut turns = Vec::new();
    while let Some(letter) = order.next(now) {
        let (partition, position) = (letter.partition, letter.position);
        turns.push((partition.0, position.0));
        order.place(partition, position, now);
    }
    assert_eq!(turns, [(0, 1), (1, 1), (0, 2), (1, 2)]);
}

/// What the world does to an inbox.
#[derive(Clone, Debug)]
enum Act {
    Append,
    /// A letter arrives, whichever, maybe again.
    Arrive(u16, u64),
    /// Answers to what was asked arrive, but for some of them.
    Answer(u64),
    Heads,
    /// It handles one letter; whether the store takes it, and whether its answer arrives.
    Handle {
        taken: bool,
        answered: bool,
    },
    Crash,
    /// Another process handles a letter.
    Rival(u16),
    Wait,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => Just(Act::Append),
        6 => (0..2_u16, 1..40_u64).prop_map(|(partition, position)| Act::Arrive(partition, position)),
        1 => any::<u64>().prop_map(Act::Answer),
        2 => Just(Act::Heads),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(taken, answered)| Act::Handle { taken, answered }),
        1 => Just(Act::Crash),
        1 => (0..2_u16).prop_map(Act::Rival),
        2 => Just(Act::Wait),
    ]
}

/// Two partitions, their durable places, and what was handled.
struct World {
    now: Instant,
    appended: u64,
    places: [u64; 2],
    handled: [Vec<u64>; 2],
    order: Order,
}

impl World {
    /// What a store does: place and rows together, if the place is where it is believed to be.
    fn apply(&mut self, partition: usize, from: u64, to: u64) -> bool {
        let moves = self.places[partition] == from;
        if moves {
            self.places[partition] = to;
            self.handled[partition].push(to);
        }
        moves
    }

    fn learn(&mut self) {
        for (partition, place) in (0..).zip(self.places) {
            self.order.place(Partition(partition), Position(place), self.now);
        }
    }

    fn heads(&mut self) {
        for partition in 0..2 {
            self.order.ends(Ends { partition, oldest: 1, head: self.appended }, self.now);
        }
    }

    fn answer(&mut self, losses: u64) {
        for (partition, after) in self.order.missing(self.now) {
            for position in after.0 + 1..=self.appended.min(after.0 + OUTBOX_PAGE as u64) {
                if losses >> (position % 64) & 1 == 0 {
                    self.order.take_in(letter(partition, position), self.now);
                }
            }
        }
    }

    fn handle(&mut self, taken: bool, answered: bool) -> bool {
        let Some(next) = self.order.next(self.now) else { return false };
        let (partition, position) = (next.partition, next.position);
        let from = self.order.handled(partition).unwrap();
        let applied = taken && self.apply(usize::from(partition.0), from.0, position.0);
        if applied && answered {
            self.order.place(partition, position, self.now);
        } else if taken {
            // Somebody was faster, or the answer is lost: what does the store say?
            self.learn();
        } else {
            self.order.pause(partition, self.now);
        }
        true
    }
}

proptest! {
    /// Any order, duplicates, loss, crashes and rivals: each message is handled once and in order, and in the end all are.
    #[test]
    fn each_message_is_handled_once_and_in_order(acts in prop::collection::vec(act(), 0..300)) {
        let now = Instant::now();
        let mut world = World { now, appended: 0, places: [0; 2], handled: [vec![], vec![]], order: Order::default() };
        world.learn();
        for act in acts {
            match act {
                Act::Append => world.appended += 1,
                Act::Arrive(partition, position) if position <= world.appended => {
                    world.order.take_in(letter(Partition(partition), position), world.now);
                }
                Act::Arrive(..) => {}
                Act::Answer(losses) => world.answer(losses),
                Act::Heads => world.heads(),
                Act::Handle { taken, answered } => drop(world.handle(taken, answered)),
                Act::Crash => { world.order = Order::default(); world.learn(); }
                Act::Rival(partition) => {
                    let place = world.places[usize::from(partition)];
                    if place < world.appended {
                        world.apply(usize::from(partition), place, place + 1);
                    }
                }
                Act::Wait => world.now += INBOX_PATIENCE,
            }
        }
        // From now on nothing goes wrong, and nothing comes but what is asked for.
        for _ in 0..world.appended * 2 + 2 {
            world.now += MAX_HANDLER_PAUSE;
            world.heads();
            world.answer(0);
            while world.handle(true, true) {}
        }
        for handled in &world.handled {
            prop_assert_eq!(handled, &(1..=world.appended).collect::<Vec<_>>());
        }
        prop_assert_eq!(world.order.lag(), 0);
        prop_assert_eq!(world.order.deadline(), None);
    }
}
