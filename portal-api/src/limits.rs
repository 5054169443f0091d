//! Every limit of this crate, and what happens beyond it.

use std::time::Duration;

/// Largest body of a link exchange, bytes: it holds 22 characters. Larger ones are refused with 413.
pub const MAX_EXCHANGE_BYTES: usize = 1_024;

/// Time a link exchange may take, its body's arrival included. Beyond it: 408.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most waiting rooms of one answer; more are refused with 400, and found on the next page.
pub const ROOMS_PAGE: usize = 50;

/// Builds whose assets are served, the running one included. A tab that was open before a deploy still
/// finds the code it has not loaded yet.
pub const KEPT_BUILDS: usize = 2;

/// Most assets of one build. More is no build of ours; it is not kept.
pub const MAX_ASSETS: usize = 2_000;
