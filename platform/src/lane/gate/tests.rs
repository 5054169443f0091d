use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

const AGE: Duration = Duration::from_millis(20);
const FAR: Duration = Duration::from_secs(60);

struct World {
    gate: Gate,
    now: Instant,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "the one moment from which the rest is counted")]
    fn new(workers: usize, queue: usize) -> Self {
        Self { gate: Gate::new(Capacity { workers, queue, age: AGE }), now: Instant::now() }
    }

    fn after(&mut self, time: Duration) -> Vec<(Ticket, Verdict)> {
        self.now += time;
        self.gate.handle_timeout(self.now);
        self.polled()
    }

    fn arrive(&mut self) -> Arrival {
        self.gate.arrive(self.now, self.now + FAR)
    }

    #[track_caller]
    fn wait(&mut self) -> Ticket {
        match self.arrive() {
            Arrival::Wait(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn finish(&mut self) -> Vec<(Ticket, Verdict)> {
        self.gate.finish(self.now);
        self.polled()
    }

    fn polled(&mut self) -> Vec<(Ticket, Verdict)> {
        std::iter::from_fn(|| self.gate.poll()).collect()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn workers_then_the_queue_then_nobody_more() {
    let mut world = World::new(2, 3);
    assert_eq!([world.arrive(), world.arrive()], [Arrival::Run; 2]);
    let waiting = [world.wait(), world.wait(), world.wait()];
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Full));
    assert_eq!((world.gate.running(), world.gate.waiting()), (2, 3));
    assert_eq!(world.polled(), []);
    // Who ends makes room for one, and one more may wait.
    assert_eq!(world.finish().len(), 1);
    assert!(!waiting.contains(&world.wait()));
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Full));
}

#[test]
fn a_burst_is_served_in_its_order() {
    let mut world = World::new(1, 8);
    assert_eq!(world.arrive(), Arrival::Run);
    let [first, second] = [world.wait(), world.wait()];
    assert_eq!(world.after(STANDING_QUEUE - ms(1)), []);
    assert_eq!(world.finish(), [(first, Ok(()))]);
    assert_eq!(world.finish(), [(second, Ok(()))]);
    assert!(!world.gate.is_overloaded(world.now));
}

#[test]
fn a_queue_that_stands_sheds_the_old_and_serves_the_newest() {
    let mut world = World::new(1, 8);
    assert_eq!(world.arrive(), Arrival::Run);
    let old = world.wait();
    assert_eq!(world.after(STANDING_QUEUE - ms(1)), []);
    let [young, newest] = [world.wait(), world.wait()];
    assert_eq!(world.gate.poll_timeout(), Some(world.now + ms(1)));
    assert_eq!(world.after(ms(1)), [(old, Err(Reason::Age))]);
    assert!(world.gate.is_overloaded(world.now));
    assert_eq!(world.finish(), [(newest, Ok(()))]);
    assert_eq!(world.gate.poll_timeout(), Some(world.now + AGE - ms(1)));
    assert_eq!(world.after(AGE - ms(1)), [(young, Err(Reason::Age))]);
}

#[test]
fn without_an_age_nobody_more_waits_in_an_overload_and_who_waits_already_has_their_turn() {
    let mut world = World::new(1, 2);
    world.gate = Gate::new(Capacity { workers: 1, queue: 2, age: Duration::ZERO });
    assert_eq!(world.arrive(), Arrival::Run);
    let [first, second] = [world.wait(), world.wait()];
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Full));
    assert_eq!(world.finish(), [(first, Ok(()))]);
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Age), "there is room, and an overload");
    assert_eq!(world.gate.poll_timeout(), Some(world.now + FAR));
    assert_eq!(world.finish(), [(second, Ok(()))]);
    assert_eq!(world.finish(), []);
    assert_eq!(world.arrive(), Arrival::Run);
    // Calm for as long as a queue may stand, bursts are absorbed again; one that stands is an overload.
    assert_eq!(world.after(STANDING_QUEUE), []);
    world.wait();
    assert_eq!(world.after(STANDING_QUEUE), []);
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Age));
}

#[test]
fn an_overload_is_over_when_for_a_while_nobody_was_shed() {
    let mut world = World::new(1, 1);
    assert_eq!(world.arrive(), Arrival::Run);
    let waits = world.wait();
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Full));
    assert!(world.gate.is_overloaded(world.now));
    assert_eq!(world.finish(), [(waits, Ok(()))]);
    world.after(STANDING_QUEUE - ms(1));
    assert!(world.gate.is_overloaded(world.now));
    world.after(ms(1));
    assert!(!world.gate.is_overloaded(world.now));
}

