//! From outbox to inbox, through a bus that loses what it held and processes that die: nothing missing, nothing doubled.

use super::{bus::connected, sqlite::open};
use platform::{
    bus::{Bus, memory, memory::MemoryBus},
    clock::{Clock, SystemClock},
    event_log::{Store, postgres},
    lane::Lane,
};
use prometheus::Registry;
use rig::{Rig, Source};
use std::sync::Arc;
use testkit::{
    bus::{bodies, consumer},
    engines::{NatsServer, Postgres},
    event_log::MemoryStore,
    wait::eventually,
};

mod care;
mod rig;

fn memory_bus() -> Arc<dyn Bus> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Arc::new(MemoryBus::new(memory::Config::default(), clock, &Registry::new()).unwrap())
}

fn memory_store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

async fn postgres_store(server: &Postgres, schema: &str) -> Arc<dyn Store> {
    let config =
        postgres::Config { url: server.url().into(), schema: schema.to_owned(), owner: None, ca_file: None };
    Arc::new(postgres::PostgresStore::open(&config, &Registry::new()).await.unwrap())
}

async fn nats(server: &NatsServer) -> Arc<dyn Bus> {
    Arc::new(connected(server, &Registry::new()).await)
}

/// Empties a lane's stream behind everybody's back.
async fn purge(server: &NatsServer, lane: Lane) {
    let client = async_nats::connect(server.url()).await.unwrap();
    let stream = format!("TH_{}", lane.as_str().to_uppercase());
    async_nats::jetstream::new(client).get_stream(stream).await.unwrap().purge().await.unwrap();
}

#[tokio::test]
async fn what_is_appended_is_handled_once_and_in_order() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    rig.relay();
    rig.inbox(Source::Relay);
    rig.append(200).await;
    rig.judge().await;
}

/// The bus of one process goes with it; the next one begins with an empty one.
#[tokio::test]
async fn a_bus_that_begins_anew_is_filled_again() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    for source in [Source::Relay, Source::Outbox, Source::Relay] {
        rig.relay();
        rig.inbox(source);
        rig.append(50).await;
        rig.until_handled(rig.appended() - 30).await;
        rig.kill_all();
        rig.append(10).await;
        rig.bus = memory_bus();
    }
    rig.relay();
    rig.inbox(Source::Relay);
    rig.judge().await;
}

