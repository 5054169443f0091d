use super::*;

const S: u64 = 1_000_000_000;

fn script(text: &str) -> Script {
    Script::parse(text).expect("a script")
}

fn refusal(text: &str) -> String {
    format!("{:#}", Script::parse(text).expect_err("refused"))
}

#[test]
fn steps_lie_over_each_other_and_leave_nothing_behind() {
    let script = script(
        r#"
        both = { delay = "20 ms" }
        up = { rate = "1 Mbit/s" }
        [[step]]
        at = "10 s"
        for = "10 s"
        up = { rate = "150 kbit/s" }
        [[step]]
        at = "12 s"
        for = "3 s"
        cut = "down"
        "#,
    );
    let up = |at| script.conditions(at, Direction::Up);
    let down = |at| script.conditions(at, Direction::Down);
    assert_eq!(
        up(0),
        Conditions { delay: Span::ms(20), rate: Rate(Some(1_000_000)), ..Conditions::default() }
    );
    assert_eq!(up(10 * S), Conditions { rate: Rate(Some(150_000)), ..up(0) });
    assert_eq!((down(12 * S).cut, up(12 * S).cut), (true, false));
    assert!(!down(15 * S).cut);
    assert_eq!(up(20 * S), up(0));
    let mut changes = vec![0];
    while let Some(next) = script.next_change(changes[changes.len() - 1]) {
        changes.push(next);
    }
    assert_eq!(changes, [0, 10 * S, 12 * S, 15 * S, 20 * S]);
}

#[test]
fn a_step_may_come_again() {
    let script = script("[[step]]\nat = '5 s'\nfor = '2 s'\nevery = '10 s'\ncut = 'both'\n");
    let cut = |at| script.conditions(at, Direction::Up).cut;
    let holds: Vec<u64> = (0..30).filter(|s| cut(s * S)).collect();
    assert_eq!(holds, [5, 6, 15, 16, 25, 26]);
    assert_eq!(script.next_change(0), Some(5 * S));
    assert_eq!(script.next_change(5 * S), Some(7 * S));
    assert_eq!(script.next_change(7 * S), Some(15 * S));
}

#[test]
fn addresses_change_at_their_times() {
    let script = script(
        "[[step]]\nat = '5 s'\nreaddress = true\n[[step]]\nat = '6 s'\nevery='10 s'\nreaddress = true",
    );
    let count: Vec<u64> = [0, 5, 6, 15, 16, 26].iter().map(|s| script.readdressed(s * S)).collect();
    assert_eq!(count, [0, 1, 2, 2, 3, 4]);
}

#[test]
fn a_profile_is_where_it_starts() {
    let script =
        script("profile = '4g'\nboth = { loss = '3 %' }\n[[step]]\nat = '1 s'\nup = { delay = '1 s' }");
    let base = Script::load("4g").expect("shipped").conditions(0, Direction::Up);
    assert_eq!(script.conditions(0, Direction::Up), Conditions { loss: Share(0.03), ..base });
    assert_eq!(script.conditions(S, Direction::Up).delay, Span::ms(1_000));
}

#[test]
fn a_later_word_counts_whether_for_both_or_for_one() {
    let base = script("up = { loss = '1 %' }\n[[step]]\nat = '0 s'\nboth = { loss = '2 %' }");
    assert_eq!(base.conditions(0, Direction::Up).loss, Share(0.02));
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    let cases = [
        ("both = { dealy = '1 ms' }", "unknown field `dealy`, expected one of `delay`, `jitter`"),
        ("speed = 3", "unknown field `speed`"),
        ("both = { delay = 50 }", "expected a time like \"50 ms\""),
        ("both = { rate = '1 Mbps' }", "expected a rate like \"1.5 Mbit/s\""),
        ("both = { bursts = { share = '1 %', length = 0 } }", "bursts.length is a number of packets"),
        ("profile = '5g'", "there is no profile `5g`; there are"),
        ("[[step]]\nat = '1 s'", "step 1 (at 1 s): changes nothing"),
        (
            "[[step]]\nat = '1 s'\ncut = 'left'",
            "unknown variant `left`, expected one of `up`, `down`, `both`",
        ),
        ("[[step]]\nat = '1 s'\ncut = 'up'\nevery = '2 s'", "say `for` how long"),
        ("[[step]]\nat = '1 s'\ncut = 'up'\nevery = '2 s'\nfor = '2 s'", "`for` is shorter than `every`"),
        ("[[step]]\nat = '1 s'\nfor = '2 s'\nreaddress = true", "happens at once and stays"),
        ("[[step]]\nat = '1 s'\nreaddress = true\nevery = '0 s'", "`every` is 1 ms at least"),
        ("[[step]]\ncut = 'up'", "missing field `at`"),
    ];
    for (text, expected) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn only_so_many_steps_are_taken() {
    let step = "[[step]]\nat = '1 s'\ncut = 'up'\n";
    assert!(Script::parse(&step.repeat(MOST_STEPS)).is_ok());
    assert!(refusal(&step.repeat(MOST_STEPS + 1)).contains("more than 256 steps"));
}

#[test]
fn the_manuals_example_is_a_script() {
    let manual = include_str!("../../../../docs/netem.md");
    let example =
        manual.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let script = script(example);
    assert_eq!(script.conditions(0, Direction::Down).rate, Rate(Some(20_000_000)), "from its profile");
    assert_eq!((script.steps.len(), script.readdressed(40 * S)), (3, 1));
}
