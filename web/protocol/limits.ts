/** Every bound and period of the signaling client. The wire's own bounds are generated: `Limits`. */

/** A ping goes out after this long without a word from the server, milliseconds. */
export const PING_AFTER_MS = 10_000;
/** No word for this long after a ping: the connection is dead, a new one is made. */
export const PONG_WITHIN_MS = 5_000;
/** The same when something else already hints at trouble: media stalled, or the network changed. */
export const PROBE_WITHIN_MS = 2_000;
/** A socket that has not opened, or not welcomed us, by then is given up. */
export const OPEN_WITHIN_MS = 8_000;
/** The first reconnect comes this soon (and half of it at the soonest); each further pause is half as long again. */
export const BACKOFF_BASE_MS = 250;
/** Reconnects are never further apart than this. */
export const BACKOFF_MAX_MS = 5_000;
/** A connection that held this long was a good one: the next loss starts from the shortest pause again. */
export const STEADY_AFTER_MS = 5_000;
/**
 * Unanswered commands kept for sending again. One more is refused with `full`: it fails loudly, none is
 * dropped. All of them at once, after a reconnect, stay below the burst that the server allows (40).
 */
export const MAX_UNANSWERED = 24;
/** A freshly exchanged token refused this often in a row: the link gives nothing. */
export const MAX_REFUSED_TOKENS = 3;
/** Longest message read from the server, characters: 200 chat messages of full length and escapes fit. Longer is ignored. */
export const MAX_SERVER_MESSAGE_CHARS = 4_000_000;
