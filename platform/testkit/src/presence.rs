//! What every presence must do, whatever it is made of.

use crate::wait::eventually;
use bytes::Bytes;
use model::TenantId;
use platform::{
    limits::{MAX_LISTED, MAX_PRESENCE_BYTES, PRESENCE_TTL},
    presence::{Key, Presence, PresenceError},
};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Runs the suite: `here` and `there` are what two processes have. Both must be empty.
///
/// # Panics
/// They do not conform.
pub async fn conformance(here: &dyn Presence, there: Box<dyn Presence>) {
    shows_what_is_announced_to_everybody(here, &*there).await;
    keeps_kinds_and_tenants_apart(here).await;
    lets_the_newest_announcement_win(here, &*there).await;
    holds_its_limits(here).await;
    cuts_long_lists(here).await;
    keeps_up_what_is_alive_and_lets_go_of_what_is_not(here, there).await;
}

/// A key of the test tenant.
///
/// # Panics
/// The id is none.
pub fn key(kind: &'static str, id: &str) -> Key {
    Key::new(kind, Some(tenant(1)), id).expect("a key")
}

/// A TTL that does not run out in a test.
pub const LONG: Duration = Duration::from_secs(60);

fn tenant(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

async fn value(presence: &dyn Presence, key: &Key) -> Option<Bytes> {
    presence.get(key.clone()).await.expect("answered")
}

async fn shows_what_is_announced_to_everybody(here: &dyn Presence, there: &dyn Presence) {
    assert_eq!(value(here, &key("participant", "a")).await, None);
    here.announce(key("participant", "b"), "1".into(), LONG).await.expect("announced");
    there.announce(key("participant", "a"), vec![0, 255, 13, 10].into(), LONG).await.expect("announced");
    here.announce(key("participant", "b"), "2".into(), LONG).await.expect("announced anew");
    for presence in [here, there] {
        assert_eq!(value(presence, &key("participant", "b")).await, Some("2".into()));
        let listing = presence.list("participant", Some(tenant(1))).await.expect("listed");
        let expected = [("a".into(), vec![0, 255, 13, 10].into()), ("b".into(), Bytes::from("2"))];
        assert_eq!((listing.entries, listing.cut), (expected.to_vec(), false));
    }
    here.withdraw(key("participant", "b")).await.expect("withdrawn");
    there.withdraw(key("participant", "a")).await.expect("withdrawn");
    assert_eq!(value(there, &key("participant", "b")).await, None);
    assert_eq!(here.list("participant", Some(tenant(1))).await.expect("listed").entries, []);
    here.withdraw(key("participant", "b")).await.expect("nothing to withdraw");
}

async fn keeps_kinds_and_tenants_apart(here: &dyn Presence) {
    let places = [("room", Some(tenant(1))), ("room", Some(tenant(2))), ("room", None), ("node", None)];
    for (n, (kind, tenant)) in places.into_iter().enumerate() {
        let key = Key::new(kind, tenant, "same").expect("a key");
        here.announce(key, n.to_string().into(), LONG).await.expect("announced");
    }
    for (n, (kind, tenant)) in places.into_iter().enumerate() {
        let listing = here.list(kind, tenant).await.expect("listed");
        assert_eq!(listing.entries, [("same".into(), Bytes::from(n.to_string()))]);
    }
}

/// Also when the one before still keeps its own up: a participant who moved does not flicker.
async fn lets_the_newest_announcement_win(here: &dyn Presence, there: &dyn Presence) {
    let (key, shortest) = (key("moved", "a"), *PRESENCE_TTL.start());
    here.announce(key.clone(), "here".into(), shortest).await.expect("announced");
    there.announce(key.clone(), "there".into(), shortest).await.expect("announced");
    let until = Instant::now() + shortest * 2;
    while Instant::now() < until {
        assert_eq!(value(here, &key).await, Some("there".into()));
        sleep(Duration::from_millis(20)).await;
    }
    here.withdraw(key.clone()).await.expect("nothing of ours");
    assert_eq!(value(here, &key).await, Some("there".into()));
    there.withdraw(key.clone()).await.expect("withdrawn");
    assert_eq!(value(here, &key).await, None);
}

async fn holds_its_limits(here: &dyn Presence) {
    let sized = |len| here.announce(key("limits", "a"), vec![7; len].into(), LONG);
    sized(MAX_PRESENCE_BYTES).await.expect("as large as may be");
    assert_eq!(sized(MAX_PRESENCE_BYTES + 1).await, Err(PresenceError::TooLarge));
    assert_eq!(value(here, &key("limits", "a")).await.map(|value| value.len()), Some(MAX_PRESENCE_BYTES));
}

async fn cuts_long_lists(here: &dyn Presence) {
    let announce = async |n: usize| {
        here.announce(key("many", &format!("{n:05}")), Bytes::new(), LONG).await.expect("announced");
    };
    for n in 0..MAX_LISTED {
        announce(n).await;
    }
    let listing = here.list("many", Some(tenant(1))).await.expect("listed");
    assert_eq!((listing.entries.len(), listing.cut), (MAX_LISTED, false));
    assert!(listing.entries.is_sorted());
    announce(MAX_LISTED).await;
    let listing = here.list("many", Some(tenant(1))).await.expect("listed");
    assert_eq!((listing.entries.len(), listing.cut), (MAX_LISTED, true));
}

async fn keeps_up_what_is_alive_and_lets_go_of_what_is_not(here: &dyn Presence, there: Box<dyn Presence>) {
    let (alive, gone, shortest) = (key("life", "alive"), key("life", "gone"), *PRESENCE_TTL.start());
    here.announce(alive.clone(), "1".into(), shortest).await.expect("announced");
    there.announce(gone.clone(), "1".into(), shortest).await.expect("announced");
    let until = Instant::now() + shortest * 3;
    while Instant::now() < until {
        let listing = here.list("life", Some(tenant(1))).await.expect("listed");
        assert_eq!(listing.entries.len(), 2, "both live, and are kept up beyond their time");
        sleep(Duration::from_millis(20)).await;
    }
    drop(there);
    assert_eq!(value(here, &gone).await, Some("1".into()), "it may only be slow");
    eventually("what is dead is let go of", async || value(here, &gone).await.is_none()).await;
    let listing = here.list("life", Some(tenant(1))).await.expect("listed");
    assert_eq!(listing.entries, [("alive".into(), Bytes::from("1"))]);
}
