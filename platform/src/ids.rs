//! New identifiers. Version 7, so that rows written together lie together.

use uuid::Uuid;

/// A fresh id. Unguessable enough to name a thing, not to guard it: secrets come from [`crate::keys`].
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn fresh() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn ids_sort_by_age() {
        let ids: Vec<_> = (0..1_000).map(|_| fresh()).collect();
        assert!(ids.is_sorted());
    }
}
