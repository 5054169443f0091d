//! What is bounded, and what happens beyond.

use std::time::Duration;

/// How long an invitation's link works. Beyond it the administrator invites again.
pub const INVITATION_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long somebody may be signed in before both factors are asked for again (NIST SP 800-63B-4, AAL3: 12 h). A call
/// that goes on is not ended.
pub const SESSION_TTL: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a refresh token that was replaced is still taken: two tabs ask at once, an answer is lost on the way. After
/// it, whoever shows it has stolen it.
pub const RENEWAL_GRACE: Duration = Duration::from_secs(30);

/// Refresh tokens that replace the same one within [`RENEWAL_GRACE`]: so many tabs may ask at once. Further ones are
/// refused and ask again.
pub const MAX_CURRENT: usize = 4;

/// Replaced refresh tokens that a session remembers. Older ones are unknown and refused without ending the session.
pub const MAX_REPLACED: usize = 512;

/// Wrong factors at a locked session before it ends.
pub const MAX_WRONG_UNLOCKS: u32 = 5;

/// Recovery codes that are made at a time.
pub const RECOVERY_CODES: usize = 10;

/// Sessions of a person that are listed: the newest.
pub const MAX_LISTED_SESSIONS: usize = 20;

/// Waiting rooms that one person serves.
pub const MAX_DUTIES: usize = 200;

/// Characters of an e-mail address (RFC 5321, 4.5.3.1.3, less the brackets).
pub const MAX_LOGIN_CHARS: usize = 254;

/// Characters of a name.
pub const MAX_NAME_CHARS: usize = 100;

/// Characters of a password: at least (NIST SP 800-63B-4 beside a second factor: 8) and at most.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=256;

/// How long an emergency lasts: then whoever still needs it declares another, which is told and reviewed like the first.
pub const EMERGENCY_TTL: Duration = Duration::from_secs(60 * 60);

/// A day, in which emergencies are counted.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Emergencies of one person that last at a time. A further one is refused: they hand one back first.
pub const MAX_OPEN_EMERGENCIES: usize = 3;

/// Emergencies that one person declares within a day. A further one is refused: by then somebody else must be asked.
pub const MAX_EMERGENCIES_A_DAY: usize = 20;

/// Emergencies of a unit that are known: beyond it the oldest that was reviewed is forgotten here, and if there is none, the
/// oldest that is over, which is counted. Their events and rows for the auditor stay.
pub const MAX_EMERGENCIES_KEPT: usize = 5_000;

/// Characters of the reason for an emergency: enough to say something, and not a record.
pub const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=500;

/// Characters of the note of whoever reviews an emergency.
pub const MAX_NOTE_CHARS: usize = 1_000;

/// Legal holds of a unit in force at a time. A further one is refused: one over the whole unit covers as many as there are.
pub const MAX_HOLDS: usize = 100;

/// Legal holds of a unit that are known. Beyond it the oldest that was lifted is forgotten here; its events stay.
pub const MAX_HOLDS_KEPT: usize = 400;

/// Partners' keys of a unit that count at a time. A further one is refused: another has to be revoked first.
pub const MAX_PARTNER_KEYS: usize = 50;

/// Partners' keys of a unit that are known. Beyond it the oldest that is over is forgotten here; its events stay.
pub const MAX_PARTNER_KEYS_KEPT: usize = 200;

/// Longest that a partner's key counts, days: by then somebody should have asked whether it is still needed.
pub const MAX_PARTNER_KEY_DAYS: u32 = 730;

/// Networks in the allow-list of one key.
pub const MAX_NETWORKS_OF_KEY: usize = 20;

/// Passkeys of one person. Beyond it they remove one first.
pub const MAX_PASSKEYS: usize = 10;

/// Characters of a passkey's name.
pub const MAX_PASSKEY_NAME_CHARS: usize = 60;

/// How long a passkey's challenge can be answered, and an answered one is remembered.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(5 * 60);

/// Answered challenges that an account remembers, each for [`CHALLENGE_TTL`]. Beyond it passkeys wait until one is older.
pub const MAX_ANSWERED: usize = 64;

/// Bytes of what a browser says of itself when it shows a passkey. Longer ones are refused.
pub const MAX_CLIENT_DATA_BYTES: usize = 2_048;

/// Bytes of what an authenticator says. Longer ones are refused.
pub const MAX_AUTHENTICATOR_DATA_BYTES: usize = 2_048;

/// Bytes of an authenticator's name for a passkey (WebAuthn, 5.1.3: at most 1,023). Longer ones are refused.
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1_023;

/// How deep what authenticators say is nested. Deeper is refused.
pub const MAX_CBOR_DEPTH: usize = 4;
