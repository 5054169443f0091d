//! Platform against real files, real servers, a real disk that is full, and a real kill -9.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a test that prints a rate measures it")]

mod audit;
mod backup;
mod bus;
mod child;
mod disk_full;
mod filled;
mod journal;
mod kill;
mod outbox;
mod postgres;
mod postgres_disk_full;
mod postgres_restore;
mod postgres_tls;
mod postgres_units;
mod presence;
mod sqlite;
mod trace;
mod vault;
mod yugabyte;
