//! Who comes when: a pure function of the journey and its seed. The same seed brings the same people at the same
//! times, whatever the server does meanwhile.

use crate::journey::{Arrivals, Device, Journey, Process};
use loadtest::{
    media::{Network, Options},
    random::Random,
};
use std::time::Duration;

/// How many patients of 24 hours come in each: a clinic that opens at eight, is full before noon and again after
/// lunch. The fullest hour is 1.
const HOURS: [f64; 24] = [
    0.02, 0.01, 0.01, 0.01, 0.02, 0.04, 0.10, 0.30, 0.75, 1.00, 0.98, 0.85, 0.55, 0.70, 0.92, 0.90, 0.75,
    0.60, 0.45, 0.35, 0.22, 0.12, 0.07, 0.04,
];

/// How much more a spike brings.
const SPIKE: f64 = 5.0;

/// One patient.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// When, after the beginning.
    pub(crate) at: Duration,
    /// How long they take until they check in.
    pub(crate) think: Duration,
    /// How long they talk.
    pub(crate) talk: Duration,
    pub(crate) sound_only: bool,
    pub(crate) shares: bool,
    pub(crate) reconnects: bool,
    pub(crate) device: Device,
    /// Their network, if the journey names any.
    pub(crate) network: Option<Network>,
}

impl Arrival {
    /// The same, on this person's network.
    pub(crate) fn on(&self, options: Options) -> Options {
        Options { network: self.network, ..options }
    }
}

/// Everybody who comes, in order.
pub(crate) fn people(journey: &Journey) -> Vec<Arrival> {
    let mut random = Random::new(journey.seed);
    let times = times(&journey.arrivals, &mut random);
    times.into_iter().map(|at| arrival(journey, at, &mut random)).collect()
}

fn arrival(journey: &Journey, at: Duration, random: &mut Random) -> Arrival {
    let visit = &journey.visit;
    let talk = Duration::from_secs_f64(visit.talk_s);
    let devices: Vec<_> = journey.devices.iter().map(|(device, share)| (*device, *share)).collect();
    let networks: Vec<_> = journey.networks.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    Arrival {
        at,
        think: random.about(Duration::from_secs_f64(visit.think_s)),
        // Nobody talks for less than half the usual time.
        talk: if visit.talk_even { talk } else { talk / 2 + random.about(talk / 2) },
        sound_only: random.chance(visit.sound_only),
        shares: random.chance(visit.screen_share),
        reconnects: random.chance(visit.reconnect),
        device: choose(&devices, random).unwrap_or(Device::Laptop),
        network: choose(&networks, random).and_then(|name| Network::named(name, random.number()).ok()),
    }
}

fn choose<T: Copy>(shares: &[(T, f64)], random: &mut Random) -> Option<T> {
    let mut left = random.unit();
    let chosen = shares.iter().find(|(_, share)| {
        left -= share;
        left < 0.0
    });
    chosen.or_else(|| shares.last()).map(|(one, _)| *one)
}

fn times(arrivals: &Arrivals, random: &mut Random) -> Vec<Duration> {
    let (rate, over) = (arrivals.per_minute / 60.0, arrivals.over_s);
    if arrivals.process == Process::Constant {
        let count = (rate * over).floor().max(1.0) as u64;
        return (0..count).map(|n| Duration::from_secs_f64(n as f64 / rate)).collect();
    }
    // By thinning (Lewis and Shedler): as many as at the highest rate, of whom some stay at home.
    let highest = if arrivals.process == Process::Spike { SPIKE } else { 1.0 };
    let (mut times, mut at) = (Vec::new(), Duration::ZERO);
    loop {
        at += random.exponential(rate * highest);
        if at.as_secs_f64() >= over {
            return times;
        }
        if random.chance(share(arrivals.process, at.as_secs_f64() / over) / highest) {
            times.push(at);
        }
    }
}

