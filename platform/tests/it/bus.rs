//! The bus, in-process and over a real NATS server, through the same suite; then what goes wrong.

use platform::{
    bus::{Bus, BusError, memory, memory::MemoryBus, nats, nats::NatsBus},
    clock::SystemClock,
    lane::Lane,
    limits::{BUS_TIME_LIMIT, MAX_PUBLISHES},
};
use prometheus::Registry;
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{
    bus::{bodies, conformance, consumer, message, next},
    engines::{Certificate, NatsServer},
    wait::{eventually, soon},
};

const ACK_WAIT: Duration = Duration::from_secs(2);

pub(crate) async fn connected(server: &NatsServer, registry: &Registry) -> NatsBus {
    let config = nats::Config { urls: vec![server.url()], ack_wait: ACK_WAIT, ..nats::Config::default() };
    NatsBus::start(config, Arc::new(SystemClock), registry).await.unwrap()
}

fn counted(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    family
        .map_or(0.0, |family| family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum())
}

#[tokio::test]
async fn the_bus_in_process_conforms() {
    let registry = Registry::new();
    let config = memory::Config { ack_wait: ACK_WAIT, ..memory::Config::default() };
    let bus = MemoryBus::new(config, Arc::new(SystemClock), &registry).unwrap();
    conformance(&bus).await;
    judge_metrics(&registry);
}

#[tokio::test]
async fn the_bus_over_nats_conforms() {
    let (server, registry) = (NatsServer::start(), Registry::new());
    conformance(&connected(&server, &registry).await).await;
    judge_metrics(&registry);
}

/// After the suite, both have counted the same things.
fn judge_metrics(registry: &Registry) {
    assert!(counted(registry, "telehealth_bus_published_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_delivered_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_redelivered_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_parked_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_expired_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_missed_total") > 0.0);
    assert!(counted(registry, "telehealth_bus_resets_total") == 0.0);
}

#[tokio::test]
async fn whoever_waits_hears_that_the_bus_is_gone() {
    let server = NatsServer::start();
    let nats: Box<dyn Bus> = Box::new(connected(&server, &Registry::new()).await);
    let memory = MemoryBus::new(memory::Config::default(), Arc::new(SystemClock), &Registry::new()).unwrap();
    for bus in [nats, Box::new(memory)] {
        let mut consumer = consumer(&*bus, "gone", Lane::Critical, ">").await;
        let mut listener = bus.listen(testkit::bus::pattern(">")).await.unwrap();
        drop(bus);
        assert!(soon("the end", consumer.next()).await.is_none());
        assert!(soon("the end", listener.next()).await.is_none());
    }
}

async fn until_published(bus: &NatsBus, body: &'static str) {
    eventually("publishing works", async || bus.publish(Lane::Critical, message("a", body)).await.is_ok())
        .await;
}

