use super::*;
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn link(seed: u64, conditions: Conditions) -> Link {
    let mut link = Link::new(seed);
    link.set(conditions);
    link
}

/// The fates of `count` packets of 1,000 bytes, one each millisecond.
fn fates(seed: u64, conditions: Conditions, count: u64) -> Vec<Fate> {
    let mut link = link(seed, conditions);
    (0..count).map(|i| link.handle_packet(i * MS, 1_000)).collect()
}

fn lost(fates: &[Fate]) -> Vec<bool> {
    fates.iter().map(|fate| *fate == Fate::Dropped(Reason::Lost)).collect()
}

fn share(of: &[bool]) -> f64 {
    of.iter().filter(|it| **it).count() as f64 / of.len() as f64
}

/// Lengths of what was lost in a row.
fn runs(lost: &[bool]) -> Vec<usize> {
    lost.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len).collect()
}

#[test]
fn the_default_does_nothing() {
    for (i, fate) in fates(1, Conditions::default(), 100).into_iter().enumerate() {
        assert_eq!(fate, Fate::Passes { at_ns: i as u64 * MS });
    }
}

#[test]
fn loss_converges() {
    for percent in [0.1, 1.0, 5.0, 30.0] {
        let conditions = Conditions { loss: Share(percent / 100.0), ..Conditions::default() };
        let lost = lost(&fates(11, conditions, 200_000));
        let off = (share(&lost) * 100.0 - percent).abs();
        assert!(off < 0.05 + percent * 0.02, "{percent} %: {off} off");
    }
}

#[test]
fn single_losses_come_single() {
    let conditions = Conditions { loss: Share(0.05), ..Conditions::default() };
    let runs = runs(&lost(&fates(3, conditions, 200_000)));
    let mean = runs.iter().sum::<usize>() as f64 / runs.len() as f64;
    assert!((mean - 1.0 / 0.95).abs() < 0.02, "{mean}");
}

#[test]
fn bursts_have_their_share_and_mean_length() {
    for (percent, length) in [(1.0, 3.0), (5.0, 8.0), (10.0, 20.0)] {
        let bursts = Bursts { share: Share(percent / 100.0), length, loss: Share(1.0) };
        let lost = lost(&fates(5, Conditions { bursts, ..Conditions::default() }, 1_000_000));
        let runs = runs(&lost);
        let mean = runs.iter().sum::<usize>() as f64 / runs.len() as f64;
        assert!((mean / length - 1.0).abs() < 0.05, "{length}: {mean}");
        assert!((share(&lost) * 100.0 / percent - 1.0).abs() < 0.05, "{percent}: {}", share(&lost));
    }
}

#[test]
fn a_burst_may_let_some_through_and_the_rest_may_lose_some() {
    let bursts = Bursts { share: Share(0.10), length: 10.0, loss: Share(0.5) };
    let conditions = Conditions { bursts, loss: Share(0.01), ..Conditions::default() };
    let lost = share(&lost(&fates(5, conditions, 1_000_000)));
    assert!((lost - (0.10 * 0.5 + 0.90 * 0.01)).abs() < 0.002, "{lost}");
}

#[test]
fn the_whole_of_packets_may_meet_the_bad_state() {
    let bursts = Bursts { share: Share(1.0), length: 10.0, loss: Share(1.0) };
    let lost = share(&lost(&fates(5, Conditions { bursts, ..Conditions::default() }, 10_000)));
    assert!(lost > 0.999, "{lost}");
}

#[test]
fn a_queue_holds_so_long_and_no_longer() {
    // 1,000 bytes take 8 ms; ten come at once.
    let conditions =
        Conditions { rate: Rate(Some(1_000_000)), queue: Queue::Time(Span::ms(24)), ..Conditions::default() };
    let mut link = link(1, conditions);
    let fates: Vec<_> = (0..10).map(|_| link.handle_packet(0, 1_000)).collect();
    let expected: Vec<_> = (1..=4).map(|n| Fate::Passes { at_ns: n * 8 * MS }).collect();
    assert_eq!(fates[..4], expected);
    assert!(fates[4..].iter().all(|fate| *fate == Fate::Dropped(Reason::QueueFull)), "{fates:?}");
    // Once there is room, the next is taken.
    assert_eq!(link.handle_packet(8 * MS, 1_000), Fate::Passes { at_ns: 40 * MS });
}

