//! In which healthcare unit a request is.

use crate::Staffed;
use axum::Extension;
use identity::Identity;
use std::sync::Arc;
use tenancy::Unit;

/// The unit that a request is for, as whoever listens has found it by its host; none is home.
pub(crate) type Here = Option<Extension<Arc<Unit>>>;

/// Identity in it.
pub(crate) fn identity_of(staff: &Staffed, unit: Here) -> Identity {
    match unit {
        Some(Extension(unit)) => staff.identity.in_unit(&unit),
        None => Identity::clone(&staff.identity),
    }
}
