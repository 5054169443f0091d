//! The file: what is not one is said to be unreadable, whatever it is, and nothing panics.

use super::{exported, fill, judge, later, sealer};
use platform::{
    audit::{
        PublicKeys, Signer,
        file::{Unreadable, for_each_row},
        verify::{Anchors, verify},
    },
    clock::ManualClock,
    event_log::{Partition, Store},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::sync::Arc;
use testkit::event_log::MemoryStore;

fn trail() -> (Vec<u8>, PublicKeys) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let signer = Arc::new(Signer::ephemeral(later(0)));
        fill(&*store, 0, 50).await;
        let clock = Arc::new(ManualClock::new(later(100)));
        sealer(Arc::clone(&store), &signer, &clock, 10).look(true).await;
        fill(&*store, 50, 3).await;
        let keys = signer.public_keys().clone();
        (exported(&*store, &[Partition(0)], &keys).await, keys)
    })
}

fn read(bytes: &Vec<u8>, keys: Option<&PublicKeys>) -> Result<bool, Unreadable> {
    let mut anchors = Anchors::default();
    let _ = anchors.add_file(bytes, keys);
    let _ = for_each_row(bytes, |row| row.row().map(drop).map_err(std::io::Error::other));
    verify(bytes, keys, &Anchors::default()).map(|report| report.is_clean())
}

#[test]
fn a_file_that_is_cut_anywhere_is_unreadable() {
    let (file, keys) = trail();
    assert!(judge(&file, &keys, None).is_clean());
    for length in (0..file.len()).step_by(7) {
        assert!(read(&file[..length].to_vec(), Some(&keys)).is_err(), "{length}");
    }
}

#[test]
fn whatever_stands_in_a_file_is_judged_without_a_panic_and_no_altered_row_passes() {
    let (file, keys) = trail();
    let sealed_rows = file.len() / 2;
    let strategy = proptest::collection::vec((0..file.len(), any::<u8>()), 1..6);
    TestRunner::new(Config { cases: 512, failure_persistence: None, ..Config::default() })
        .run(&strategy, |changes| {
            let mut altered = file.clone();
            for (at, byte) in &changes {
                altered[*at] = *byte;
            }
            let _ = read(&altered, Some(&keys));
            let _ = read(&altered, None);
            // The last ten thousandths are rows that are not sealed; the first bytes say when it was written.
            let of_rows = |at: &usize| (sealed_rows..file.len() * 3 / 4).contains(at);
            if altered != file && changes.iter().all(|(at, _)| of_rows(at)) {
                prop_assert!(!read(&altered, Some(&keys)).unwrap_or(false));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn arbitrary_bytes_are_unreadable() {
    TestRunner::new(Config { cases: 512, failure_persistence: None, ..Config::default() })
        .run(&proptest::collection::vec(any::<u8>(), 0..300), |bytes| {
            prop_assert!(read(&bytes, None).is_err());
            let with_magic = [b"TLHAUDIT\0\x01".as_slice(), &bytes].concat();
            prop_assert!(read(&with_magic, None).is_err());
            Ok(())
        })
        .unwrap();
}
