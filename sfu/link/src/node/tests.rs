//! What becomes of sessions that nobody speaks for.

use super::*;
use model::{ParticipantId, RoomId, TenantId};
use platform::clock::SystemClock;
use sfu_core::port::{
    Affinity, Answer, Connect, Direction, Existing, MediaError, PortFuture, SessionId, Transport,
};
use std::time::Duration;

const TENANT: TenantId = TenantId(Uuid::from_u128(1));
const ROOM: RoomId = RoomId(Uuid::from_u128(2));

/// Has these sessions.
#[derive(Default)]
struct Sessions(Mutex<Vec<Existing>>);

fn existing(n: u64, room: Option<RoomId>, connected: Option<Transport>) -> Existing {
    Existing {
        session: SessionId(n),
        participant: ParticipantId(Uuid::from_u128(n.into())),
        affinity: Affinity(7),
        direction: Direction::Both,
        room,
        connected,
        shown: None,
    }
}

impl MediaNode for Sessions {
    fn claim(&self, _: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        Box::pin(std::future::ready(Ok(self.0.lock().clone())))
    }
    fn connect(&self, _: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(std::future::pending())
    }
    fn restart(&self, _: SessionId, _: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(std::future::pending())
    }
    fn seat(&self, _: SessionId, _: Option<RoomId>) -> Result<(), MediaError> {
        Ok(())
    }
    fn set_sharer(
        &self,
        _: TenantId,
        _: Affinity,
        _: RoomId,
        _: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        Ok(())
    }
    fn disconnect(&self, session: SessionId) {
        self.0.lock().retain(|existing| existing.session != session);
    }
}

#[tokio::test]
async fn a_call_outlives_its_owners_and_an_abandoned_warm_seat_does_not() {
    let media = Arc::new(Sessions::default());
    let udp = Some(Transport::Udp);
    let all = [existing(1, Some(ROOM), udp), existing(2, None, udp), existing(3, Some(ROOM), None)];
    media.0.lock().extend(all);
    let (_events, receiver) = mpsc::channel(1);
    let deps = Deps {
        media: Arc::clone(&media) as Arc<_>,
        events: receiver,
        load: Box::new(Load::default),
        keys: Arc::new(Keys::ephemeral()),
        clock: Arc::new(SystemClock),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
    };
    let identity = Identity { node: "one".into(), boot: Uuid::nil(), region: String::new() };
    let shared = Service::new(identity, deps).shared;
    let key = (TENANT, Affinity(7));
    let left = Instant::now();
    shared.claims.lock().claim(key, Epoch(1), StreamId(1)).unwrap();
    shared.claims.lock().left(StreamId(1), left);

    shared.end_orphans(left + limits::ORPHAN_AFTER - Duration::from_millis(1)).await;
    assert_eq!(media.0.lock().len(), 3);
    shared.end_orphans(left + limits::ORPHAN_AFTER).await;
    assert_eq!(*media.0.lock(), [existing(1, Some(ROOM), udp)]);
    // The epoch is remembered for as long as the call lasts.
    assert_eq!(shared.claims.lock().claim(key, Epoch(0), StreamId(2)), Err(MediaError::Fenced));
    media.0.lock().clear();
    shared.end_orphans(left + limits::ORPHAN_AFTER).await;
    assert_eq!(shared.claims.lock().claim(key, Epoch(0), StreamId(2)), Ok(None));
}
