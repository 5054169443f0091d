//! While the store is away the clinician reads what is not recorded yet, and nobody else does.

use crate::{
    client::{Client, Ended, id, waiting},
    media::FakeMedia,
    world::{Home, ROOM, TENANT, World},
};
use model::{Epoch, Timestamp};
use platform::{
    clock::SystemClock,
    event_log::{
        Holder, Ownership as _, Store,
        journal::{Journaled, Patience},
    },
};
use prometheus::Registry;
use signaling_protocol::{ClientMessage, ErrorCode, ServerMessage};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use testkit::event_log::{Fault, Faulty, MemoryStore};
use uuid::Uuid;

const QUICK: Patience = Patience {
    store: Duration::from_millis(50),
    replay: Duration::from_millis(100),
    pause: Duration::from_millis(2),
};

/// A process with a journal before a store that can fail.
struct Place {
    faulty: Arc<Faulty<MemoryStore>>,
    memory: Arc<MemoryStore>,
    store: Arc<dyn Store>,
    world: World,
    home: Home,
    _dir: TempDir,
}

impl Place {
    async fn start() -> Self {
        let (home, dir) = (Home::new(), tempfile::tempdir().unwrap());
        let memory = Arc::new(MemoryStore::default());
        let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
        let clock = Arc::new(SystemClock);
        let journaled =
            Journaled::open_with(QUICK, dir.path(), Arc::clone(&faulty), clock, &Registry::new()).await;
        let store: Arc<dyn Store> = Arc::new(journaled.unwrap());
        let (media, events) = FakeMedia::new();
        let world = home.start_in_fleet(Arc::clone(&store), media, events).await;
        Self { faulty, memory, store, world, home, _dir: dir }
    }

    async fn recorded(&self) {
        let recorded = tokio::time::timeout(Duration::from_secs(10), self.store.recorded(TENANT, ROOM.0));
        assert_eq!(recorded.await, Ok(Ok(())));
    }

    /// A clinician, and a patient who waits.
    async fn people(&self) -> (Client, Client, model::VisitId) {
        let mut alice = self.world.join(&self.world.open().await).await;
        let invitation = self.world.invite("Bob").await;
        let mut bob = self.world.join(&invitation.link).await;
        bob.check_in().await;
        alice.queue(|queue| waiting(queue) == [invitation.visit] && !queue.unrecorded).await;
        (alice, bob, invitation.visit)
    }
}

fn chat(visit: model::VisitId, text: &str) -> ClientMessage {
    ClientMessage::Chat { id: id(), visit, text: text.into() }
}

#[tokio::test]
async fn the_clinician_reads_that_something_is_not_recorded_yet_and_then_no_more() {
    let place = Place::start().await;
    let (mut alice, mut bob, visit) = place.people().await;
    place.faulty.set(Fault::Away);
    alice.command(&chat(visit, "One moment")).await;
    let told = bob.until(|message| matches!(message, ServerMessage::Chat { .. })).await;
    let ServerMessage::Chat { message, .. } = &told else { unreachable!() };
    let queue = alice.queue(|queue| queue.unrecorded).await;
    assert_eq!(queue.entries[0].unrecorded_from, Some(message.seq), "from these words on");
    bob.command(&chat(visit, "Thank you")).await;
    // A visit that the journal has never seen cannot be in it: that is said, and nothing else changes.
    let invite = ClientMessage::Invite { id: id(), name: "Ann".into(), reason: "".into() };
    assert_eq!(alice.refused(&invite).await, ErrorCode::Unavailable);
    place.faulty.set(Fault::None);
    let queue = alice.queue(|queue| !queue.unrecorded).await;
    assert_eq!(queue.entries[0].unrecorded_from, None);
    alice.command(&invite).await;
    place.world.stop().await;
}

#[tokio::test]
async fn where_another_process_has_the_room_meanwhile_everybody_is_sent_there_and_nothing_is_called_recorded()
{
    let place = Place::start().await;
    let (mut alice, _bob, visit) = place.people().await;
    place.faulty.set(Fault::Away);
    alice.command(&chat(visit, "One moment")).await;
    alice.queue(|queue| queue.unrecorded).await;
    let rival = Holder { process: Uuid::from_u128(9), address: String::new() };
    place.memory.take(TENANT, ROOM.0, Epoch(1), rival, Timestamp(0)).await.unwrap();
    place.faulty.set(Fault::None);
    let before = alice.seen().len();
    let Ended { error, .. } = alice.ended().await;
    assert_eq!(error.map(|(code, _)| code), Some(ErrorCode::Restarting));
    let recorded = |said: &ServerMessage| matches!(said, ServerMessage::Queue { queue } if !queue.unrecorded);
    assert!(!alice.seen()[before..].iter().any(recorded), "{:#?}", alice.seen());
    place.world.stop().await;
}

#[tokio::test]
async fn nobody_takes_over_what_a_process_that_goes_down_has_yet_to_record() {
    let place = Place::start().await;
    let (mut alice, _bob, visit) = place.people().await;
    let (media, events) = FakeMedia::new();
    let store: Arc<dyn Store> = place.memory.clone();
    let other = place.home.start_in_fleet(store, media, events).await;
    place.faulty.set(Fault::Away);
    alice.command(&chat(visit, "One moment")).await;
    alice.queue(|queue| queue.unrecorded).await;
    place.world.begin_drain();
    alice.ended().await;
    // The other process reaches the store, and is asked for the room.
    let mut back = Client::connect(other.addr).await;
    back.hello(&alice.resume_token).await;
    let Ended { error, .. } = back.ended().await;
    assert_eq!(error.map(|(code, _)| code), Some(ErrorCode::Unavailable), "it tries again");
    let owner = async || place.memory.owner(TENANT, ROOM.0).await.unwrap().unwrap();
    assert_eq!((owner().await.holder.process, owner().await.epoch), (place.world.me.process, Epoch(1)));
    place.faulty.set(Fault::None);
    place.recorded().await;
    let mut back = Client::join(other.addr, &alice.resume_token).await;
    let said = |message: &ServerMessage| matches!(message, ServerMessage::ChatHistory { messages, .. } if messages.len() == 1);
    back.until(said).await;
    assert_eq!((owner().await.holder.process, owner().await.epoch), (other.me.process, Epoch(2)));
    other.stop().await;
    place.world.stop().await;
}
