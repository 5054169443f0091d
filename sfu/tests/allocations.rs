//! Forwarding allocates nothing of its own: what a shard allocates in steady state is the engine's, for STUN checks and
//! timers, and does not grow with the packets.

use loadtest::media::{Client, Fleet, Options, Sending, Sink, Source, Tag};
use model::{ParticipantId, RoomId, TenantId};
use sfu::{Advertise, Config, Service};
use sfu_core::port::{Affinity, Connect, Direction, MediaNode as _};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

static BY_SHARDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_SHARD: Cell<bool> = const { Cell::new(false) };
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its nature; this one counts and passes on")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    if !ASKED.replace(true) {
        // Reading the name may allocate, and then finds the question asked.
        IS_SHARD
            .set(std::fs::read("/proc/thread-self/comm").is_ok_and(|name| name.starts_with(b"sfu-shard")));
        ASKED.set(true);
    }
    if IS_SHARD.get() {
        BY_SHARDS.fetch_add(1, Ordering::Relaxed);
    }
}

async fn join(handle: &sfu::Handle, fleet: &Fleet, who: u128) -> anyhow::Result<Client> {
    let (pending, offer) = fleet.offer(Options::default()).await?;
    let connect = Connect {
        tenant: TenantId(uuid::Uuid::from_u128(1)),
        participant: ParticipantId(uuid::Uuid::from_u128(who)),
        affinity: Affinity(7),
        direction: Direction::Both,
        room: Some(RoomId(uuid::Uuid::from_u128(9))),
        offer,
    };
    let answer = handle.connect(connect).await?;
    let client = pending.answered(&answer.sdp).await?;
    client.connected().await?;
    Ok(client)
}

async fn received(clients: &[Client]) -> anyhow::Result<u64> {
    let mut packets = 0;
    for client in clients {
        packets += client.counters().await?.iter().map(|(_, line)| line.packets).sum::<u64>();
    }
    Ok(packets)
}

#[test]
fn forwarding_allocates_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config =
            Config { advertise: Advertise::These(vec![Ipv4Addr::LOCALHOST.into()]), ..Config::ephemeral() };
        let (service, handle, _events) = Service::new(config, &prometheus::Registry::new()).unwrap();
        let shutdown = CancellationToken::new();
        let running = service.run(shutdown.clone());
        let test = async {
            let fleet = Fleet::start(None).unwrap();
            let clients = [join(&handle, &fleet, 1).await.unwrap(), join(&handle, &fleet, 2).await.unwrap()];
            for (client, tag) in clients.iter().zip([Tag(1), Tag(2)]) {
                client.send(Source::Microphone, Sending::talking(tag));
                client.send(Source::Camera, Sending::talking(tag));
            }
            for client in &clients {
                client.first_frame(Sink::Video(0)).await.unwrap();
            }
            // Histories grow to what their streams need, and vectors to what a turn needs.
            while received(&clients).await.unwrap() < 1_500 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let (allocated, packets) = (BY_SHARDS.load(Ordering::Relaxed), received(&clients).await.unwrap());
            while received(&clients).await.unwrap() < packets + 2_000 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let packets = received(&clients).await.unwrap() - packets;
            let allocated = BY_SHARDS.load(Ordering::Relaxed) - allocated;
            println!("{allocated} allocations for {packets} packets");
            // One of ours would be one for each packet.
            assert!(allocated * 10 < packets, "{allocated} allocations for {packets} packets");
            shutdown.cancel();
        };
        let (_, outcome) = tokio::join!(test, running);
        outcome.unwrap();
    });
}
