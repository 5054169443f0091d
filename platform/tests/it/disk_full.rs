//! A disk that is really full: a small tmpfs in a mount namespace of the test's own.

use crate::{child::on_a_small_disk, sqlite::open};
use platform::event_log::{AppendError, EventStore as _, Moment, Refusal, Version};
use std::{fs, path::Path};
use testkit::event_log::{append, stream};

const DIR: &str = "EVENT_LOG_FULL_DIR";

#[test]
fn a_full_disk_is_said_clearly_loses_nothing_and_heals_without_a_restart() {
    on_a_small_disk("disk_full::on_the_small_disk", DIR);
}

/// Not a test of its own: runs inside the namespace.
#[tokio::test]
async fn on_the_small_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let dir = Path::new(&dir);
    let store = open(dir);
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![7; 1_024 * 1_024]).unwrap();
    let big = |head| {
        let mut big = append(stream(1), head, Some(u128::from(head)), 1);
        big.events[0].body = "x".repeat(20_000);
        big
    };
    let mut head = 0;
    let refusal = loop {
        match store.append(big(head)).await {
            Ok(appended) => head = appended.version.0,
            Err(error) => break error,
        }
        assert!(head < 1_000, "the disk never filled");
    };
    assert!(matches!(refusal, AppendError::Rejected(Refusal::Unavailable)), "{refusal:?}");
    assert!(head > 0 && !store.is_writable());
    assert_eq!(store.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap().len() as u64, head);
    fs::remove_file(ballast).unwrap();
    let appended = store.append(big(head)).await.unwrap();
    assert!(!appended.repeated && appended.version.0 == head + 1 && store.is_writable());
    println!("healed after {head} events");
}
