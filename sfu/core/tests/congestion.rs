//! Congestion control over a path in virtual time: what it must keep to on each journey, whatever the
//! weather. `cargo test -p sfu-core --test congestion -- --nocapture` prints what it did.

#[path = "link/mod.rs"]
mod link;

use link::{
    BUFFERBLOAT, CALM, IDLE, JITTER, JOURNEYS, Journey, MUCH_LOSS, NARROW, OUTAGE, REROUTED, SHALLOW, SHARED,
    SOME_LOSS, STEADY, STEPS, Travelled, session,
};

use std::ops::RangeInclusive;

/// The end of every journey.
const END: i64 = 1_000;

fn check(journey: &'static Journey, keeps_to: impl Fn(&Travelled)) {
    for seed in 1..=10 {
        let travelled = session::travel(journey, seed);
        println!("{:<24}{}", journey.name, travelled.summary());
        keeps_to(&travelled);
    }
}

/// When, in seconds after `from_s`, the estimate first was within these bounds.
fn reached_s(travelled: &Travelled, from_s: i64, bounds: RangeInclusive<u64>) -> Option<f64> {
    let after = |at_us: i64| (at_us - from_s * 1_000_000) as f64 / 1e6;
    let mut samples = travelled.samples.iter();
    samples.find(|s| after(s.at_us) >= 0.0 && bounds.contains(&s.estimate_bps)).map(|s| after(s.at_us))
}

#[test]
fn a_seed_is_the_whole_story() {
    for journey in JOURNEYS {
        let once = session::travel(journey, 7);
        assert_eq!(once.samples, session::travel(journey, 7).samples);
        assert!(once.samples.iter().all(|s| s.estimate_bps >= session::MIN_BPS));
    }
}

#[test]
fn a_calm_path_is_filled() {
    check(&CALM, |travelled| {
        assert!(travelled.used(5, END) > 0.88);
        assert!(travelled.queued_ms(5, END) < 40.0);
        assert!(travelled.longest_overshoot_s() < 1.0);
    });
}

#[test]
fn a_session_that_sends_little_is_neither_dragged_down_nor_carried_away() {
    check(&STEADY, |travelled| {
        let (_, least, most) = travelled.estimates(5, END);
        assert!(least >= 1_200_000 && most <= 2_200_000, "{least} to {most}");
        assert!(travelled.used(5, END) > 0.98);
    });
}

#[test]
fn a_path_that_narrows_and_widens_is_followed() {
    check(&STEPS, |travelled| {
        let down = reached_s(travelled, 20, 0..=500_000);
        assert!(down.is_some_and(|s| s <= 1.5), "{down:?}");
        let up = reached_s(travelled, 40, 2_400_000..=3_600_000);
        assert!(up.is_some_and(|s| s <= 15.0), "{up:?}");
        assert!(travelled.estimates(22, 40).1 >= 250_000);
        assert!(travelled.queued_ms(22, 40) < 100.0);
    });
}

#[test]
fn loss_that_is_the_paths_own_does_not_ruin_it() {
    check(&SOME_LOSS, |travelled| {
        let (_, least, _) = travelled.estimates(5, END);
        assert!(least > 1_500_000, "{least}");
        assert!(travelled.used(5, END) > 0.75);
    });
    check(&MUCH_LOSS, |travelled| {
        let (_, least, _) = travelled.estimates(10, END);
        assert!(least > 700_000, "{least}");
        assert!(travelled.used(5, END) > 0.6);
    });
}

#[test]
fn a_narrow_path_is_found_and_kept() {
    check(&NARROW, |travelled| {
        let (_, least, most) = travelled.estimates(5, END);
        assert!(least > 50_000 && most <= 130_000, "{least} to {most}");
        assert!(travelled.used(5, END) > 0.8);
    });
}

#[test]
fn long_queues_are_not_filled_and_short_ones_not_overrun() {
    check(&BUFFERBLOAT, |travelled| {
        assert!(travelled.queued_ms(0, END) < 100.0);
        assert!(travelled.used(5, END) > 0.85);
    });
    check(&SHALLOW, |travelled| {
        assert!(travelled.used(5, END) > 0.85);
        assert!(travelled.longest_overshoot_s() < 3.0);
    });
}

#[test]
fn others_are_given_way() {
    check(&SHARED, |travelled| {
        assert!(travelled.queued_ms(20, END) < 150.0);
        assert!(travelled.used(5, END) > 0.7);
    });
}

#[test]
fn a_restless_path_is_no_narrow_one() {
    check(&JITTER, |travelled| {
        assert!(travelled.used(5, END) > 0.8);
        assert!(travelled.estimates(5, END).1 > 1_200_000);
    });
}

#[test]
fn after_a_minute_of_nothing_it_goes_on_where_it_was() {
    check(&IDLE, |travelled| {
        assert_eq!(travelled.estimates(30, 80).1, travelled.estimates(30, 80).2);
        assert!(travelled.used(81, END) > 0.97);
    });
}

#[test]
fn an_outage_is_backed_off_from_and_recovered_from() {
    check(&OUTAGE, |travelled| {
        assert!(travelled.estimates(22, 23).1 < 1_000_000);
        let up = reached_s(travelled, 23, 2_400_000..=3_600_000);
        assert!(up.is_some_and(|s| s <= 10.0), "{up:?}");
    });
}

#[test]
fn a_longer_route_is_got_used_to() {
    check(&REROUTED, |travelled| {
        assert!(travelled.used(5, END) > 0.7);
        assert!(travelled.estimates(5, END).1 > 500_000);
    });
}
