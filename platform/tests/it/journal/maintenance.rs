//! What a person does with parked entries.

use super::{LONG, Place};
use platform::event_log::{
    EventStore as _, NewEvent,
    journal::{
        Why,
        maintenance::{self, MaintenanceError},
    },
    sqlite,
};
use testkit::event_log::{Fault, stream};

const CANARY: &str = "Xochitl Canarymoor";

/// Two entries that somebody has overtaken, the second with PHI. Their numbers.
async fn parked(place: &Place) -> [u64; 2] {
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    let mut said = super::by(place.fence, stream(1), 3, 3);
    said.events = vec![NewEvent { phi: Some(format!("{{\"name\":\"{CANARY}\"}}")), ..said.events.remove(0) }];
    place.journaled.append(said).await.unwrap();
    place.rival().await;
    place.faulty.set(Fault::None);
    place.journaled.replayed(LONG).await.unwrap();
    let parked = place.journaled.parked(0).await.unwrap();
    [parked[0].seq, parked[1].seq]
}

#[tokio::test]
async fn they_are_listed_and_shown_while_their_process_runs_and_print_no_phi() {
    let place = Place::new().await;
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(maintenance::list(nothing.path(), 0).unwrap(), []);
    assert_eq!(maintenance::list(place.dir.path(), 0).unwrap(), []);
    let [first, second] = parked(&place).await;
    let listed = maintenance::list(place.dir.path(), 0).unwrap();
    let told: Vec<_> = listed.iter().map(|listed| (listed.parked.seq, listed.parked.why)).collect();
    assert_eq!(told, [(first, Why::Fenced), (second, Why::Behind)]);
    assert_eq!(listed[0].kinds.len(), 1);
    assert_eq!(listed[0].decided.len(), "2026-11-23T10:31:07Z".len(), "{}", listed[0].decided);
    assert_eq!(maintenance::list(place.dir.path(), first).unwrap(), listed[1..]);
    let (shown, contents) = maintenance::show(place.dir.path(), second).unwrap();
    assert_eq!(shown, listed[1]);
    assert!(contents[0].phi.as_ref().unwrap().contains(CANARY));
    assert!(!format!("{listed:?} {contents:?}").contains(CANARY));
    let none = maintenance::show(place.dir.path(), second + 1);
    assert!(matches!(none, Err(MaintenanceError::NoSuchEntry(seq)) if seq == second + 1));
    let in_use = maintenance::discard(place.dir.path(), first);
    assert!(matches!(in_use, Err(MaintenanceError::Open(sqlite::OpenError::InUse { .. }))));
    let in_use = maintenance::retry(place.dir.path(), first);
    assert!(matches!(in_use, Err(MaintenanceError::Open(sqlite::OpenError::InUse { .. }))));
    assert_eq!(maintenance::list(place.dir.path(), 0).unwrap(), listed, "nothing was changed");
}

#[tokio::test]
async fn one_is_deleted_and_the_rest_tried_again() {
    let mut place = Place::new().await;
    let [first, second] = parked(&place).await;
    place.journaled.close().await;
    maintenance::discard(place.dir.path(), first).unwrap();
    let gone = maintenance::discard(place.dir.path(), first);
    assert!(matches!(gone, Err(MaintenanceError::NoSuchEntry(seq)) if seq == first));
    assert_eq!(maintenance::list(place.dir.path(), 0).unwrap().len(), 1);
    assert!(matches!(maintenance::retry(place.dir.path(), first), Err(MaintenanceError::NoSuchEntry(_))));
    assert_eq!(maintenance::retry(place.dir.path(), second).unwrap(), 1);
    assert_eq!(maintenance::list(place.dir.path(), 0).unwrap(), []);
    // Somebody else has the room: the store still refuses it, and it is parked again with a reason of its own.
    place.reopen().await;
    place.journaled.replayed(LONG).await.unwrap();
    assert_eq!(place.parked().await, [(3, Why::Fenced)]);
}

#[tokio::test]
async fn what_is_parked_behind_one_is_tried_again_with_it() {
    let mut place = Place::new().await;
    let [first, _] = parked(&place).await;
    place.journaled.close().await;
    assert_eq!(maintenance::retry(place.dir.path(), first).unwrap(), 2);
    place.reopen().await;
    place.journaled.replayed(LONG).await.unwrap();
    assert_eq!(place.parked().await, [(2, Why::Fenced), (3, Why::Behind)]);
}

#[tokio::test]
async fn nothing_is_put_before_what_can_still_be_recorded() {
    let mut place = Place::new().await;
    let [first, _] = parked(&place).await;
    let tenant = stream(1).tenant;
    place.fence = {
        use platform::event_log::Ownership as _;
        let mine = super::owner(1);
        place
            .journaled
            .take(tenant, super::ROOM, model::Epoch(2), mine, testkit::event_log::DECIDED)
            .await
            .unwrap()
    };
    place.versions(&place.journaled).await;
    place.faulty.set(Fault::Away);
    place.append(2, 5).await.unwrap();
    place.journaled.close().await;
    let refused = maintenance::retry(place.dir.path(), first);
    assert!(matches!(refused, Err(MaintenanceError::InTheWay)), "{refused:?}");
    place.reopen().await;
    place.faulty.set(Fault::None);
    place.journaled.replayed(LONG).await.unwrap();
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3]);
    assert_eq!(place.parked().await.len(), 2);
}
