//! Deadlines, and work that is of a less urgent lane than what it looks at.

use super::super::{append, stream};
use platform::{
    event_log::{AppendError, Moment, Refusal, Store, Version},
    lane::{Lane, deadline, task},
};
use std::time::Duration;
use tokio::time::Instant;

pub(super) async fn conform(store: &dyn Store) {
    let late = stream(0x1a_0000);
    let past = Instant::now() - Duration::from_millis(1);
    let refused = deadline::scope(past, store.append(append(late, 0, None, 1))).await;
    assert_eq!(refused, Err(AppendError::Rejected(Refusal::Overdue)));
    assert!(deadline::scope(past, store.read(late, Version(0), 1, Moment::NOW)).await.is_err());
    assert!(store.read(late, Version(0), 1, Moment::NOW).await.expect("read").is_empty());
    for lane in Lane::ALL {
        let stream = stream(0x1b_0000 + lane.index() as u128);
        let soon = Instant::now() + Duration::from_secs(30);
        let work = async {
            store.append(append(stream, 0, None, 2)).await.expect("appended");
            let read = store.read(stream, Version(0), 10, Moment::NOW).await.expect("read");
            assert_eq!(read.len(), 2);
        };
        task::scope(lane, deadline::scope(soon, work)).await;
    }
}
