/** Every limit of the client, and what happens beyond it. */

/** How long an answer is waited for, milliseconds. Beyond it: `out-of-time`. */
export const ANSWER_MS = 20_000;

/** How long before its end an access token is renewed, milliseconds. */
export const RENEW_BEFORE_MS = 60_000;

/** How long an access token is taken to last where the answer does not tell the server's time, milliseconds. */
export const TOKEN_MS = 4 * 60_000;

/** When a renewal that did not arrive is tried again, milliseconds. Within the server's grace for lost answers, 30 s. */
export const RENEW_AGAIN_MS = 5_000;

/** How often something that is unavailable for a moment is asked again by itself. Beyond it the person is told. */
export const TRIES = 3;

/** The longest wait that the page takes upon itself, milliseconds. Longer ones are told. */
export const LONGEST_WAIT_MS = 5_000;

/** How long before it locks the page says so, milliseconds: any key, or moving the pointer, keeps it open. */
export const WARN_MS = 30_000;

/** How often time is looked at while somebody is signed in, milliseconds. */
export const BEAT_MS = 1_000;

/** How often other tabs are told that somebody is here, milliseconds. */
export const TELL_MS = 5_000;

/** Shortest password, characters: the server's own limit, said beforehand. */
export const PASSWORD_CHARS = 10;

/** Longest name of a passkey, characters: the server's own limit. */
export const PASSKEY_NAME_CHARS = 60;

/** How long a field waits with one challenge before it asks for another, milliseconds. The server takes it for five minutes. */
export const IN_FIELD_MS = 4 * 60_000;

/** Digits of a code of an authenticator app. */
export const CODE_DIGITS = 6;

/** Letters and digits of a recovery code. */
export const RECOVERY_CHARS = 16;

/** Most people that the page looks through for a search or another order. Beyond it, it says that there are more. */
export const PEOPLE_SEARCHED = 5_000;

/** People on one page of the list. */
export const PEOPLE_PAGE = 50;
