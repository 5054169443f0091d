//! Every bound of the pure part, with what happens when it fills.

use std::time::Duration;

/// Longest SDP offer, in bytes. One past it is refused before parsing. A browser's offer for two slots
/// is 13 KB with codec preferences set and 27 KB without.
pub const MAX_OFFER_BYTES: usize = 48 * 1024;

/// Most m-lines in an offer. One past it the offer is invalid. A pool of three slots has eleven.
pub const MAX_M_LINES: usize = 40;

/// Longest `a=mid`, in bytes: what fits the header extension. Longer ones make the offer invalid.
pub const MAX_MID_BYTES: usize = 16;

/// Longest `a=rid`, in bytes. Longer ones make the offer invalid.
pub const MAX_RID_BYTES: usize = 8;

/// Most simulcast layers on one line. One past it the offer is invalid.
pub const MAX_RIDS: usize = 4;

/// Longest datagram or TCP frame taken, in bytes. Longer datagrams are dropped; a longer frame closes its
/// connection. Above every MTU in use, below the media engine's packet buffer.
pub const MAX_DATAGRAM_BYTES: usize = 1_900;

/// Most STUN attributes looked at. A message with more is not answered.
pub const MAX_STUN_ATTRIBUTES: usize = 24;

/// Longest ICE username fragment, in bytes (RFC 8839 §5.4).
pub const MAX_UFRAG_BYTES: usize = 256;

/// Remote addresses remembered for one session. When a new one is authenticated past this, the one
/// unheard for longest is forgotten.
pub const MAX_ADDRESSES_PER_SESSION: usize = 16;

/// Smallest gap between keyframe requests to one layer of one publisher. Lower recovers faster after
/// loss; higher spares everyone's bandwidth. PLI: RFC 4585 §6.3.1.
pub const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// After the first request went unanswered for this long, ask again (never sooner than
/// [`KEYFRAME_REQUEST_INTERVAL`] allows).
pub const KEYFRAME_FIRST_RETRY: Duration = Duration::from_millis(250);

/// After that, ask again this often until a keyframe arrives.
pub const KEYFRAME_RETRY: Duration = Duration::from_secs(1);

/// Silence towards somebody who expects media after which a pulse is sent. The client calls its path
/// stalled after 500 ms of nothing, so two may be lost.
pub const PULSE_AFTER_SILENCE: Duration = Duration::from_millis(200);

/// Time between pulses to somebody who expects no media.
pub const PULSE_IDLE: Duration = Duration::from_secs(1);

/// Silence after which a layer counts as stopped, so that another one may take its place.
pub const LAYER_SILENT: Duration = Duration::from_millis(400);
