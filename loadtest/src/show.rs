//! What is said while it runs: one line that renews itself on a terminal, a line every few seconds elsewhere.

use crate::record::Now;
use loadtest::{consult::now, plot::short};
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Between two lines where nothing can be renewed.
const EVERY: Duration = Duration::from_secs(5);

const WIDTH: usize = 20;

/// The live view, on standard error.
#[derive(Debug)]
pub(crate) struct Show {
    terminal: bool,
    quiet: bool,
    last: Option<Instant>,
    open: bool,
}

impl Show {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { terminal: io::stderr().is_terminal(), quiet, last: None, open: false }
    }

    /// A sentence.
    pub(crate) fn say(&mut self, text: &str) {
        if !self.quiet {
            self.finish();
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Where things stand.
    pub(crate) fn update(&mut self, at: Duration, over: Duration, so_far: &Now) {
        let soon = self.last.is_some_and(|last| last.elapsed() < EVERY);
        if self.quiet || (!self.terminal && soon) {
            return;
        }
        self.last = Some(now());
        let line = line(at, over, so_far);
        if self.terminal {
            // Back to the beginning, the line, and nothing of the one before behind it.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
            self.open = true;
        } else {
            let _ = writeln!(io::stderr(), "{line}");
        }
        let _ = io::stderr().flush();
    }

    /// Leaves the line as it is.
    pub(crate) fn finish(&mut self) {
        if std::mem::take(&mut self.open) {
            let _ = writeln!(io::stderr());
        }
    }
}

fn line(at: Duration, over: Duration, so_far: &Now) -> String {
    let people = so_far.people;
    let done = people.done + people.failed;
    let share = (people.came.max(done) as f64 / people.planned.max(1) as f64).min(1.0);
    let full = (share * WIDTH as f64).round() as usize;
    let bar: String = (0..WIDTH).map(|n| if n < full { '━' } else { '─' }).collect();
    let mut line = format!("{:>4} s {bar} {}/{} came", at.as_secs(), people.came, people.planned);
    if so_far.connections > 0 {
        line += &format!(" · {} connected", so_far.connections);
    } else {
        line += &format!(" · {} talk · {} done", so_far.in_call, people.done);
    }
    if let Some(last) = so_far.last {
        if let Some(p99) = last.forward_p99_ms {
            line += &format!(" · media p99 {} ms", short(p99));
        }
        if let Some(cpu) = last.cpu {
            line += &format!(" · server {} cores", short(cpu));
        }
    }
    if people.failed > 0 {
        line += &format!(" · {} FAILED", people.failed);
    }
    if at > over && done < people.planned && so_far.connections == 0 {
        line += " · the last visits end";
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{People, Sample};

    #[test]
    fn a_line_says_what_matters() {
        let people = People { planned: 40, came: 20, done: 12, failed: 1, most_at_once: 9, lost_calls: 0 };
        let last = Some(Sample { forward_p99_ms: Some(3.21), cpu: Some(0.5), ..Sample::default() });
        let so_far = Now { people, in_call: 7, connections: 0, last };
        let line = line(Duration::from_secs(31), Duration::from_secs(60), &so_far);
        assert_eq!(
            line,
            "  31 s ━━━━━━━━━━────────── 20/40 came · 7 talk · 12 done · media p99 3.21 ms · server 0.5 cores · 1 FAILED"
        );
    }
}
