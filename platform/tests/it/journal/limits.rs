//! The journal's limits, at them and past them.

use super::{LONG, Place, QUICK, UNAVAILABLE, by, open};
use platform::{
    clock::SystemClock,
    event_log::{
        EventStore as _, Moment, Version,
        journal::{Journaled, Patience, Why},
    },
    limits::{MAX_JOURNALED_PER_COMMIT, MAX_LISTED, MAX_QUEUED_FOR_JOURNAL, REPLAYS_AT_ONCE},
};
use prometheus::Registry;
use std::{sync::Arc, task::Poll};
use testkit::{
    event_log::{Fault, stream},
    wait::{eventually, soon},
};

#[tokio::test]
async fn the_queue_takes_as_many_as_it_says_and_refuses_the_rest_at_once() {
    let place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    // A transaction of somebody else holds the thread up, so that the queue fills.
    let rival = rusqlite::Connection::open(place.dir.path().join("journal.sqlite")).unwrap();
    rival.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut waiting = vec![place.journaled.append(by(place.fence, stream(1), 3, 3))];
    assert!(futures_util::poll!(&mut waiting[0]).is_pending());
    let filled = async {
        loop {
            // Whoever asks for what is in line waits with it.
            let mut next = place.journaled.append(by(place.fence, stream(1), 3, 3));
            match futures_util::poll!(&mut next) {
                Poll::Pending => waiting.push(next),
                Poll::Ready(refused) => return refused,
            }
        }
    };
    assert_eq!(soon("it is full", filled).await, Err(UNAVAILABLE));
    // In the queue, and those the thread had taken before it was held up.
    let most = MAX_QUEUED_FOR_JOURNAL + MAX_JOURNALED_PER_COMMIT;
    assert!((MAX_QUEUED_FOR_JOURNAL..=most).contains(&waiting.len()), "{}", waiting.len());
    rival.execute_batch("ROLLBACK").unwrap();
    for next in waiting {
        assert_eq!(next.await.unwrap().version, Version(4));
    }
}

#[tokio::test]
async fn many_streams_are_replayed_at_a_time_and_not_more_than_it_says() {
    let place = Place::new().await;
    let streams = REPLAYS_AT_ONCE as u128 + 8;
    for n in 2..2 + streams {
        place.journaled.read(stream(n), Version(0), 1, Moment::NOW).await.unwrap();
    }
    place.faulty.set(Fault::Away);
    for n in 2..2 + streams {
        place.journaled.append(by(place.fence, stream(n), 0, n)).await.unwrap();
    }
    place.journaled.close().await;
    place.faulty.set(Fault::Late);
    let patient = Patience { replay: LONG, ..QUICK };
    let (store, clock) = (Arc::clone(&place.faulty), Arc::new(SystemClock));
    let journaled =
        Journaled::open_with(patient, place.dir.path(), store, clock, &Registry::new()).await.unwrap();
    eventually("as many as may be are under way", async || place.faulty.undelivered() >= REPLAYS_AT_ONCE)
        .await;
    assert_eq!(place.faulty.undelivered(), REPLAYS_AT_ONCE);
    journaled.close().await;
    place.faulty.set(Fault::None);
    let journaled = open(place.dir.path(), &place.faulty).await;
    assert_eq!(journaled.replayed(LONG).await, Ok(()));
    place.faulty.deliver().await;
    assert_eq!(journaled.parked(0).await, Ok(vec![]));
    assert_eq!(place.versions(&*place.memory).await, [1, 2]);
}

#[tokio::test]
async fn parked_entries_are_listed_in_pages_and_one_that_cannot_be_read_is_parked() {
    let mut place = Place::new().await;
    place.journaled.close().await;
    let file = rusqlite::Connection::open(place.dir.path().join("journal.sqlite")).unwrap();
    let id = [3_u8; 16];
    let rows = MAX_LISTED as u64 + 1;
    file.execute_batch("BEGIN").unwrap();
    for seq in 1..=rows {
        let parked = (seq > 1).then_some("conflict");
        file.execute(
            "INSERT INTO entries VALUES (?1, ?2, 'visit', 0, ?2, ?2, ?2, 1, 0, 5, 6, ?3, ?4)",
            (seq, &id, &b"{not what it was"[..], parked),
        )
        .unwrap();
    }
    file.execute_batch("COMMIT").unwrap();
    drop(file);
    place.reopen().await;
    assert_eq!(*place.journaled.unrecorded().borrow(), 0);
    let page = place.journaled.parked(0).await.unwrap();
    assert_eq!((page.len(), page[0].why, page[1].why), (MAX_LISTED, Why::Unreadable, Why::Conflict));
    let rest = place.journaled.parked(page.last().unwrap().seq).await.unwrap();
    assert_eq!(rest.iter().map(|parked| parked.seq).collect::<Vec<_>>(), [rows]);
}