/// The rate at a point of the time there is (0 to 1), as a share of the journey's.
pub(crate) fn share(process: Process, x: f64) -> f64 {
    match process {
        Process::Constant | Process::Poisson => 1.0,
        Process::Spike => {
            if (0.4..0.6).contains(&x) {
                SPIKE
            } else {
                1.0
            }
        }
        Process::Ramp => x,
        Process::ContractPeak => (x / 0.1).min((1.0 - x) / 0.1).min(1.0),
        Process::TypicalDay => {
            let hour = x * 24.0;
            let at = |n: usize| HOURS[n % 24];
            let (n, between) = (hour.floor() as usize, hour.fract());
            at(n) * (1.0 - between) + at(n + 1) * between
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn journey(process: Process, per_minute: f64, over_s: f64, seed: u64) -> Journey {
        let text = format!(
            "about = 'x'\nclinicians = 1\nseed = {seed}\n[arrivals]\nprocess = 'poisson'\nper_minute = {per_minute:.1}\n\
             over_s = {over_s:.1}\n[visit]\nsound_only = 0.25\nscreen_share = 0.5\nreconnect = 0.1\nthink_s = 3.0\n\
             [devices]\nlaptop = 0.5\nphone = 0.5\n[networks]\ngood-wifi = 0.9\n'3g' = 0.1"
        );
        let mut journey = Journey::parse("x", &text).unwrap();
        journey.arrivals.process = process;
        journey
    }

    const ALL: [(Process, f64); 6] = [
        (Process::Constant, 1.0),
        (Process::Poisson, 1.0),
        (Process::Spike, 0.8 + 0.2 * SPIKE),
        (Process::Ramp, 0.5),
        (Process::ContractPeak, 0.9),
        (Process::TypicalDay, 0.406),
    ];

    #[test]
    fn every_process_brings_as_many_as_it_says() {
        for (process, share) in ALL {
            let people = people(&journey(process, 600.0, 1_000.0, 7));
            let expected = 10_000.0 * share;
            let got = people.len() as f64;
            assert!((got / expected - 1.0).abs() < 0.04, "{process:?}: {got} of {expected}");
        }
    }

    #[test]
    fn a_spike_is_five_times_as_high_in_its_fifth() {
        let people = people(&journey(Process::Spike, 600.0, 1_000.0, 7));
        let within = |from: u64, to: u64| {
            people.iter().filter(|p| (from..to).contains(&p.at.as_secs())).count() as f64
        };
        let ratio = within(400, 600) / within(0, 200);
        assert!((4.6..5.4).contains(&ratio), "{ratio}");
    }

    #[test]
    fn people_are_mixed_as_the_journey_says() {
        let people = people(&journey(Process::Poisson, 600.0, 1_000.0, 3));
        let share =
            |of: fn(&Arrival) -> bool| people.iter().filter(|p| of(p)).count() as f64 / people.len() as f64;
        for (got, expected) in [
            (share(|p| p.sound_only), 0.25),
            (share(|p| p.shares), 0.5),
            (share(|p| p.reconnects), 0.1),
            (share(|p| p.device == Device::Phone), 0.5),
            (share(|p| format!("{:?}", p.network).contains("3g")), 0.1),
        ] {
            assert!((got - expected).abs() < 0.02, "{got} for {expected}");
        }
        let mut chances: Vec<_> = people.iter().map(|p| format!("{:?}", p.network)).collect();
        chances.sort();
        chances.dedup();
        assert_eq!(chances.len(), people.len(), "everybody meets losses of their own");
        let mean =
            |of: fn(&Arrival) -> Duration| people.iter().map(of).sum::<Duration>() / people.len() as u32;
        assert!((2.7..3.1).contains(&mean(|p| p.think).as_secs_f64()));
        assert!((18.5..20.5).contains(&mean(|p| p.talk).as_secs_f64()));
    }

    proptest! {
        #[test]
        fn the_same_seed_brings_the_same_people_in_order(seed: u32, which in 0_usize..6, per_minute in 1.0..2_000.0, over in 1.0..300.0) {
            let journey = journey(ALL[which].0, per_minute, over, seed.into());
            let first = people(&journey);
            prop_assert_eq!(&first, &people(&journey));
            prop_assert!(first.windows(2).all(|two| two[0].at <= two[1].at));
            prop_assert!(first.iter().all(|person| person.at <= journey.over()));
        }

        #[test]
        fn a_rate_is_never_below_nothing_nor_above_the_highest(which in 0_usize..6, x in 0.0..1.0) {
            let rate = share(ALL[which].0, x);
            prop_assert!((0.0..=SPIKE).contains(&rate));
        }
    }
}