/// Refused, and in time.
async fn is_refused(bus: &NatsBus) {
    let started = Instant::now();
    let refused = bus.publish(Lane::Critical, message("lost", "")).await;
    assert!(matches!(refused, Err(BusError::Unavailable)), "{refused:?}");
    let took = started.elapsed();
    assert!(took < BUS_TIME_LIMIT + Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn what_was_published_before_a_kill_is_delivered_after_it() {
    let mut server = NatsServer::start();
    let bus = connected(&server, &Registry::new()).await;
    let incarnation = bus.incarnation(Lane::Critical);
    let before = *incarnation.borrow();
    let mut consumer = consumer(&bus, "kill", Lane::Critical, "a").await;
    for body in ["1", "2"] {
        bus.publish(Lane::Critical, message("a", body)).await.unwrap();
    }
    assert_eq!(bodies(&mut consumer, 1).await, ["1"]);
    server.kill();
    is_refused(&bus).await;
    server.restart();
    until_published(&bus, "3").await;
    let seen = collect(&mut consumer, "3").await;
    assert!(seen.contains("2"), "{seen:?}");
    assert_eq!(*incarnation.borrow(), before, "nothing was lost, and nobody says so");
}

/// Acknowledges until a body comes; what came.
async fn collect(consumer: &mut platform::bus::Consumer, last: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while !seen.contains(last) || seen.len() < 2 {
        let body = bodies(consumer, 1).await.remove(0);
        seen.insert(String::from_utf8(body.to_vec()).unwrap());
    }
    seen
}

#[tokio::test]
async fn a_server_that_stands_still_holds_nobody_up() {
    let server = NatsServer::start();
    let bus = connected(&server, &Registry::new()).await;
    let mut consumer = consumer(&bus, "pause", Lane::Critical, "a").await;
    server.pause();
    is_refused(&bus).await;
    server.resume();
    until_published(&bus, "1").await;
    assert_eq!(next(&mut consumer).await.message.body, "1");
}

#[tokio::test]
async fn a_wiped_store_is_made_again_and_said_to_be_another() {
    let (mut server, registry) = (NatsServer::start(), Registry::new());
    let bus = connected(&server, &registry).await;
    let mut consumer = consumer(&bus, "wiped", Lane::Critical, "a").await;
    let mut listener = bus.listen(testkit::bus::pattern("live")).await.unwrap();
    bus.publish(Lane::Critical, message("a", "gone")).await.unwrap();
    let mut incarnations = Lane::ALL.map(|lane| bus.incarnation(lane));
    let before = incarnations.each_mut().map(|incarnation| *incarnation.borrow_and_update());
    server.wipe();
    for (incarnation, before) in incarnations.iter_mut().zip(before) {
        soon("the lane says that it is another", incarnation.changed()).await.unwrap();
        assert!(before.is_some() && incarnation.borrow().is_some_and(|now| Some(now) != before));
    }
    assert_eq!(counted(&registry, "telehealth_bus_resets_total"), 3.0);
    until_published(&bus, "after").await;
    let seen = collect_until(&mut consumer, "after").await;
    assert!(seen.iter().all(|body| body == "gone" || body == "after"), "{seen:?}");
    // Whoever listens is told that something may have been missed, and hears on.
    let heard = soon("the interruption", listener.next()).await;
    assert_eq!(heard, Some(platform::bus::Heard::Missed(0)));
}

#[tokio::test]
async fn a_store_that_came_back_without_its_newest_messages_is_said_to_be_another() {
    let mut server = NatsServer::start();
    let bus = connected(&server, &Registry::new()).await;
    bus.publish(Lane::Critical, message("a", "kept")).await.unwrap();
    let mut incarnation = bus.incarnation(Lane::Critical);
    let before = *incarnation.borrow_and_update();
    let acknowledged = async || bus.publish(Lane::Critical, message("a", "lost")).await.unwrap();
    server.forget(acknowledged()).await;
    soon("the lane says that it is another", incarnation.changed()).await.unwrap();
    assert_ne!(*incarnation.borrow(), before);
}

#[tokio::test]
async fn tls_and_a_password_are_used_and_neither_a_stranger_nor_a_wrong_signer_gets_in() {
    let certificate = Certificate::new();
    let server = NatsServer::start_tls(&certificate, "us", "secret");
    let trusting = nats::Config {
        urls: vec![format!("tls://127.0.0.1:{}", server.port())],
        user: Some(("us".into(), "secret".into())),
        ca_file: Some(certificate.cert()),
        ..nats::Config::default()
    };
    let distrusting = nats::Config { ca_file: Some(Certificate::new().cert()), ..trusting.clone() };
    let stranger = nats::Config { user: None, ..trusting.clone() };
    assert!(!format!("{trusting:?}").contains("secret"));
    let bus = start(trusting).await;
    until_published(&bus, "1").await;
    is_refused(&start(distrusting).await).await;
    is_refused(&start(stranger).await).await;
}

async fn start(config: nats::Config) -> NatsBus {
    NatsBus::start(config, Arc::new(SystemClock), &Registry::new()).await.unwrap()
}

async fn collect_until(consumer: &mut platform::bus::Consumer, last: &str) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.last().is_none_or(|body| body != last) {
        let body = bodies(consumer, 1).await.remove(0);
        seen.push(String::from_utf8(body.to_vec()).unwrap());
    }
    seen
}

#[tokio::test]
async fn a_bus_that_starts_before_its_server_works_when_it_comes() {
    let mut server = NatsServer::start();
    server.kill();
    let bus = connected(&server, &Registry::new()).await;
    assert_eq!(*bus.incarnation(Lane::Critical).borrow(), None);
    is_refused(&bus).await;
    server.restart();
    until_published(&bus, "1").await;
    let mut consumer = consumer(&bus, "early", Lane::Critical, "a").await;
    assert_eq!(bodies(&mut consumer, 1).await, ["1"]);
}

/// What would wait its turn for long if lanes shared a connection or a queue: more is published as a batch than may be
/// under way, and nobody takes any of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_in_one_lane_of_nats_holds_up_no_other() {
    const FLOOD: usize = MAX_PUBLISHES * 2;
    let server = NatsServer::start();
    let bus = Arc::new(connected(&server, &Registry::new()).await);
    for flooded in Lane::ALL {
        let body = bytes::Bytes::from(vec![7; 64 * 1_024]);
        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..FLOOD {
            let (bus, message) = (Arc::clone(&bus), message("flood.a", body.clone()));
            flood.spawn(async move { bus.publish(flooded, message).await.is_ok() });
        }
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != flooded) {
            let subject = format!("calm.{flooded}");
            let mut consumer = consumer(&*bus, &format!("calm-{flooded}"), lane, &subject).await;
            bus.publish(lane, message(&subject, flooded.as_str())).await.unwrap();
            assert_eq!(bodies(&mut consumer, 1).await, [flooded.as_str()]);
        }
        assert!(!flood.is_empty());
        flood.shutdown().await;
    }
}
