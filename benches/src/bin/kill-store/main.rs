//! Kills writers of the event log in mid-commit, again and again, and looks at what is left each time: all that was
//! acknowledged, no stream with a gap, an integrity check that is clean.
//!
//! On SQLite the process that writes is killed (signal 9), KILLS times; on PostgreSQL the whole server, PG_KILLS times,
//! while this process goes on writing. 0 leaves an engine out. Every tenth writer lives longer than the others, so that
//! checkpoints are hit too. DIR is where the files are. The disk itself keeps what it was given: this is the end of
//! processes, not of the machine's power.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::{Duration, Instant};

mod ledger;
mod postgres;
mod sqlite;
mod wal;

/// Streams that are written to at a time, each by a caller who waits for the answer.
const STREAMS: usize = 16;

/// How long a writer lives after its first acknowledgement: at most, and every tenth of them.
const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_millis(500);

/// Numbers that look random and are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    /// How long the writer of a round may live.
    fn life(&mut self, round: usize) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let longest = if round % 10 == 9 { LONG } else { SHORT };
        longest.mul_f64((mixed >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if let Some(dir) = arguments.next() {
        let heads = arguments.next().context("a writer is told where each stream is")?;
        return sqlite::write(dir.as_ref(), &heads);
    }
    let number =
        |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (kills, pg_kills) = (number("KILLS", 1_000), number("PG_KILLS", 100));
    let begun = Instant::now();
    let dir = tempfile::tempdir_in(std::env::var_os("DIR").unwrap_or_else(|| "/var/tmp".into()))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let sqlite = if kills == 0 { None } else { Some(sqlite::run(&runtime, dir.path(), kills)?) };
    // On this thread: the server dies with the thread that starts it.
    let postgres = if pg_kills == 0 { None } else { Some(postgres::run(&runtime, pg_kills)?) };
    let of = |field: &str| -> u64 {
        [&sqlite, &postgres].into_iter().flatten().filter_map(|engine| engine[field].as_u64()).sum()
    };
    let figures = json!({
        "name": "kill-store",
        "kills": of("kills"),
        "acknowledged": of("acknowledged"),
        // Anything else ended the run before this line.
        "lost": 0,
        "mid_commit": of("mid_commit"),
        "sqlite": sqlite,
        "postgres": postgres,
        "seconds": begun.elapsed().as_secs(),
        "conditions": {
            "streams": STREAMS, "append": "a whole command: event, message, audit row, key and answer",
            "sqlite": "kill -9 of the writing process; WAL, synchronous=FULL",
            "postgres": "kill -9 of all of the server's processes; 15, synchronous_commit=on, fsync=on",
            "killed_after_ms": { "most": SHORT.as_millis(), "every_tenth": LONG.as_millis() },
            "profile": if cfg!(debug_assertions) { "dev" } else { "perf" },
        },
    });
    println!("{figures}");
    Ok(())
}
