//! How a relay goes through one partition. Pure: it says what is to be done, and is told what came of it.
//!
//! ```text
//! Locate ─▶ Read ─▶ Publish ─▶ Move ─▶ Read …   nothing new: Rest
//!    ▲        moved by somebody else │
//!    └───────────────────────────────┘   another incarnation: Locate, in the places of that one
//! ```
//!
//! Places belong to an incarnation of the transport's store. In a new one there is none yet, so everything that is
//! still in the outbox is published again, and a relay that is slow to notice moves a place that nobody looks at.

use crate::event_log::Position;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Read the place.
    Locate,
    /// Read a page of the outbox after a position.
    Read { after: Position },
    /// Publish the page.
    Publish,
    /// Move the place, if it is still where we believe.
    Move { from: Position, to: Position },
    /// Nothing, until somebody says that there is something new, or time has passed.
    Rest,
}

/// What became of moving the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// It is where we wanted it.
    Yes,
    /// Somebody else was faster, or it is not known.
    Perhaps,
    /// The store does not write now.
    No,
}

/// A relay's course through one partition.
#[derive(Debug)]
pub(super) struct Course {
    /// Everything up to here is published.
    place: Option<Position>,
    step: Step,
}

impl Course {
    pub(super) const fn new() -> Self {
        Self { place: None, step: Step::Locate }
    }

    pub(super) const fn step(&self) -> Step {
        self.step
    }

    /// Up to where everything is published; `None` before that was read.
    pub(super) const fn place(&self) -> Option<Position> {
        self.place
    }

    /// There may be something new.
    pub(super) fn wake(&mut self) {
        if self.step == Step::Rest {
            self.step = self.place.map_or(Step::Locate, |after| Step::Read { after });
        }
    }

    /// Somebody else may have gone on, or the transport's store is another: look where we are.
    pub(super) fn forget(&mut self) {
        *self = Self::new();
    }

    /// Where the place is; `None` when it cannot be read.
    pub(super) fn located(&mut self, place: Option<Position>) {
        self.place = place;
        self.step = place.map_or(Step::Rest, |after| Step::Read { after });
    }

    /// How many messages a page has; `None` when it cannot be read.
    pub(super) fn read(&mut self, messages: Option<usize>) {
        self.step = if messages.is_some_and(|messages| messages > 0) { Step::Publish } else { Step::Rest };
    }

    /// The last of the page's messages before which none is unpublished, if there is any.
    pub(super) fn published(&mut self, last: Option<Position>) {
        self.step = match (self.place, last) {
            (Some(from), Some(to)) => Step::Move { from, to },
            _ => Step::Rest,
        };
    }

    pub(super) fn moved(&mut self, moved: Moved) {
        match (self.step, moved) {
            (Step::Move { to, .. }, Moved::Yes) => {
                (self.place, self.step) = (Some(to), Step::Read { after: to });
            }
            (_, Moved::Yes | Moved::Perhaps) => self.forget(),
            (_, Moved::No) => self.step = Step::Rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MESSAGES: u64 = 12;
    const PAGE: u64 = 3;

    /// An outbox, the places of each incarnation, and what is in the transport's store.
    #[derive(Default)]
    struct World {
        appended: u64,
        incarnation: u32,
        places: BTreeMap<u32, u64>,
        held: Vec<u64>,
    }

    struct Relay {
        course: Course,
        incarnation: u32,
        page: Vec<u64>,
    }

    impl Relay {
        fn new(incarnation: u32) -> Self {
            Self { course: Course::new(), incarnation, page: vec![] }
        }

        /// Does one step; `luck` says how much of it succeeds.
        fn step(&mut self, world: &mut World, luck: u8) {
            match self.course.step() {
                Step::Locate => {
                    let place = Position(world.places.get(&self.incarnation).copied().unwrap_or(0));
                    self.course.located((luck > 0).then_some(place));
                }
                Step::Read { after } => {
                    self.page = (after.0 + 1..=world.appended.min(after.0 + PAGE)).collect();
                    self.course.read((luck > 0).then_some(self.page.len()));
                }
                Step::Publish => {
                    // What fails may have arrived all the same, and what comes after it, too.
                    let good = usize::from(luck).min(self.page.len());
                    world.held.extend(&self.page[..good]);
                    world.held.extend(self.page.get(good + 1..).unwrap_or_default());
                    self.course.published(good.checked_sub(1).map(|last| Position(self.page[last])));
                }
                Step::Move { from, to } => {
                    let place = world.places.entry(self.incarnation).or_default();
                    let moves = *place == from.0 && luck != 1;
                    if moves {
                        *place = to.0;
                    }
                    self.course.moved(match luck {
                        0 => Moved::Perhaps,
                        1 => Moved::No,
                        _ if moves => Moved::Yes,
                        _ => Moved::Perhaps,
                    });
                }
                Step::Rest => self.course.wake(),
            }
        }

        fn notice(&mut self, world: &World) {
            if self.incarnation != world.incarnation {
                *self = Self::new(world.incarnation);
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Append,
        Step(usize, u8),
        Crash(usize),
        Wipe,
        Notice(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            2 => Just(Act::Append),
            12 => (0..2_usize, 0..5_u8).prop_map(|(who, luck)| Act::Step(who, luck)),
            1 => (0..2_usize).prop_map(Act::Crash),
            1 => Just(Act::Wipe),
            1 => (0..2_usize).prop_map(Act::Notice),
        ]
    }

    proptest! {
        /// Two relays at once, with every failure: in the end everything is in the store that there is then.
        #[test]
        fn whatever_happens_everything_is_published_into_the_store_that_there_is(acts in prop::collection::vec(act(), 0..200)) {
            let mut world = World::default();
            let mut relays = [Relay::new(0), Relay::new(0)];
            for act in acts {
                match act {
                    Act::Append => world.appended = (world.appended + 1).min(MESSAGES),
                    Act::Step(who, luck) => relays[who].step(&mut world, luck),
                    Act::Crash(who) => relays[who] = Relay::new(world.incarnation),
                    Act::Wipe => { world.incarnation += 1; world.held.clear(); }
                    Act::Notice(who) => relays[who].notice(&world),
                }
                // The place of the present never promises what is not there, but for what a relay publishes into a store
                // that it does not know to be gone.
                if relays.iter().all(|relay| relay.incarnation == world.incarnation) {
                    let place = world.places.get(&world.incarnation).copied().unwrap_or(0);
                    prop_assert!((1..=place).all(|position| world.held.contains(&position)));
                }
            }
            for relay in &mut relays {
                relay.notice(&world);
                (0..100).for_each(|_| relay.step(&mut world, 5));
            }
            prop_assert!((1..=world.appended).all(|position| world.held.contains(&position)));
            prop_assert_eq!(world.places.get(&world.incarnation).copied().unwrap_or(0), world.appended);
        }

        /// One relay alone that never fails publishes everything once, in order.
        #[test]
        fn alone_it_publishes_in_order_and_once(appended in 0..MESSAGES) {
            let mut world = World { appended, ..World::default() };
            let mut relay = Relay::new(0);
            (0..100).for_each(|_| relay.step(&mut world, 5));
            prop_assert_eq!(world.held, (1..=appended).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_place_that_somebody_else_moved_is_looked_up() {
        let mut course = Course::new();
        course.located(Some(Position(3)));
        course.read(Some(1));
        course.published(Some(Position(4)));
        course.moved(Moved::Perhaps);
        assert_eq!((course.step(), course.place()), (Step::Locate, None));
    }
}
