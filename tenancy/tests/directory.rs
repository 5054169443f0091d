//! Processes that share a store, and what each knows of the units.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use model::TenantId;
use platform::{clock::ManualClock, event_log::Store};
use std::sync::Arc;
use tenancy::{Base, ChangeError, Command, Described, Directory, Host, Language, Rejection};
use testkit::event_log::{Fault, Faulty, MemoryStore};
use uuid::Uuid;

const HOME: TenantId = TenantId(Uuid::from_u128(1));

fn base() -> Base {
    Base {
        id: HOME,
        name: "Riverside".into(),
        url: "https://visits.example".into(),
        origins: Vec::new(),
        hosts: Vec::new(),
    }
}

async fn process(store: &Arc<MemoryStore>) -> Directory {
    let store = Arc::clone(store) as Arc<dyn Store>;
    Directory::open(store, None, Arc::new(ManualClock::default()), base()).await.unwrap()
}

fn add(n: u128, slug: &str, host: &str) -> Command {
    let described = Described {
        name: "Lakeside".into(),
        slug: slug.into(),
        hosts: vec![Host::name(host).unwrap()],
        zone: "UTC".into(),
        language: Language::Es,
    };
    Command::Add { unit: TenantId(Uuid::from_u128(n)), described }
}

#[tokio::test]
async fn what_one_process_changes_another_knows_at_its_next_look_and_after_a_restart() {
    let store = Arc::new(MemoryStore::default());
    let (one, other) = (process(&store).await, process(&store).await);
    let host = Host::name("b.example").unwrap();
    let added = one.change(add(2, "b", "b.example")).await.unwrap();
    assert_eq!(one.now().of_host(Some(&host)).map(|unit| unit.id), Some(added.id));
    assert_eq!(other.now().of_host(Some(&host)).map(|unit| unit.id), Some(HOME), "there was one unit only");
    other.refresh().await.unwrap();
    assert_eq!(other.now().of_host(Some(&host)).map(|unit| unit.id), Some(added.id));
    let again = process(&store).await;
    assert_eq!(again.url(added.id), "https://b.example");
    assert_eq!(again.find("b").await.map(|unit| unit.id), Some(added.id));
}

#[tokio::test]
async fn two_processes_that_want_the_same_name_do_not_both_get_it() {
    let store = Arc::new(MemoryStore::default());
    let (one, other) = (process(&store).await, process(&store).await);
    let (a, b) = tokio::join!(one.change(add(2, "b", "b.example")), other.change(add(3, "c", "b.example")));
    let refused = Err(ChangeError::Rejected(Rejection::HostTaken(Host::name("b.example").unwrap())));
    assert!(a.is_ok() && b.map(drop) == refused);
}

#[tokio::test]
async fn while_the_store_is_away_what_is_known_is_served_and_nothing_is_changed() {
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::default())));
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let directory = Directory::open(shared, None, Arc::new(ManualClock::default()), base()).await.unwrap();
    directory.change(add(2, "b", "b.example")).await.unwrap();
    store.set(Fault::Away);
    assert!(directory.refresh().await.is_err());
    assert_eq!(directory.change(add(3, "c", "c.example")).await.map(drop), Err(ChangeError::Later));
    assert_eq!(directory.now().all().count(), 2);
}

#[tokio::test]
async fn what_could_not_be_done_can_be_asked_for_again_and_is_added_once() {
    let store = Arc::new(Faulty::new(Arc::new(MemoryStore::default())));
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let directory = Directory::open(shared, None, Arc::new(ManualClock::default()), base()).await.unwrap();
    store.set(Fault::Unsure);
    // What is there cannot be read, so nothing is decided.
    assert_eq!(directory.change(add(2, "b", "b.example")).await.map(drop), Err(ChangeError::Later));
    store.set(Fault::None);
    let again = async || directory.change(add(2, "b", "b.example")).await.map(drop);
    assert_eq!(again().await, Ok(()));
    assert_eq!(again().await, Err(ChangeError::Rejected(Rejection::Exists)));
    assert_eq!(directory.now().all().count(), 2);
}

#[tokio::test]
async fn without_a_store_there_is_one_unit() {
    let directory = Directory::of_one(base());
    assert_eq!(directory.change(add(2, "b", "b.example")).await.map(drop), Err(ChangeError::None));
    assert_eq!(directory.now().home().described.name, "Riverside");
}