#[tokio::test]
async fn relays_and_inboxes_that_are_killed_leave_nothing_undone() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    let _pair = (rig.relay(), rig.inbox(Source::Relay));
    for _ in 0..3 {
        let (relay, inbox) = (rig.relay(), rig.inbox(Source::Relay));
        rig.append(40).await;
        rig.until_handled(rig.appended() - 35).await;
        rig.kill(relay);
        rig.append(40).await;
        rig.kill(inbox);
    }
    rig.append(10).await;
    rig.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missing_after_nats_is_wiped_under_sqlite() {
    let (dirs, mut server) =
        ([tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()], NatsServer::start());
    let stores = [Arc::new(open(dirs[0].path())), Arc::new(open(dirs[1].path()))];
    let [from, to] = stores;
    let mut rig = Rig::new(from, to, nats(&server).await);
    rig.relay();
    rig.inbox(Source::Relay);
    for _ in 0..2 {
        rig.append(100).await;
        rig.until_handled(rig.appended() - 90).await;
        server.wipe();
        rig.append(50).await;
    }
    rig.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missing_after_nats_is_wiped_under_postgres() {
    let (database, mut server) = (Postgres::start(false), NatsServer::start());
    let (from, to) = (postgres_store(&database, "events").await, postgres_store(&database, "others").await);
    let mut rig = Rig::new(from, to, nats(&server).await);
    // Two processes each, on connections of their own.
    let first = [rig.relay(), rig.inbox(Source::Relay)];
    rig.bus = nats(&server).await;
    rig.relay();
    rig.inbox(Source::Relay);
    rig.append(100).await;
    rig.until_handled(20).await;
    server.wipe();
    rig.append(50).await;
    first.into_iter().for_each(|task| rig.kill(task));
    rig.append(50).await;
    rig.until_handled(120).await;
    server.wipe();
    rig.append(20).await;
    rig.judge().await;
}

/// The stream stays what it was, so nothing says that it lost anything; and the last messages have none after them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missing_after_a_stream_is_purged() {
    let server = NatsServer::start();
    for source in [Source::Relay, Source::Outbox] {
        let mut rig = Rig::new(memory_store(), memory_store(), nats(&server).await);
        let relay = rig.relay();
        rig.append(60).await;
        eventually("everything is published", async || rig.published(relay) >= 60).await;
        for lane in Lane::ALL {
            purge(&server, lane).await;
        }
        let inbox = rig.inbox(source);
        rig.until_handled(60).await;
        rig.append(60).await;
        for lane in Lane::ALL {
            purge(&server, lane).await;
        }
        rig.judge().await;
        assert!(rig.count(inbox, "telehealth_inbox_gaps_total") > 0, "it noticed by itself");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_without_its_newest_messages_is_told_them_again() {
    let mut server = NatsServer::start();
    let mut rig = Rig::new(memory_store(), memory_store(), nats(&server).await);
    let relay = rig.relay();
    rig.append(30).await;
    eventually("everything is published", async || rig.published(relay) >= 30).await;
    let newest = async {
        rig.append(30).await;
        eventually("everything is published", async || rig.published(relay) >= 60).await;
    };
    server.forget(newest).await;
    rig.inbox(Source::Relay);
    rig.judge().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_only_delays() {
    let server = NatsServer::start();
    let mut rig = Rig::new(memory_store(), memory_store(), nats(&server).await);
    let (relay, _) = (rig.relay(), rig.inbox(Source::Relay));
    rig.append(20).await;
    rig.until_handled(5).await;
    server.pause();
    rig.append(20).await;
    eventually("a publish fails", async || rig.count(relay, "telehealth_outbox_published_total{failed}") > 0)
        .await;
    server.resume();
    rig.append(20).await;
    rig.judge().await;
}

/// Not because an inbox asks: whoever consumes finds it there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_store_is_filled_again_with_all_that_there_is() {
    let mut server = NatsServer::start();
    let mut rig = Rig::new(memory_store(), memory_store(), nats(&server).await);
    let relay = rig.relay();
    rig.append(30).await;
    eventually("everything is published", async || rig.published(relay) == 30).await;
    server.wipe();
    eventually("everything is published again", async || rig.published(relay) == 60).await;
    let mut stranger = consumer(&*rig.bus, "stranger", Lane::Critical, "signaling.>").await;
    let held = bodies(&mut stranger, 27).await;
    assert!(held[0].ends_with(b"\"0\"}") && held[26].ends_with(b"\"28\"}"), "{held:?}");
}

#[tokio::test]
async fn whoever_is_left_takes_the_turn_of_whoever_died() {
    let mut rig = Rig::new(memory_store(), memory_store(), memory_bus());
    let (relays, consumes) = ("telehealth_outbox_relays", "telehealth_inbox_consumes");
    let older = (rig.relay(), rig.inbox(Source::Relay));
    eventually("the first have the turn", async || {
        (rig.count(older.0, relays), rig.count(older.1, consumes)) == (3, 3)
    })
    .await;
    let newer = (rig.relay(), rig.inbox(Source::Relay));
    eventually("the newest have the turn, in every lane", async || {
        let [older, newer] =
            [older, newer].map(|(relay, inbox)| (rig.count(relay, relays), rig.count(inbox, consumes)));
        (older, newer) == ((0, 0), (3, 3))
    })
    .await;
    rig.append(20).await;
    rig.judge().await;
    assert_eq!((rig.published(older.0), rig.published(newer.0)), (0, 20));
    rig.kill(newer.0);
    rig.kill(newer.1);
    rig.append(20).await;
    rig.judge().await;
    assert_eq!(rig.published(older.0), 20);
}

/// What one that is alone would do twice, two at once do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_handle_each_message_once() {
    let database = Postgres::start(false);
    let (from, to) = (postgres_store(&database, "events").await, postgres_store(&database, "others").await);
    let mut rig = Rig::new(from, to, memory_bus());
    for source in [Source::Relay, Source::Outbox, Source::Relay] {
        rig.relay();
        rig.inbox(source);
        rig.append(40).await;
    }
    rig.judge().await;
}
