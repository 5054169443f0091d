//! Real servers, as Debian ships them, on free ports of this machine: for tests of adapters. Each has a
//! directory of its own, and dies with the test.

mod certificate;
mod nats;
mod postgres;
mod process;
mod redis;
mod redis_cluster;
mod sentinel;

pub use certificate::Certificate;
pub use nats::NatsServer;
pub use postgres::Postgres;
pub use process::{Spawned, free_port, program, until};
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use sentinel::Sentinels;
