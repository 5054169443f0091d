use crate::{
    filled::{Beside, fill},
    sqlite::open,
};
use platform::event_log::{
    EventStore as _, Moment, Version,
    sqlite::backup::{BackupError, Contents, backup, restore},
};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Instant};
use testkit::event_log::{append, command, stream};

/// The drill: 1,000,000 events, a server that goes on writing while they are copied, its directory destroyed, and
/// what was acknowledged before the backup began is all there on an empty machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_events_are_restored_on_an_empty_machine() {
    const STREAMS: u64 = 500;
    const EVENTS: u64 = 1_000_000;
    let (old, safe, new) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Arc::new(open(old.path()));
    fill(&store, STREAMS, EVENTS).await;

    let beside = Beside::start(&store, 9_999);
    let (log, file) = (old.path().join("events.sqlite"), safe.path().join("events.backup"));
    let before = beside.written();
    let begun = Instant::now();
    let copied = tokio::task::spawn_blocking({
        let file = file.clone();
        move || backup(&log, &file).unwrap()
    })
    .await
    .unwrap();
    let took = begun.elapsed();
    assert!(beside.stop().await > before, "the server went on writing");
    assert!(copied.events >= EVENTS + before, "{copied:?}");
    drop(store);
    drop(old);

    let begun = Instant::now();
    let restored = restore(&file, &new.path().join("events.sqlite")).unwrap();
    let store = open(new.path());
    println!("1,000,000 events: backed up in {took:?}, restored and opened in {:?}", begun.elapsed());
    assert_eq!(restored, copied);
    assert_eq!(restored.audits, STREAMS);
    for n in [0, STREAMS / 2, STREAMS - 1] {
        let events =
            store.read(stream(n.into()), Version(EVENTS / STREAMS - 1), 10, Moment::NOW).await.unwrap();
        assert_eq!(events.last().unwrap().version.0, EVENTS / STREAMS);
        assert!(store.append(command(stream(n.into()), 0, 1)).await.unwrap().repeated);
    }
}

async fn backed_up(dir: &Path) -> (std::path::PathBuf, Contents) {
    let store = open(dir);
    store.append(command(stream(1), 0, 1)).await.unwrap();
    store.append(append(stream(2), 0, None, 3)).await.unwrap();
    let file = dir.join("backup");
    let contents = backup(&dir.join("events.sqlite"), &file).unwrap();
    (file, contents)
}

#[tokio::test]
async fn nothing_is_written_over_and_only_the_owner_may_read_it() {
    let (dir, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, contents) = backed_up(dir.path()).await;
    assert_eq!(contents, Contents { events: 4, streams: 2, audits: 1 });
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    let again = backup(&dir.path().join("events.sqlite"), &file);
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
    let over = restore(&file, &dir.path().join("events.sqlite"));
    assert!(matches!(over, Err(BackupError::Exists(_))), "{over:?}");
    let running = open(empty.path());
    let under = restore(&file, &empty.path().join("events.sqlite"));
    assert!(matches!(under, Err(BackupError::InUse(_))), "{under:?}");
    drop(running);
}

#[tokio::test]
async fn a_damaged_backup_is_refused_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = backed_up(dir.path()).await;
    let whole = fs::read(&file).unwrap();
    let gap = |sql: &str| {
        let path = dir.path().join("gap");
        fs::write(&path, &whole).unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        fs::read(path).unwrap()
    };
    let cases = [
        ("cut short", whole[..whole.len() / 2].to_vec()),
        ("no database", b"a letter".repeat(1_000)),
        ("an event is gone", gap("DELETE FROM events WHERE position = 2")),
        ("a stream has a gap", gap("UPDATE events SET version = 9 WHERE position = 4")),
        ("an audit row is gone", gap("UPDATE audit SET number = 2")),
    ];
    for (what, bytes) in cases {
        let empty = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged");
        fs::write(&path, bytes).unwrap();
        let refused = restore(&path, &empty.path().join("events.sqlite"));
        assert!(matches!(refused, Err(BackupError::Damaged(_))), "{what}: {refused:?}");
        let left: Vec<_> =
            fs::read_dir(empty.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["events.lock"], "{what}");
    }
    let missing = restore(&dir.path().join("nothing"), &dir.path().join("other.sqlite"));
    assert!(matches!(missing, Err(BackupError::Io { .. })), "{missing:?}");
}
