//! Every bound of the pure part, with what happens when it fills.

use std::time::Duration;

/// Longest SDP offer, in bytes. One past it is refused before parsing. A browser's offer for two slots
/// is 13 KB with codec preferences set and 27 KB without.
pub const MAX_OFFER_BYTES: usize = 48 * 1024;

/// Sessions of one affinity that whoever claims it is told of. A waiting room has a clinician, a patient or two in the
/// call and three warm seats, and for a moment a second session of each. Past it the oldest are left out.
pub const MAX_EXISTING: usize = 48;

/// Most m-lines in an offer. One past it the offer is invalid. A pool of three slots has eleven.
pub const MAX_M_LINES: usize = 40;

/// Longest `a=mid`, in bytes: what fits the header extension. Longer ones make the offer invalid.
pub const MAX_MID_BYTES: usize = 16;

/// Longest `a=rid`, in bytes. Longer ones make the offer invalid.
pub const MAX_RID_BYTES: usize = 8;

/// Most simulcast layers on one line. One past it the offer is invalid.
pub const MAX_RIDS: usize = 4;

/// Most streams an offer may name on one line, and most pairs of stream and repair. Further ones are found out
/// from their packets.
pub const MAX_SSRCS: usize = 8;

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

/// Time between signs of life to somebody who expects no media, or where everybody has been silent for
/// [`PULSE_QUIET_AFTER`].
pub const PULSE_IDLE: Duration = Duration::from_secs(1);

/// The same to a client that said that it waits so long. It also checks the path itself, most browsers every 2.5 s, and a
/// report goes along with each answer, so that few cost a send of their own: sends are most of what somebody muted costs.
pub const PULSE_PATIENT: Duration = Duration::from_secs(3);

/// So soon after the latest report, none goes along with an answer.
pub const PULSE_AGAIN: Duration = Duration::from_millis(250);

/// So long without media, and a client that can wait is told that only reports will come: five pulses a second to
/// thousands of muted people would cost cores.
pub const PULSE_QUIET_AFTER: Duration = Duration::from_secs(2);

/// How often it is told. Nothing on the channel is repeated, and a client that missed it takes the path for dead.
pub const PULSE_QUIET_SAID: u8 = 3;

/// No publisher is asked to send its pictures with less: a still picture now and then.
pub const STEER_LEAST_BPS: u64 = 60_000;

/// What stands for "no limit" where a limit has to be said.
pub const STEER_UNLIMITED_BPS: u64 = 20_000_000;

/// How often it is said that there is no limit any more: one may be lost.
pub const STEER_UNLIMITED_SAID: u8 = 3;

/// Limits to one publisher are said this far apart at least, in microseconds.
pub const STEER_GAP_US: i64 = 200_000;

/// A limit that does not change is said again after this long, in microseconds.
pub const STEER_AGAIN_US: i64 = 3_000_000;

/// Silence after which a layer counts as stopped, so that another one may take its place.
pub const LAYER_SILENT: Duration = Duration::from_millis(400);

/// Memory for a picture's recent packets comes in blocks of this size: two of the longest packets, a thirtieth of a second
/// at 1 Mbit/s.
pub const PICTURE_BLOCK_BYTES: usize = 4 * 1024;

/// And for a sound's: one of the longest packets, half a second at 32 kbit/s.
pub const SOUND_BLOCK_BYTES: usize = 2 * 1024;

/// And no more of them than this together. A stream too fast for it keeps a shorter past; a burst of 128 of the longest
/// packets fits.
pub const MAX_HISTORY_BYTES: usize = 320 * 1024;

/// How long a packet is kept for repairs while memory allows, in microseconds. A picture that came later would not
/// be waited for.
pub const HISTORY_KEPT_US: i64 = 500_000;

/// Packets of a picture remembered for repairs.
pub const HISTORY_PICTURES: usize = 256;

/// Packets of a sound remembered, for those that are on their way.
pub const HISTORY_SOUNDS: usize = 64;

/// Missing packets of one stream asked for at a time. Past it the oldest are given up: a keyframe is cheaper.
pub const MAX_MISSING: usize = 128;

/// A gap wider than this is a sender that began anew, and nothing of it is asked for.
pub const MAX_GAP: u64 = 128;

/// How often one missing packet is asked for.
pub const MAX_ASKED: u8 = 5;

/// Times after which a missing packet is no longer asked for.
pub const MISSING_KEPT_US: i64 = 1_000_000;

/// How long a gap may be reordering before it is asked for.
pub const REORDERING_US: i64 = 5_000;

/// How soon after a repair the same packet may be repaired again, or half a round trip if that is longer.
pub const RESEND_AFTER_US: i64 = 10_000;

/// Reports and packets of one RTCP datagram that are looked at. What follows is not.
pub const MAX_RTCP_PACKETS: usize = 32;
/// Transport-wide numbers, from the newest back, of which the arrival is remembered until it is reported.
/// What is older is never reported. At 300 packets a second this is 1.7 s; a report is due every 100 ms.
pub const MAX_ARRIVALS: usize = 512;

/// Longest transport-wide feedback packet written, in bytes. More arrivals make another packet. Leaves
/// room for other reports, SRTCP and headers below a path's least MTU of 1,280.
pub const MAX_FEEDBACK_BYTES: usize = 1_100;

/// Most packets a transport-wide feedback packet may speak of. One that speaks of more is not read. A
/// receiver that heard nothing for half a minute speaks of 9,000 at once when it reports all of them,
/// but we remember far fewer.
pub const MAX_FEEDBACK_STATUSES: usize = 4_096;

/// Messages of transport-wide feedback in one RTCP datagram that are looked at. What follows is not: each may speak of
/// thousands of packets in a few bytes.
pub const MAX_FEEDBACK_MESSAGES: usize = 4;

/// Packets sent whose time and size are remembered until feedback speaks of them. What feedback says of
/// older ones is ignored. At 400 packets a second this is 2.5 s, in 16 KiB.
pub const MAX_SENT: usize = 1_024;

/// And for how long, in microseconds: a path by satellite, a second of queue, and the reports' own interval.
pub const SENT_KEPT_US: i64 = 2_500_000;
