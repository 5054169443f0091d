//! A script in words, for `--dry-run` and for whoever reads a report.

use super::{
    link::{Bursts, Conditions, Reorder},
    script::{Change, Direction, Script, Step, Ways},
    units::{Share, Span},
};
use std::fmt::Write as _;

/// A line for each direction, and one for each step.
pub(super) fn explain(script: &Script) -> String {
    let mut text = String::new();
    if !script.about.is_empty() {
        let _ = writeln!(text, "{}", script.about);
    }
    let at_first = |direction| conditions(&script.start(direction));
    let (up, down) = (at_first(Direction::Up), at_first(Direction::Down));
    if up == down {
        let _ = writeln!(text, "  both ways  {up}");
    } else {
        let _ = writeln!(text, "  up         {up}\n  down       {down}");
    }
    for each in &script.steps {
        let _ = writeln!(text, "  {}", step(each));
    }
    text
}

fn conditions(it: &Conditions) -> String {
    let mut parts = Vec::new();
    if it.delay != Span(0) || it.jitter != Span(0) {
        let jitter =
            if it.jitter == Span(0) { String::new() } else { format!(" and up to {} more", it.jitter) };
        parts.push(format!("takes {}{jitter}", it.delay));
    }
    if it.loss != Share(0.0) {
        parts.push(format!("{} lost one by one", it.loss));
    }
    if it.bursts != Bursts::default() {
        parts.push(bursts(&it.bursts));
    }
    if it.reorder != Reorder::default() {
        parts.push(reorder(&it.reorder));
    }
    if it.rate.0.is_some() {
        parts.push(format!("{}, {} may wait", it.rate, it.queue));
    }
    if parts.is_empty() { "as it is, unhindered".to_owned() } else { parts.join("; ") }
}

fn bursts(it: &Bursts) -> String {
    format!("{} of packets in bursts of {} on average, of which {} are lost", it.share, it.length, it.loss)
}

fn reorder(it: &Reorder) -> String {
    format!("{} held back by {}", it.share, it.by)
}

fn step(it: &Step) -> String {
    let mut when = format!("at {}", it.at);
    if let Some(every) = it.every {
        let _ = write!(when, " and every {every} after");
    }
    match it.lasts {
        Some(lasts) => _ = write!(when, ", for {lasts}"),
        None if it.readdress => {}
        None => when.push_str(", from then on"),
    }
    let mut what: Vec<String> = Vec::new();
    if let Some(ways) = it.cut {
        what.push(match ways {
            Ways::Up => "nothing passes up".to_owned(),
            Ways::Down => "nothing passes down".to_owned(),
            Ways::Both => "nothing passes".to_owned(),
        });
    }
    for (name, own) in [("both ways", &it.both), ("up", &it.up), ("down", &it.down)] {
        if *own != Change::default() {
            what.push(format!("{name} {}", change(own)));
        }
    }
    if it.readdress {
        what.push("the server sees another address and port".to_owned());
    }
    format!("{when}: {}", what.join("; "))
}

fn change(it: &Change) -> String {
    let mut parts = Vec::new();
    let mut add =
        |name: &str, value: Option<String>| parts.extend(value.map(|value| format!("{name}{value}")));
    add("delay ", it.delay.map(|it| it.to_string()));
    add("jitter ", it.jitter.map(|it| it.to_string()));
    add("loss ", it.loss.map(|it| it.to_string()));
    add("", it.bursts.map(|it| bursts(&it.into())));
    add("", it.reorder.map(|it| reorder(&it.into())));
    add("rate ", it.rate.map(|it| it.to_string()));
    add("queue ", it.queue.map(|it| it.to_string()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reads_as_a_story() {
        let script = Script::parse(
            r#"
            about = "A cellar"
            both = { delay = "40 ms", jitter = "10 ms", loss = "0.5 %" }
            up = { rate = "1 Mbit/s", queue = "64 kB", bursts = { share = "2 %", length = 8 } }
            [[step]]
            at = "10 s"
            for = "3 s"
            every = "1 min"
            cut = "up"
            [[step]]
            at = "20 s"
            down = { rate = "150 kbit/s", reorder = { share = "1 %", by = "20 ms" } }
            [[step]]
            at = "30 s"
            readdress = true
            "#,
        );
        let expected = "\
A cellar
  up         takes 40 ms and up to 10 ms more; 0.5 % lost one by one; 2 % of packets in bursts of 8 on average, of which 100 % are lost; 1 Mbit/s, 64 kB may wait
  down       takes 40 ms and up to 10 ms more; 0.5 % lost one by one
  at 10 s and every 60 s after, for 3 s: nothing passes up
  at 20 s, from then on: down 1 % held back by 20 ms, rate 150 kbit/s
  at 30 s: the server sees another address and port
";
        assert_eq!(explain(&script.expect("a script")), expected);
    }

    #[test]
    fn a_script_that_does_nothing_says_so() {
        assert_eq!(explain(&Script::default()), "  both ways  as it is, unhindered\n");
    }
}
