//! Every limit of the binary's own plumbing, and what happens beyond it.

use std::time::Duration;

/// Time for a WHIP or WHEP request, its body's arrival included. Beyond it: 408.
pub(crate) const MEDIA_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time from the signal to the end: clients are told, writes finish, requests end. What is not done
/// by then is cut off.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(9);

/// Most rooms and participants that `telehealth token` makes tokens for in one call.
pub(crate) const MAX_TOKEN_ROOMS: u32 = 10_000;
/// See [`MAX_TOKEN_ROOMS`].
pub(crate) const MAX_TOKEN_PARTICIPANTS: u32 = 50;
/// Longest lifetime of such a token.
pub(crate) const MAX_TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Most waiting rooms that `--demo-rooms` opens.
pub(crate) const MAX_DEMO_ROOMS: u32 = 2_500;
