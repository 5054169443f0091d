//! Platform against real files, a real disk that is full, and a real kill -9.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk_full;
mod kill;
mod sqlite;
