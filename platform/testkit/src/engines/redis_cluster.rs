//! A Redis Cluster of three masters.

use super::{
    process::{free_port, until},
    redis::{RedisServer, say},
};

const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;

/// Three masters that share the slots.
#[derive(Debug)]
pub struct RedisCluster(Vec<RedisServer>);

impl RedisCluster {
    /// Starts them and waits until they agree.
    ///
    /// # Panics
    /// They cannot be started.
    pub fn start() -> Self {
        let masters: Vec<_> = (0..MASTERS).map(|_| master()).collect();
        for (n, master) in (0..).zip(&masters) {
            let (from, to) =
                (SLOTS / MASTERS * n, if n + 1 == MASTERS { SLOTS } else { SLOTS / MASTERS * (n + 1) });
            master.0.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", n + 1));
            master.0.say(&format!("CLUSTER ADDSLOTSRANGE {from} {}", to - 1));
            let (first, bus) = (&masters[0].0, masters[0].1);
            master.0.say(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", first.port()));
        }
        let cluster = Self(masters.into_iter().map(|(server, _)| server).collect());
        until("the nodes agree on who has which slots", || cluster.0.iter().all(agrees));
        cluster
    }

    /// Where they are.
    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(RedisServer::url).collect()
    }

    /// Deletes everything in all of them.
    ///
    /// # Panics
    /// One does not answer.
    pub fn flush(&self) {
        self.0.iter().for_each(RedisServer::flush);
    }
}

/// Redis would use the port 10,000 above, which may be taken or no port at all.
fn master() -> (RedisServer, u16) {
    let bus = free_port();
    let port = bus.to_string();
    (RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &port]), bus)
}

fn agrees(server: &RedisServer) -> bool {
    say(server.port(), "CLUSTER INFO").is_ok_and(|info| {
        info.contains("cluster_state:ok")
            && info.contains(&format!("cluster_slots_ok:{SLOTS}"))
            && info.contains(&format!("cluster_known_nodes:{MASTERS}"))
    })
}