#[test]
fn nobody_is_worked_for_at_or_after_the_deadline() {
    let mut world = World::new(1, 8);
    assert_eq!(world.gate.arrive(world.now, world.now), Arrival::Shed(Reason::Deadline));
    assert_eq!(world.gate.arrive(world.now, world.now + ms(1)), Arrival::Run);
    let stays = world.wait();
    let Arrival::Wait(late) = world.gate.arrive(world.now, world.now + ms(5)) else { panic!() };
    assert_eq!(world.gate.poll_timeout(), Some(world.now + ms(5)));
    assert_eq!(world.after(ms(4)), []);
    assert_eq!(world.after(ms(1)), [(late, Err(Reason::Deadline))]);
    assert_eq!(world.finish(), [(stays, Ok(()))]);
}

#[test]
fn who_leaves_is_neither_served_nor_shed() {
    let mut world = World::new(1, 8);
    assert_eq!(world.arrive(), Arrival::Run);
    let [gone, stays] = [world.wait(), world.wait()];
    world.gate.leave(world.now, gone);
    assert_eq!(world.gate.waiting(), 1);
    assert_eq!(world.finish(), [(stays, Ok(()))]);
    // Too late: it runs already.
    world.gate.leave(world.now, stays);
    assert_eq!(world.gate.running(), 1);
    assert_eq!(world.finish(), []);
    assert_eq!(world.arrive(), Arrival::Run);
}

#[test]
fn workers_taken_away_serve_nobody_new_and_come_back() {
    let mut world = World::new(2, 8);
    assert_eq!([world.arrive(), world.arrive()], [Arrival::Run; 2]);
    let [first, second] = [world.wait(), world.wait()];
    world.gate.allow(world.now, 1);
    assert_eq!(world.finish(), []);
    assert_eq!(world.finish(), [(first, Ok(()))]);
    world.gate.allow(world.now, 0);
    assert_eq!(world.polled(), [(second, Err(Reason::Overload))]);
    assert_eq!(world.arrive(), Arrival::Shed(Reason::Overload));
    assert_eq!(world.finish(), []);
    world.gate.allow(world.now, 1_000);
    assert_eq!(world.gate.allowed(), 2);
    assert_eq!([world.arrive(), world.arrive()], [Arrival::Run; 2]);
    assert!(matches!(world.arrive(), Arrival::Wait(_)));
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64),
    Finish,
    Leave(usize),
    Allow(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..200).prop_map(Step::Arrive),
        3 => Just(Step::Finish),
        1 => (0_usize..8).prop_map(Step::Leave),
        1 => (0_usize..6).prop_map(Step::Allow),
        3 => (0_u64..60).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Everybody who waits hears exactly once what becomes of them, within their deadline and while there is room,
    /// and no worker is idle while somebody waits.
    #[test]
    fn everybody_hears_once_and_nothing_grows(steps in prop::collection::vec(step(), 0..300)) {
        let (workers, queue) = (3, 5);
        let mut world = World::new(workers, queue);
        let (mut waiting, mut running) = (HashSet::new(), 0_usize);
        let mut tickets = Vec::new();
        for step in steps {
            match step {
                Step::Arrive(budget) => match world.gate.arrive(world.now, world.now + ms(budget)) {
                    Arrival::Run => running += 1,
                    Arrival::Wait(ticket) => {
                        prop_assert!(waiting.insert(ticket));
                        tickets.push(ticket);
                    }
                    Arrival::Shed(reason) => prop_assert_eq!(reason == Reason::Deadline, budget == 0),
                },
                Step::Finish if running > 0 => {
                    running -= 1;
                    world.gate.finish(world.now);
                }
                Step::Leave(n) if !tickets.is_empty() => {
                    let ticket = tickets[n % tickets.len()];
                    world.gate.leave(world.now, ticket);
                    // What was decided before is still said below.
                    let said = world.polled();
                    for (ticket, verdict) in said {
                        prop_assert!(waiting.remove(&ticket));
                        running += usize::from(verdict.is_ok());
                    }
                    waiting.remove(&ticket);
                }
                Step::Allow(n) => world.gate.allow(world.now, n),
                Step::Pass(time) => {
                    world.now += ms(time);
                    world.gate.handle_timeout(world.now);
                }
                Step::Finish | Step::Leave(_) => {}
            }
            for (ticket, verdict) in world.polled() {
                prop_assert!(waiting.remove(&ticket));
                running += usize::from(verdict.is_ok());
            }
            prop_assert_eq!((world.gate.running(), world.gate.waiting()), (running, waiting.len()));
            prop_assert!(running <= workers && waiting.len() <= queue);
            prop_assert!(waiting.is_empty() || running >= world.gate.allowed());
            prop_assert_eq!(world.gate.poll_timeout().is_some(), !waiting.is_empty());
            // Whoever is told when to look finds somebody to shed, or a later time to look.
            if let Some(at) = world.gate.poll_timeout() {
                prop_assert!(at > world.now, "{:?}", at.checked_duration_since(world.now));
            }
        }
    }
}
