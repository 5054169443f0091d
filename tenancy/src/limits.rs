//! Every limit of this crate, and what happens beyond it.

use std::time::Duration;

/// Healthcare units of one registry, the one that is always there included. Beyond it: no other is added.
pub const MAX_UNITS: usize = 1_000;

/// Host names of one unit. Beyond it: the change is refused.
pub const MAX_HOSTS: usize = 16;

/// Longest name of a unit, characters. Beyond it: refused.
pub const MAX_NAME_CHARS: usize = 100;

/// Longest slug, characters. Beyond it: refused.
pub const MAX_SLUG_CHARS: usize = 40;

/// Longest host name, bytes (RFC 1035, 2.3.4, without the last dot). Beyond it: it is none.
pub const MAX_HOST_BYTES: usize = 253;

/// Longest label of a host name, bytes (RFC 1035, 2.3.4). Beyond it: it is none.
pub const MAX_LABEL_BYTES: usize = 63;

/// How often a process looks whether the registry has changed: a change is served everywhere within that and the time of
/// a read.
pub const LOOK: Duration = Duration::from_secs(2);

/// Events of the registry that are read at a time.
pub const READ_PAGE: usize = 256;

/// How often a change is decided anew because somebody else was faster. Beyond it: later.
pub const TRIES: usize = 5;
