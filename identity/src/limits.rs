//! Every limit of this crate, and what happens beyond it.

use std::time::Duration;

/// Largest body of a request, bytes. Larger ones are refused with 413.
pub const MAX_BODY_BYTES: usize = 16 * 1_024;

/// Time a request may take, its body's arrival included. Beyond it: 408.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long an access token is valid.
pub const ACCESS_TTL: Duration = Duration::from_secs(5 * 60);

/// How long somebody has for the second factor after the password, or to set up an authenticator app.
pub const TICKET_TTL: Duration = Duration::from_secs(10 * 60);

/// How long a browser waits for somebody to show or make a passkey. Beyond it the page says so.
pub const PASSKEY_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// Characters of each part of what a browser says of a passkey. Longer ones are refused.
pub const MAX_ENCODED_BYTES: usize = 4_096;

/// How long a browser is remembered as one that somebody signed in with.
pub const DEVICE_TTL: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// How long what is known of a session is believed before it is looked up again: an ended session, or changed rights,
/// are noticed everywhere within that.
pub const BELIEVED_FOR: Duration = Duration::from_secs(2);

/// How long somebody is believed who asks how the platform does while the store does not answer: then it is asked most, and
/// it names nobody. Their access token counts no longer either.
pub const BELIEVED_FOR_STATUS: Duration = ACCESS_TTL;

/// Sessions that are remembered at a time. Beyond it all are looked up again.
pub const MAX_BELIEVED: usize = 20_000;

/// Passwords that are hashed at a time; each takes memory and a processor.
pub const HASHERS: usize = 2;

/// Passwords that wait to be hashed. Beyond it: 503, at once.
pub const MAX_WAITING_FOR_HASHER: usize = 64;

/// How often rows about failed sign-ins are written.
pub const FAILURE_LOOKS: Duration = Duration::from_secs(1);

/// How long an account that has a row about failed sign-ins gets no other; what comes meanwhile is counted in the next.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(60);

/// Accounts with failed sign-ins that wait for their row in a process, and rows that it writes within [`FAILURE_PAUSE`]. Those of
/// further accounts are only counted.
pub const MAX_FAILURES: usize = 10_000;

/// Events of an account or a session that are read at a time.
pub const READ_PAGE: usize = 256;

/// How often a decision is made anew because somebody else was faster.
pub const TRIES: usize = 5;

/// How long what is known of a unit's emergencies and partners' keys is believed before it is looked up again: so much later
/// everybody who has to hear of a new one can. Asking costs one read by an index.
pub const FOLLOWED_BELIEVED_FOR: Duration = Duration::from_millis(900);

/// How often a process looks for new emergencies, to count and to log them. With the pages' own rhythm of three seconds,
/// people hear of one within five.
pub const ALARM_LOOKS: Duration = Duration::from_secs(1);

/// Units whose emergencies, or partners' keys, a process knows. Beyond it all are read again.
pub const MAX_UNITS_FOLLOWED: usize = 1_024;

/// Emergencies on one page, at most and by default.
pub const EMERGENCIES_PAGE: usize = 50;

/// Rows of the audit trail on one page, at most; half of it by default.
pub const AUDIT_ROWS_PAGE: usize = 100;

/// Rows that one search looks at. With a rare action there may be fewer on the page than were asked for, or none, and the
/// next page goes on from there.
pub const AUDIT_ROWS_LOOKED_AT: usize = 4_000;

/// Rows that a search reads at a time.
pub const AUDIT_ROWS_READ: usize = 500;

/// Characters of an action that is searched for. A longer one is refused: there is none.
pub const MAX_ACTION_CHARS: usize = 40;

/// People on one page, at most and by default.
pub const PEOPLE_PAGE: usize = 50;

/// Time an answer of the hospital's own sign-in may take, connecting included. Beyond it: it is away.
pub const PROVIDER_TIMEOUT: Duration = Duration::from_secs(5);

/// Largest answer of it, bytes. Larger ones are none.
pub const MAX_PROVIDER_ANSWER_BYTES: usize = 256 * 1_024;

/// Keys it publishes that are looked at. Further ones are not.
pub const MAX_PROVIDER_KEYS: usize = 32;

/// Largest ID token, bytes. Larger ones are refused.
pub const MAX_ID_TOKEN_BYTES: usize = 64 * 1_024;

/// How far its clock may be from ours.
pub const PROVIDER_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// How long its description of itself is believed.
pub const PROVIDER_DESCRIPTION_TTL: Duration = Duration::from_secs(60 * 60);

/// How long its keys are believed; one that is not among them is looked for at once.
pub const PROVIDER_KEYS_TTL: Duration = Duration::from_secs(60 * 60);

/// How soon keys are asked for again because one was unknown. Sooner, the token is refused.
pub const PROVIDER_KEYS_PAUSE: Duration = Duration::from_secs(10);

/// How long it is left alone after it did not answer: people are told at once.
pub const PROVIDER_PAUSE: Duration = Duration::from_secs(5);

/// Longest code and state that come back from it, and longest page to go on to, characters. Longer ones are refused.
pub const MAX_RETURNED_CHARS: usize = 4_096;
