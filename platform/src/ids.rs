//! New identifiers. Version 7, so that rows written together lie together.

use std::cell::RefCell;
use uuid::Uuid;

/// Where a simulation takes ids from.
type Chosen = Box<dyn FnMut() -> Uuid>;

thread_local! {
    static CHOSEN: RefCell<Option<Chosen>> = const { RefCell::new(None) };
}

/// A fresh id. Unguessable enough to name a thing, not to guard it: secrets come from [`crate::keys`].
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh() -> Uuid {
    CHOSEN.with_borrow_mut(|chosen| chosen.as_mut().map_or_else(Uuid::now_v7, |next| next()))
}

/// From now on the ids of this thread are chosen by its caller, so that a simulation can be run again. `next` must not
/// ask for one itself.
pub fn choose(next: impl FnMut() -> Uuid + 'static) {
    CHOSEN.set(Some(Box::new(next)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age() {
        let ids: Vec<_> = (0..1_000).map(|_| fresh()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_thread_may_choose_its_ids_and_no_others() {
        let chosen = std::thread::spawn(|| {
            let mut n = 0;
            choose(move || {
                n += 1;
                Uuid::from_u128(n)
            });
            [fresh(), fresh()]
        });
        assert_eq!(chosen.join().unwrap(), [1, 2].map(Uuid::from_u128));
        assert!(fresh() > Uuid::from_u128(2));
    }
}
