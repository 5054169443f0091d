//! Presence, in-process and over real Redis servers, through the same suite; then what goes wrong.

use platform::{
    limits::PRESENCE_TIME_LIMIT,
    presence::{
        Presence, PresenceError,
        memory::MemoryPresence,
        redis::{Config, Mode, RedisPresence},
    },
};
use prometheus::Registry;
use std::time::{Duration, Instant};
use testkit::{
    engines::{Certificate, RedisCluster, RedisServer, Sentinels},
    presence::{LONG, conformance, key},
    wait::eventually,
};

/// As operators are told to set it.
const DOWN_AFTER: Duration = Duration::from_secs(1);

fn start(mode: Mode) -> RedisPresence {
    RedisPresence::start(Config { mode, ca_file: None }, &Registry::new()).unwrap()
}

fn single(server: &RedisServer) -> RedisPresence {
    start(Mode::Single { url: server.url() })
}

fn watched(sentinels: &Sentinels) -> RedisPresence {
    let (urls, master) = (sentinels.urls(), sentinels.name().into());
    start(Mode::Sentinel { urls, master, username: None, password: None })
}

fn clustered(cluster: &RedisCluster) -> RedisPresence {
    start(Mode::Cluster { urls: cluster.urls() })
}

/// Whether others see what was announced.
async fn shows(presence: &dyn Presence, id: &str) -> bool {
    presence.get(key("node", id)).await.is_ok_and(|value| value.is_some())
}

async fn announce(presence: &dyn Presence, id: &str) {
    presence.announce(key("node", id), "here".into(), LONG).await.unwrap();
}

#[tokio::test]
async fn presence_in_process_conforms() {
    let here = MemoryPresence::new();
    conformance(&here, Box::new(here.another())).await;
}

#[tokio::test]
async fn presence_over_one_redis_conforms() {
    let server = RedisServer::start();
    conformance(&single(&server), Box::new(single(&server))).await;
}

#[tokio::test]
async fn presence_over_sentinel_conforms() {
    let sentinels = Sentinels::start(DOWN_AFTER);
    conformance(&watched(&sentinels), Box::new(watched(&sentinels))).await;
}

#[tokio::test]
async fn presence_over_a_cluster_conforms() {
    let cluster = RedisCluster::start();
    conformance(&clustered(&cluster), Box::new(clustered(&cluster))).await;
}

#[tokio::test]
async fn what_was_announced_is_there_again_after_a_restart() {
    let mut server = RedisServer::start();
    let (here, there) = (single(&server), single(&server));
    announce(&here, "a").await;
    // It keeps nothing on disk: this restart is a wipe.
    server.restart();
    let started = Instant::now();
    eventually("it is rebuilt", async || shows(&there, "a").await).await;
    println!("rebuilt {:?} after a restart", started.elapsed());
}

#[tokio::test]
async fn what_was_announced_is_there_again_after_a_wipe_that_no_connection_noticed() {
    let server = RedisServer::start();
    let (here, there) = (single(&server), single(&server));
    announce(&here, "a").await;
    // Whoever has looked at Redis once notices when it is another.
    let looked = async || server.say("EXISTS th:presence:mark").starts_with(":1");
    eventually("it was looked at", looked).await;
    server.flush();
    let started = Instant::now();
    eventually("it is rebuilt", async || shows(&there, "a").await).await;
    let took = started.elapsed();
    println!("rebuilt {took:?} after a wipe");
    assert!(took < LONG / 3, "it did not wait for the next refresh");
}

#[tokio::test]
async fn a_redis_that_is_away_or_stands_still_holds_nobody_up() {
    let mut server = RedisServer::start();
    let here = single(&server);
    announce(&here, "a").await;
    server.pause();
    is_unavailable(&here).await;
    server.resume();
    eventually("it answers again", async || shows(&here, "a").await).await;
    server.kill();
    is_unavailable(&here).await;
    server.restart();
    // Announced while Redis was away, with nobody asking again.
    eventually("it is announced", async || shows(&here, "b").await).await;
}

async fn is_unavailable(presence: &dyn Presence) {
    let started = Instant::now();
    let refused = presence.announce(key("node", "b"), "here".into(), LONG).await;
    assert_eq!(refused, Err(PresenceError::Unavailable));
    assert_eq!(presence.get(key("node", "a")).await, Err(PresenceError::Unavailable));
    let took = started.elapsed();
    assert!(took < PRESENCE_TIME_LIMIT * 2 + Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn a_killed_master_is_replaced_within_three_seconds() {
    let mut sentinels = Sentinels::start(DOWN_AFTER);
    let (here, there) = (watched(&sentinels), watched(&sentinels));
    announce(&here, "before").await;
    sentinels.master().kill();
    let started = Instant::now();
    eventually("announcing works", async || {
        here.announce(key("node", "after"), "here".into(), LONG).await.is_ok()
    })
    .await;
    let announced = started.elapsed();
    eventually("others see it", async || shows(&there, "after").await).await;
    let seen = started.elapsed();
    eventually("nothing is missing", async || shows(&there, "before").await).await;
    let rebuilt = started.elapsed();
    println!("failover: announced after {announced:?}, seen after {seen:?}, whole after {rebuilt:?}");
    assert!(rebuilt <= Duration::from_secs(3), "{rebuilt:?}");
}

#[tokio::test]
async fn tls_and_a_password_are_used_and_a_wrong_signer_is_not_talked_to() {
    let (certificate, other) = (Certificate::new(), Certificate::new());
    let (_server, url) = RedisServer::start_tls(&certificate, "secret");
    let with = |signer: &Certificate| {
        let config = Config { mode: Mode::Single { url: url.clone() }, ca_file: Some(signer.cert()) };
        assert!(!format!("{config:?}").contains("secret"));
        RedisPresence::start(config, &Registry::new()).unwrap()
    };
    announce(&with(&certificate), "a").await;
    assert_eq!(with(&other).get(key("node", "a")).await, Err(PresenceError::Unavailable));
}

#[tokio::test]
async fn a_wiped_cluster_is_rebuilt() {
    let cluster = RedisCluster::start();
    let (here, there) = (clustered(&cluster), clustered(&cluster));
    announce(&here, "a").await;
    cluster.flush();
    eventually("it is rebuilt", async || shows(&there, "a").await).await;
}