#[test]
fn a_queue_of_bytes_takes_its_bytes_and_not_one_more() {
    let conditions =
        Conditions { rate: Rate(Some(1_000_000)), queue: Queue::Bytes(3_000), ..Conditions::default() };
    let mut link = link(1, conditions);
    let passed = (0..10).filter(|_| matches!(link.handle_packet(0, 1_000), Fate::Passes { .. })).count();
    assert_eq!(passed, 3);
    // One that is larger than the queue still passes when nothing waits.
    assert!(matches!(link.handle_packet(1_000 * MS, 5_000), Fate::Passes { .. }));
}

#[test]
fn a_cut_takes_nothing_in_and_lets_out_what_is_on_the_way() {
    let open = Conditions { delay: Span::ms(50), ..Conditions::default() };
    let mut link = link(1, open);
    assert_eq!(link.handle_packet(0, 100), Fate::Passes { at_ns: 50 * MS });
    link.set(Conditions { cut: true, ..open });
    assert_eq!(link.handle_packet(MS, 100), Fate::Dropped(Reason::Cut));
    link.set(open);
    assert_eq!(link.handle_packet(2 * MS, 100), Fate::Passes { at_ns: 52 * MS });
}

#[test]
fn a_cut_does_not_change_who_is_lost_later() {
    let conditions = Conditions { loss: Share(0.2), ..Conditions::default() };
    let whole = lost(&fates(9, conditions, 1_000));
    let mut link = link(9, conditions);
    for (i, lost) in whole.iter().enumerate() {
        link.set(Conditions { cut: i < 500, ..conditions });
        let fate = link.handle_packet(i as u64 * MS, 1_000);
        assert_eq!(fate == Fate::Dropped(Reason::Lost), *lost && i >= 500, "{i}");
    }
}

#[test]
fn a_shorter_delay_does_not_let_later_packets_overtake() {
    let mut link = link(1, Conditions { delay: Span::ms(500), ..Conditions::default() });
    assert_eq!(link.handle_packet(0, 100), Fate::Passes { at_ns: 500 * MS });
    link.set(Conditions::default());
    assert_eq!(link.handle_packet(MS, 100), Fate::Passes { at_ns: 500 * MS });
}

#[test]
fn held_back_packets_are_overtaken_and_no_others() {
    let reorder = Reorder { share: Share(0.05), by: Span::ms(10) };
    let conditions = Conditions { reorder, delay: Span::ms(20), ..Conditions::default() };
    let fates = fates(3, conditions, 100_000);
    let late =
        fates.iter().enumerate().map(|(i, fate)| *fate == Fate::Passes { at_ns: (i as u64 + 30) * MS });
    let late: Vec<bool> = late.collect();
    assert!((share(&late) - 0.05).abs() < 0.003, "{}", share(&late));
    for (i, fate) in fates.iter().enumerate().filter(|(i, _)| !late[*i]) {
        assert_eq!(*fate, Fate::Passes { at_ns: (i as u64 + 20) * MS });
    }
}

#[test]
fn jitter_uses_its_range() {
    let jitter = Conditions { jitter: Span::ms(30), ..Conditions::default() };
    let (mut least, mut most, mut sum) = (u64::MAX, 0, 0);
    for i in 0..10_000 {
        // Alone on the link each time, so that order holds nobody back.
        let Fate::Passes { at_ns } = link(4, jitter).handle_packet(i * 7 * MS, 100) else { unreachable!() };
        let extra = at_ns - i * 7 * MS;
        (least, most, sum) = (least.min(extra), most.max(extra), sum + extra);
    }
    assert!(least < MS && most > 29 * MS && most <= 30 * MS, "{least} {most}");
    assert!((sum / 10_000).abs_diff(15 * MS) < MS, "{sum}");
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    let queue = prop_oneof![
        (0_u64..500).prop_map(|ms| Queue::Time(Span::ms(ms))),
        (1_000_u64..100_000).prop_map(Queue::Bytes)
    ];
    let rate = prop_oneof![Just(None), (10_000_u64..100_000_000).prop_map(Some)];
    let bursts = (0.0..0.3, 1.0..20.0, 0.0..=1.0).prop_map(|(share, length, loss)| Bursts {
        share: Share(share),
        length,
        loss: Share(loss),
    });
    let reorder = (0.0..0.2, 0_u64..50).prop_map(|(s, by)| Reorder { share: Share(s), by: Span::ms(by) });
    (0_u64..300, 0_u64..100, 0.0..0.3, bursts, reorder, rate, queue).prop_map(
        |(delay, jitter, loss, bursts, reorder, rate, queue)| Conditions {
            cut: false,
            delay: Span::ms(delay),
            jitter: Span::ms(jitter),
            loss: Share(loss),
            bursts,
            reorder,
            rate: Rate(rate),
            queue,
        },
    )
}

