//! A Redis master with a replica, and three Sentinels that watch over them.

use super::{
    process::{Spawned, until},
    redis::{RedisServer, pongs, say},
};
use std::{fs, time::Duration};

/// What the Sentinels call the master.
const NAME: &str = "telehealth";

/// How many Sentinels must agree, and how many there are.
const QUORUM: usize = 2;
const SENTINELS: usize = 3;

/// A master, its replica, and Sentinels.
#[derive(Debug)]
pub struct Sentinels {
    master: RedisServer,
    replica: RedisServer,
    sentinels: Vec<Spawned>,
}

impl Sentinels {
    /// Starts all of them and waits until a failover would succeed. The Sentinels call a server down
    /// after `down_after`.
    ///
    /// # Panics
    /// They cannot be started.
    pub fn start(down_after: Duration) -> Self {
        let master = RedisServer::start();
        let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
        until("the replica has what the master has", || {
            say(replica.port(), "INFO replication").is_ok_and(|info| info.contains("master_link_status:up"))
        });
        let sentinels = (0..SENTINELS).map(|_| sentinel(master.port(), down_after)).collect();
        let started = Self { master, replica, sentinels };
        until("the Sentinels know each other and the replica", || started.sentinels.iter().all(ready));
        started
    }

    /// Where the Sentinels are.
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("redis://127.0.0.1:{}", sentinel.port())).collect()
    }

    /// What they call the master.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// The master that was first.
    pub fn master(&mut self) -> &mut RedisServer {
        &mut self.master
    }

    /// The replica that was first.
    pub fn replica(&self) -> &RedisServer {
        &self.replica
    }
}

fn sentinel(master: u16, down_after: Duration) -> Spawned {
    let arguments = |dir: &std::path::Path, port: u16| {
        let file = dir.join("sentinel.conf");
        let down_after = down_after.as_millis();
        let text = format!(
            "port {port}\nbind 127.0.0.1\n\
             sentinel monitor {NAME} 127.0.0.1 {master} {QUORUM}\n\
             sentinel down-after-milliseconds {NAME} {down_after}\n\
             sentinel failover-timeout {NAME} 5000\n"
        );
        fs::write(&file, text).expect("the directory is ours");
        vec![file.into(), "--sentinel".into()]
    };
    Spawned::start("redis-server", arguments, pongs)
}

fn ready(sentinel: &Spawned) -> bool {
    let answer = say(sentinel.port(), &format!("SENTINEL master {NAME}")).unwrap_or_default();
    let words: Vec<_> = answer.lines().collect();
    let value = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 2));
    value("num-other-sentinels") == Some(&"2") && value("num-slaves") == Some(&"1")
}