/// When packets come, and how long they are: gaps in microseconds, many of them none.
fn any_packets() -> impl Strategy<Value = Vec<(u64, usize)>> {
    proptest::collection::vec((prop_oneof![Just(0_u64), 0..20_000_u64], 40_usize..1_500), 1..200)
}

/// Feeds packets and gives what passed: when it came, its length, when it left.
fn feed(link: &mut Link, packets: &[(u64, usize)]) -> Vec<(u64, usize, u64)> {
    let mut now = 0;
    let mut passed = Vec::new();
    for (gap_us, len) in packets {
        now += gap_us * 1_000;
        if let Fate::Passes { at_ns } = link.handle_packet(now, *len) {
            passed.push((now, *len, at_ns));
        }
    }
    passed
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_fates(seed: u64, conditions in any_conditions(), packets in any_packets()) {
        prop_assert_eq!(feed(&mut link(seed, conditions), &packets), feed(&mut link(seed, conditions), &packets));
    }

    #[test]
    fn order_is_kept_unless_reordering_is_on(seed: u64, conditions in any_conditions(), packets in any_packets()) {
        let conditions = Conditions { reorder: Reorder::default(), ..conditions };
        let passed = feed(&mut link(seed, conditions), &packets);
        prop_assert!(passed.is_sorted_by_key(|(_, _, out)| *out));
    }

    #[test]
    fn nothing_comes_early_or_later_than_it_may(seed: u64, conditions in any_conditions(), packets in any_packets()) {
        let slack = Conditions { rate: Rate(None), ..conditions };
        for (came, _, out) in feed(&mut link(seed, slack), &packets) {
            prop_assert!(out >= came + slack.delay.0);
            // Held back by its own jitter, or by order behind an earlier one, never by both sums.
            prop_assert!(out <= came + slack.delay.0 + slack.jitter.0 + slack.reorder.by.0);
        }
    }

    #[test]
    fn the_rate_is_never_exceeded_over_any_window(
        seed: u64, rate in 10_000_u64..100_000_000, packets in any_packets(), delay in 0_u64..100,
    ) {
        let conditions =
            Conditions { rate: Rate(Some(rate)), delay: Span::ms(delay), ..Conditions::default() };
        let passed = feed(&mut link(seed, conditions), &packets);
        for (i, first) in passed.iter().enumerate() {
            let mut bits = 0_u128;
            // Whatever left after the first and until the last was sent in between.
            for last in &passed[i + 1..] {
                bits += last.1 as u128 * 8;
                let window = u128::from(last.2 - first.2);
                prop_assert!(bits * 1_000_000_000 <= u128::from(rate) * window, "{bits} bits in {window} ns");
            }
        }
    }

    #[test]
    fn nobody_waits_longer_than_the_queue(
        seed: u64, rate in 10_000_u64..100_000_000, packets in any_packets(), most in 0_u64..500,
    ) {
        let queue = Queue::Time(Span::ms(most));
        let conditions = Conditions { rate: Rate(Some(rate)), queue, ..Conditions::default() };
        for (came, len, out) in feed(&mut link(seed, conditions), &packets) {
            let own = (len as u64 * 8_000_000_000).div_ceil(rate);
            prop_assert!(out - came <= Span::ms(most).0 + own);
        }
    }

    #[test]
    fn no_more_waits_than_the_queue_has_bytes(
        seed: u64, rate in 10_000_u64..10_000_000, packets in any_packets(), most in 2_000_u64..50_000,
    ) {
        let conditions = Conditions { rate: Rate(Some(rate)), queue: Queue::Bytes(most), ..Conditions::default() };
        let passed = feed(&mut link(seed, conditions), &packets);
        for (i, (came, len, _)) in passed.iter().enumerate() {
            // Bytes of earlier packets still there when this one came; the one being sent counts in part.
            let waiting: usize =
                passed[..i].iter().filter(|(_, _, out)| out > came).skip(1).map(|(_, len, _)| len).sum();
            prop_assert!((waiting + len) as u64 <= most);
        }
    }
}
